"""An epoch as one compiled program: the order of the examples, the minibatches, and every step over them."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from deltarule.kernels.shares import whole
from deltarule.training.parts import scan_parts
from deltarule.training.shuffle import ORDERS
from deltarule.training.step import Batch, Report, State, Step

AT_ONCE = 2**24  # numbers of a data set that is laid in an epoch's order at once, 64 MB

WANTED = {
    "xla_cpu_prefer_vector_width": 512,  # whole AVX-512 registers where a CPU has them
    "xla_cpu_copy_insertion_use_region_analysis": True,  # no copy of the weights in each step
}


@functools.cache
def compiler_options() -> dict[str, Any]:
    """Those of the options above that the installed XLA knows."""
    if takes(WANTED):
        return WANTED
    return {name: value for name, value in WANTED.items() if takes({name: value})}


def takes(options: dict[str, Any]) -> bool:
    """Whether XLA compiles with these options."""
    try:
        jax.jit(lambda: 0).lower().compile(compiler_options=options)
    except jax.errors.JaxRuntimeError:
        return False
    return True


@functools.lru_cache(maxsize=64)
def epoch_program(step: Step, batch_size: int, order: str) -> Callable:
    """The compiled `(state, data) -> (state, loss)`; settings of equal structure share one program.

    The state that goes in is not donated: it is the last good one, should this epoch diverge.
    """

    @functools.partial(jax.jit, compiler_options=compiler_options())
    def epoch(state: State, data: Batch) -> tuple[State, jax.Array]:
        rows = ORDERS[order](state.key, state.epoch, len(data.x))
        walk = in_exact_batches if step.net.mixes_examples else in_equal_batches
        state, loss = walk(step, state, data, rows, batch_size)
        return state._replace(epoch=state.epoch + 1), loss

    return epoch


def in_equal_batches(step: Step, state: State, data: Batch, rows: jax.Array, size: int) -> tuple[State, jax.Array]:
    """(state, mean loss) after a step over each `size` rows; what the last batch lacks is filled with weight 0.

    An example of weight 0 has a δ of 0 and changes nothing, and one loop body serves all batches, which halves
    the time to compile. The weights of all batches are brought to their mean before the loop.
    """
    groups, total = equal_groups(step, data, rows, size)

    def one(state, group):
        return equal_step(step, state, data, group)

    state, (losses, skipped) = jax.lax.scan(one, state, groups)
    return state, mean_loss(Report(losses, total, skipped))


def equal_groups(step: Step, data: Batch, rows: jax.Array, size: int) -> tuple[Any, jax.Array]:
    """((k groups of examples, their weights brought to the mean), the weight of each group): (k, n), (k,)."""
    n = len(rows)
    steps = -(-n // size)
    rows = jnp.pad(rows, (0, steps * size - n)).reshape(steps, size)  # (k, n)
    counts = jnp.arange(steps * size).reshape(steps, size) < n  # (k, n)
    groups = laid(data, rows)
    weight = jnp.where(counts.reshape(steps, size, *[1] * (data.weight.ndim - 1)), data.weight[rows], 0)
    share, total = whole(jax.vmap(step.loss.shares)(data.target[rows], weight))  # (k, n), (k,)
    return (groups, share), total


def equal_step(step: Step, state: State, data: Batch, group: Any) -> tuple[State, Any]:
    """(state, (loss, whether it was skipped)) after the step on one of these groups."""
    group, share = group
    state, value, skipped = step.move(state, taken(data, group)._replace(weight=share))
    return state, (value, skipped)


def in_exact_batches(step: Step, state: State, data: Batch, rows: jax.Array, size: int) -> tuple[State, jax.Array]:
    """The same, where a layer mixes the examples of a batch: the last batch is as small as it is."""

    def one(state, group):
        return exact_step(step, state, data, group)

    state, reports, last = scan_parts(one, state, laid(data, rows), size)
    if last is not None:
        reports = jax.tree.map(jnp.append, reports, last)
    return state, mean_loss(reports)


def exact_step(step: Step, state: State, data: Batch, group: Any) -> tuple[State, Report]:
    """(state, report) after the step on these examples."""
    return step(state, taken(data, group))


def laid(data: Batch, rows: jax.Array) -> Any:
    """Of a small set its examples as `rows` has them, (k, n, ...); of a larger one the rows, which a step takes.

    XLA's CPU backend takes the rows of an epoch at once far faster than those of one batch after the other.
    """
    return rows if data.x.size > AT_ONCE else jax.tree.map(lambda a: take(a, rows), data)


def taken(data: Batch, group: Any) -> Batch:
    """The examples of a group."""
    return group if isinstance(group, Batch) else jax.tree.map(lambda a: take(a, group), data)


def take(array: jax.Array, rows: jax.Array) -> jax.Array:
    """The rows of an array, whose numbers are known to be in bounds."""
    return array.at[whole(rows)].get(mode="promise_in_bounds")


def mean_loss(reports: Report) -> jax.Array:
    """The mean over an epoch's examples of the loss that each step reported.

    A skipped step whose loss is not finite is left out, unless there is no other: then the loss is lost.
    """
    loss, weight, skipped = reports
    if skipped is not None:
        left_out = skipped & ~jnp.isfinite(loss)
        left_out &= ~left_out.all()
        loss, weight = jnp.where(left_out, 0, loss), jnp.where(left_out, 0, weight)
    total = weight.sum()
    return (loss * weight).sum() / jnp.where(total > 0, total, 1)
