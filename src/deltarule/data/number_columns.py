"""The columns of a table as examples: x float32 (n, i) of all columns but one, and that one, y (n,), as it is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from deltarule.data.delimited import listed
from deltarule.data.file_set import Files
from deltarule.data.target import target_name
from deltarule.errors import DataError

if TYPE_CHECKING:
    import polars as pl


class Table(Protocol):
    """A table that is read in blocks; `ParquetFiles` says what its attributes are."""

    schema: dict[str, "pl.DataType"]
    rows: np.ndarray
    file: np.ndarray
    block_bytes: int
    files: Files

    def frame(self, block: int) -> "pl.DataFrame": ...

    def name(self, block: int) -> str: ...


@dataclass(frozen=True, eq=False)
class NumberColumns:
    """A table whose columns are all numbers, one of them the target."""

    table: Table
    features: tuple[str, ...]
    target: str

    @classmethod
    def of(cls, table: Table, target: str | int) -> "NumberColumns":
        """The examples of a table; raises DataError for no such target, and for a column of another kind."""
        import polars as pl

        name = target_name(list(table.schema), target)
        other = [column for column, kind in table.schema.items() if not (kind.is_numeric() or kind == pl.Boolean)]
        if other:
            raise DataError(
                f"{table.files.paths[0]}: expected numbers in every column, but {listed(other)} "
                f"{'hold' if len(other) > 1 else 'holds'} other values, such as {table.schema[other[0]]}. "
                "`deltarule train` turns categories and times into numbers; or write them as numbers."
            )
        return cls(table, tuple(column for column in table.schema if column != name), name)

    @property
    def rows(self) -> np.ndarray:
        return self.table.rows

    @property
    def files(self) -> Files:
        return self.table.files

    @property
    def file(self) -> np.ndarray:
        return self.table.file

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.rows.sum()), len(self.features)

    @property
    def target_bytes(self) -> int:
        return 8

    @property
    def block_bytes(self) -> int:
        return self.table.block_bytes + int(self.rows.max()) * (4 * len(self.features) + self.target_bytes)

    def read(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """x and y of a block; raises FileError and DataError that name the file."""
        import polars as pl

        frame = self.table.frame(block)
        x = frame.select(pl.col(self.features).cast(pl.Float32)).to_numpy(order="c")
        y = frame[self.target].to_numpy()
        for column, values in (*zip(self.features, x.T, strict=True), (self.target, y)):
            finite = np.isfinite(values) if values.dtype.kind == "f" else np.ones(len(values), bool)
            if not finite.all():
                raise DataError(
                    f"{self.name(block)}: expected finite numbers, but {(~finite).sum()} of {len(values)} in "
                    f"column {column!r} are missing, NaN or infinite, the first in row {int(np.argmin(finite))}. "
                    "Fill them in, or take these rows out; `deltarule train` does either."
                )
        return x, y

    def name(self, block: int) -> str:
        return self.table.name(block)
