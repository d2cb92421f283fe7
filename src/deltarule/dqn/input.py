"""Observations as the network takes them: bytes of pictures as numbers from 0 to 1, all else as it is."""

import jax
import jax.numpy as jnp


def as_input(x: jax.Array) -> jax.Array:
    """Observations (n, ...) as the network's input."""
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x
