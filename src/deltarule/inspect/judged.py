"""A loss as a layer of the network's output, so that the laws of derivatives hold it, too."""

from collections.abc import Iterator
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from deltarule.errors import DataError, DeltaruleError
from deltarule.layers.layer import Layer, Shape
from deltarule.losses.loss import Loss


@dataclass(frozen=True, eq=False)
class Judged(Layer):
    """Y = Σ_n w_n ℓ(X_n, T_n), with the loss's own dy in backward."""

    loss: Loss
    target: np.ndarray
    weight: np.ndarray

    @property
    def name(self):
        return type(self.loss).__name__

    def shape(self, x):
        return (1,)

    def forward(self, params, x, context):
        value, dy = self.loss(x, jnp.asarray(self.target), jnp.asarray(self.weight))
        return value.reshape(1), dy  # (1,)

    def backward(self, params, saved, dy):
        return dy[0] * saved, {}


def judged(loss: Loss, y: Shape, seed: int) -> list[Judged]:
    """The loss with random weights and targets: classes where it takes them, numbers where it takes those.

    Raises:
        DataError: it takes neither classes, numbers, probabilities nor marks of 0 and 1 for outputs of this shape.
    """
    weight = np.random.default_rng([seed, 5]).uniform(0.2, 1.5, y[:1])
    layers = [Judged(loss, target, weight) for target in targets(loss, y, seed)]
    if not layers:
        raise DataError(
            f"{type(loss).__name__}: its prepare takes neither classes, numbers, probabilities nor 0 and 1 as the "
            f"target of outputs {y}; check it for the outputs that it is made for"
        )
    return layers


def targets(loss: Loss, y: Shape, seed: int) -> Iterator[np.ndarray]:
    """One target of each kind that the loss takes."""
    rng = np.random.default_rng([seed, 6])
    positive = rng.uniform(0.2, 1.5, y)
    kinds = (
        [rng.integers(0, y[-1], y[:-1])],
        [rng.normal(size=y), positive / positive.sum(-1, keepdims=True), rng.integers(0, 2, y).astype(float)],
    )
    for kind in kinds:
        for target in kind:
            try:
                prepared = np.asarray(loss.prepare(target, y))
            except DeltaruleError:
                continue
            if np.isfinite(loss(jnp.asarray(positive), jnp.asarray(prepared), jnp.ones(y[:1]))[0]).all():
                yield prepared.astype(float) if prepared.dtype.kind == "f" else prepared
                break
