"""Batch normalisation, and ReLU behind it: the layer's own form in XLA, and on a CPU native passes over memory.

XLA's loops over a few channels run at a fraction of the memory's speed. A native pass takes ReLU along, and finds
mean and variance while it reads X once.
"""

from typing import Any

import jax
import numpy as np

from deltarule.kernels import native


def forward(layer: Any, params: Any, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(y, μ, σ²) of a minibatch, as `BatchNorm.normalise` states them."""

    def own(*_):
        return layer.normalise(params, x)

    return choose("forward", layer, own, params, x)


def again(layer: Any, params: Any, x: jax.Array, mu: jax.Array, variance: jax.Array) -> jax.Array:
    """y once more, from the statistics that were found."""

    def own(*_):
        return layer.normalise_by(params, x, mu, variance)

    return choose("again", layer, own, params, x, mu, variance)


def backward(layer: Any, params: Any, x: jax.Array, mu: jax.Array, variance: jax.Array, dy: jax.Array) -> Any:
    """(dx, dγ, dβ), as `BatchNorm.derive` states them."""

    def own(*_):
        return layer.derive(params, x, mu, variance, dy)

    return choose("backward", layer, own, params, x, mu, variance, dy)


def choose(which: str, layer: Any, own: Any, params: Any, *arrays: jax.Array) -> Any:
    """Native where the layer has γ and β, and no other member's statistics to wait for."""
    if not (layer.scale and layer.offset and layer.axis_name is None):
        return own()
    arrays = *arrays, params["gamma"], params["beta"]
    settings = {"epsilon": np.float32(layer.epsilon), "relu": layer.rectified}
    return native.choose(f"deltarule_batch_norm_{which}", own, own, *arrays, **settings)
