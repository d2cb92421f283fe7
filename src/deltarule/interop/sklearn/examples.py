"""Rows of a table as examples: standardised, and in one canonical form where a single batch holds all of them.

    X̂ = (X − μ) / σ,   μ = Σ_n w_n X_n / Σ_n w_n,   σ² = Σ_n w_n (X_n − μ)² / Σ_n w_n

Where one batch holds all examples, their order has no meaning, and an example that is given twice is one of twice
the weight. `folded` makes both hold to the last bit: it puts rows in order, and adds up the weights of equal ones.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import DataError
from deltarule.training.step import Batch


@dataclass(frozen=True)
class Scaling:
    """μ and σ of each column, in float64; σ is 1 where a column does not vary.

    >>> scaling = Scaling.of(np.array([[1.0, 5.0], [3.0, 5.0]]), np.ones(2))
    >>> scaling.apply(np.array([[3.0, 5.0]])).tolist(), scaling.undo(np.array([[1.0, 0.0]])).tolist()
    ([[1.0, 0.0]], [[3.0, 5.0]])
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, columns: np.ndarray, weight: np.ndarray) -> "Scaling":
        """That of columns (n, i), by the weights (n,) of their rows; raises DataError where it overflows."""
        share = weight / weight.sum()
        mean = share @ columns.astype(np.float64, copy=False)  # (i,)
        with np.errstate(over="ignore"):
            deviation = np.sqrt(share @ (columns - mean) ** 2)  # (i,)
        if not np.isfinite(deviation).all():
            raise DataError(
                f"column {int(np.argmin(np.isfinite(deviation)))}: expected numbers whose variance float64 can "
                f"hold, got {np.abs(columns).max():.3g} as the largest; scale the numbers down"
            )
        varies = deviation > 10 * np.finfo(columns.dtype).eps * np.abs(mean)
        return cls(mean, np.where(varies, deviation, 1.0))

    @classmethod
    def none(cls, columns: int) -> "Scaling":
        """That which leaves so many columns as they are."""
        return cls(np.zeros(columns), np.ones(columns))

    def apply(self, columns: np.ndarray) -> np.ndarray:
        """(X − μ) / σ, in float64."""
        return (columns - self.mean) / self.deviation

    def undo(self, columns: np.ndarray) -> np.ndarray:
        """μ + σ X̂, in float64."""
        return self.mean + self.deviation * columns.astype(np.float64)


def folded(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows x (n, i) and y (n, ...) in order, each once with the sum of its weights.

    >>> x, y, weight = folded(np.array([[2.0], [1.0], [2.0]]), np.array([0, 1, 0]), np.ones(3))
    >>> x.tolist(), y.tolist(), weight.tolist()
    ([[1.0], [2.0]], [1, 0], [1.0, 2.0])
    """
    rows = np.concatenate([x, y.reshape(len(y), -1)], axis=1, dtype=np.float64)
    _, first, place = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return x[first], y[first], np.bincount(place.ravel(), weight)


def filled(batch: Batch, examples: int) -> Batch:
    """The batch with examples of weight 0 behind it, which change nothing, so that few shapes are compiled."""

    def fill(array: Any) -> Any:
        return np.concatenate([array, np.zeros((examples - len(array), *array.shape[1:]), array.dtype)])

    return Batch(*(fill(array) for array in batch[:3]))
