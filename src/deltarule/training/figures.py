"""The figures of what is watched: sums that add up over the parts of a batch, then a number for each layer.

Each has a function of a layer after the step; one that needs the layer's pass has a sum of it besides. Roots and
shares are taken of all layers together (`FINISH`), because for a small network each operation costs more than its
numbers.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from deltarule.errors import SettingError
from deltarule.kernels.wide import wide
from deltarule.layers.identity import Identity
from deltarule.layers.layer import Context, Elementwise, Layer, Params
from deltarule.layers.leaky_relu import LeakyReLU
from deltarule.layers.relu import ReLU
from deltarule.training.watched import Pass

FLAT = 0.01  # |σ′| below which a number is saturated: a sigmoid's beyond ±4.6, a tanh's beyond ±3
SINGLE = 1 - 1e-6  # q, the sum of the squared shares, from which there is but one example


class Moved(NamedTuple):
    """A layer after a step: its sums over the batch, its gradients, and its parameters before and after."""

    sums: dict[str, Any]
    dparams: Params
    before: Params
    after: Params


def is_activation(layer: Layer) -> bool:
    """Whether it is some σ of each number by itself."""
    return isinstance(layer, Elementwise) and not layer.draws and not isinstance(layer, Identity)


def can_saturate(layer: Layer) -> bool:
    """Whether it is an activation that bends, where ReLU is either on or off."""
    return is_activation(layer) and not isinstance(layer, (ReLU, LeakyReLU))


def squared(tree: Any) -> jax.Array:
    """Σ θ², over all the numbers in a tree."""
    return sum((jnp.sum(leaf * leaf) for leaf in map(wide, jax.tree.leaves(tree))), start=jnp.zeros(()))


def sum_delta(seen: Pass, counts: jax.Array) -> Any:
    """Σ δ² over the layer's output; an example of weight 0 has a δ of 0."""
    return squared(seen.dy)


def delta(moved: Moved) -> Any:
    """‖δ^l‖²."""
    return moved.sums["delta"]


def gradient(moved: Moved) -> Any:
    """‖dθ^l‖², of all parameters of a layer together."""
    return squared(moved.dparams) if jax.tree.leaves(moved.dparams) else None


def update(moved: Moved) -> Any:
    """‖Δθ^l‖²."""
    change = jax.tree.map(jnp.subtract, moved.after, moved.before)
    return squared(change) if jax.tree.leaves(change) else None


def sum_saturated(seen: Pass, counts: jax.Array) -> Any:
    """How many numbers have |σ′| < 0.01, and how many there are; σ′ is what backward makes of a δ of ones."""
    if not can_saturate(seen.layer):
        return None
    slope, _ = seen.layer.backward(seen.params, seen.saved, jnp.ones_like(seen.y))  # (n, ...)
    counted = rows(counts, slope)
    flat = jnp.where(counted, jnp.abs(slope) < FLAT, 0).sum(dtype=jnp.float32)
    return flat, counted.sum(dtype=jnp.float32) * (slope.size // counted.size)


def saturated(moved: Moved) -> Any:
    """How many of a layer's numbers have |σ′| < 0.01, and how many there are."""
    return moved.sums["saturated"]


def share(counts: tuple[jax.Array, jax.Array]) -> jax.Array:
    """The first by the second."""
    some, whole = counts
    return some / jnp.maximum(whole, 1)


def sum_dead(seen: Pass, counts: jax.Array) -> Any:
    """(o,), how often each unit's activation is not 0, wherever it stands in an image or a sequence."""
    if not is_activation(seen.layer):
        return None
    active = (seen.y != 0) & rows(counts, seen.y)  # (n, ..., o)
    return active.sum(range(active.ndim - 1), dtype=jnp.float32)


def dead(moved: Moved) -> Any:
    """The share of units whose activation is 0 for every example of the batch."""
    active = moved.sums["dead"]
    return None if active is None else (active == 0).mean(dtype=jnp.float32)


def by_example(seen: Pass, counts: jax.Array) -> jax.Array | None:
    """(n,), the squared norm of what each example adds to a layer's gradients."""
    if not jax.tree.leaves(seen.params):
        return None
    if seen.layer.draws:
        raise SettingError(
            f"fit: {type(seen.layer).__name__} draws random numbers for its parameters, other ones for an example "
            "alone, so that noise and example_norms cannot be watched; leave them out"
        )
    n = len(counts)
    x, dy, memory, mask, starts = jax.tree.map(
        lambda a: a.reshape(n, len(a) // n, *a.shape[1:]),
        (seen.x, seen.dy, seen.context.memory, seen.context.mask, seen.context.starts),
    )  # (n, r, ...)
    return seen.layer.example_norms(seen.params, x, dy, Context(memory=memory, mask=mask, starts=starts))


def example_norms(moved: Moved) -> Any:
    """Σ_n p_n ‖g_n^l‖."""
    return moved.sums["example_norms"]


def rows(counts: jax.Array, y: jax.Array) -> jax.Array:
    """Which rows of y (n, ...), (n, t, ...) or (n·t, ...) are examples, from counts (n,) or (n, t)."""
    if counts.ndim == 2:
        if len(y) == counts.size != len(counts):
            counts = counts.ravel()  # (n·t,)
        elif y.shape[:2] != counts.shape or y.ndim == 2:
            counts = counts.any(1)  # (n,)
    elif len(y) != len(counts):
        counts = jnp.repeat(counts, len(y) // len(counts))  # (n·t,)
    return counts.reshape(*counts.shape, *[1] * (y.ndim - counts.ndim))


def noise(weight: jax.Array, squares: jax.Array, of_mean: jax.Array) -> jax.Array:
    """(2,), unbiased estimates of tr Σ and |E G|², from Σ_n |w_n g_n|² / w_n and |G|²; 0 for a single example."""
    total = weight.sum()
    q = (weight**2).sum() / jnp.where(total > 0, total, 1) ** 2
    variance = (total * squares - of_mean) / jnp.where(q < SINGLE, 1 - q, 1)
    return jnp.where(q < SINGLE, jnp.stack([variance, of_mean - q * variance]), 0)


SUMS = {"delta": sum_delta, "saturated": sum_saturated, "dead": sum_dead}
OF_A_LAYER = {
    "delta": delta,
    "gradient": gradient,
    "saturated": saturated,
    "dead": dead,
    "update": update,
    "example_norms": example_norms,
}
FINISH = {"delta": jnp.sqrt, "gradient": jnp.sqrt, "update": jnp.sqrt, "saturated": share}
