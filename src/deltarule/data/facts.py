"""What is to be known of a column before it can be coded, gathered block by block and merged exactly.

    n = n_a + n_b,   δ = mean_b − mean_a,   mean = mean_a + δ n_b / n,   M = M_a + M_b + δ² n_a n_b / n

for the squares M = Σ (x − mean)² (Chan, Golub and LeVeque 1983), in float64. Bounded are the different values of a
text, of which at most 65,536 are kept: with more it is an identifier or free text, and left out. The median, which
stands in for missing values, is that of a sample of at most 65,536 rows; all else is of every row.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deltarule.data.columns import Category, Number, category, family, left_out_kind, number, numbers, texts
from deltarule.data.target import Label, TargetFacts, labels_of, present
from deltarule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

MOST_LEVELS = 1 << 16  # different values of a column that are kept
SAMPLE = 1 << 16  # rows from which medians are taken


class Moments(NamedTuple):
    """How many numbers there were, their mean, Σ (x − mean)², and the least and the largest."""

    rows: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Those of numbers (n,), none of them NaN."""
        if not values.size:
            return cls()
        mean = float(values.mean())
        return cls(
            values.size, mean, float(((values - mean) ** 2).sum()), float(values.min()), float(values.max())
        )

    def merged(self, other: "Moments") -> "Moments":
        """Those of both together.

        >>> Moments.of(np.array([1.0, 2.0])).merged(Moments.of(np.array([6.0])))
        Moments(rows=3, mean=3.0, squares=14.0, low=1.0, high=6.0)
        """
        if not (self.rows and other.rows):
            return self if self.rows else other
        rows, apart = self.rows + other.rows, other.mean - self.mean
        return Moments(
            rows,
            self.mean + apart * other.rows / rows,
            self.squares + other.squares + apart**2 * self.rows * other.rows / rows,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    @property
    def deviation(self) -> float:
        """The standard deviation, exactly 0 where all are the same."""
        return float(np.sqrt(self.squares / self.rows)) if self.low < self.high else 0.0


class ColumnFacts:
    """What the training rows of a feature hold."""

    def __init__(self, name: str):
        self.name, self.kind, self.type = name, "nothing", ""
        self.rows = self.given = 0
        self.moments = Moments()
        self.levels: set[str] = set()
        self.sample: list[np.ndarray] = []

    def add(self, column: "pl.Series", sampled: np.ndarray) -> None:
        """Adds a block, whose rows `sampled` are for the median; raises DataError for values of another kind."""
        kind = family(column)
        self.kind = agreed(self.name, self.kind, kind)
        self.rows += len(column)
        self.type = self.type or str(column.dtype)
        if kind in ("number", "time"):
            values = numbers(column)
            self.sample.append(values[sampled])
            values = values[~np.isnan(values)]
            self.given += values.size
            self.moments = self.moments.merged(Moments.of(values))
        elif kind in ("text", "boolean"):
            self.given += column.count()
            if len(self.levels) <= MOST_LEVELS:
                self.levels.update(each for each in texts(column.unique(), kind) if each is not None)

    @property
    def filled(self) -> bool:
        """Whether a median stands in for some of the numbers."""
        return self.kind in ("number", "time") and self.given < self.rows

    def fitted(self, embed: int | None) -> tuple[Number | Category | None, list[str]]:
        """How to code the column, and notes; None where it is left out. `columns.fit_column` states the rules."""
        if self.kind in ("number", "time"):
            sample = np.concatenate(self.sample)
            sample = sample[~np.isnan(sample)]
            median = float(np.median(sample)) if sample.size else self.moments.mean
            missing = self.rows - self.given
            filled = self.moments.merged(Moments(missing, median, 0.0, median, median) if missing else Moments())
            return number(self.name, self.kind, self.rows, self.given, median, filled.mean, filled.deviation)
        if self.kind == "other":
            return left_out_kind(self.name, self.type)
        if len(self.levels) > MOST_LEVELS:
            return None, [
                f"Column {self.name!r} is left out: more than {MOST_LEVELS:,} different values, as in free text."
            ]
        return category(self.name, self.kind, tuple(sorted(self.levels)), self.rows, self.given, embed)


class GoalFacts:
    """What the target is in all rows, and in those to learn from."""

    def __init__(self, name: str):
        self.name, self.kind, self.type = name, "nothing", ""
        self.rows = self.known = 0
        self.moments = Moments()
        self.labels: set[Label] = set()
        self.learned: set[Label] = set()

    def add(self, column: "pl.Series", training: bool) -> int:
        """Adds a block and returns how many of its rows have a target; raises DataError for another kind."""
        self.kind = agreed(self.name, self.kind, family(column))
        self.type = self.type or str(column.dtype)
        known = present(column)
        found = int(known.sum())
        self.rows, self.known = self.rows + len(column), self.known + found
        if found and len(self.labels) <= MOST_LEVELS:
            different = column.unique()
            labels = set(labels_of(different, present(different)))
            self.labels |= labels
            self.learned |= labels if training else set()
        if found and training and self.kind == "number":
            self.moments = self.moments.merged(Moments.of(numbers(column)[known]))
        return found

    def facts(self) -> TargetFacts:
        """What `Target` is made from.

        Raises:
            DataError: a text of more different values than are kept.
        """
        if len(self.labels) > MOST_LEVELS and self.kind != "number":
            raise DataError(
                f"Target {self.name!r}: expected classes that repeat, but it holds more than {MOST_LEVELS:,} "
                "different values. Use another target."
            )
        return TargetFacts(
            self.name,
            self.kind,
            self.type,
            self.rows,
            self.known,
            self.labels,
            self.learned,
            self.moments.mean,
            self.moments.deviation,
        )


def agreed(name: str, kind: str, other: str) -> str:
    """The kind of a column's values, of which some are of one and some of another; raises DataError."""
    if kind == "nothing" or other in ("nothing", kind):
        return other if kind == "nothing" else kind
    raise DataError(
        f"Column {name!r}: expected values of the kind {kind}, as in the files before, but got {other}. Write all "
        "files of the set with the same types."
    )
