"""The row groups of a Parquet file: how many rows and bytes each has, as the file's footer states.

A Parquet file ends in its footer, the footer's length (4 bytes, little-endian) and PAR1. The footer is a struct in
Thrift's compact protocol, whose field 4 lists the row groups: 2 the bytes of one once decompressed, 3 its rows
(parquet-format, `parquet.thrift`). polars reads row groups, but tells of none; the footer alone is read here.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from deltarule.errors import FileError

MAGIC = b"PAR1"


class RowGroup(NamedTuple):
    """Rows that stand together in a file, and their bytes once decompressed."""

    rows: int
    size: int


def row_groups(path: Path) -> list[RowGroup]:
    """The row groups of a Parquet file, in its order.

    Raises:
        FileError: the file cannot be read, is cut short, or is no Parquet file.
    """
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(length - 8, 0))
            size, magic = int.from_bytes(file.read(4), "little"), file.read(4)
            file.seek(max(length - 8 - size, 0))
            footer = file.read(size)
    except OSError as error:
        raise FileError(f"{path}: the file cannot be read ({error.strerror or error}).") from None
    if magic != MAGIC or size + 12 > length:
        raise FileError(
            f"{path}: expected a whole Parquet file, but it does not end as one does: it is cut short, or of "
            "another kind. Write it again."
        )
    try:
        return [RowGroup(group[3], group[2]) for group in Compact(footer).struct()[4]]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        raise FileError(f"{path}: the footer of this Parquet file is damaged. Write the file again.") from None


class Compact:
    """A reader of Thrift's compact protocol: structs as dicts by the number of the field, lists as lists."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def unsigned(self) -> int:
        """Seven bits a byte, the lowest first; the eighth says that more follow."""
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self) -> int:
        """Zigzag: 0, -1, 1, -2, ..."""
        value = self.unsigned()
        return (value >> 1) ^ -(value & 1)

    def struct(self) -> dict[int, Any]:
        fields, number = {}, 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.signed()
            kind = head & 0x0F
            fields[number] = kind == 1 if kind in (1, 2) else self.value(kind)
        return fields

    def value(self, kind: int) -> Any:
        """A value of a kind: 3 a byte, 4 to 6 whole numbers, 7 a double, 8 bytes, 9 and 10 lists, 12 a struct."""
        if kind in (1, 2, 3):
            return self.byte()
        if kind in (4, 5, 6):
            return self.signed()
        if kind in (7, 8):
            size = 8 if kind == 7 else self.unsigned()
            self.at += size
            return self.data[self.at - size : self.at]
        if kind in (9, 10):
            head = self.byte()
            count = head >> 4 if head >> 4 < 15 else self.unsigned()
            return [self.value(head & 0x0F) for _ in range(min(count, len(self.data)))]
        if kind == 12:
            return self.struct()
        raise ValueError(kind)
