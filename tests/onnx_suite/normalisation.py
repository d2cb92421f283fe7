"""Normalisation and dropout."""

import jax.numpy as jnp

from deltarule.layers import BatchNorm, Dropout, GroupNorm, LayerNorm, RMSNorm
from deltarule.layers.layer import Context
from layers.reference import forward
from onnx_suite.operators import channels_first, channels_last, operator

MASK = "the mask is of NumPy's generator"


@operator("BatchNormalization")
def batch_norm(case):
    """In training the running mean and variance too."""
    x, gamma, beta, mean, variance = case.inputs
    layer, x = BatchNorm(epsilon=epsilon(case)), jnp.asarray(channels_last(x))
    params, memory = {"gamma": gamma, "beta": beta}, {"mean": mean, "variance": variance}
    if not case.attributes.get("training_mode"):
        return channels_first(layer.predict(params, x, memory))
    y, saved = layer.forward(params, x, Context(memory=memory))
    moved = layer.remember(memory, saved)
    return channels_first(y), moved["mean"], moved["variance"]


@operator("LayerNormalization")
def layer_norm(case):
    """The arrays get an axis in front for the examples, for some cases normalise every axis."""
    x, gamma, beta = case.inputs
    axes = x.ndim - case.attributes.get("axis", -1) % x.ndim
    return forward(LayerNorm(epsilon(case), axes=axes), x[None], {"gamma": gamma, "beta": beta})[0]


@operator("RMSNormalization")
def rms_norm(case):
    """The axes that a case normalises are made one."""
    x, gamma = case.inputs
    rows = x.shape[: case.attributes.get("axis", -1) % x.ndim]
    y = forward(RMSNorm(epsilon(case)), x.reshape(1, *rows, -1), {"gamma": gamma.ravel()})
    return y.reshape(x.shape)


@operator("GroupNormalization")
def group_norm(case):
    return in_groups(case.attributes["num_groups"], case)


@operator("InstanceNormalization")
def group_norm_of_single_channels(case):
    return in_groups(case.inputs[0].shape[1], case)


def in_groups(groups, case):
    x, gamma, beta = case.inputs
    y = forward(GroupNorm(groups, epsilon(case)), channels_last(x), {"gamma": gamma, "beta": beta})
    return channels_first(y)


@operator(
    "Dropout",
    {
        "training_dropout": MASK,
        "training_dropout_mask": MASK,
        "training_dropout_default": MASK,
        "training_dropout_default_mask": MASK,
    },
)
def dropout(case):
    """Prediction; and training with nothing to drop."""
    x, *ratio = case.inputs
    if len(ratio) == 2:  # the other says that this is training
        return forward(Dropout(float(ratio[0])), x)
    return Dropout(0.5).predict({}, x, {})


def epsilon(case):
    return case.attributes.get("epsilon", 1e-5)
