"""Examples in two NumPy files, x.npy (N, ...) and y.npy (N, ...), read block by block and never whole.

A block is read from its place in the file into memory of its own. A memory map would do the same work, but the
pages that it touched stay in the process's resident memory until the system takes them back.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.arrays import as_features, check_same_length
from deltarule.data.file_set import Files
from deltarule.errors import DataError, FileError

BLOCK = 1 << 17  # bytes of x in a block: enough that finding it costs little, few enough that a chunk mixes many


class ArrayFiles:
    """The examples of x.npy and y.npy.

    Attributes:
        rows: (k,), how many examples each block has.
        file: (k,), the file that each block is of.
        shape: (N, ...), that of all x together.
        block_bytes: what the reading of one block takes at most.

    Raises:
        FileError: a file is missing, cut short, or no array; or its rows do not stand one behind the other.
        DataError, ShapeError: x holds no numbers, or y has another length.
    """

    def __init__(self, x: Path, y: Path, most: int):
        self.files = Files.of([x, y])
        self.arrays = [opened(path) for path in self.files.paths]
        features, targets = (array for array, _ in self.arrays)
        if features.dtype.kind not in "biuf":
            raise DataError(f"{x}: expected booleans, integers or floats, but got the type {features.dtype}")
        check_same_length(features, targets)
        row = math.prod(features.shape[1:]) * max(features.itemsize, 4)
        length = max(1, min(BLOCK // max(row, 1), most // (4 * max(row, 1)), -(-len(features) // 32)))
        self.starts = np.arange(0, len(features), length)
        self.rows = np.minimum(length, len(features) - self.starts)
        self.file = np.zeros(len(self.starts), int)
        self.shape = features.shape
        self.target_bytes = targets.itemsize * math.prod(targets.shape[1:])
        self.block_bytes = 3 * length * (row + self.target_bytes)

    def read(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """x (n, ...), float32, and y (n, ...) of a block; raises FileError and DataError that name the file."""
        x, y = (self.part(file, block) for file in range(2))
        try:
            return as_features(x), y
        except DataError as error:
            raise DataError(f"{self.files.paths[0]}, rows from {self.starts[block]} on: {error}") from None

    def part(self, file: int, block: int) -> np.ndarray:
        """A block's rows of one of the two files."""
        path, (array, offset) = self.files.unchanged(file), self.arrays[file]
        start, rows, row = self.starts[block], self.rows[block], math.prod(array.shape[1:])
        try:
            found = np.fromfile(path, array.dtype, rows * row, offset=offset + start * row * array.itemsize)
        except OSError as error:
            raise FileError(f"{path}: the file cannot be read ({error.strerror or error}).") from None
        if found.size < rows * row:
            raise FileError(f"{path}: the file ends before row {start + rows}; it is cut short. Write it again.")
        return found.reshape(rows, *array.shape[1:])

    def name(self, block: int) -> str:
        """Where a block is, for a person."""
        return f"{self.files.paths[0].parent}, rows from {self.starts[block]} on"


def opened(path: Path) -> tuple[Any, int]:
    """(the array in a .npy file, where its numbers begin); raises FileError."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        raise FileError(
            f"{path}: expected an array in a .npy file, but it is cut short, of another kind, or holds Python "
            "objects, which are never read. Write it again with numpy.save."
        ) from None
    if not isinstance(found, np.memmap) or found.ndim == 0 or not found.size:
        raise FileError(f"{path}: expected an array of examples, shape (n, ...), saved alone in a .npy file")
    if not found.flags.c_contiguous:
        raise FileError(
            f"{path}: expected rows that stand one behind the other, but the array is in Fortran's order. Write "
            "it again with numpy.save(path, numpy.ascontiguousarray(x))."
        )
    return found, int(found.offset)
