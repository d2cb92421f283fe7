"""One feature column as numbers: standardised, z = (value - mean) / deviation, or one-hot, or an integer code."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from deltarule.data.delimited import listed
from deltarule.errors import DataError

if TYPE_CHECKING:
    import polars as pl

ONE_HOT_LEVELS = 32  # with more, a category is an integer code for an embedding


def family(column: "pl.Series") -> Literal["nothing", "number", "boolean", "text", "time", "other"]:
    """Return what the values of a column are, whatever their width; "nothing" where every value is missing.

    >>> import polars
    >>> family(polars.Series([1, None])), family(polars.Series(["a", "b"]))
    ('number', 'text')
    """
    import polars as pl

    if column.count() == 0:
        return "nothing"
    if column.dtype.is_numeric():
        return "number"
    if column.dtype == pl.Boolean:
        return "boolean"
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    return "time" if column.dtype.is_temporal() else "other"


def numbers(column: "pl.Series") -> np.ndarray:
    """Return a number or time column as float64 (n,): times in seconds, NaN where missing or infinite."""
    import polars as pl

    scale = 1.0
    if column.dtype == pl.Time:
        column, scale = column.cast(pl.Int64), 1e9
    elif column.dtype == pl.Duration:
        column, scale = column.dt.total_microseconds(), 1e6
    elif column.dtype.is_temporal():
        column, scale = column.dt.epoch("us"), 1e6
    values = column.cast(pl.Float64).to_numpy() / scale  # (n,)
    return np.where(np.isfinite(values), values, np.nan)


def spread(values: np.ndarray) -> tuple[float, float]:
    """Return the mean and the standard deviation of `values` (n,), exactly 0 where all are the same.

    >>> spread(np.array([1.0, 3.0]))
    (2.0, 1.0)
    """
    scale = np.abs(values).max() or 1.0  # squares neither overflow nor vanish
    mean = scale * np.mean(values / scale)
    deviation = scale * np.std(values / scale) if values.min() < values.max() else 0.0
    return float(mean), float(deviation)


@dataclass(frozen=True)
class Number:
    """Numbers, or times in seconds: a missing one is the training median, then all are standardised."""

    name: str
    family: str  # "number" or "time"
    median: float
    mean: float
    deviation: float

    @property
    def embedded(self) -> bool:
        return False

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (self.name,)

    def encode(self, column: "pl.Series") -> tuple[np.ndarray, list[str]]:
        """Return the column standardised, float32 (n, 1), and notes.

        Raises `DataError` for values of another kind, and for one too far out for float32.
        """
        if family(column) not in (self.family, "nothing"):
            raise _unlike(self.name, self.family, column)
        values = numbers(column) if column.count() else np.full(len(column), np.nan)
        missing = np.isnan(values)
        with np.errstate(over="ignore"):
            z = (np.where(missing, self.median, values) - self.mean) / self.deviation
            z = z.astype(np.float32)  # (n,)
        if not np.isfinite(z).all():
            row = int(np.argmin(np.isfinite(z)))
            raise DataError(
                f"Column {self.name!r}: expected values like those of training, {self.mean:g} ± "
                f"{self.deviation:g}, but got {values[row]:g} in row {row}, too far out "
                "for float32. Correct it, or leave it empty."
            )
        count = int(missing.sum())
        note = f"Column {self.name!r}: {count} of {len(z)} values are missing or infinite; the training median"
        return z[:, None], [f"{note} ({self.median:g}) stands in."] if count else []


@dataclass(frozen=True)
class Category:
    """Labels: one-hot, or an integer code for an embedding, where 0 is missing or never seen in training."""

    name: str
    family: str  # "text" or "boolean"
    levels: tuple[str, ...]
    missing: bool  # whether missing is a one-hot level of its own
    embedded: bool

    @property
    def feature_names(self) -> tuple[str, ...]:
        if self.embedded:
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in (*self.levels, *["(missing)"] * self.missing))

    def encode(self, column: "pl.Series") -> tuple[np.ndarray, list[str]]:
        """Return the column one-hot, float32 (n, levels), or as codes, float32 (n, 1), and notes.

        Raises `DataError` for values of another kind. Numbers are taken as the text that they are.
        """
        kinds = ("nothing", "text", "boolean") + (("number",) if self.family == "text" else ())
        if family(column) not in kinds:
            raise _unlike(self.name, self.family, column)
        values = texts(column, self.family)
        codes_by_level: dict[str | None, int] = {level: code for code, level in enumerate(self.levels, start=1)}
        if self.missing:
            codes_by_level[None] = len(self.levels) + 1
        codes = np.array([codes_by_level.get(value, 0) for value in values])  # (n,)
        notes = []
        unseen = [value for value in values if value is not None and value not in codes_by_level]
        meaning = "code 0" if self.embedded else "zeros"
        if unseen:
            notes.append(
                f"Column {self.name!r}: {len(unseen)} of {len(values)} rows hold values never seen in training "
                f"({listed(sorted(set(unseen)))}); they became {meaning}."
            )
        absent = values.count(None)
        if absent and not self.missing:
            notes.append(
                f"Column {self.name!r}: {absent} of {len(values)} values are missing; they became {meaning}."
            )
        if self.embedded:
            return codes[:, None].astype(np.float32), notes
        one_hot = np.zeros((len(codes), len(self.feature_names) + 1), dtype=np.float32)  # (n, 1 + levels)
        one_hot[np.arange(len(codes)), codes] = 1
        return one_hot[:, 1:], notes


def fit_column(column: "pl.Series", embed: int | None) -> tuple[Number | Category | None, list[str]]:
    """Return how to code a column, learned from its training rows alone, and notes; None where it is left out.

    A category of more than `embed` levels becomes an integer code for an embedding; with None, none does. Text
    of more than 10 levels that never repeat is an identifier, and of more than 32 levels with two rows or fewer
    a level is free text: both are left out.
    """
    name, kind = column.name, family(column)
    if kind == "other":
        return left_out_kind(name, str(column.dtype))
    if kind in ("number", "time"):
        values = numbers(column)
        given = values[~np.isnan(values)]
        if not given.size:
            return number(name, kind, len(values), 0, 0.0, 0.0, 0.0)
        median = float(np.median(given))
        filled = np.where(np.isnan(values), median, values)
        return number(name, kind, len(values), given.size, median, *spread(filled))
    values = texts(column, kind)
    levels = tuple(sorted({value for value in values if value is not None}))
    return category(name, kind, levels, len(values), len(values) - values.count(None), embed)


def left_out_kind(name: str, kind: str) -> tuple[None, list[str]]:
    """What becomes of values that are neither numbers nor categories."""
    return None, [f"Column {name!r} is left out: values of the type {kind} cannot be learned from."]


def category(
    name: str, kind: str, levels: tuple[str, ...], rows: int, given: int, embed: int | None
) -> tuple[Category | None, list[str]]:
    """How to code labels of these levels, given in some of the rows; `fit_column` states the rules."""
    if not levels:
        return None, [f"Column {name!r} is left out: it has no value in the training rows."]
    if len(levels) == 1 and given == rows:
        return None, [f"Column {name!r} is left out: it is {levels[0]!r} in every training row."]
    if len(levels) == given > 10:
        return None, [f"Column {name!r} is left out: all {given} values differ, as in an identifier."]
    if len(levels) > ONE_HOT_LEVELS and 2 * len(levels) > given:
        return None, [
            f"Column {name!r} is left out: {len(levels)} different values in {given} rows, as in free text."
        ]
    embedded = embed is not None and len(levels) > embed
    missing = given < rows
    notes = []
    if missing:
        became = "code 0" if embedded else "a level of their own"
        notes.append(f"Column {name!r}: {rows - given} of {rows} training values are missing; they are {became}.")
    return Category(name, kind, levels, missing and not embedded, embedded), notes


def number(
    name: str, kind: str, rows: int, given: int, median: float, mean: float, deviation: float
) -> tuple[Number | None, list[str]]:
    """How to code numbers, given in some of the rows; mean and deviation count the median in all others."""
    if not given:
        return None, [f"Column {name!r} is left out: it has no value in the training rows."]
    if deviation == 0:
        return None, [f"Column {name!r} is left out: it is {median:g} in every training row."]
    notes = [f"Column {name!r} holds times; they are taken in seconds."] if kind == "time" else []
    if missing := rows - given:
        notes.append(
            f"Column {name!r}: {missing} of {rows} training values are missing or infinite; "
            f"the median of the others ({median:g}) stands in."
        )
    return Number(name, kind, median, mean, deviation), notes


def texts(column: "pl.Series", kind: str) -> list[str | None]:
    """Return the values as text, None where missing; as "true" and "false" where they are booleans."""
    import polars as pl

    text = column.cast(pl.String)
    return (text.str.to_lowercase() if kind == "boolean" else text).to_list()


def _unlike(name: str, expected: str, column: "pl.Series") -> DataError:
    import polars as pl

    given = column.is_not_null()
    if expected == "number" and column.dtype == pl.String:
        words = column.cast(pl.Float64, strict=False).is_null() & given
        given = words if words.any() else given
    row = int(np.argmax(given.to_numpy()))
    return DataError(
        f"Column {name!r}: expected values of the kind {expected}, as in training, but got {family(column)}, "
        f"for example {column.to_list()[row]!r} in row {row}. Correct it, or leave the field empty where the "
        "value is missing."
    )
