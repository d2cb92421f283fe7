"""Normalisations and Scale."""

import numpy as np

from deltarule.interop.onnx.writing.graph import Value
from deltarule.interop.onnx.writing.registry import Here, writes
from deltarule.layers import BatchNorm, BatchNormReLU, GroupNorm, LayerNorm, RMSNorm, Scale


@writes(BatchNorm)
def batch_norm(here: Here, x: Value) -> Value:
    x = here.laid(x, "first")
    statistics = (here.weight(name, here.memory[name]) for name in ("mean", "variance"))
    weights = (*scale_and_offset(here, x.shape[-1:]), *statistics)
    return here.apply(
        "BatchNormalization", x, *weights, epsilon=here.layer.epsilon, momentum=float(here.layer.momentum)
    )


@writes(BatchNormReLU)
def batch_norm_relu(here: Here, x: Value) -> Value:
    return here.apply("Relu", batch_norm(here, x))


@writes(LayerNorm)
def layer_norm(here: Here, x: Value) -> Value:
    axes = here.layer.axes
    x = here.laid(x, "last")
    gamma, beta = scale_and_offset(here, x.shape[-axes:])
    weights = (gamma, beta) if here.layer.offset else (gamma,)
    return here.apply("LayerNormalization", x, *weights, axis=-axes, epsilon=here.layer.epsilon)


@writes(GroupNorm)
def group_norm(here: Here, x: Value) -> Value:
    x = here.laid(x, "first")
    weights = scale_and_offset(here, x.shape[-1:])
    return here.apply("GroupNormalization", x, *weights, num_groups=here.layer.groups, epsilon=here.layer.epsilon)


@writes(RMSNorm)
def rms_norm(here: Here, x: Value) -> Value:
    x = here.laid(x, "last")
    gamma, _ = scale_and_offset(here, x.shape[-1:])
    return here.apply("RMSNormalization", x, gamma, axis=-1, epsilon=here.layer.epsilon)


@writes(Scale)
def scale(here: Here, x: Value) -> Value:
    behind = (1,) * (len(x.shape) - 1 - x.channels)
    gamma, beta = (here.weight(name, np.reshape(here.params[name], (-1, *behind))) for name in ("gamma", "beta"))
    return here.gives(x, here.node("Add", here.node("Mul", x.name, gamma), beta))


def scale_and_offset(here: Here, shape: tuple[int, ...]) -> tuple[str, str]:
    """γ and β; 1 and 0 where the layer has none."""
    fresh = {"gamma": np.ones(shape, np.float32), "beta": np.zeros(shape, np.float32)} | here.params
    return here.weight("gamma", fresh["gamma"]), here.weight("beta", fresh["beta"])
