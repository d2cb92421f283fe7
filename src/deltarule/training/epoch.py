"""An epoch as one compiled program: the order of the examples, the minibatches, and every step over them."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

from deltarule.training.parts import scan_parts
from deltarule.training.shuffle import ORDERS
from deltarule.training.step import Batch, Report, State, Step

COMPILER_OPTIONS = {"xla_cpu_prefer_vector_width": 512}  # whole AVX-512 registers where a CPU has them


@functools.cache
def epoch_program(step: Step, batch_size: int, order: str) -> Callable:
    """The compiled `(state, data) -> (state, loss, sound)`; equal settings share one program.

    The state that goes in is not donated: it is the last good one, should this epoch diverge. `sound` says
    whether the loss and every parameter are still finite.
    """

    @functools.partial(jax.jit, compiler_options=COMPILER_OPTIONS)
    def epoch(state: State, data: Batch) -> tuple[State, jax.Array, jax.Array]:
        rows = ORDERS[order](state.key, state.epoch, len(data.x))

        def one(state, rows):
            batch = jax.tree.map(lambda a: a.at[rows].get(mode="promise_in_bounds"), data)
            return step(state, batch)

        state, reports, last = scan_parts(one, state, rows, batch_size)
        loss = mean_loss(reports, last)
        sound = jnp.isfinite(loss)
        for leaf in jax.tree.leaves(state.params):
            sound &= jnp.isfinite(leaf).all()
        return state._replace(epoch=state.epoch + 1), loss, sound

    return epoch


def mean_loss(reports: Report, last: Report | None) -> jax.Array:
    """The mean over an epoch's examples of the loss that each step reported."""
    value, weight = (reports.loss * reports.weight).sum(), reports.weight.sum()
    if last is not None:
        value, weight = value + last.loss * last.weight, weight + last.weight
    return value / weight
