"""A table from a file to numbers and back: what is learned from its training rows, and applied to all others."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from deltarule.data.columns import ONE_HOT_LEVELS, Category, Number, family, fit_column, numbers
from deltarule.data.delimited import listed, read_delimited
from deltarule.data.target import Label, Target, Task, present, target_name
from deltarule.errors import DataError, FileError, SettingError

if TYPE_CHECKING:
    import polars as pl


def read_table(path: str | Path, notes: list[str] | None = None) -> "pl.DataFrame":
    """Return the table in a .csv, .tsv or .parquet file; what a person should know is added to `notes`.

    Text files are read as they come: the separator is found, types are taken from the whole file, and empty
    fields, NA, NaN, null, none, ? and - are missing. Columns without a name are called by their position.

    Raises `FileError` for a file that is missing, damaged, not UTF-8 or of another suffix, and `DataError` for
    one that is empty, has no rows, or has rows of different lengths.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(
            f"{path}: expected a table or a folder of images, but there is no such file. Check the path."
        )
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_delimited(path, [] if notes is None else notes)
    if suffix != ".parquet":
        raise FileError(
            f"{path}: expected a table of the suffix .csv, .tsv or .parquet, but got {suffix or 'none'!r}. "
            "Convert or rename the file."
        )
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise FileError(
            f"{path}: expected a Parquet file, but it cannot be read as one. It may be damaged; write it again."
        ) from None
    if frame.is_empty():
        raise DataError(f"{path}: expected rows of data, but there are none. Check how the file was written.")
    return frame


@dataclass(frozen=True)
class Preprocessing:
    """How a table becomes numbers, learned from its training rows alone; plain data that JSON can hold.

    Columns of x are first every number and one-hot level, then one column of integer codes for each embedding.

    >>> import polars
    >>> frame = polars.DataFrame({"size": [1.0, 3.0], "city": ["Ulm", "Bonn"], "sold": ["no", "yes"]})
    >>> preprocessing = Preprocessing.fit(frame, target="sold")
    >>> preprocessing.feature_names, preprocessing.classes
    (('size', 'city=Bonn', 'city=Ulm'), ('no', 'yes'))
    >>> preprocessing.transform(frame)[0]
    array([[-1.,  0.,  1.],
           [ 1.,  1.,  0.]], dtype=float32)
    >>> preprocessing.decode(np.array([[0.1, 0.9]]))
    array(['yes'], dtype='<U3')
    """

    columns: tuple[Number | Category, ...]
    goal: Target
    ignored: tuple[str, ...]
    notes: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        frame: "pl.DataFrame",
        target: str | int,
        task: Task | None = None,
        rows: ArrayLike | None = None,
        embed: Literal["auto"] | int | None = "auto",
    ) -> "Preprocessing":
        """Learn from the training rows of `frame`, at the indices `rows` (all by default).

        A category of more than `embed` levels (32 for "auto") becomes a code for an embedding; with None every
        category is one-hot. `target` is a name or a position, -1 for the last column.

        Raises `DataError` where there is no such target, the task does not suit it, or no feature is left.
        """
        if embed == "auto":
            embed = ONE_HOT_LEVELS
        elif embed is not None and (not isinstance(embed, int) or embed < 0):
            raise SettingError(f"embed: expected 'auto', None or a number of levels, but got {embed!r}.")
        name = target_name(frame.columns, target)
        training = np.zeros(len(frame), dtype=bool)
        training[slice(None) if rows is None else np.asarray(rows)] = True
        goal, notes = Target.fit(frame[name], training, task)
        if isinstance(target, str) and target.lstrip("-").isdecimal() and name == target:
            position = frame.columns.index(name)
            notes.append(f"Target {name!r} is the column of that name, at position {position}, counted from 0.")
        training &= present(frame[name])
        fitted = {}
        for feature in frame.columns:
            if feature == name:
                continue
            column, told = fit_column(frame[feature].filter(training), embed)
            fitted[feature] = column, told if column is None else [*told, *_counts_rows(frame[feature])]
        return cls.of(goal, fitted, notes)

    @classmethod
    def of(
        cls, goal: Target, fitted: Mapping[str, tuple[Number | Category | None, list[str]]], notes: list[str]
    ) -> "Preprocessing":
        """The preprocessing for a target, and columns that are None where they are left out, with their notes.

        Raises `DataError` where no column is left.
        """
        name, notes = goal.name, [*notes, *(note for _, told in fitted.values() for note in told)]
        columns = [column for column, _ in fitted.values() if column is not None]
        ignored = [feature for feature, (column, _) in fitted.items() if column is None]
        if not columns:
            raise DataError(
                f"Target {name!r}: expected at least one other column to learn from, but none is left. "
                f"{' '.join(notes)} Bring columns of numbers, or of labels that repeat."
            )
        columns.sort(key=lambda column: column.embedded)
        return cls(tuple(columns), goal, tuple(ignored), tuple(notes))

    @property
    def target_name(self) -> str:
        return self.goal.name

    @property
    def task(self) -> Task:
        return self.goal.task

    @property
    def classes(self) -> tuple[Label, ...]:
        """The labels in the order of their codes, of their original type; () in a regression."""
        return self.goal.classes

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name for each column of x."""
        return tuple(name for column in self.columns for name in column.feature_names)

    @property
    def width(self) -> int:
        """The number of columns of x."""
        return len(self.feature_names)

    @property
    def embedded(self) -> tuple[tuple[int, str], ...]:
        """(levels, name) of the embedded columns, the last of x; codes are 0, unknown, to levels - 1."""
        return tuple(
            (len(column.levels) + 1, column.name)
            for column in self.columns
            if isinstance(column, Category) and column.embedded
        )

    def transform(self, frame: "pl.DataFrame", with_target: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return x, float32 (n, width), and notes; `with_target` leaves out rows whose target is missing.

        So `transform(frame, with_target=True)` and `target(frame)` are row by row of the same examples.

        Raises `DataError` for a column that is missing or of another kind than in training.
        """
        if with_target:
            frame = frame.filter(present(self._target_column(frame)))
        if frame.is_empty():
            raise DataError(
                "Table: expected at least one row to predict, but there is none. Check the file or the selection."
            )
        absent = [column.name for column in self.columns if column.name not in frame.columns]
        if absent:
            raise DataError(
                f"Table: expected the columns of training, but {listed(absent)} "
                f"{'are' if len(absent) > 1 else 'is'} missing among {listed(frame.columns, 50)}. "
                "Add what is missing, under the names of training."
            )
        known = {self.target_name, *self.ignored, *(column.name for column in self.columns)}
        new = [name for name in frame.columns if name not in known]
        notes = [f"New columns, not in training, are ignored: {listed(new, 20)}."] if new else []
        x = np.empty((len(frame), self.width), dtype=np.float32)  # (n, width)
        start = 0
        for column in self.columns:
            part, told = column.encode(frame[column.name])  # (n, columns of this feature)
            x[:, start : start + part.shape[1]] = part
            start += part.shape[1]
            notes += told
        return x, tuple(notes)

    def target(self, frame: "pl.DataFrame") -> np.ndarray:
        """Return y of the rows that have a target: class codes, int32 (n,), or standardised, float32 (n, 1).

        Raises `DataError` where the target is not in the table, or is not what it was in training.
        """
        return self.goal.encode(self._target_column(frame))

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return (n,) original labels for probabilities (n, K), or original units for outputs (n, 1).

        Raises `ShapeError` for outputs of another shape.
        """
        return self.goal.decode(outputs)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain lists, dicts, text and numbers, from which `from_json` makes the same."""
        return {
            "columns": [{"type": type(column).__name__, **dataclasses.asdict(column)} for column in self.columns],
            "target": dataclasses.asdict(self.goal),
            "ignored": list(self.ignored),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Preprocessing":
        """Return the preprocessing that `to_json` saved; raises `FileError` where something else came."""
        try:
            columns = tuple(saved_column(column) for column in saved["columns"])
            goal = Target(**{**saved["target"], "classes": tuple(saved["target"]["classes"])})
            return cls(columns, goal, tuple(saved["ignored"]), tuple(saved["notes"]))
        except (KeyError, TypeError) as error:
            raise FileError(
                f"Preprocessing: expected what to_json made, but it does not fit ({error}). "
                "Save the model again with this version."
            ) from None

    def _target_column(self, frame: "pl.DataFrame") -> "pl.Series":
        if self.target_name not in frame.columns:
            raise DataError(
                f"Table: expected the target column {self.target_name!r}, as in training, but the columns are "
                f"{listed(frame.columns, 50)}. Add it, or ask for predictions only."
            )
        return frame[self.target_name]


def saved_column(saved: Mapping[str, Any]) -> Number | Category:
    fields = {name: value for name, value in saved.items() if name != "type"}
    if saved["type"] == "Number":
        return Number(**fields)
    return Category(**{**fields, "levels": tuple(fields["levels"])})


def _counts_rows(column: "pl.Series") -> list[str]:
    """Return a note where the column is the number of its row, from any start."""
    if len(column) <= 10 or family(column) != "number" or not (np.diff(numbers(column)) == 1).all():
        return []
    return [
        f"Column {column.name!r} counts the rows one by one. If it is only the number of the row, take it out: "
        "a model can learn nothing from it but the order of the rows."
    ]
