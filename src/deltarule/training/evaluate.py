"""The trained network applied: predictions, and the loss and metric of a set of examples."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.kernels.shares import spread, whole
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Context, Layer, Memory, Params, size
from deltarule.losses.loss import Loss
from deltarule.training.padded import require_apart
from deltarule.training.parts import scan_parts
from deltarule.training.precision import lowered
from deltarule.training.step import Batch

ROWS = 4096  # examples that pass through the network at a time, and
NUMBERS = 1 << 22  # numbers in them, where one example is large


def rows_at_a_time(x: tuple[int, ...]) -> int:
    """How many of the examples x (n, ...) pass through the network at a time: a power of two.

    >>> rows_at_a_time((10_000, 8)), rows_at_a_time((10_000, 224, 224, 3))
    (4096, 16)
    """
    return min(ROWS, 1 << max(NUMBERS // size(x[1:]), 1).bit_length() - 1)


def rows_together(net: Layer, x: tuple[int, ...]) -> int | None:
    """How many examples must pass at once, since the network remembers a state of each; None where any number can.

    >>> import deltarule as dr
    >>> rows_together(dr.Recurrent(dr.GRU(3), carry=True), (5, 7, 2)), rows_together(dr.BatchNorm(), (5, 7, 2))
    (5, None)
    """
    own, other = (jax.tree.map(np.shape, net.memory((n, *x[1:]))) for n in (x[0], x[0] + 1))
    return None if own == other else x[0]


def outputs(net: Layer, params: Params, memory: Memory, x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """What the network gives, in float32; `mask` is false where a sequence is padded."""
    if mask is not None:
        require_apart(net, x.shape)
    return wide(net.advance(params, x, Context(memory=memory, mask=mask))[0])


def all_outputs(net: Layer, params: Params, memory: Memory, x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """What the network gives for all examples, some at a time."""

    def part(carry, given):
        return carry, whole(outputs(net, params, memory, *spread(given)))

    rows = rows_together(net, x.shape) or min(rows_at_a_time(x.shape), len(x))
    _, ys, last = scan_parts(part, (), (x, mask), rows)
    y = ys.reshape(-1, *ys.shape[2:])
    return y if last is None else jnp.concatenate([y, last])


@functools.cache
def evaluation_program(net: Layer, loss: Loss, precision: str) -> Callable:
    """The compiled `(params, memory, data) -> (loss, metric)`, the mean over the examples' weights."""

    @jax.jit
    def evaluate(params: Params, memory: Memory, data: Batch) -> tuple[jax.Array, jax.Array]:
        if data.mask is not None:
            require_apart(net, data.x.shape, data.weight.shape)
        y = all_outputs(net, lowered(params, precision), memory, data.x, data.mask)
        share, _ = loss.shares(data.target, data.weight)
        value, _ = loss(y, data.target, share)
        return value, loss.metric(y, data.target, data.weight)

    return evaluate


@functools.cache
def prediction_program(net: Layer, loss: Loss, precision: str) -> Callable:
    """The compiled `(params, memory, x, mask) -> predictions`, which are float32."""

    @jax.jit
    def predict(params: Params, memory: Memory, x: jax.Array, mask: jax.Array | None) -> jax.Array:
        return loss.predict(outputs(net, lowered(params, precision), memory, x, mask))

    return predict


def predict(
    net: Layer,
    loss: Loss,
    params: Params,
    memory: Memory,
    x: np.ndarray,
    precision: str,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Predictions for every row of x, in blocks whose sizes are powers of two, so that few programs serve all.

    Where the network remembers a state of each sequence, they are one block, as many as there are.
    """
    program, predictions = prediction_program(net, loss, precision), []
    if rows_together(net, x.shape):
        return np.asarray(program(params, memory, x, mask))
    most = rows_at_a_time(x.shape)
    for start in range(0, len(x), most):
        block, block_mask = jax.tree.map(lambda a, at=start: a[at : at + most], (x, mask))
        rows = min(most, max(1 << (len(block) - 1).bit_length(), 8))
        given = jax.tree.map(lambda a, n=rows: filled(a, n), (block, block_mask))
        predictions.append(np.asarray(program(params, memory, *given))[: len(block)])
    return np.concatenate(predictions)


def filled(array: np.ndarray, rows: int) -> np.ndarray:
    """The array with rows of zeros behind it, `rows` in all."""
    return np.concatenate([array, np.zeros((rows - len(array), *array.shape[1:]), array.dtype)])
