"""An epoch as one compiled program: the order of the examples, the minibatches, and every step over them."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from deltarule.training.parts import scan_parts
from deltarule.training.shuffle import ORDERS
from deltarule.training.step import Batch, Report, State, Step

COMPILER_OPTIONS = {"xla_cpu_prefer_vector_width": 512}  # whole AVX-512 registers where a CPU has them


@functools.lru_cache(maxsize=64)
def epoch_program(step: Step, batch_size: int, order: str) -> Callable:
    """The compiled `(state, data) -> (state, loss)`; settings of equal structure share one program.

    The state that goes in is not donated: it is the last good one, should this epoch diverge.
    """

    @functools.partial(jax.jit, compiler_options=COMPILER_OPTIONS)
    def epoch(state: State, data: Batch) -> tuple[State, jax.Array]:
        rows = ORDERS[order](state.key, state.epoch, len(data.x))
        walk = in_exact_batches if step.net.mixes_examples else in_equal_batches
        state, loss = walk(step, state, data, rows, batch_size)
        return state._replace(epoch=state.epoch + 1), loss

    return epoch


def in_equal_batches(step: Step, state: State, data: Batch, rows: jax.Array, size: int) -> tuple[State, jax.Array]:
    """(state, mean loss) after a step over each `size` rows; what the last batch lacks is filled with weight 0.

    An example of weight 0 has a δ of 0 and changes nothing, and one loop body serves all batches, which halves
    the time to compile.
    """
    n = len(rows)
    steps = -(-n // size)
    rows = jnp.pad(rows, (0, steps * size - n)).reshape(steps, size)
    left = n - size * jnp.arange(steps)  # rows that are still to come, by step

    def one(state, group):
        rows, left = group
        batch = take(data, rows)
        return step(state, batch._replace(weight=jnp.where(jnp.arange(size) < left, batch.weight, 0)))

    state, reports = jax.lax.scan(one, state, (rows, left))
    return state, mean_loss(reports)


def in_exact_batches(step: Step, state: State, data: Batch, rows: jax.Array, size: int) -> tuple[State, jax.Array]:
    """The same, where a layer mixes the examples of a batch: the last batch is as small as it is."""
    state, reports, last = scan_parts(lambda state, rows: step(state, take(data, rows)), state, rows, size)
    if last is not None:
        reports = jax.tree.map(lambda many, one: jnp.append(many, one), reports, last)
    return state, mean_loss(reports)


def take(data: Batch, rows: jax.Array) -> Batch:
    """The examples at these rows."""
    return jax.tree.map(lambda a: a.at[rows].get(mode="promise_in_bounds"), data)


def mean_loss(reports: Report) -> jax.Array:
    """The mean over an epoch's examples of the loss that each step reported."""
    total = reports.weight.sum()
    return (reports.loss * reports.weight).sum() / jnp.where(total > 0, total, 1)
