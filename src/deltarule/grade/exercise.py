"""An exercise: a network in words, what is given, what is asked for, and how reference values are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from deltarule.grade.functions import activation

DRAWS = 3
Sizes = tuple[str | int, ...]


@dataclass(frozen=True)
class Given:
    """A name that an answer may use: its shape in named lengths, () for a number."""

    name: str
    shape: Sizes
    meaning: str = ""


@dataclass(frozen=True)
class Asked:
    """A name that is asked for.

    Attributes:
        keys: right answers, in one notation or several. The verdict does not rest on them, but on the layers'
            own backward; they are what a wrong answer is compared with to name what is wrong in it. A key is a
            right side, or a whole line where its left side has indices.
        terms: what parts of a key are, in words.
    """

    name: str
    shape: Sizes
    meaning: str
    keys: tuple[str, ...]
    points: float = 1.0
    terms: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """The keys as lines of an answer."""
        return tuple(key if key.startswith(f"{self.name}[") else f"{self.name} = {key}" for key in self.keys)


@dataclass(frozen=True)
class Draw:
    """Random values of what is given, and the reference values of what is asked for, by name."""

    sizes: Mapping[str, int]
    values: Mapping[str, np.ndarray]
    reference: Mapping[str, np.ndarray]

    @property
    def known(self) -> dict[str, np.ndarray]:
        """The given arrays, and the sizes as numbers."""
        return {name: np.asarray(float(size)) for name, size in self.sizes.items()} | dict(self.values)


@dataclass(frozen=True)
class Exercise:
    """A sheet to fill in.

    Attributes:
        name, title: such as R1.
        text: the network and the task, line by line.
        given, asked: in the order of the sheet; a right answer may use what stands above it.
        draw: makes the values of a seed; the lengths differ from draw to draw and from each other.
        sigma: the activation that `sigma` and `dsigma` stand for, where there is one.
        draws: how many draws an equation must hold on.
    """

    name: str
    title: str
    text: tuple[str, ...]
    given: tuple[Given, ...]
    asked: tuple[Asked, ...]
    draw: Callable[[int], Draw] = field(repr=False)
    sigma: str = ""
    draws: int = DRAWS

    @property
    def functions(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        """σ and σ′, where the exercise has one."""
        if not self.sigma:
            return {}
        return {"sigma": activation(self.sigma), "dsigma": activation(f"d{self.sigma}")}

    @property
    def max_points(self) -> float:
        return sum(asked.points for asked in self.asked)

    def sheet(self) -> str:
        """The task as a file to fill in: comments, and a blank line for each equation."""
        rows = [
            f"# {self.name}: {self.title}",
            "#",
            *(f"# {line}".rstrip() for line in self.text),
            "#",
            "# Given (and each length, as a number):",
        ]
        wide = max(len(given.name) for given in self.given)
        shapes = {given.name: shape_text(given.shape) for given in self.given}
        for given in self.given:
            rows.append(f"#   {given.name:{wide}}  {shapes[given.name]:10}  {given.meaning}".rstrip())
        rows += [
            "#",
            "# Write each right side in NumPy's notation: + - * / ** number by number, @ for a matrix product,",
            "# .T, sum(Z, axis=1, keepdims=True), Z > 0 for a mask. Names of your own may stand on lines above.",
            "# An equation may use all that stands above it. Leave ... where you do not know.",
            "",
        ]
        names = max(len(asked.name) for asked in self.asked)
        for asked in self.asked:
            points = f"{asked.points:g} point" + "s" * (asked.points != 1)
            rows.append(f"{asked.name:{names}} = ...  # {shape_text(asked.shape)} {asked.meaning}; {points}")
        return "\n".join(rows) + "\n"

    def key(self) -> str:
        """The right answers, for the teacher."""
        return "".join(f"{asked.lines[0]}\n" for asked in self.asked)


def shape_text(shape: Sizes) -> str:
    """(h1, d), or 'a number'."""
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})" if shape else "a number"


@lru_cache(64)
def draws_of(exercise: Exercise, seed: int) -> tuple[Draw, ...]:
    """The draws that equations are judged on."""
    return tuple(exercise.draw(seed * exercise.draws + at) for at in range(exercise.draws))
