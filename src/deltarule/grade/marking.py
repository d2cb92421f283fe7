"""The marks of an answer: every equation for itself, with the right values in place of earlier wrong ones."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from deltarule.errors import FileError, SettingError
from deltarule.grade.compare import TINY, all_same, same
from deltarule.grade.diagnose import SEARCH, Cause, Wrong, diagnose
from deltarule.grade.edits import bound
from deltarule.grade.exercise import Asked, Draw, Exercise, draws_of
from deltarule.grade.functions import FUNCTIONS
from deltarule.grade.interpreter import Budget, evaluate, evaluate_each
from deltarule.grade.language import Statement, parse
from deltarule.grade.nodes import Name, Node, count, depth, everywhere, letters
from deltarule.grade.notation import Refused
from deltarule.grade.report import Mark, Report
from deltarule.grade.rows import exercise as ready

MOST_PARTS = 2000  # of an equation with its helpers put in
MOST_LEVELS = 100


def grade(text: str, exercise: str | Exercise, *, seed: int = 0, where: str = "the answer") -> Report:
    """The marks of an answer to an exercise.

    Args:
        text: lines `name = expression`; they are read, and never executed.
        exercise: a ready one by its name, or one made by `chain` or `generate`.
        seed: of the random values that the equations are held against.
        where: what the file is called in errors.

    Raises:
        FileError: it is no list of equations, states a name twice or one that is given, or is too large.
        SettingError: there is no such exercise; a negative seed.

    >>> grade("e = ceil((d - k + 2*P) / s) + 1", "R23").marks[0].kind
    'function'
    """
    exercise = ready(exercise) if isinstance(exercise, str) else exercise
    if seed < 0:
        raise SettingError(f"grade: expected a seed of 0 or more, got {seed}")
    statements = parse(text, where)
    given = {each.name for each in exercise.given} | set(draws_of(exercise, seed)[0].sizes)
    for name, stated in statements.items():
        if name in given or name in FUNCTIONS:
            raise FileError(f"{where}, line {stated.line}: {name} is given; choose another name for what is yours")
    marking = Marking(exercise, statements, draws_of(exercise, seed))
    return Report(exercise, tuple(marking.mark(asked) for asked in exercise.asked))


@dataclass
class Marking:
    """One answer while it is marked.

    Attributes:
        own: for each name that was answered wrongly, the student's own values on the draws.
    """

    exercise: Exercise
    statements: Mapping[str, Statement]
    draws: Sequence[Draw]
    own: dict[str, list[np.ndarray]] = field(default_factory=dict)
    work: Budget = field(default_factory=lambda: Budget(SEARCH))

    def mark(self, asked: Asked) -> Mark:
        """The mark of one equation."""
        expected = [draw.reference[asked.name] for draw in self.draws]
        blank = Mark(asked.name, None, False, "missing", 0.0, asked.points, "", shape=expected[0].shape)
        stated = self.statements.get(asked.name)
        if stated is None or (stated.tree is None and stated.refused is None):
            return replace(blank, detail=self.missing(asked), line=stated.line if stated else None)
        blank = replace(blank, line=stated.line)
        try:
            if stated.refused is not None:
                raise stated.refused
            tree = self.whole(stated, asked)
        except Refused as refused:
            return replace(blank, kind=refused.kind, detail=refused.message)
        known = [self.known(draw, asked) for draw in self.draws]
        got = self.values(tree, stated.indices, asked, known)
        if not isinstance(got, Refused) and all_same(expected, got):
            return replace(blank, holds=True, kind="holds", points=asked.points)
        own = [{**each, **self.own_values(asked, at)} for at, each in enumerate(known)]
        got_own = self.values(tree, stated.indices, asked, own)
        if not isinstance(got_own, Refused):
            self.own[asked.name] = got_own
        used = [name for name in self.own if name in letters(tree) and name != asked.name]
        if used and not isinstance(got_own, Refused) and self.follows(asked, got_own, own, expected):
            words = f"follows from your {', '.join(used)}"
            return replace(blank, holds=True, kind="follows", points=asked.points, detail=words)
        wrong = Wrong(self.exercise, asked, tree, stated.indices, self.draws, known, got, self.work)
        return self.failed(blank, diagnose(wrong), expected, got)

    def missing(self, asked: Asked) -> str:
        """What to do where there is no answer."""
        names = [name for name in self.statements if name not in {each.name for each in self.exercise.asked}]
        near = nearest(asked.name, names, 0.6)
        hint = f"; is {near} in line {self.statements[near].line} meant?" if near else ""
        return f"no answer; expected a line {asked.name} = ...{hint}"

    def whole(self, stated: Statement, asked: Asked) -> Node:
        """The right side with the student's helpers put in, and checked for names that nobody knows.

        A name that is asked for below this equation on the sheet counts as a helper: its right value may not be
        taken for granted.
        """
        order = [each.name for each in self.exercise.asked]
        free = {*self.draws[0].known, *order[: order.index(asked.name)]}
        return self.put_in(stated, free, {asked.name})

    def put_in(self, stated: Statement, free: set[str], inside: set[str]) -> Node:
        if stated.refused is not None:
            raise stated.refused
        if stated.tree is None:
            raise Refused("missing", f"it rests on {stated.name}, which line {stated.line} leaves blank")
        tree = stated.tree
        if taken := sorted(({*stated.indices} | bound(tree)) & (free | inside | set(self.statements))):
            raise Refused(
                "name", f"line {stated.line}: the index {taken[0]} is a name already; take another letter"
            )
        for letter in sorted(letters(tree) - free - set(stated.indices)):
            helper = self.statements.get(letter)
            if letter == stated.name:
                raise Refused("name", f"line {stated.line}: {letter} rests on itself; give its parts other names")
            if helper is None or letter in inside or helper.line >= stated.line:
                raise Refused("name", f"line {stated.line}: {self.unknown(letter, free)}")
            if helper.indices:
                raise Refused(
                    "name", f"line {stated.line}: {letter} has indices at its left, so it may not stand here"
                )
            inner = self.put_in(helper, free, inside | {letter})
            if count(tree) * (count(inner) + 1) > MOST_PARTS**2 or count(inner) > MOST_PARTS:
                raise Refused("size", f"line {stated.line}: with all its helpers the expression is too long")
            tree = everywhere(tree, Name(letter), inner)
        if count(tree) > MOST_PARTS or depth(tree) > MOST_LEVELS:
            raise Refused("size", f"line {stated.line}: with all its helpers the expression is too long")
        return tree

    def unknown(self, letter: str, free: set[str]) -> str:
        """What to say of a name that is not known at its place."""
        if letter in self.statements:
            return f"{letter} is stated below, in line {self.statements[letter].line}; state it above"
        if letter in {each.name for each in self.exercise.asked}:
            return (
                f"{letter} is asked for further down, and no line above states it; state it above, or do without"
            )
        near = nearest(letter, sorted(free | set(self.statements)), 0.5)
        hint = f"; is {near} meant?" if near else ""
        return f"the name {letter} is not known; it is neither given nor stated above{hint}"

    def known(self, draw: Draw, asked: Asked) -> dict[str, np.ndarray]:
        """What is given, and the right values of what stands above on the sheet."""
        order = [each.name for each in self.exercise.asked]
        above = order[: order.index(asked.name)]
        return {**draw.known, **{name: draw.reference[name] for name in above}}

    def own_values(self, asked: Asked, draw: int) -> dict[str, np.ndarray]:
        return {name: values[draw] for name, values in self.own.items() if name != asked.name}

    def values(
        self, tree: Node, indices: tuple[str, ...], asked: Asked, known: Sequence[Mapping[str, np.ndarray]]
    ) -> list[np.ndarray] | Refused:
        """The values on the draws, or why there are none."""
        try:
            return [
                evaluate_each(tree, indices, draw.reference[asked.name].shape, names, self.exercise.functions)
                if indices
                else evaluate(tree, names, self.exercise.functions)
                for draw, names in zip(self.draws, known, strict=True)
            ]
        except Refused as refused:
            return refused

    def follows(
        self,
        asked: Asked,
        got: list[np.ndarray],
        own: Sequence[Mapping[str, np.ndarray]],
        expected: list[np.ndarray],
    ) -> bool:
        """Whether an equation is right with the student's own earlier values: by the reference, or by a key."""
        if all_same(expected, got):
            return True
        if any(np.abs(each).max(initial=0) <= TINY for each in got):
            return False
        shapes = [draw.reference for draw in self.draws]
        adapted = [
            {name: turned(array, right[name]) if name in self.own else array for name, array in names.items()}
            for names, right in zip(own, shapes, strict=True)
        ]
        for line in asked.lines:
            key = parse(line)[asked.name]
            values = self.values(key.tree, key.indices, asked, adapted)
            if not isinstance(values, Refused) and all_same(values, got):
                return True
        return False

    def failed(
        self, blank: Mark, cause: Cause, expected: list[np.ndarray], got: list[np.ndarray] | Refused
    ) -> Mark:
        """The mark of an equation that fails, with the first number that differs."""
        mark = replace(blank, kind=cause.kind, detail=cause.words, factor=cause.factor)
        if isinstance(got, Refused):
            told = cause.words if got.message in cause.words else f"{cause.words}; {got.message}"
            return replace(mark, detail=told)
        at = next(i for i, (one, other) in enumerate(zip(expected, got, strict=True)) if not same(one, other))
        one, other = expected[at], got[at]
        mark = replace(mark, sizes=dict(self.draws[at].sizes), shape=one.shape, got_shape=other.shape)
        if one.shape != other.shape:
            return mark
        index = tuple(int(i) for i in np.argwhere(~np.isclose(one, other, 1e-9, TINY))[0])
        return replace(mark, index=index, expected=float(one[index]), got=float(other[index]))


def nearest(name: str, names: Iterable[str], cutoff: float) -> str:
    """The most alike of the names, one that differs in capitals alone before others; "" where none is alike.

    >>> nearest("w3", ["dw3", "W3"], 0.5), nearest("D4", ["x"], 0.5)
    ('W3', '')
    """
    small = {each.casefold(): each for each in names}
    near = difflib.get_close_matches(name.casefold(), small, 1, cutoff)
    return small[near[0]] if near else ""


def turned(array: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The array, or its transpose where that has the shape of the other."""
    return array.T if array.shape != like.shape == array.T.shape else array
