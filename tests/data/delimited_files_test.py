"""Delimited text in blocks of lines: the very table that is read whole, and what is wrong, by file and line."""

import numpy as np
import polars as pl
import pytest

from deltarule.data.delimited import read_delimited
from deltarule.data.delimited_files import DelimitedFiles
from deltarule.errors import DataError, FileError

AWKWARD = (
    'name,when,count,share\r\n"Ulm, a town",2024-01-02,1,0.5\r\n"say ""so""\r\nand so",2024-02-03, 2 ,NA\r\n\r\n'
    "x,2024-03-04,-,1e3\r\n"
) + "".join(f"n{i % 7},2025-01-{1 + i % 28:02},{i},{i / 7}\r\n" for i in range(500))


def write(tmp_path, *texts):
    paths = [tmp_path / f"part-{number}.csv" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return paths


def whole(table):
    return pl.concat([table.frame(block) for block in range(len(table.rows))])


@pytest.mark.parametrize("piece", [7, 64, 1 << 16])
@pytest.mark.parametrize("most", [1600, 1 << 20])
def test_blocks_of_lines_make_the_table_that_is_read_whole(tmp_path, monkeypatch, most, piece):
    """Quoted separators and ends of lines, spaces, blank lines and dates, wherever the blocks and pieces end."""
    monkeypatch.setattr("deltarule.data.delimited_files.PIECE", piece)
    (path,) = write(tmp_path, AWKWARD)
    table = DelimitedFiles([path], most)
    expected = read_delimited(path, [])
    assert len(table.rows) >= 10
    assert table.rows.sum() == len(expected) == 503
    assert whole(table).equals(expected)
    assert dict(zip(expected.columns, expected.dtypes, strict=True)) == table.schema


def test_a_mark_of_utf_8_and_an_end_without_a_new_line_are_no_data(tmp_path):
    (path,) = write(tmp_path, b"\xef\xbb\xbfa;b\n1;2,5\n3;4,5")
    table = DelimitedFiles([path], 1 << 20)
    assert whole(table).to_dict(as_series=False) == {"a": [1, 3], "b": [2.5, 4.5]}


def test_a_type_is_that_of_all_files(tmp_path):
    """Whole numbers, then a fraction, then a word: text, as if the files were one."""
    paths = write(tmp_path, "a,b,c\n1,1,1\n", "c,a,b\n2,2,2.5\n", "a,b,c\n3,3.5,word\n")
    table = DelimitedFiles(paths, 1 << 20)
    found = whole(table)
    assert found.dtypes == [pl.Int64, pl.Float64, pl.String]
    assert found.rows() == [(1, 1.0, "1"), (2, 2.5, "2"), (3, 3.5, "word")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n3\n", "line 3 has 1 where there are 2 names"),
        ("a,b\n1,2\n3,4,5", "line 3 has 3 where there are 2 names"),
        ('a,b\n1,"2\n3,4\n', "a quote is not closed"),
        ("a,b\n", "expected rows of data"),
        ("a,c\n1,2\n", "lacks 'b' and adds 'c'"),
        ("a b\n1 2\n3 4\n", "but got spaces"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(tmp_path, text, said):
    paths = write(tmp_path, "a,b\n1,2\n", text)
    with pytest.raises(DataError, match=said) as error:
        DelimitedFiles(paths, 1 << 20)
    assert "part-1.csv" in str(error.value)


def test_a_file_that_is_not_utf_8_is_told(tmp_path):
    paths = write(tmp_path, "a,b\n1,2\n", b"a,b\nK\xf6ln,2\n")
    with pytest.raises(FileError, match=r"part-1.csv: expected UTF-8 text"):
        DelimitedFiles(paths, 1 << 20)


def test_a_wrong_line_far_behind_is_told_by_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr("deltarule.data.delimited_files.PIECE", 50)
    lines = ["a,b", *(f"{i},{i}" for i in range(200))]
    lines[150] = "1"
    (path,) = write(tmp_path, "\n".join(lines))
    with pytest.raises(DataError, match="line 151 has 1"):
        DelimitedFiles([path], 1 << 20)


def test_every_block_is_within_its_bound(tmp_path):
    (path,) = write(tmp_path, AWKWARD)
    table = DelimitedFiles([path], 16 * 400)
    sizes = np.array([lines.stop - lines.start for lines in table.blocks])
    assert 400 <= np.median(sizes) <= sizes.max() < 400 + 60  # and a line more
