"""Optimizers: the first update, T = 0, of one tensor or of several that stand side by side."""

import jax
import numpy as np

from deltarule.losses.l2 import L2
from deltarule.optimizers import SGD, AdaGrad, Adam
from deltarule.schedules import InverseTimeDecay
from onnx_suite.operators import operator


@operator("Adagrad")
def adagrad(case):
    """The decayed rate R / (1 + T · decay_factor) is R; norm_coefficient is the factor of θ, 2λ."""
    rate, params, gradients, (sums,) = tensors(case, slots=1)
    decay = case.attributes["decay_factor"]
    optimizer = AdaGrad(InverseTimeDecay(rate / decay, 1 / decay), epsilon=case.attributes["epsilon"])
    return leaves(optimizer.update(gradients, sums, params, optimizer.rates(optimizer.numbers(), 0)))


@operator("Momentum")
def momentum(case):
    """At T = 0 ONNX takes 1 for β, the factor of the new gradient, whatever β is; ours is 1 always."""
    rate, params, gradients, (velocity,) = tensors(case, slots=1)
    optimizer = SGD(rate, momentum=case.attributes["alpha"], nesterov=case.attributes["mode"] == b"nesterov")
    return leaves(optimizer.update(gradients, velocity, params, optimizer.rates(optimizer.numbers(), 0)))


@operator("Adam")
def adam(case):
    """At T = 0 ONNX corrects no bias: then ours agrees once the correction is undone in the rate and in ε."""
    rate, params, gradients, (m, v) = tensors(case, slots=2)
    given = case.attributes
    c_1, root = 1 - given["alpha"], np.sqrt(1 - given["beta"])  # of the first step
    optimizer = Adam(rate * c_1 / root, given["alpha"], given["beta"], given["epsilon"] / root)
    params, slots = optimizer.update(gradients, {"m": m, "v": v}, params, optimizer.rates(optimizer.numbers(), 0))
    return leaves((params, slots["m"], slots["v"]))


def tensors(case, slots):
    """(rate, params, gradients with the norm's, each slot) of a case."""
    rate, count, *arrays = case.inputs
    assert count == 0
    each = len(arrays) // (2 + slots)
    params, gradients, *kept = (
        {str(index): a for index, a in enumerate(arrays[part * each : (part + 1) * each])}
        for part in range(2 + slots)
    )
    gradients = L2(1.0).gradient(params, gradients, case.attributes["norm_coefficient"] / 2)
    return float(rate), params, gradients, kept


def leaves(trees):
    return tuple(jax.tree.leaves(trees))
