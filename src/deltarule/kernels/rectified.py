"""What follows a product, y + b and max(0, y + b), and the mask of ReLU on the way back."""

import jax
import jax.numpy as jnp


def finished(y: jax.Array, b: jax.Array | None = None, rectified: bool = False) -> jax.Array:
    """y + b (n, ..., o), or max(0, y + b)."""
    y = y if b is None else y + b  # (n, ..., o)
    return jnp.maximum(y, 0) if rectified else y


def masked(dy: jax.Array, y: jax.Array | None = None) -> jax.Array:
    """dy ⊙ [y > 0] where y (n, ..., o) is given."""
    return dy if y is None else jnp.where(y > 0, dy, 0)  # (n, ..., o)
