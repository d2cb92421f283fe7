"""Delimited text, as people save it, to a table: one parser, types found over the whole file, nothing silent."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.errors import DataError, FileError

if TYPE_CHECKING:
    import polars as pl

MISSING = ("", "-", "?", "na", "n/a", "#n/a", "<na>", "nan", "none", "null")  # in lower or upper case
TIMES = (
    "%Y-%m-%d",
    "%Y-%m",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
)
WHOLE, NUMBER, COMMAS = "whole number", "number", "number with a decimal comma"
KINDS = (WHOLE, NUMBER, COMMAS, *TIMES)  # what a column is, if all of its values are: the first that fits
SAMPLE = 1 << 16  # characters looked at to find the separator
CHUNK = 1 << 14  # rows turned into columns at a time


def read_delimited(path: Path, notes: list[str]) -> "pl.DataFrame":
    """Return the table in the text file `path`, and add to `notes` what a person should know about it.

    The separator is found among comma, semicolon, tab, bar and space. The first line holds the names. A column
    is whole numbers, numbers, dates or text, whichever first fits all of its values.

    Raises `FileError` where the file cannot be read as UTF-8, and `DataError` where it is no table.
    """
    import polars as pl

    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            separator = "\t" if path.suffix.lower() == ".tsv" else separator_of(file.read(SAMPLE))
            file.seek(0)
            reader = csv.reader(file, delimiter=separator, skipinitialspace=separator != " ", strict=True)
            names, records = _records(path, reader, notes)
            chunks = []
            while rows := list(islice(records, CHUNK)):
                columns = zip(names, zip(*rows, strict=True), strict=True)
                chunks.append(pl.DataFrame({name: pl.Series(cells, dtype=pl.String) for name, cells in columns}))
    except UnicodeDecodeError as error:
        raise FileError(
            f"{path}: expected UTF-8 text, but found the byte 0x{error.object[error.start]:02x}, which is not. "
            "Save the file again with the encoding UTF-8."
        ) from None
    except OSError as error:
        raise FileError(f"{path}: the file cannot be read ({error.strerror}). Check its permissions.") from None
    except csv.Error as error:
        raise DataError(
            f"{path}: the quotes do not match ({error}). Close every quoted field, and write a quote "
            "inside one twice."
        ) from None
    return pl.DataFrame([_typed(column, separator == ";", notes) for column in pl.concat(chunks)])


def separator_of(sample: str) -> str:
    """Return the separator that cuts the most rows, and best the header too, into one number of fields."""
    best, found = (0.0, False, 0), ","
    for separator in ",;\t|":
        header, *rows = _widths(sample, separator)
        width, count = Counter(rows or [header]).most_common(1)[0]
        score = (count / len(rows or [header]), width == header, width)
        if header > 1 and width > 1 and score > best:
            best, found = score, separator
    spaced = set(_widths(sample, " "))
    return " " if not best[2] and len(spaced) == 1 and min(spaced) > 1 else found


def _widths(sample: str, separator: str) -> list[int]:
    lines = io.StringIO(sample, newline="")
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=separator != " ")
    widths = [len(record) for record in reader if any(map(str.strip, record))]
    return (widths[:-1] if len(sample) == SAMPLE else widths) or [0]


def _records(path: Path, reader, notes: list[str]) -> tuple[list[str], Iterator[list[str]]]:
    """Return the names of the columns and the rows, each checked to be as wide as the first."""
    records = (record for record in reader if len(record) > 1 or any(map(str.strip, record)))
    header, first = next(records, None), next(records, None)
    if header is None:
        raise DataError(f"{path}: expected a table, but the file is empty. Check how it was written.")
    if first is None:
        raise DataError(
            f"{path}: expected rows of data, but there is only the line of names. Check how the file was written."
        )
    width = len(first)
    while len(header) > width and not header[-1].strip():
        header.pop()
    if len(header) > width:
        raise _ragged(path, reader.line_num, width, f"the header has {len(header)}")

    def rows() -> Iterator[list[str]]:
        yield first
        for record in records:
            if len(record) != width:
                raise _ragged(path, reader.line_num, len(record), f"the first row has {width}")
            yield record

    return names_of(header, width, notes), rows()


def _ragged(path: Path, line: int, width: int, expected: str) -> DataError:
    return DataError(
        f"{path}: expected as many fields in every row, but line {line} has {width} where {expected}. "
        "Complete the row, or put text that holds the separator in quotes."
    )


def names_of(header: list[str], width: int, notes: list[str]) -> list[str]:
    """Return one name for each of `width` columns: unnamed ones by their position, repeated ones numbered."""
    given = [name.strip() for name in header] + [""] * (width - len(header))
    unnamed = [f"column_{position}" for position in range(width) if not given[position]]
    if unnamed:
        notes.append(
            f"The first line names {width - len(unnamed)} of {width} columns; {listed(unnamed)} got the position "
            "as a name, counted from 0. The names that are there belong to the columns they stand above."
        )
    numbers = [name for name in given if name.replace(".", "", 1).isdecimal()]
    if numbers:
        notes.append(
            f"The first line holds numbers as names ({listed(numbers)}). It is taken as names; if it is data, put "
            "a line of names above it."
        )
    names: dict[str, None] = {}
    for position, name in enumerate(given):
        name = unique = name or f"column_{position}"
        copies = 0
        while unique in names:
            unique, copies = f"{name}_duplicated_{copies}", copies + 1
        if copies:
            notes.append(f"Column {position} repeats the name {name!r}; it is called {unique!r}.")
        names[unique] = None
    return list(names)


def _typed(column: "pl.Series", decimal_comma: bool, notes: list[str]) -> "pl.Series":
    """Return the text as whole numbers, numbers or dates, whichever first fits all of its values, else as text."""
    text = without_missing(column)
    given = text.count()
    for kind in KINDS:
        if (kind != COMMAS or decimal_comma) and (values := read_as(text, kind)).count() == given:
            if kind == COMMAS:
                notes.append(f"Column {column.name!r} has decimal commas; they are read as decimal points.")
            return values
    odd = text.filter(read_as(text, NUMBER).is_null() & text.is_not_null())
    if 10 * len(odd) <= given:
        notes.append(
            f"Column {column.name!r} is read as text: {len(odd)} of its {given} values are not numbers "
            f"({listed(odd.unique().sort())}). Leave those fields empty if they mean that a value is missing."
        )
    return text


def without_missing(column: "pl.Series") -> "pl.Series":
    """Return the text without the spaces around it, null where it is a word for what is missing."""
    import polars as pl

    stripped = column.str.strip_chars()
    return stripped.zip_with(~stripped.str.to_lowercase().is_in(MISSING), pl.Series([None], dtype=pl.String))


def read_as(text: "pl.Series", kind: str) -> "pl.Series":
    """Return the text as values of one of KINDS, null where it is none."""
    import polars as pl

    if kind == COMMAS:
        text, kind = text.str.replace(",", ".", literal=True), NUMBER
    if kind in (WHOLE, NUMBER):
        return text.cast(pl.Int64 if kind == WHOLE else pl.Float64, strict=False)
    return text.str.strip_suffix("Z").str.to_datetime(kind, strict=False)


def listed(values: Iterable[object], limit: int = 5) -> str:
    """Return the first few of `values` as one phrase.

    >>> listed(["a", "b", "c"], limit=2)
    "'a', 'b' and 1 more"
    """
    shown = [repr(value) for value in values]
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more
