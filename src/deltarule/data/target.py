"""The column to predict: class labels as codes, or a number standardised, z = (value - mean) / deviation."""

import difflib
from collections.abc import Sequence, Set
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from deltarule.data.columns import family, numbers, spread
from deltarule.data.delimited import listed
from deltarule.errors import DataError, SettingError, ShapeError

if TYPE_CHECKING:
    import polars as pl

Task = Literal["classification", "regression"]
Label = str | int | float | bool
FEW = 20  # whole numbers of more different values than this are a quantity


def target_name(columns: Sequence[str], target: str | int) -> str:
    """Return the name of the column that `target` means: a name, or a position from 0, or from -1 at the end.

    Text that is no name but a whole number is a position too. Raises `DataError` where there is no such column.

    >>> target_name(["age", "income", "city"], "-1"), target_name(["age", "income"], 0)
    ('city', 'age')
    """
    if isinstance(target, str) and target in columns:
        return target
    try:
        if isinstance(target, bool) or not isinstance(target, (str, Integral)):
            raise ValueError
        return columns[int(target)]
    except (ValueError, IndexError):
        near = difflib.get_close_matches(str(target), columns)
        hint = f"Nearest: {listed(near)}. " if near else ""
        raise DataError(
            f"Target {target!r}: expected the name of a column or its position, from 0 to "
            f"{len(columns) - 1} or -1 for the last, but there is no such column. "
            f"{hint}The columns are {listed(columns, 50)}."
        ) from None


def present(column: "pl.Series") -> np.ndarray:
    """Return where a target is known, bool (n,): neither missing nor NaN nor infinite."""
    known = column.is_not_null().to_numpy()
    return known & ~np.isnan(numbers(column)) if family(column) == "number" else known


class TargetFacts(NamedTuple):
    """What a column to predict holds.

    Attributes:
        kind, type: of its values (`columns.family`), and the type as it is called.
        rows, known: how many rows there are, and in how many of them the target is known.
        labels, learned: the different values in all rows, and in those to learn from.
        mean, deviation: of numbers, in the rows to learn from.
    """

    name: str
    kind: str
    type: str
    rows: int
    known: int
    labels: Set[Label]
    learned: Set[Label]
    mean: float
    deviation: float


@dataclass(frozen=True)
class Target:
    """What is predicted: the original labels in the order of their codes, or the scale of a number."""

    name: str
    task: Task
    classes: tuple[Label, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def fit(
        cls, column: "pl.Series", training: np.ndarray, task: Task | None = None
    ) -> tuple["Target", list[str]]:
        """Return the target that `column` is, and notes; `training` (n,) is True at the rows to learn from.

        Text and booleans are classes. Numbers are classes where all are whole and there are two different
        ones, or at most 20 that come ten times each on average; otherwise they are a quantity. Classes are
        those of all rows; the mean and the deviation are those of the training rows.

        Raises `DataError` for a task that the column cannot have, for a single class and for a constant.
        """
        name, kind, known = column.name, family(column), present(column)
        learned = known & training
        mean, deviation = spread(numbers(column)[learned]) if kind == "number" and learned.any() else (0.0, 0.0)
        facts = TargetFacts(
            name,
            kind,
            str(column.dtype),
            len(column),
            int(known.sum()),
            set(labels_of(column, known)) if kind not in ("time", "other") else set(),
            set(labels_of(column, learned)) if kind not in ("time", "other") else set(),
            mean,
            deviation,
        )
        return cls.of(facts, task)

    @classmethod
    def of(cls, facts: "TargetFacts", task: Task | None = None) -> tuple["Target", list[str]]:
        """The target that a column of these facts is, and notes; `fit` states the rules, and what is raised."""
        if task not in (None, "classification", "regression"):
            raise SettingError(f"task: expected 'classification' or 'regression', but got {task!r}. Use one.")
        name, kind, rows, known = facts.name, facts.kind, facts.rows, facts.known
        if kind in ("time", "other"):
            raise DataError(
                f"Target {name!r}: expected numbers, text or booleans, but got the type {facts.type}. "
                "Turn it into a number, such as a count of days."
            )
        if not facts.learned:
            raise DataError(
                f"Target {name!r}: expected values to learn from, but every training row lacks one. "
                "Check that it is the right column."
            )
        if task == "regression" and kind != "number":
            raise DataError(
                f"Target {name!r}: expected numbers for a regression, but it holds {kind}. "
                "Use task='classification', or another target."
            )
        labels = sorted(facts.labels)  # type: ignore[type-var]  # of one kind
        whole = kind != "number" or all(float(label).is_integer() for label in labels)
        few = len(labels) <= 2 or (len(labels) <= FEW and 10 * len(labels) <= known)
        found: Task = "classification" if kind != "number" or (whole and few) else "regression"
        notes = []
        if task is None:
            other = " If it is not, name the task." if kind == "number" and whole else ""
            notes.append(
                f"Target {name!r} holds {len(labels)} different values of the kind {kind}: the task is "
                f"{found}.{other}"
            )
        if known < rows:
            notes.append(f"Target {name!r} is missing in {rows - known} of {rows} rows; they are left out.")
        if (task or found) == "regression":
            if facts.deviation == 0:
                raise DataError(
                    f"Target {name!r}: expected numbers that vary, but it is {facts.mean:g} in every training "
                    "row. Check that it is the right column, or bring more rows."
                )
            return cls(name, "regression", mean=facts.mean, deviation=facts.deviation), notes
        if len(labels) > FEW and not (whole and 2 * len(labels) <= known):
            raise DataError(
                f"Target {name!r}: expected classes that repeat, but it holds {len(labels)} different values in "
                f"{known} rows. Use {'regression, or ' * (kind == 'number')}another target."
            )
        if len(facts.learned) < 2:
            only = next(iter(facts.learned))
            raise DataError(
                f"Target {name!r}: expected at least two classes, but every training row is {only!r}. "
                "Check that it is the right column, or bring rows of another class."
            )
        if unlearned := [label for label in labels if label not in facts.learned]:
            notes.append(f"Target {name!r}: no training row is of the class {listed(unlearned)}.")
        return cls(name, "classification", tuple(labels)), notes

    def codes(self, column: "pl.Series") -> np.ndarray:
        """Return the class of each row as its position in `classes`, int32 (n,), and -1 where it is missing.

        Raises `DataError` for a label that is none of `classes`.
        """
        code_by_label = {label: code for code, label in enumerate(self.classes)}
        known = present(column)
        labels = labels_of(column, known, as_text=isinstance(self.classes[0], str))
        if unknown := sorted({repr(label) for label in labels if label not in code_by_label}):
            raise DataError(
                f"Target {self.name!r}: expected the classes of training ({listed(self.classes, 10)}), but got "
                f"{', '.join(unknown[:5])}. Correct these labels, or train with them."
            )
        codes = np.full(len(known), -1, dtype=np.int32)
        codes[known] = [code_by_label[label] for label in labels]
        return codes

    def encode(self, column: "pl.Series") -> np.ndarray:
        """Return the targets of the rows that have one: codes, int32 (n,), or standardised, float32 (n, 1).

        Raises `DataError` for an unknown label, and for text where numbers are expected.
        """
        if self.task == "classification":
            return self.codes(column)[present(column)]
        if family(column) not in ("number", "nothing"):
            raise DataError(
                f"Target {self.name!r}: expected numbers, as in training, but got {family(column)}, for example "
                f"{column.drop_nulls()[0]!r}. Correct the column."
            )
        values = numbers(column)[present(column)]
        return ((values - self.mean) / self.deviation).astype(np.float32)[:, None]

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return (n,) labels for probabilities (n, K), or numbers in original units for (n, 1).

        Raises `ShapeError` for outputs of another shape.
        """
        width = len(self.classes) or 1
        if outputs.ndim != 2 or outputs.shape[1] != width:
            raise ShapeError(
                f"Target {self.name!r}: expected outputs of shape (n, {width}), one column for "
                f"{'each class' if self.classes else 'the number'}, but got {outputs.shape}. "
                f"Give the last layer {width} outputs."
            )
        if self.task == "classification":
            return np.array(self.classes)[outputs.argmax(axis=1)]
        return outputs[:, 0].astype(np.float64) * self.deviation + self.mean


def strata(frame: "pl.DataFrame", target: str | int, task: Task | None = None) -> np.ndarray | None:
    """Return the class codes of every row, int32 (n,), -1 where missing, for `split`; None in a regression.

    >>> import polars
    >>> strata(polars.DataFrame({"y": ["no", "yes", None]}), "y")
    array([ 0,  1, -1], dtype=int32)
    """
    column = frame[target_name(frame.columns, target)]
    fitted, _ = Target.fit(column, np.ones(len(column), dtype=bool), task)
    return fitted.codes(column) if fitted.task == "classification" else None


def labels_of(column: "pl.Series", rows: np.ndarray, as_text: bool = False) -> list[Label]:
    """Return the values at `rows` (n,) as Python labels."""
    import polars as pl

    kind = family(column)
    if column.dtype.is_decimal():
        column = column.cast(pl.Float64)
    elif kind == "text" or as_text:
        column = column.cast(pl.String)
    return column.filter(pl.Series(rows, dtype=pl.Boolean)).to_list()
