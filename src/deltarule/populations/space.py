"""What a sweep varies: lists, of which every combination is taken, and distributions, of which samples are drawn.

The samples are a Latin hypercube: of N, every N-th part of each distribution has one (McKay, Beckman and Conover
1979).
"""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import SettingError

Space = Mapping[str, Any]
Configuration = dict[str, Any]


@dataclass(frozen=True)
class Uniform:
    """Numbers between low and high, each as likely.

    >>> Uniform(0, 0.5).at(0.5)
    0.25
    """

    low: float
    high: float

    def __post_init__(self):
        if not -math.inf < self.low < self.high < math.inf:
            raise SettingError(f"{type(self).__name__}: expected low < high, got {self.low} and {self.high}")

    def at(self, share: float) -> float:
        """The number that a share of them is below."""
        return self.low + share * (self.high - self.low)


@dataclass(frozen=True)
class LogUniform(Uniform):
    """Numbers between low and high, above 0, whose logarithms are each as likely.

    >>> round(LogUniform(1e-4, 1e-2).at(0.5), 6)
    0.001
    """

    def __post_init__(self):
        super().__post_init__()
        if not self.low > 0:
            raise SettingError(f"LogUniform: low must be above 0, got {self.low}")

    def at(self, share):
        return self.low * (self.high / self.low) ** share


def configurations(space: Space, samples: int | None, seed: int) -> list[Configuration]:
    """Every combination of the lists in `space`, each with every one of `samples` draws of the distributions.

    Raises:
        SettingError: an empty space or list; distributions without a number of samples, or the reverse.

    >>> configurations({"l2": [0.0, 1e-3], "seed": range(2)}, None, 0)[:2]
    [{'l2': 0.0, 'seed': 0}, {'l2': 0.0, 'seed': 1}]
    """
    if not isinstance(space, Mapping):
        raise SettingError(
            f"sweep: expected what is varied by name, such as {{'learning_rate': [1e-3, 1e-2]}}, got {space!r}"
        )
    drawn = {name: values for name, values in space.items() if isinstance(values, Uniform)}
    listed = {name: values_of(name, values) for name, values in space.items() if name not in drawn}
    if not space:
        raise SettingError("sweep: nothing is varied; say what, such as {'learning_rate': [1e-3, 1e-2]}")
    if drawn and not (isinstance(samples, int) and samples >= 1):
        raise SettingError(
            f"sweep: {', '.join(drawn)} is drawn at random; say how often, such as samples=32, got {samples!r}"
        )
    if samples is not None and not drawn:
        raise SettingError("sweep: samples is for distributions, and all that varies here are lists; leave it out")
    points = latin_hypercube(drawn, samples or 1, seed)
    grid = [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]
    return [{name: {**point, **combination}[name] for name in space} for point in points for combination in grid]


def values_of(name: str, values: Any) -> list[Any]:
    """The values in a list; raises SettingError for none, and for what is no list."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise SettingError(
            f"sweep: {name} must be a list of values, log_uniform(low, high) or uniform(low, high), got {values!r}"
        )
    if not (found := list(values)):
        raise SettingError(f"sweep: the list of values for {name} is empty")
    return found


def latin_hypercube(drawn: Mapping[str, Uniform], samples: int, seed: int) -> list[Configuration]:
    """`samples` points, of which each part of every distribution has one."""
    rng = np.random.default_rng(seed)
    columns = {
        name: [float(values.at(u)) for u in (rng.permutation(samples) + rng.random(samples)) / samples]
        for name, values in drawn.items()
    }
    return [{name: column[i] for name, column in columns.items()} for i in range(samples)]
