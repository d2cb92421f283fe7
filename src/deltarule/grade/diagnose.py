"""What is wrong in an equation: found by repairing the answer, and by spoiling the key until it gives the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from deltarule.grade.compare import TINY, Factor, all_same, factor, named_factor, proportional, same
from deltarule.grade.edits import KINDS, ORDER, PLAIN, Edit, Pool, bound, edits
from deltarule.grade.exercise import Asked, Draw, Exercise
from deltarule.grade.functions import ACTIVATIONS, FUNCTIONS
from deltarule.grade.interpreter import Budget, evaluate, evaluate_each
from deltarule.grade.language import Statement, parse
from deltarule.grade.nodes import Call, Name, Negative, Node, Operation, count, everywhere, letters, places, write
from deltarule.grade.notation import Refused
from deltarule.inspect.pattern import by_zeros

SEARCH = 2**23  # the work of all searches in one answer
EVEN = 1e-9


@dataclass(frozen=True)
class Cause:
    """What is wrong: its kind, in words, and the factor where it is one."""

    kind: str
    words: str
    factor: str | None = None


@dataclass(frozen=True)
class Wrong:
    """An equation that does not hold.

    Attributes:
        tree, indices: the answer, its helpers put in.
        known: for each draw what the answer may use.
        got: its values on the draws, or why it has none.
        work: what the search may still spend.
    """

    exercise: Exercise
    asked: Asked
    tree: Node
    indices: tuple[str, ...]
    draws: Sequence[Draw]
    known: Sequence[Mapping[str, np.ndarray]]
    got: Sequence[np.ndarray] | Refused
    work: Budget

    @property
    def expected(self) -> list[np.ndarray]:
        return [draw.reference[self.asked.name] for draw in self.draws]

    @cached_property
    def keys(self) -> list[Statement]:
        """The right answers, parsed: in the answer's notation, with indices or without, where one is."""
        found = [parse(line)[self.asked.name] for line in self.asked.lines]
        return [key for key in found if bool(key.indices) == bool(self.indices)] or found

    @cached_property
    def longer_keys(self) -> list[Statement]:
        """The keys with the keys of earlier equations put in, such as that of δ."""
        found = []
        for key in self.keys:
            for other in self.exercise.asked:
                if other.name in self.known[0] and other.name in letters(key.tree) and "[" not in other.lines[0]:
                    inner = parse(other.lines[0])[other.name].tree
                    found.append(replace(key, tree=everywhere(key.tree, Name(other.name), inner)))
        return found

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What may stand in a name's place: what is given, the earlier answers, lengths, indices."""
        order = [each.name for each in (*self.exercise.given, *self.exercise.asked)]
        loops = bound(self.tree).union(self.indices, *(bound(key.tree) for key in self.keys))
        rest = [name for name in self.known[0] if name not in order and name.isidentifier()]
        return tuple(dict.fromkeys([*(name for name in order if name in self.known[0]), *rest, *sorted(loops)]))

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """What may stand in a function's place: those of one argument in the answer or the keys, and σ for σ′."""
        trees = [self.tree, *(key.tree for key in self.keys)]
        used = {node.function for tree in trees for node, _ in places(tree) if isinstance(node, Call)}
        found = [name for name in FUNCTIONS if name in used and FUNCTIONS[name].arguments == (1, 1)]
        pairs = {name.removeprefix("d") for name in found} & {*ACTIVATIONS, "sigma"}
        plain = [name for name in found if FUNCTIONS[name].elementwise and name.removeprefix("d") not in pairs]
        return (*plain, *(name for base in sorted(pairs) for name in (base, f"d{base}")))

    @cached_property
    def pool(self) -> Pool:
        numbers = tuple(name for name, value in self.known[0].items() if value.ndim == 0)
        return Pool(self.names, self.functions, numbers)

    def value(self, edit: Edit, indices: tuple[str, ...], draw: int) -> np.ndarray | None:
        """The value of a changed tree on a draw, or None where it has none."""
        known, functions = self.known[draw], self.exercise.functions
        budget = Budget(min(self.work.left, 2**17))
        before = budget.left
        try:
            if not indices:
                return evaluate(edit.tree, known, functions, budget)
            return evaluate_each(edit.tree, indices, self.expected[draw].shape, known, functions, budget)
        except Refused:
            return None
        finally:
            self.work.left -= before - budget.left

    def gives(self, edit: Edit, indices: tuple[str, ...], wanted: Sequence[np.ndarray]) -> bool:
        """Whether a changed tree has these values on every draw."""
        for at, each in enumerate(wanted):
            value = self.value(edit, indices, at) if self.work.left > 0 else None
            if value is None or not same(each, value):
                return False
        return True

    def scaled(self, edit: Edit, indices: tuple[str, ...], wanted: Sequence[np.ndarray]) -> Factor | None:
        """The named factor by which wanted exceeds a changed tree's values."""
        first = self.value(edit, indices, 0) if self.work.left > 0 else None
        if first is None or not proportional(first, wanted[0]):
            return None
        values = [value for at in range(len(wanted)) if (value := self.value(edit, indices, at)) is not None]
        return named_factor(values, wanted, self.draws) if len(values) == len(wanted) else None


def diagnose(wrong: Wrong) -> Cause:
    """The likeliest cause of an equation that does not hold; kind "other" where none is found."""
    got = () if isinstance(wrong.got, Refused) else wrong.got
    return next(causes(wrong, got), fallback(wrong, got))


def causes(wrong: Wrong, got: Sequence[np.ndarray]) -> Iterator[Cause]:
    expected = wrong.expected
    if not any(each.any() for each in expected):
        return
    if got and not any(each.any() for each in got):
        yield Cause("missing term", "it is zero, and the right value is not")
    if got and (found := factor(expected, got, wrong.draws)):
        yield Cause("factor", f"it is {found.text} times the right value", found.text)
    repairs = edits(wrong.tree, wrong.pool)
    spoiled = [(key.indices, edit) for key in wrong.keys for edit in edits(key.tree, wrong.pool)]
    for kind in ORDER:
        for edit in repairs:
            if edit.kind == kind and wrong.gives(edit, wrong.indices, expected):
                yield repaired(edit)
        for indices, edit in spoiled if got else ():
            if edit.kind == kind and wrong.gives(edit, indices, got):
                yield spoilt(edit, wrong.asked)
    for key in wrong.longer_keys if got else ():
        for edit in edits(key.tree, wrong.pool):
            if wrong.gives(edit, key.indices, got):
                yield spoilt(edit, wrong.asked)
    if got:
        plain = [(indices, edit) for indices, edit in spoiled if edit.kind in PLAIN]
        yield from twice(wrong, [edit for edit in repairs if edit.kind in PLAIN], plain, got)


def small(edit: Edit, tree: Node) -> bool:
    """Whether a change is of a small part; of two large ones any value can be made."""
    return count(edit.old) <= max(3, count(tree) // 3)


def twice(wrong: Wrong, repairs, spoiled, got: Sequence[np.ndarray]) -> Iterator[Cause]:
    """Two slips at once: one and a factor, or one that a repair takes back and one that the key shows."""
    by_print: dict[tuple, tuple[tuple[str, ...], Edit]] = {}
    for indices, edit in spoiled:
        if found := wrong.scaled(edit, indices, got):
            yield with_factor(spoilt(edit, wrong.asked), found)
        value = wrong.value(edit, indices, 0)
        if value is not None and small(edit, wrong.keys[0].tree):
            by_print.setdefault(fingerprint(value), (indices, edit))
    for edit in repairs:
        if found := wrong.scaled(edit, wrong.indices, wrong.expected):
            yield with_factor(repaired(edit), found.inverse)
        value = wrong.value(edit, wrong.indices, 0)
        indices, other = by_print.get(fingerprint(value), ((), None)) if value is not None else ((), None)
        if other is None or not small(edit, wrong.tree):
            continue
        values = [
            found for at in range(len(wrong.draws)) if (found := wrong.value(edit, wrong.indices, at)) is not None
        ]
        if len(values) == len(wrong.draws) and telling(values[0], wrong) and wrong.gives(other, indices, values):
            yield together(spoilt(other, wrong.asked), repaired(edit), other.old, edit.old)


def telling(value: np.ndarray, wrong: Wrong) -> bool:
    """Whether an array is as large as the right one, and not one number everywhere, which many changes make."""
    if value.size != wrong.expected[0].size or not value.any():
        return False
    return value.size == 1 or bool(np.ptp(value) > TINY)


def together(first: Cause, then: Cause, missing: Node, extra: Node) -> Cause:
    """Two slips as one cause; a part left out and another too many are one in the other's place."""
    if (first.kind, then.kind) == ("missing term", "extra term"):
        names = all(isinstance(getattr(each, "inside", each), Name) for each in (missing, extra))
        if missing == extra:
            return Cause("variable", f"{write(extra)} stands in the wrong place")
        return Cause("variable" if names else "function", f"{write(extra)} where {write(missing)} belongs")
    return Cause(first.kind, f"{first.words}; and {then.words}", first.factor)


def fingerprint(value: np.ndarray) -> tuple:
    """The same for values that are the same."""
    weights = np.cos(np.arange(1.0, value.size + 1))
    return (value.shape, f"{float(weights @ value.ravel()):.7e}")


def with_factor(cause: Cause, found: Factor) -> Cause:
    return Cause(cause.kind, f"{cause.words}; and a factor {found.text}", found.text)


def repaired(edit: Edit) -> Cause:
    """The cause that a repair of the answer shows."""
    if edit.new is None:
        kind = "factor" if edit.kind == "coefficient" else "extra term"
        return Cause(kind, f"{write(edit.old)} does not belong there")
    return replaced(edit, write(edit.old), write(edit.new))


def spoilt(edit: Edit, asked: Asked) -> Cause:
    """The cause that a slip in the key shows."""
    if edit.new is None:
        term = write(edit.old)
        path = f", {asked.terms[term]}" if term in asked.terms else ""
        return Cause("factor" if edit.kind == "coefficient" else "missing term", f"{term} is left out{path}")
    return replaced(edit, write(edit.new), write(edit.old))


def replaced(edit: Edit, wrote: str, belongs: str) -> Cause:
    """The cause where one part stands in the place of another."""
    if edit.kind == "sign":
        part = edit.old.right if isinstance(edit.old, Operation) else edit.old
        return Cause("factor", f"the sign of {write(part.inside if isinstance(part, Negative) else part)}", "−1")
    return Cause(KINDS[edit.kind], f"{wrote} where {belongs} belongs")


def fallback(wrong: Wrong, got: Sequence[np.ndarray]) -> Cause:
    """What shapes and zeros say where no slip was found."""
    if isinstance(wrong.got, Refused):
        return Cause(wrong.got.kind, wrong.got.message)
    expected = wrong.expected
    if all_same(expected, [each.T for each in got]):
        return Cause("transpose", "it is the transpose of the right value")
    if expected[0].shape != got[0].shape:
        equal = all(
            other.size in (1, one.size) and same(one.ravel(), np.resize(other, one.size))
            for one, other in zip(expected, got, strict=True)
        )
        return Cause("shape", "the right numbers in another shape" if equal else "an array of another shape")
    if any(np.abs(each).max(initial=0) > TINY for each in expected):
        if all(np.abs(g).max() <= EVEN * np.abs(e).max() for e, g in zip(expected, got, strict=True)):
            return Cause("missing term", "it is zero, and the right value is not")
        if words := next(by_zeros(expected[0], got[0]), ""):
            return Cause("missing term", words)
    return Cause("other", "it differs from the right value, and no common slip explains how")
