"""A table in many Parquet files, read in blocks of rows that are row groups, or parts of one that is too large.

Which reader: over 1,048,576 rows of 20 float32 and one int64, ZSTD, in 64 row groups of 16,384, on two busy cores,
one thread that reads the groups in random order and makes a float32 matrix of each gets, in rows a second,

    polars, lazy slice of one row group     3.9 M   (340 MB/s of decoded values;  25 MB of memory)
    pyarrow, read_row_group                 4.3 M   (375 MB/s;  23 MB, with its 170 MB installed)
    pyarrow, with its threads               5.3 M   (465 MB/s;  96 MB)
    pyarrow.dataset, in the files' order    2.0 M   (174 MB/s; 199 MB)
    polars, whole files, in their order     9.2 M   (811 MB/s; 146 MB)

polars is read with: it is here already for tables, it is as fast as pyarrow row group by row group, and it skips
the pages of a large row group that a slice does not need (16,384 of 1,048,576 rows in 25 ms, of 260 for all).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deltarule.data.delimited import listed
from deltarule.data.file_set import Files
from deltarule.data.parquet_footer import row_groups
from deltarule.errors import DataError, FileError

if TYPE_CHECKING:
    import polars as pl

PAGE = 1 << 20  # bytes: a page is decoded whole, and most writers make them of this size
LEAST_BLOCKS = 20  # of a set, so that a share of them can be held out


class Block(NamedTuple):
    """Rows that stand together in a file."""

    file: int
    start: int
    rows: int


class ParquetFiles:
    """A table in Parquet files of the same columns.

    Attributes:
        schema: the type of each column, by its name.
        rows: (k,), how many rows each block has.
        file: (k,), the file that each block is of.
        block_bytes: what reading one block takes at most.

    Raises:
        FileError: a file is missing, empty, cut short or damaged.
        DataError: a file has no rows, or other columns or types than the first.
    """

    def __init__(self, paths: Sequence[Path], most: int):
        self.files = Files.of(paths)
        groups = [row_groups(path) for path in self.files.paths]
        self.schema = common_schema(self.files.paths)
        row = sum(map(width, self.schema.values()))
        total = sum(group.rows for file in groups for group in file)
        length = max(1, min(most // (2 * row), -(-total // LEAST_BLOCKS)))
        self.blocks = [
            Block(file, start, rows)
            for file, found in enumerate(groups)
            for start, rows in cut([group.rows for group in found], length)
        ]
        for file, path in enumerate(self.files.paths):
            if not sum(group.rows for group in groups[file]):
                raise DataError(f"{path}: expected rows of data, but there are none. Take the file away.")
        self.rows = np.array([block.rows for block in self.blocks])
        self.file = np.array([block.file for block in self.blocks])
        pages = max(min(group.size, PAGE * len(self.schema)) for file in groups for group in file)
        self.block_bytes = 2 * row * int(self.rows.max()) + pages

    def frame(self, block: int, columns: Sequence[str] | None = None) -> "pl.DataFrame":
        """The rows of a block; raises FileError that names the file, where it is damaged or has changed."""
        import polars as pl

        file, start, rows = self.blocks[block]
        path = self.files.unchanged(file)
        try:
            scan = pl.scan_parquet(path, glob=False).select(list(self.schema) if columns is None else columns)
            frame = scan.slice(start, rows).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise damaged(path, error) from None
        if len(frame) < rows:
            raise damaged(path, f"it ends before row {start + rows}")
        return frame.cast({name: kind for name, kind in self.schema.items() if name in frame.columns})

    def name(self, block: int) -> str:
        """Where a block is, for a person."""
        file, start, _ = self.blocks[block]
        return f"{self.files.paths[file]}, rows from {start} on"


def cut(groups: Sequence[int], most: int) -> list[tuple[int, int]]:
    """(start, rows) of blocks of at most so many rows; each is within a row group.

    >>> cut([10, 25], most=12)
    [(0, 10), (10, 9), (19, 8), (27, 8)]
    """
    found, start = [], 0
    for rows in groups:
        parts = -(-rows // most)
        for part in range(parts):
            length = (rows - part + parts - 1) // parts
            found.append((start, length))
            start += length
    return found


def common_schema(paths: Sequence[Path]) -> dict[str, "pl.DataType"]:
    """The columns of the first file; raises DataError where another has others, FileError where it is damaged."""
    import polars as pl

    first: dict[str, pl.DataType] = {}
    for path in paths:
        try:
            schema = dict(pl.read_parquet_schema(path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise damaged(path, error) from None
        first = first or schema
        check_columns(path, list(schema), paths[0], list(first))
        for name, kind in first.items():
            found = common_type(kind, schema[name])
            if found is None:
                raise DataError(
                    f"{path}: expected column {name!r} of the type {kind}, as in {paths[0]}, but got "
                    f"{schema[name]}. Write all files of the set with the same types."
                )
            first[name] = found
    return first


def check_columns(path: Path, columns: Sequence[str], first: Path, expected: Sequence[str]) -> None:
    """Raises DataError where a file lacks a column of the first one, or has one more."""
    absent = [name for name in expected if name not in columns]
    more = [name for name in columns if name not in expected]
    if absent or more:
        told = [f"{word} {listed(names)}" for word, names in (("lacks", absent), ("adds", more)) if names]
        raise DataError(
            f"{path}: expected the columns of {first}, but it {' and '.join(told)}. Write all files of the set "
            "with the same columns."
        )


def common_type(a: "pl.DataType", b: "pl.DataType") -> "pl.DataType | None":
    """The type of a column that holds values of both: numbers of any width are of one, missing ones of any."""
    import polars as pl

    if a == b or b == pl.Null:
        return a
    if a == pl.Null:
        return b
    if not (a.is_numeric() and b.is_numeric()):
        return None
    return pl.Int64() if a.is_integer() and b.is_integer() else pl.Float64()


def width(kind: "pl.DataType") -> int:
    """Bytes of a value in memory, about: of a text, one of some thirty letters."""
    import polars as pl

    if kind == pl.Boolean:
        return 1
    if kind.is_numeric() or kind.is_temporal():
        return int(pl.Series([None] * 8, dtype=kind).estimated_size()) // 8
    return 48


def damaged(path: Path, why: object) -> FileError:
    return FileError(
        f"{path}: expected a whole Parquet file, but it cannot be read as one ({str(why).splitlines()[0]}). It "
        "may be damaged; write it again."
    )
