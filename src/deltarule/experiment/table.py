"""A table as examples: what to learn from a file, and what to predict in another."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deltarule.data.arrays import as_numbers, as_weights, read_npz, split
from deltarule.data.image_files import Corrupt
from deltarule.data.table import Preprocessing, read_table
from deltarule.data.target import present, strata
from deltarule.errors import DataError, FileError, SettingError
from deltarule.experiment.network import table_network
from deltarule.experiment.prepared import Examples, Prepared
from deltarule.job import Job, refuse_others

if TYPE_CHECKING:
    import polars as pl


def prepare(job: Job) -> Prepared:
    """The table of a job, its training rows and its held-out rows.

    Raises:
        FileError, DataError, SettingError: what is wrong with the file, the table or the settings.
    """
    refuse_others(job, "table")
    notes: list[str] = []
    frame, weight = read_data(job.data, notes)
    task = job.task if job.task in ("classification", "regression") else None
    kept, held = split(len(frame), job.validation, job.seed, strata(frame, job.target, task))
    preparation = Preprocessing.fit(frame, job.target, task, rows=kept)
    return Prepared(
        preparation,
        table_network(preparation, job),
        known(preparation, frame[kept], weight[kept])[0],
        known(preparation, frame[held], weight[held])[0],
        (*notes, *preparation.notes),
        rows=frame[held].filter(present(frame[held][preparation.target_name])),
    )


def features(preparation: Preprocessing, data: Sequence[str], corrupt: Corrupt, notes: list[str]) -> np.ndarray:
    """x of every row of the one file in `data`."""
    frame, _ = read_data(one_file(data, corrupt), notes)
    x, told = preparation.transform(frame)
    notes += told
    return x


def examples(preparation: Preprocessing, data: str, corrupt: Corrupt, notes: list[str]) -> Examples:
    """x, y and weights of the rows of a file that have a target."""
    found, told = known(preparation, *read_data(one_file([data], corrupt), notes))
    notes += told
    return found


def known(
    preparation: Preprocessing, frame: "pl.DataFrame", weight: np.ndarray
) -> tuple[Examples, tuple[str, ...]]:
    """x, y and weights of the rows that have a target, and notes."""
    x, notes = preparation.transform(frame, with_target=True)
    return (x, preparation.target(frame), weight[present(frame[preparation.target_name])]), notes


def one_file(data: Sequence[str], corrupt: Corrupt) -> str:
    """The file in `data`; raises where there are several, or where it is a folder of images."""
    if Path(one_of(data, corrupt)).is_dir():
        raise FileError(f"{data[0]}: expected a file, because the model was trained on a table, but got a folder")
    return data[0]


def one_of(data: Sequence[str], corrupt: Corrupt) -> str:
    """What `data` is; raises where there are several, or where a setting is given that is for images."""
    if len(data) != 1:
        raise SettingError(f"expected one file, because the model was trained on a table, but got {len(data)}")
    if corrupt != "refuse":
        raise SettingError("corrupt = skip is for images, and the model was trained on a table; leave it out")
    return data[0]


def read_data(path: str, notes: list[str]) -> tuple["pl.DataFrame", np.ndarray]:
    """The table in a file, and each row's weight, 1 where the file gives none; `notes` gets what to know."""
    if Path(path).suffix.lower() != ".npz":
        frame = read_table(path, notes)
        return frame, np.ones(len(frame), np.float32)
    import polars as pl

    found = read_npz(path)
    x = as_numbers(found["x"], f"{path}: x")
    frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(x.reshape(len(x), -1).T)})
    if "y" in found:
        if found["y"].shape != (len(x),):
            raise DataError(f"{path}: expected y of shape ({len(x)},), one a row of x, got {found['y'].shape}")
        try:
            frame = frame.with_columns(y=pl.Series(found["y"]))
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path}: y cannot be a column of a table: {error}") from None
    return frame, as_weights(found.get("weight", np.ones(len(x))), len(x))
