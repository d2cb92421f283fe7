"""A text as codes: code k is the k-th character (or byte) of the training part, 0 is one never seen there."""

import codecs
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deltarule.data.target import Target
from deltarule.errors import DataError, FileError

Unit = Literal["characters", "bytes"]
BLOCK = 1 << 20  # bytes or symbols that are looked at at a time
MOST = 256  # different characters, above which a text is read as bytes
SHOWN = {"characters": "character", "bytes": "byte"}


@dataclass(frozen=True)
class Vocabulary:
    """The symbols of a text and their codes, learned from its training part; plain data that JSON can hold.

    A symbol that the training part lacks has the code 0, "unknown", wherever it comes.

    Attributes:
        unit: what a symbol is.
        symbols: code points or bytes, rising.

    >>> vocabulary = Vocabulary.fit(np.frombuffer(b"abracadabra", np.uint8), "characters")
    >>> vocabulary.encode("cab!").tolist(), vocabulary.decode([3, 1, 2, 0]), vocabulary.size
    ([3, 1, 2, 0], 'cab�', 6)
    """

    unit: Unit
    symbols: tuple[int, ...]

    @classmethod
    def fit(cls, symbols: np.ndarray, unit: Unit) -> "Vocabulary":
        """The vocabulary of symbols (t,), which are looked at block by block."""
        found: set[int] = set()
        for start in range(0, len(symbols), BLOCK):
            found.update(np.unique(symbols[start : start + BLOCK]).tolist())
        return cls(unit, tuple(sorted(found)))

    @property
    def size(self) -> int:
        """How many codes there are, with the one for unknown symbols."""
        return len(self.symbols) + 1

    @property
    def goal(self) -> Target:
        """What is predicted."""
        return Target(f"next {SHOWN[self.unit]}", "classification")

    def codes(self, symbols: np.ndarray) -> np.ndarray:
        """The codes of symbols (...), as the smallest whole numbers that hold them."""
        known = np.array(self.symbols)
        places = np.minimum(np.searchsorted(known, symbols), len(known) - 1)
        return np.where(known[places] == symbols, places + 1, 0).astype(np.min_scalar_type(self.size - 1))

    def encode(self, text: str) -> np.ndarray:
        """The codes of a text (t,)."""
        if self.unit == "bytes":
            return self.codes(np.frombuffer(text.encode(), np.uint8))
        return self.codes(np.frombuffer(text.encode("utf-32-le"), np.uint32))

    def decode(self, codes: Any) -> str:
        """The text of codes (t,); what is unknown, or bytes that are no UTF-8, is the sign �."""
        symbols = [self.symbols[code - 1] if code else 0xFFFD for code in np.asarray(codes).tolist()]
        if self.unit == "characters":
            return "".join(map(chr, symbols))
        return b"".join(b"\xff" if each == 0xFFFD else bytes([each]) for each in symbols).decode(errors="replace")

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain lists, dicts, text and numbers, from which `from_json` makes the same."""
        return {"kind": "text", "target": {"name": self.goal.name}, "unit": self.unit, "symbols": self.symbols}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Vocabulary":
        """Return the vocabulary that `to_json` saved; raises `FileError` where something else came."""
        try:
            return cls(saved["unit"], tuple(saved["symbols"]))
        except (KeyError, TypeError) as error:
            raise FileError(
                f"Vocabulary of a text: expected what to_json made, but it does not fit ({error}). "
                "Save the model again with this version."
            ) from None


@dataclass(frozen=True)
class TextStream:
    """Symbols cut into n streams of one length, side by side, which are read chunk after chunk.

    Each stream is a sequence whose every character but the first is to be predicted from those before it; the
    last symbols, less than one a stream, are left out.

    Args:
        symbols: (t,), in memory or mapped from a file.
        vocabulary: how they become codes.
        streams: n, how many are read side by side.
        length: characters of a stream that are read at a time, at most all.

    >>> symbols = np.frombuffer(b"abcdefgh", np.uint8)
    >>> stream = TextStream(symbols, Vocabulary.fit(symbols, "bytes"), streams=2, length=2)
    >>> [(x.tolist(), y.tolist()) for x, y in stream.epoch(0)]
    [([[1, 2], [4, 5]], [[2, 3], [5, 6]]), ([[3], [6]], [[4], [7]])]
    """

    symbols: np.ndarray
    vocabulary: Vocabulary
    streams: int
    length: int

    @property
    def steps(self) -> int:
        """How many predictions a stream has."""
        return (len(self.symbols) - 1) // self.streams

    @property
    def chunk_shape(self) -> tuple[int, int]:
        """(n, C) of a chunk; the last one may be shorter."""
        return self.streams, min(self.length, self.steps)

    @property
    def examples(self) -> int:
        """How many predictions an epoch has."""
        return self.streams * self.steps

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Codes x (n, C) and y (n, C), of the characters that follow, in the same order each epoch."""
        starts = np.arange(self.streams) * self.steps
        for first in range(0, self.steps, self.length):
            last = min(first + self.length, self.steps)
            chunk = np.stack([self.symbols[start + first : start + last + 1] for start in starts])  # (n, C + 1)
            codes = self.vocabulary.codes(chunk)
            yield codes[:, :-1], codes[:, 1:]

    def fingerprint(self) -> str:
        """A checksum of all that an epoch reads."""
        sha = hashlib.sha256(repr((self.vocabulary.to_json(), self.streams, self.length)).encode())
        for start in range(0, len(self.symbols), BLOCK):
            sha.update(np.ascontiguousarray(self.symbols[start : start + BLOCK]).data)
        return sha.hexdigest()

    def unknown(self) -> int:
        """How many of the symbols are not in the vocabulary."""
        blocks = (self.symbols[start : start + BLOCK] for start in range(0, len(self.symbols), BLOCK))
        return sum(int((self.vocabulary.codes(block) == 0).sum()) for block in blocks)


def read_text(path: str | Path, unit: Unit | None, notes: list[str]) -> tuple[Unit, np.ndarray]:
    """The unit and the symbols (t,) of a text file, mapped from disk and never held whole.

    Without a `unit`, UTF-8 of at most 256 different characters is read as characters, anything else as bytes.
    A text of ASCII, and one of bytes, is mapped where it lies; the code points of any other are written once to
    a temporary file, four bytes each.

    Raises `FileError` for a file that cannot be read, or is not UTF-8 where characters are wanted, and
    `DataError` for an empty one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileError(f"{path}: expected a text file, but there is no such file. Check the path.")
    try:
        if not path.stat().st_size:
            raise DataError(f"{path}: expected a text, but the file is empty. Check how it was written.")
        if unit == "bytes":
            return "bytes", np.memmap(path, np.uint8, "r")
        different, problem = characters_in(path)
        if problem and unit == "characters":
            raise FileError(f"{path}: expected UTF-8 text, but {problem}. Save it as UTF-8, or use --unit bytes.")
        if problem or (different.size > MOST and unit is None):
            why = problem or f"it holds {different.size} different characters (more than {MOST})"
            notes.append(f"{path}: the text is read as bytes, because {why}.")
            return "bytes", np.memmap(path, np.uint8, "r")
        return "characters", np.memmap(path, np.uint8, "r") if different.max() < 128 else code_points(path)
    except OSError as error:
        raise FileError(f"{path}: the file cannot be read ({error.strerror}). Check its permissions.") from None


def decoded(path: Path) -> Iterator[np.ndarray]:
    """The code points of a UTF-8 file, block by block; raises UnicodeDecodeError."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield np.frombuffer(decoder.decode(block).encode("utf-32-le"), np.uint32)
    decoder.decode(b"", final=True)


def characters_in(path: Path) -> tuple[np.ndarray, str]:
    """The different code points of a file; and what is wrong, where it is not UTF-8."""
    found = np.zeros(0x110000, bool)
    try:
        for block in decoded(path):
            found[block] = True
    except UnicodeDecodeError as error:
        return np.zeros(0), f"it holds the byte 0x{error.object[error.start]:02x}, which is not UTF-8"
    return np.flatnonzero(found), ""


def code_points(path: Path) -> np.ndarray:
    """The code points of a UTF-8 file, mapped from a temporary file that goes when they do."""
    with tempfile.TemporaryFile() as file:
        for block in decoded(path):
            file.write(block.tobytes())
        file.flush()
        return np.memmap(file, np.uint32, "r")
