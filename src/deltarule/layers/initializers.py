"""Initial weights: Var[W] chosen so that the variance of z = W h neither grows nor dies from layer to layer.

    LeCun  Var[W] = 1 / d_in              (LeCun et al. 1998, "Efficient BackProp"; some texts call it Xavier)
    Glorot Var[W] = 2 / (d_in + d_out)    (Glorot and Bengio 2010, equation 12)
    He     Var[W] = 2 / d_in              (He et al. 2015, equation 10; for ReLU)

Weights are drawn with NumPy: drawing them with XLA would compile one program per shape at every start.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from deltarule.errors import SettingError

Distribution = Literal["uniform", "normal"]


class Initializer:
    """A rule that draws a float32 array of `shape`, for weights that lead from d_in to d_out units."""

    def __call__(self, rng: np.random.Generator, shape: tuple[int, ...], d_in: int, d_out: int) -> np.ndarray:
        raise NotImplementedError


def require_rules(layer: Any, *names: str) -> None:
    """Raises SettingError where one of these settings of a layer is no rule, such as the class He for He()."""
    for name in names:
        rule = getattr(layer, name)
        if isinstance(rule, type) or not callable(rule):
            raise SettingError(
                f"{type(layer).__name__}: {name} must be a rule for first weights, such as He(), got {rule!r}"
            )


def draw(rng: np.random.Generator, shape: tuple[int, ...], variance: float, distribution: str) -> np.ndarray:
    """Numbers of mean zero and this variance: normal, or uniform on ±√(3 · variance); else SettingError."""
    if distribution not in ("uniform", "normal"):
        raise SettingError(f"initializer: distribution must be 'uniform' or 'normal', got {distribution!r}")
    if distribution == "normal":
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(math.sqrt(variance))
    limit = np.float32(math.sqrt(3 * variance))
    return (2 * rng.random(shape, dtype=np.float32) - 1) * limit


@dataclass(frozen=True)
class LeCun(Initializer):
    """Var[W] = 1 / d_in.

    >>> LeCun("normal")(np.random.default_rng(0), (400, 200), d_in=400, d_out=200).std().round(3)
    np.float32(0.05)
    """

    distribution: Distribution = "uniform"

    def __call__(self, rng, shape, d_in, d_out):
        return draw(rng, shape, 1 / d_in, self.distribution)


@dataclass(frozen=True)
class Glorot(Initializer):
    """Var[W] = 2 / (d_in + d_out); uniform by default, as in Keras and scikit-learn."""

    distribution: Distribution = "uniform"

    def __call__(self, rng, shape, d_in, d_out):
        return draw(rng, shape, 2 / (d_in + d_out), self.distribution)


@dataclass(frozen=True)
class He(Initializer):
    """Var[W] = 2 / d_in."""

    distribution: Distribution = "normal"

    def __call__(self, rng, shape, d_in, d_out):
        return draw(rng, shape, 2 / d_in, self.distribution)


@dataclass(frozen=True)
class Normal(Initializer):
    """Var[W] = deviation², whatever the layer's size."""

    deviation: float = 1.0

    def __call__(self, rng, shape, d_in, d_out):
        return draw(rng, shape, self.deviation**2, "normal")


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """Orthonormal rows or columns, whichever are fewer, times `gain` (Saxe et al. 2013).

    The signs of R's diagonal are moved into Q, so that Q is uniform over the orthogonal matrices (Mezzadri 2007).

    >>> W = Orthogonal()(np.random.default_rng(0), (5, 3), d_in=5, d_out=3)
    >>> bool(np.allclose(W.T @ W, np.eye(3), atol=1e-6))
    True
    """

    gain: float = 1.0

    def __call__(self, rng, shape, d_in, d_out):
        rows, columns = math.prod(shape[:-1]), shape[-1]
        A = rng.standard_normal((max(rows, columns), min(rows, columns)))
        Q, R = np.linalg.qr(A)
        Q = Q * np.sign(np.diagonal(R))
        Q = Q if rows >= columns else Q.T
        return (self.gain * Q).reshape(shape).astype(np.float32)


@dataclass(frozen=True)
class Constant(Initializer):
    """Every weight the same; with zero, hidden units stay alike for ever."""

    value: float = 0.0

    def __call__(self, rng, shape, d_in, d_out):
        return np.full(shape, self.value, np.float32)
