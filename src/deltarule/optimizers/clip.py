"""Clipping by the global norm: g ← g · min(1, c / |g|), |g| over all parameters together."""

from typing import Any

import jax
import jax.numpy as jnp


def global_norm(tree: Any) -> jax.Array:
    """The Euclidean norm of all the numbers in a tree.

    >>> float(global_norm({"W": jnp.array([3.0]), "b": jnp.array([4.0])}))
    5.0
    """
    return jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree)))


def clip_norm(dparams: Any, limit: Any) -> Any:
    """The gradients, all scaled alike so that their global norm is at most `limit` (Pascanu et al. 2013).

    Where the norm overflows (float32 squares no number above 10¹⁹) all become NaN, so that it is noticed: divided
    by infinity they would be zero, as in PyTorch, and training would stand still without a word.

    >>> float(global_norm(clip_norm({"W": jnp.array([3.0]), "b": jnp.array([4.0])}, 0.5)))
    0.5
    """
    norm = global_norm(dparams)
    factor = jnp.where(norm > limit, limit / jnp.where(jnp.isinf(norm), jnp.nan, norm), 1.0)
    return jax.tree.map(lambda g: g * factor, dparams)
