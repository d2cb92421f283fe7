"""A text as codes: characters or bytes, what was never seen, streams that go on where they ended, and no copy."""

import json
import re

import numpy as np
import pytest

from deltarule.data import text as module
from deltarule.data.text import TextStream, Vocabulary, read_text
from deltarule.errors import DataError, FileError

MANY = "".join(map(chr, range(0x4E00, 0x4E00 + 300)))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Every text is of several blocks, and some characters lie across their ends."""
    monkeypatch.setattr(module, "BLOCK", 7)


def read(tmp_path, content: bytes, unit=None):
    """The unit, the symbols and the notes of a file with this content."""
    (tmp_path / "a.txt").write_bytes(content)
    notes: list[str] = []
    return *read_text(tmp_path / "a.txt", unit, notes), notes


@pytest.mark.parametrize("text", ["to be or not to be", "größer als € 5\n" * 3, "a", "😀 smile"])
def test_a_text_is_read_as_its_characters(text, tmp_path):
    unit, symbols, notes = read(tmp_path, text.encode())
    assert (unit, notes) == ("characters", [])
    assert "".join(map(chr, symbols)) == text
    assert isinstance(symbols, np.memmap)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (MANY.encode(), r"because it holds 300 different characters \(more than 256\)"),
        (b"caf\xe9 au lait", "because it holds the byte 0xe9, which is not UTF-8"),
        (b"cut in a char\xc3", "because it holds the byte 0xc3, which is not UTF-8"),
    ],
)
def test_what_is_no_small_alphabet_is_read_as_bytes(content, why, tmp_path):
    unit, symbols, notes = read(tmp_path, content)
    assert (unit, bytes(symbols)) == ("bytes", content)
    assert len(notes) == 1
    assert re.search(why, notes[0])


def test_the_unit_may_be_chosen(tmp_path):
    unit, symbols, notes = read(tmp_path, MANY.encode(), "characters")
    assert (unit, len(symbols), notes) == ("characters", 300, [])
    unit, symbols, notes = read(tmp_path, "größer".encode(), "bytes")
    assert (unit, len(symbols), notes) == ("bytes", 8, [])


@pytest.mark.parametrize(
    ("content", "unit", "error", "words"),
    [
        (b"", None, DataError, "expected a text, but the file is empty"),
        (b"caf\xe9", "characters", FileError, "expected UTF-8 text, but it holds the byte 0xe9.*--unit bytes"),
    ],
)
def test_what_is_no_text_is_refused(content, unit, error, words, tmp_path):
    with pytest.raises(error, match=words):
        read(tmp_path, content, unit)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.txt: expected a text file, but there is no such file"):
        read_text(tmp_path / "none.txt", None, [])


@pytest.mark.parametrize("unit", ["characters", "bytes"])
def test_codes_are_those_of_the_training_part_and_0_is_unknown(unit, tmp_path):
    _, symbols, _ = read(tmp_path, "abcbaé?".encode(), unit)
    vocabulary = Vocabulary.fit(symbols[:5], unit)
    assert vocabulary.symbols == (97, 98, 99)
    assert vocabulary.codes(symbols).tolist() == [1, 2, 3, 2, 1, *([0, 0] if unit == "characters" else [0, 0, 0])]
    assert vocabulary.encode("abcbaé?").tolist() == vocabulary.codes(symbols).tolist()
    assert vocabulary.decode([3, 2, 0, 1]) == "cb�a"
    assert vocabulary.size == 4


def test_bytes_become_characters_again():
    vocabulary = Vocabulary.fit(np.frombuffer("größer".encode(), np.uint8), "bytes")
    assert vocabulary.decode(vocabulary.encode("ößö")) == "ößö"
    assert vocabulary.decode(vocabulary.encode("ö")[:1]) == "�"


@pytest.mark.parametrize(("size", "kind"), [(255, np.uint8), (256, np.uint16)])
def test_codes_are_as_small_as_they_can_be(size, kind):
    vocabulary = Vocabulary.fit(np.arange(size, dtype=np.uint32), "characters")
    codes = vocabulary.codes(np.arange(size, dtype=np.uint32))
    assert codes.dtype == kind
    np.testing.assert_array_equal(codes, np.arange(1, size + 1))


@pytest.mark.parametrize(("streams", "length"), [(1, 4), (3, 4), (3, 100), (5, 1), (3, 11)])
def test_streams_lie_side_by_side_and_each_chunk_goes_on(streams, length):
    symbols = np.random.default_rng(0).integers(0, 250, 103).astype(np.uint8)
    stream = TextStream(symbols, Vocabulary.fit(symbols, "bytes"), streams, length)
    chunks = list(stream.epoch(0))
    assert chunks[0][0].shape == stream.chunk_shape
    assert all(x.shape == y.shape == (streams, x.shape[1]) and x.shape[1] <= length for x, y in chunks)
    x, y = (np.concatenate(each, 1) for each in zip(*chunks, strict=True))
    assert x.size == stream.examples == streams * (102 // streams)
    codes = stream.vocabulary.codes(symbols)
    np.testing.assert_array_equal(x.ravel(), codes[: x.size])
    np.testing.assert_array_equal(y.ravel(), codes[1 : x.size + 1])


def test_only_what_a_chunk_needs_is_read(tmp_path):
    class Counted(np.ndarray):
        longest = 0

        def __getitem__(self, at):
            found = super().__getitem__(at)
            Counted.longest = max(Counted.longest, found.size)
            return np.asarray(found)

    symbols = np.frombuffer(b"abcdefgh" * 100, np.uint8)
    stream = TextStream(symbols.view(Counted), Vocabulary.fit(symbols, "bytes"), 4, 10)
    assert sum(x.size for x, _ in stream.epoch(0)) == 4 * 199
    assert stream.unknown() == 0
    assert Counted.longest == 11


def test_what_is_unknown_is_counted():
    symbols = np.frombuffer(b"abcabcxyz" * 3, np.uint8)
    assert TextStream(symbols, Vocabulary.fit(symbols[:6], "bytes"), 1, 4).unknown() == 9


def test_json_gives_the_same_vocabulary():
    vocabulary = Vocabulary.fit(np.frombuffer(b"abc", np.uint8), "characters")
    saved = json.loads(json.dumps(vocabulary.to_json()))
    assert Vocabulary.from_json(saved) == vocabulary
    assert saved["target"]["name"] == "next character"
    del saved["unit"]
    with pytest.raises(FileError, match="expected what to_json made, but it does not fit"):
        Vocabulary.from_json(saved)


def test_a_stream_is_known_by_all_that_it_reads():
    def of(text: bytes, streams: int = 2, learned: bytes = b"abcdefgh") -> str:
        vocabulary = Vocabulary.fit(np.frombuffer(learned, np.uint8), "bytes")
        return TextStream(np.frombuffer(text, np.uint8), vocabulary, streams, 2).fingerprint()

    assert of(b"abcdabcd") == of(b"abcdabcd")
    others = {of(b"abcdabcd"), of(b"abcdabce"), of(b"abcdabcd", 1), of(b"abcdabcd", learned=b"abcd")}
    assert len(others) == 4
