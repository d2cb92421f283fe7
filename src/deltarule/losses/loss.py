"""The contract of a loss: its value and its δ together, and what the network's output means."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import DataError, ShapeError
from deltarule.layers.layer import Equations, Shape


class Loss:
    """Σ_n w_n ℓ(y_n, target_n), and its derivative dy with respect to the network's output y.

    The weights w (n,) carry the mean: 1/M each for a minibatch of M, so that the loss of a batch is the plain
    sum over its parts, be they micro-batches or devices. Outputs for each step of a sequence, y (n, t, ...), may
    have a weight for each step, w (n, t).
    """

    equations: ClassVar[Equations]
    task: ClassVar[str] = "regression"
    metric_name: ClassVar[str] = "r2"

    def __call__(self, y: jax.Array, target: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(value, dy) for outputs y (n, ...), targets as `prepare` leaves them, and weights (n,)."""
        raise NotImplementedError

    def total(self, target: jax.Array, weight: jax.Array) -> jax.Array:
        """What the weights of a batch are divided by: their sum."""
        return jnp.vdot(weight, jnp.ones_like(weight))

    def shares(self, target: jax.Array, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(weights that carry the mean, their total before); all 0 where nothing has weight."""
        total = self.total(target, weight)
        return weight / jnp.where(total > 0, total, 1), total

    def require_weight(self, target: Any, weight: Any, part: str) -> None:
        """Raises DataError where no example of a part of the data has weight: its loss would be 0 in any case."""
        if not self.counts(target, weight):
            raise DataError(
                f"{part}: expected an example with a weight above 0, but all {len(weight)} have 0, so there is "
                "nothing to measure; choose other examples, or give some a weight"
            )

    def counts(self, target: Any, weight: Any) -> bool:
        """Whether an example has weight."""
        return bool(np.asarray(weight).any())

    def prepare(self, target: Any, y: Shape) -> np.ndarray:
        """The user's target as an array that fits outputs of shape y; raises ShapeError or DataError."""
        return numbers_like(target, y, type(self).__name__)

    def predict(self, y: jax.Array) -> jax.Array:
        """What a user wants to see of the output y."""
        return y

    def outputs(self, prediction: np.ndarray) -> np.ndarray:
        """Outputs y that this is the prediction of."""
        return prediction

    def metric(self, y: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
        """How good the outputs are, as `metric_name` says: R², 1 at best, 0 for predicting the mean."""
        return r_squared(y, target, weight)


def per_example(weight: jax.Array, y: jax.Array) -> jax.Array:
    """The weights (n,) or (n, t), each shared among its outputs, in a shape that multiplies y (n, ...)."""
    return beside(weight * (weight.size / y.size), y)


def beside(weight: jax.Array, y: jax.Array) -> jax.Array:
    """The weights (n,) or (n, t) with an axis of 1 for each further one of y."""
    return weight.reshape(*weight.shape, *[1] * (y.ndim - weight.ndim))


def mean_of(losses: jax.Array, weight: jax.Array) -> jax.Array:
    """Σ_n w_n ℓ_n, where ℓ_n is the mean of the losses (n, ...) at the outputs that one weight is for."""
    return jnp.vdot(weight, losses.reshape(*weight.shape, -1).mean(-1))


def r_squared(y: jax.Array, target: jax.Array, weight: jax.Array) -> jax.Array:
    """1 − Σ w (y − target)² / Σ w (target − mean)², the mean over outputs; 0 for a target that does not vary."""
    missed, _, spread = misses(y, target, weight / weight.sum())
    return jnp.where(spread > 0, 1 - missed / jnp.where(spread > 0, spread, 1), 0.0).mean()


def misses(y: jax.Array, target: jax.Array, share: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(Σ p (y − target)², mean = Σ p target, Σ p (target − mean)²) of each output, for shares p that sum to 1."""
    p, axes = beside(share, y), range(share.ndim)
    mean = (p * target).sum(axes)
    return (p * (y - target) ** 2).sum(axes), mean, (p * (target - mean) ** 2).sum(axes)


def numbers_like(target: Any, y: Shape, loss: str) -> np.ndarray:
    """A float32 target of shape y, where (n,) stands for (n, 1)."""
    array = np.asarray(target)
    if array.dtype.kind not in "fiub":
        refuse_missing(array, loss)
        raise DataError(f"{loss}: expected targets that are numbers, got {array.dtype}; encode classes as numbers")
    array = array.astype(np.float32)
    if array.shape == y[:1] and y[1:] == (1,):
        array = array.reshape(y)
    if array.shape != tuple(y):
        advice = f"end the network in Dense({array.shape[-1] if array.ndim > 1 else 1}) or reshape the targets"
        if (*array.shape, 1) == tuple(y):
            advice = "give each target an axis of its own, y[..., None]"
        raise ShapeError(
            f"{loss}: expected targets of the network's output shape {tuple(y)}, got {array.shape}; {advice}"
        )
    refuse_non_finite(array, loss)
    return array


def refuse_missing(labels: np.ndarray, loss: str) -> None:
    """Raises DataError where a label is missing (NaN, None, pandas' NA), saying how many and where first."""
    if labels.dtype.kind not in "fO":
        return
    missing = np.isnan(labels) if labels.dtype.kind == "f" else np.vectorize(is_missing, otypes=[bool])(labels)
    if missing.any():
        first = tuple(int(i) for i in np.argwhere(missing)[0])
        raise DataError(
            f"{loss}: expected a label for each example, got {int(missing.sum())} of {labels.size} missing, the "
            f"first at {first}; remove those examples or fill them in"
        )


def is_missing(label: Any) -> bool:
    """Whether a label is None, NaN, or what a data frame has in its place.

    >>> [is_missing(label) for label in (None, float("nan"), 0, "a")]
    [True, True, False, False]
    """
    if isinstance(label, float):
        return bool(np.isnan(label))
    return label is None or type(label).__name__ in ("NAType", "NaTType")


def refuse_non_finite(array: np.ndarray, loss: str) -> None:
    """Raises DataError where a target is NaN or infinite, saying how many and where first."""
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"{loss}: expected finite targets, got {int(bad.sum())} NaN or infinite, the first at {first}; "
            "remove those examples or fill them in"
        )
