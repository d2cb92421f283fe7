"""The trained network applied: predictions, and the loss and metric of a set of examples."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers.layer import Layer, Memory, Params
from deltarule.losses.loss import Loss
from deltarule.training.parts import scan_parts
from deltarule.training.step import Batch

ROWS = 4096  # examples that pass through the network at a time


@functools.cache
def evaluation_program(net: Layer, loss: Loss) -> Callable:
    """The compiled `(params, memory, data) -> (loss, metric)`, the mean over the examples' weights."""

    @jax.jit
    def evaluate(params: Params, memory: Memory, data: Batch) -> tuple[jax.Array, jax.Array]:
        def part(carry, x):
            return carry, net.predict(params, x, memory)

        _, ys, last = scan_parts(part, (), data.x, min(ROWS, len(data.x)))
        y = ys.reshape(-1, *ys.shape[2:])
        if last is not None:
            y = jnp.concatenate([y, last])
        share, _ = loss.shares(data.target, data.weight)
        value, _ = loss(y, data.target, share)
        return value, loss.metric(y, data.target, data.weight)

    return evaluate


@functools.cache
def prediction_program(net: Layer, loss: Loss) -> Callable:
    """The compiled `(params, memory, x) -> predictions`."""
    return jax.jit(lambda params, memory, x: loss.predict(net.predict(params, x, memory)))


def predict(net: Layer, loss: Loss, params: Params, memory: Memory, x: np.ndarray) -> np.ndarray:
    """Predictions for every row of x, in blocks whose sizes are powers of two, so that few programs serve all."""
    program, outputs = prediction_program(net, loss), []
    for start in range(0, len(x), ROWS):
        block = x[start : start + ROWS]
        rows = min(ROWS, max(1 << (len(block) - 1).bit_length(), 8))
        padded = np.concatenate([block, np.zeros((rows - len(block), *x.shape[1:]), x.dtype)])
        outputs.append(np.asarray(program(params, memory, padded))[: len(block)])
    return np.concatenate(outputs)
