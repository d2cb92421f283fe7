"""The marks of an answer, for a person and for an autograder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

from deltarule.grade.exercise import Exercise


@dataclass(frozen=True)
class Mark:
    """The mark of one equation.

    Attributes:
        name, line: the equation, and its line in the answer; None where there is none.
        holds: whether it counts as right.
        kind: "holds"; "follows" where it is right with the student's own earlier wrong value; else what is wrong:
            "factor", "transpose", "missing term", "extra term", "variable", "function", "axis", "shape", "index",
            "missing" (no answer), "name", "language", "size", "other".
        points, max_points: what it earns, and could.
        detail: what is wrong, in words.
        factor: what the answer is too large by, such as "1/2", where that is what is wrong.
        shape, got_shape: the shapes expected and got, with lengths as in sizes.
        index, expected, got: the first number that differs.
    """

    name: str
    line: int | None
    holds: bool
    kind: str
    points: float
    max_points: float
    detail: str
    factor: str | None = None
    shape: tuple[int, ...] = ()
    got_shape: tuple[int, ...] | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    index: tuple[int, ...] | None = None
    expected: float | None = None
    got: float | None = None

    @property
    def comparison(self) -> str:
        """Where expected and got part, in words."""
        if self.got_shape is None:
            return ""
        at = ", ".join(f"{name} = {size}" for name, size in self.sizes.items() if name.isidentifier())
        if self.got_shape != self.shape:
            return f"expected {shaped(self.shape)}, got {shaped(self.got_shape)} (at {at})"
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        return f"{self.name}{place}: expected {self.expected:.6g}, got {self.got:.6g} (at {at})"

    @property
    def said(self) -> str:
        """What there is to say."""
        if self.kind == "holds":
            return ""
        kind = "" if self.holds else f"{self.kind}: "
        return kind + "; ".join(part for part in (self.detail, self.comparison) if part)

    def to_json(self) -> dict[str, Any]:
        """Everything in plain values."""
        return {
            "name": self.name,
            "line": self.line,
            "holds": self.holds,
            "kind": self.kind,
            "factor": self.factor,
            "detail": self.detail,
            "points": self.points,
            "max_points": self.max_points,
            "shape": list(self.shape),
            "got_shape": None if self.got_shape is None else list(self.got_shape),
            "sizes": dict(self.sizes),
            "index": None if self.index is None else list(self.index),
            "expected": self.expected,
            "got": self.got,
        }


def shaped(shape: tuple[int, ...]) -> str:
    return f"the shape {shape}" if shape else "a number"


@dataclass(frozen=True)
class Report:
    """The marks of one answer, in the order of the sheet."""

    exercise: Exercise
    marks: tuple[Mark, ...]

    @property
    def points(self) -> float:
        return sum(mark.points for mark in self.marks)

    @property
    def max_points(self) -> float:
        return self.exercise.max_points

    @property
    def score(self) -> float:
        """The share of all points, from 0 to 1."""
        return self.points / self.max_points

    def __getitem__(self, name: str) -> Mark:
        """The mark of an equation by its name."""
        return {mark.name: mark for mark in self.marks}[name]

    def to_json(self) -> dict[str, Any]:
        """For an autograder; `tests` is the list that Gradescope's results.json takes."""
        tests = [
            {"name": mark.name, "score": mark.points, "max_score": mark.max_points, "output": mark.said}
            for mark in self.marks
        ]
        return {
            "exercise": self.exercise.name,
            "equations": [mark.to_json() for mark in self.marks],
            "points": self.points,
            "max_points": self.max_points,
            "fraction": self.score,
            "tests": tests,
        }

    def __str__(self) -> str:
        wide = max(len(mark.name) for mark in self.marks)
        rows = [
            f"{'✗✓'[mark.holds]} {mark.name:{wide}}  {mark.points:g}/{mark.max_points:g}  {mark.said}".rstrip()
            for mark in self.marks
        ]
        return "\n".join([*rows, f"{self.exercise.name}: {self.points:g} of {self.max_points:g} points"])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(mark.name)}</td><td>{'✓' if mark.holds else '✗'}</td>"
            f"<td>{mark.points:g}/{mark.max_points:g}</td><td>{escape(mark.said)}</td></tr>"
            for mark in self.marks
        )
        head = "<tr><th>equation</th><th></th><th>points</th><th>what is wrong</th></tr>"
        foot = f'<tr><th colspan="2">total</th><th>{self.points:g}/{self.max_points:g}</th><th></th></tr>'
        return f"<table>{head}{rows}{foot}</table>"
