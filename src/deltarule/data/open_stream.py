"""A stream from what a person names: tables in a folder, a pattern, a list or a file; images; two NumPy files."""

import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Literal

import numpy as np

from deltarule.data.array_files import ArrayFiles
from deltarule.data.delimited_files import DelimitedFiles
from deltarule.data.file_set import Data, table_files
from deltarule.data.image_files import AS_THEY_ARE, Conversion, Corrupt
from deltarule.data.image_stream import folder_stream
from deltarule.data.images import height_and_width, holds_images
from deltarule.data.memory import as_bytes
from deltarule.data.number_columns import NumberColumns
from deltarule.data.parquet_files import ParquetFiles
from deltarule.data.stream import Blocks, Stream
from deltarule.errors import SettingError


def stream(
    data: Data,
    target: str | int | None = None,
    memory: int | str = "512 MB",
    seed: int = 0,
    shard: tuple[int, int] = (0, 1),
    *,
    image_size: str | None = None,
    channels: Literal[1, 3] | None = None,
    corrupt: Corrupt = "refuse",
) -> Stream:
    """Examples from a set that may be larger than memory, for `model.fit(stream)`.

    Args:
        data: A folder of .parquet, .csv or .tsv files, a pattern such as "data/*.parquet", a list of files, or
            one; or a folder that holds x.npy (N, ...) and y.npy (N, ...), or these two as a list; or a folder that
            holds a folder of PNG and JPEG images for each class: x (N, h, w, i) are their pixels from 0 to 1, y
            (N,) the numbers of the classes, 0 for the first by name.
        target: The column of a table to predict, by its name or its position, -1 for the last, which is meant
            where nothing is said. All other columns are x, as they are: `deltarule train` standardises.
        memory: What reading may take beside the process itself: bytes, or a text such as "512 MB".
        seed: The order of the examples follows from it.
        shard: (i, N) for process i of N.
        image_size: Height x width, such as "128x128", to which images are resized.
        channels: 1 makes all images grey, 3 makes them colour.
        corrupt: "skip" looks into every image first, and leaves out those that cannot be read.

    Raises:
        FileError: no file matches; or one is missing, empty, cut short or damaged.
        DataError: files of different columns or types, no such target, a column that holds no numbers; images of
            different sizes, a class folder without images.
        SettingError: a setting that cannot be.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "x.npy", np.zeros((2048, 4))), np.save(folder / "y.npy", np.zeros(2048))
    (None, None)
    >>> found = stream(folder, memory="1 MB")
    >>> found.shape, found.chunk_rows(batch_size=64), found.shuffle_quality().blocks
    ((2048, 4), 2048, 32.0)
    """
    bound = as_bytes(memory)
    each = data if isinstance(data, (list, tuple)) else [data]
    if not all(isinstance(path, (str, os.PathLike)) for path in each):
        raise SettingError(
            "stream: expected a folder, a pattern, a file, or a list of files, got the type "
            f"{type(data).__name__}; data in memory are given to fit as they are: model.fit(x, y)"
        )
    whole = isinstance(shard, (list, tuple)) and len(shard) == 2 and all(isinstance(k, Integral) for k in shard)
    if not whole or not 0 <= shard[0] < shard[1]:
        raise SettingError(f"stream: shard must be (i, N) with 0 ≤ i < N, got {shard!r}")
    if not isinstance(seed, Integral) or seed < 0:
        raise SettingError(f"stream: seed must be a whole number of at least 0, got {seed!r}")
    if channels not in (None, 1, 3) or corrupt not in ("refuse", "skip"):
        raise SettingError(
            'stream: channels must be 1 for grey or 3 for colour, and corrupt "refuse" or "skip", got '
            f"channels={channels!r}, corrupt={corrupt!r}"
        )
    conversion, arrays = Conversion(height_and_width(image_size), channels), array_paths(data)
    if arrays is not None and target is not None:
        raise SettingError("stream: target is for tables; of x.npy and y.npy, y is what is predicted")
    if arrays is None and holds_images(data):
        if target is not None:
            raise SettingError("stream: target is for tables; of images in class folders, the class is predicted")
        return replace(folder_stream(str(data), conversion, corrupt, bound, seed), shard=shard)
    if conversion != AS_THEY_ARE or corrupt != "refuse":
        raise SettingError(
            "stream: image_size, channels and corrupt are for a folder that holds a folder of images for each "
            f"class, and {data} is none; leave them out"
        )
    if arrays is not None:
        source: Blocks = ArrayFiles(*arrays, most=bound // 16)
    else:
        source = NumberColumns.of(open_table(table_files(data), bound), -1 if target is None else target)
    return Stream(source, np.arange(len(source.rows)), bound, seed, shard)


def array_paths(data: Data) -> tuple[Path, Path] | None:
    """x.npy and y.npy, where the data are those."""
    if not isinstance(data, Sequence) or isinstance(data, str):
        folder = Path(data)
        return (folder / "x.npy", folder / "y.npy") if (folder / "x.npy").exists() else None
    paths = [Path(each) for each in data]
    return (paths[0], paths[1]) if len(paths) == 2 and paths[0].suffix == paths[1].suffix == ".npy" else None


def open_table(paths: Sequence[Path], memory: int) -> ParquetFiles | DelimitedFiles:
    """The table in files of one kind, in blocks of at most a sixteenth of the memory."""
    kind = ParquetFiles if paths[0].suffix.lower() == ".parquet" else DelimitedFiles
    return kind(paths, memory // 16)
