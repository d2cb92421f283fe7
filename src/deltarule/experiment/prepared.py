"""Data that a network can take, and how they were made: what tables, series, images and texts have in common."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.series import Series, SeriesPreprocessing
from deltarule.data.stream import Stream
from deltarule.data.table import Preprocessing
from deltarule.data.text import TextStream, Vocabulary
from deltarule.errors import DataError
from deltarule.layers.layer import Layer

if TYPE_CHECKING:
    import polars as pl

AnyPreprocessing = Preprocessing | ImagePreprocessing | SeriesPreprocessing | Vocabulary
Examples = tuple[np.ndarray, np.ndarray, np.ndarray]  # x, y and weights


@dataclass(frozen=True)
class Prepared:
    """A job's data, and the network that is to learn them.

    Attributes:
        held_out: what chooses the epoch, and but for a text what is measured; of a stream, a sample of it.
        stream: of a set larger than memory, all that is held out.
        notes: sentences for a person.
        windows: of a series, it and the rows (n,) from which the held-out forecasts are made.
        text: of a text, the part that is measured.
        rows: of a table, its held-out rows as they came; of image files, the column `file` of those held out.
    """

    preprocessing: AnyPreprocessing
    network: Layer
    training: Examples | TextStream | Stream
    held_out: Examples
    notes: tuple[str, ...]
    windows: tuple[Series, np.ndarray] | None = None
    text: TextStream | None = None
    rows: "pl.DataFrame | None" = None
    stream: Stream | None = None


def held_out_rows(rows: int, share: float) -> int:
    """How many rows, or characters, at the end are held out; raises DataError where either side is empty."""
    held = round(rows * share)
    if not 0 < held < rows:
        raise DataError(
            f"validation: expected a share that leaves rows on both sides, but {share} of {rows} holds out {held}."
            " Use 0.2 to hold out the last fifth."
        )
    return held
