"""Whether two values are the same on every draw, and by which named factor they differ."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np

from deltarule.grade.exercise import Draw
from deltarule.inspect.pattern import alike, times

TOLERANCE = 1e-9  # of the largest number: both sides are float64
TINY = 1e-12
FRACTIONS = tuple(Fraction(text) for text in ("1", "2", "1/2", "4", "1/4", "3", "1/3", "3/2", "2/3"))

Values = Sequence[np.ndarray]


def same(expected: np.ndarray, got: np.ndarray) -> bool:
    """Whether two arrays are equal to rounding, in shape and numbers; a number may stand as (1, 1)."""
    if expected.shape != got.shape and not expected.size == got.size == 1:
        return False
    scale = max(float(np.abs(expected).max(initial=0)), TINY)
    return float(np.abs(expected.reshape(got.shape) - got).max(initial=0)) <= TOLERANCE * scale


def all_same(expected: Values, got: Values) -> bool:
    """Whether they are the same on every draw."""
    return all(same(one, other) for one, other in zip(expected, got, strict=True))


@dataclass(frozen=True)
class Factor:
    """What a value is too large by, above / below, such as −1, 1/2 or 2/(M K)."""

    above: str
    below: str = ""
    sign: str = ""

    @property
    def text(self) -> str:
        below = f"({self.below})" if " " in self.below else self.below
        return f"{self.sign}{self.above or 1}" + f"/{below}" * bool(below)

    @property
    def inverse(self) -> "Factor":
        return Factor(self.below, self.above if self.above != "1" else "", self.sign)


def proportional(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether an array that is not zero is a number times the other."""
    return one.shape == other.shape and bool(one.any()) and alike(times(one, other) * one, other)


def factor(expected: Values, got: Values, draws: Sequence[Draw]) -> Factor | None:
    """The factor c for which got = c · expected on every draw, if it has a name or is the same number."""
    if found := named_factor(expected, got, draws):
        return found
    if expected[0].size == 1 or not all(map(proportional, expected, got)):
        return None
    numbers = list(map(times, expected, got))
    if not numbers[0] or not all(math.isclose(each, numbers[0], rel_tol=1e-7) for each in numbers):
        return None
    return Factor(f"{abs(numbers[0]):.6g}", sign="−" * (numbers[0] < 0))


def named_factor(expected: Values, got: Values, draws: Sequence[Draw]) -> Factor | None:
    """The factor c for which got = c · expected on every draw, if it has a name: −1, 1/2, M, 1/(M K)."""
    if not all(map(proportional, expected, got)):
        return None
    found = list(map(times, expected, got))
    for name, numbers in named_factors(draws):
        for sign in (1, -1):
            if all(math.isclose(c, sign * each, rel_tol=1e-7) for c, each in zip(found, numbers, strict=True)):
                return (
                    None if (sign, name) == (1, Factor("1")) else Factor(name.above, name.below, "−" * (sign < 0))
                )
    return None


def named_factors(draws: Sequence[Draw]) -> Iterator[tuple[Factor, list[float]]]:
    """Fractions, lengths and their inverses, and what each is on the draws."""
    for part in FRACTIONS:
        below = str(part.denominator) if part.denominator > 1 else ""
        yield Factor(str(part.numerator), below), [float(part)] * len(draws)
    names = [name for name in draws[0].sizes if name.isidentifier() and all(draw.sizes[name] for draw in draws)]
    for count in (1, 2):
        for chosen in combinations_with_replacement(names, count):
            product = [float(math.prod(draw.sizes[name] for name in chosen)) for draw in draws]
            lengths = f"{chosen[0]}²" if chosen == chosen[:1] * 2 else " ".join(chosen)
            for number in (1, 2):
                text = " ".join([str(number)] * (number > 1) + [lengths])
                yield Factor(text), [number * each for each in product]
                yield Factor("", text), [1 / (number * each) for each in product]
                if number > 1:
                    yield Factor(lengths, str(number)), [each / number for each in product]
                    yield Factor(str(number), lengths), [number / each for each in product]
