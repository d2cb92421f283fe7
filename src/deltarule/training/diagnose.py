"""Where a run was lost: the epoch is run again from its last good state to find the step, and then the layer."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from deltarule.training.parts import scan_parts
from deltarule.training.precision import all_finite, lowered, spent
from deltarule.training.shuffle import ORDERS
from deltarule.training.step import Batch, State, Step
from deltarule.training.watched import Pass, named, watched

REACH = {"float16": "; float16 ends at 65504, and bfloat16 reaches as far as float32"}


def finite(seen: Pass) -> dict[str, Any]:
    """Whether a layer's output, its δ and its gradients are finite."""
    gradients = all_finite((seen.dx, seen.dparams))
    return {"y": jnp.isfinite(seen.y).all(), "dy": jnp.isfinite(seen.dy).all(), "gradients": gradients}


def explain_divergence(step: Step, state: State, data: Batch, batch_size: int, order: str, number: int) -> str:
    """What went wrong in the epoch that starts from the good `state`, where, and what to try."""
    index, before, batch = jax.jit(find_bad_step, static_argnums=(0, 3, 4))(step, state, data, batch_size, order)
    where = f"epoch {number}, step {int(index) + 1} of it"
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in (batch.x, batch.target)):
        return f"the data of {where} hold NaN or infinity; clean them before training"
    told = named(jax.jit(watch, static_argnums=0)(step, before, batch))
    layers = [(name, layer.figures) for name, layer in told.items()]
    lost_output = next((name for name, flags in layers if not flags["y"]), None)
    lost_delta = first_lost_delta(layers)
    if lost_output is not None:
        found = f"the output of {lost_output} overflowed first"
    elif lost_delta is not None:
        found = "every output was finite"
    else:
        found = "every output and every δ was finite, and the update itself overflowed"
    if lost_delta is not None:
        found += f", and δ was lost first in {lost_delta}"
    return (
        f"the loss was lost in {where}: {found}. The model keeps its parameters from before this epoch. Try a "
        f"smaller learning rate (divide it by 10), clip_norm=1.0, or inputs scaled to mean 0 and deviation 1"
        + REACH.get(step.precision, "")
    )


def first_lost_delta(layers: list[tuple[str, dict[str, Any]]]) -> str | None:
    """Where δ, on its way down from the loss, is finite for the last time."""
    for name, flags in reversed(layers):
        if not flags["dy"]:
            return "the loss"
        if not flags["gradients"]:
            return name
    return None


def find_bad_step(step: Step, state: State, data: Batch, batch_size: int, order: str) -> tuple[Any, State, Batch]:
    """(index, state before, batch) of the first step after which the loss, a parameter or the scale is lost."""
    rows = ORDERS[order](state.key, state.epoch, len(data.x))

    def one(carry, rows):
        index, state, lost = carry
        moved, report = step(state, jax.tree.map(lambda a: a[rows], data))
        lost = lost | ~all_finite((report.loss, moved.params)) | spent(moved.scale)
        state = jax.tree.map(lambda old, new: jnp.where(lost, old, new), state, moved)
        return (jnp.where(lost, index, index + 1), state, lost), ()

    (index, before, _), *_ = scan_parts(one, (0, state, jnp.bool_(False)), rows, batch_size)
    start = jnp.minimum(index * batch_size, len(data.x) - batch_size)
    rows = jax.lax.dynamic_slice_in_dim(rows, start, batch_size)
    return index, before, jax.tree.map(lambda a: a[rows], data)


def watch(step: Step, state: State, batch: Batch) -> Any:
    """For every innermost layer whether its output, δ and gradients are finite, in the tree of its gradients."""
    watching = replace(step, net=watched(step.net, finite))
    share, _ = step.loss.shares(batch.target, batch.weight)
    params = lowered(state.params, step.precision)
    return watching.gradient(params, batch._replace(weight=share), step.context(state), state.scale)[1]
