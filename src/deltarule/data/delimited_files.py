"""A table in many .csv or .tsv files, read in blocks of lines; `delimited` states how a column's type is found.

One pass over the files finds where blocks of lines begin, that every line has as many fields as there are names,
and what every column is: whichever of whole numbers, numbers and dates first fits all of its values in all files,
else text.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deltarule.data.delimited import (
    COMMAS,
    KINDS,
    NUMBER,
    SAMPLE,
    WHOLE,
    names_of,
    read_as,
    separator_of,
    without_missing,
)
from deltarule.data.file_set import Files
from deltarule.data.parquet_files import LEAST_BLOCKS, check_columns
from deltarule.errors import DataError, FileError

if TYPE_CHECKING:
    import polars as pl

PIECE = 1 << 16  # bytes in which lines are looked for at a time
DECODED = 16  # times its text that a block takes in memory, at most
MARK = b"\xef\xbb\xbf"  # with which some programs begin UTF-8


class Lines(NamedTuple):
    """Whole lines of a file: where they begin and end, in bytes, and the number of the first, from 1."""

    file: int
    start: int
    stop: int
    line: int


class DelimitedFiles:
    """A table in text files of the same columns; `ParquetFiles` says what the attributes are.

    Raises:
        FileError: a file is missing, empty, not UTF-8, or has changed.
        DataError: a line with more or fewer fields than names, quotes that do not match, no rows, or other columns
            than in the first file.
    """

    def __init__(self, paths: Sequence[Path], most: int):
        import polars as pl

        self.files = Files.of(paths)
        size = max(1, min(most // DECODED, sum(size for size, _ in self.files.stamps) // LEAST_BLOCKS))
        heads = [Head(path) for path in self.files.paths]
        self.separators = [head.separator for head in heads]
        self.columns = [head.columns for head in heads]
        for path, columns in zip(self.files.paths, self.columns, strict=True):
            check_columns(path, columns, self.files.paths[0], self.columns[0])
        self.blocks: list[Lines] = []
        possible = [kind for kind in KINDS if kind != COMMAS or ";" in self.separators]
        fitting: dict[str, list[str]] = {name: list(possible) for name in self.columns[0]}
        rows = []
        for file, head in enumerate(heads):
            for lines in blocks_of(self.files.paths[file], file, head, size):
                frame = self.text(lines)
                if len(frame):
                    rows.append(len(frame))
                    self.blocks.append(lines)
                for name, kinds in fitting.items():
                    text = without_missing(frame[name])
                    fitting[name] = [kind for kind in kinds if read_as(text, kind).count() == text.count()]
            if not self.blocks or self.blocks[-1].file < file:
                raise DataError(f"{self.files.paths[file]}: expected rows of data below the line of names.")
        self.kinds = {name: kinds[0] if kinds else None for name, kinds in fitting.items()}
        types = {WHOLE: pl.Int64(), NUMBER: pl.Float64(), COMMAS: pl.Float64(), None: pl.String()}
        self.schema = {name: types.get(kind, pl.Datetime("us")) for name, kind in self.kinds.items()}
        self.rows = np.array(rows)
        self.file = np.array([lines.file for lines in self.blocks])
        self.block_bytes = DECODED * max(lines.stop - lines.start for lines in self.blocks)

    def frame(self, block: int, columns: Sequence[str] | None = None) -> "pl.DataFrame":
        """The rows of a block; raises FileError and DataError that name the file."""
        import polars as pl

        frame, found = self.text(self.blocks[block]), []
        for name in self.kinds if columns is None else columns:
            text, kind = without_missing(frame[name]), self.kinds[name]
            found.append(text if kind is None else read_as(text, kind))
        return pl.DataFrame(found)

    def text(self, lines: Lines) -> "pl.DataFrame":
        """The fields of some lines as text, without the lines that have nothing in them."""
        import polars as pl

        path = self.files.unchanged(lines.file)
        try:
            with path.open("rb") as file:
                file.seek(lines.start)
                given = file.read(lines.stop - lines.start)
            frame = pl.read_csv(
                io.BytesIO(given),
                has_header=False,
                new_columns=self.columns[lines.file],
                separator=self.separators[lines.file],
                infer_schema=False,
            )
        except pl.exceptions.NoDataError:
            return pl.DataFrame({name: pl.Series([], dtype=pl.String) for name in self.columns[lines.file]})
        except (pl.exceptions.PolarsError, OSError) as error:
            why = str(error).splitlines()[0]
            raise FileError(
                f"{path}: expected UTF-8 text, but the lines from {lines.line} on cannot be read ({why}). Save "
                "the file again with the encoding UTF-8."
            ) from None
        return frame.filter(~pl.all_horizontal(pl.all().is_null()))

    def name(self, block: int) -> str:
        """Where a block is, for a person."""
        return f"{self.files.paths[self.blocks[block].file]}, lines from {self.blocks[block].line} on"


class Head:
    """The line of names of a text file, and how its fields are separated."""

    def __init__(self, path: Path):
        try:
            with path.open("rb") as file:
                mark = len(MARK) if file.read(len(MARK)) == MARK else 0
                file.seek(mark)
                sample = file.read(SAMPLE)
        except OSError as error:
            raise FileError(f"{path}: the file cannot be read ({error.strerror or error}).") from None
        text = sample.decode("utf-8", "replace")
        self.separator = "\t" if path.suffix.lower() == ".tsv" else separator_of(text)
        if self.separator == " ":
            raise DataError(f"{path}: expected fields between commas, semicolons, tabs or bars, but got spaces.")
        start = len(sample) - len(sample.lstrip(b"\r\n"))
        line = sample[start : first_end(sample, start)]
        header = next(csv.reader(io.StringIO(line.decode("utf-8", "replace")), delimiter=self.separator), [])
        self.columns = names_of(header, len(header), [])
        self.end = mark + start + len(line)


def first_end(sample: bytes, start: int) -> int:
    """Where the first line ends."""
    at = sample.find(b"\n", start)
    return len(sample) if at < 0 else at + 1


def blocks_of(path: Path, file: int, head: Head, size: int) -> Iterator[Lines]:
    """Blocks of whole lines of about `size` bytes, behind the line of names.

    Raises:
        DataError: a line of another number of fields, or a quote that is not closed.
    """
    start = at = head.end
    line = first = 2
    fields = length = inside = last = 0  # of the line that is not at its end yet
    with path.open("rb") as handle:
        handle.seek(at)
        while piece := handle.read(PIECE):
            data = np.frombuffer(piece, np.uint8)
            quoted = np.bitwise_xor.accumulate((data == ord('"')).astype(np.uint8)) ^ inside  # (b,)
            inside = int(quoted[-1])
            ends = np.flatnonzero((data == ord("\n")) & (quoted == 0))
            separators = np.cumsum((data == ord(head.separator)) & (quoted == 0))
            counts = np.diff(separators[ends], prepend=0)
            before = np.concatenate([[last], data[:-1]])[ends]
            lengths = np.diff(ends, prepend=-1) - 1 - (before == ord("\r"))
            counts[:1] += fields
            lengths[:1] += length
            check_fields(path, line, counts, lengths, len(head.columns))
            line += len(ends)
            fields = int(separators[-1]) - int(separators[ends[-1]]) if ends.size else fields + int(separators[-1])
            length = len(piece) - 1 - int(ends[-1]) if ends.size else length + len(piece)
            for end in cuts(at + ends + 1, start, size):
                yield Lines(file, start, int(at + ends[end] + 1), first)
                start, first = int(at + ends[end] + 1), line - len(ends) + end + 1
            at, last = at + len(piece), piece[-1]
    if inside:
        raise DataError(
            f"{path}: a quote is not closed, in line {line} or before. Close every quoted field, and write a "
            "quote inside one twice."
        )
    if length:
        check_fields(path, line, np.array([fields]), np.array([length]), len(head.columns))
    if at > start:
        yield Lines(file, start, at, first)


def cuts(ends: np.ndarray, start: int, size: int) -> Iterator[int]:
    """Which of the ends of lines, in bytes, close a block of at least `size` bytes.

    >>> list(cuts(np.array([3, 6, 9, 12, 15]), start=0, size=5))
    [1, 3]
    """
    while (end := int(np.searchsorted(ends, start + size))) < len(ends):
        yield end
        start = int(ends[end])


def check_fields(path: Path, line: int, counts: np.ndarray, lengths: np.ndarray, columns: int) -> None:
    """Raises DataError for a line of another number of fields; one without any text is none."""
    wrong = (counts != columns - 1) & ((counts > 0) | (lengths > 0))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise DataError(
            f"{path}: expected as many fields in every row, but line {line + at} has {counts[at] + 1} where there "
            f"are {columns} names. Complete the row, or put text that holds the separator in quotes."
        )
