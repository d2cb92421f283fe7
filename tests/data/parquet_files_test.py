"""Sets of files: which are meant, that they belong together, and every way in which a Parquet file is broken."""

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from data.sets import parquet
from deltarule.data.file_set import table_files
from deltarule.data.memory import as_bytes
from deltarule.data.parquet_files import ParquetFiles
from deltarule.data.parquet_footer import row_groups
from deltarule.errors import DataError, FileError, SettingError


@pytest.mark.parametrize("group", [100, 333, 10_000])
def test_the_footer_tells_the_row_groups(tmp_path, group):
    folder = parquet(tmp_path / "set", files=1, rows=1000, group=group)
    (path,) = folder.iterdir()
    groups = row_groups(path)
    assert sum(rows for rows, _ in groups) == 1000
    assert len(groups) == -(-1000 // group)
    assert sum(size for _, size in groups) >= 8 * 1000 * 2  # a and b are numbers that all differ


def test_the_footer_agrees_with_another_reader(tmp_path):
    reader = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "many.parquet"
    columns = {f"x{i}": np.random.default_rng(i).normal(size=2000) for i in range(40)}
    pl.DataFrame({**columns, "town": ["Ulm", None] * 1000}).write_parquet(path, row_group_size=70)
    found = reader.ParquetFile(path).metadata
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    assert row_groups(path) == [(group.num_rows, group.total_byte_size) for group in groups]


def test_a_folder_a_pattern_and_a_list_name_the_same_files(tmp_path):
    folder = parquet(tmp_path / "set")
    (folder / "_SUCCESS").touch()
    (folder / ".part-9.parquet").touch()
    (folder / "notes.txt").write_text("no table")
    expected = [folder / f"part-{number}.parquet" for number in range(3)]
    assert table_files(folder) == table_files(f"{folder}/*.parquet") == table_files(expected) == expected
    assert table_files(str(expected[0])) == expected[:1]


@pytest.mark.parametrize("data", ["set", "set/*.parquet", []])
def test_no_file_that_matches_is_told(tmp_path, monkeypatch, data):
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match="none is there"):
        table_files(data)


def test_files_of_several_kinds_are_refused(tmp_path):
    folder = parquet(tmp_path / "set")
    parquet(folder, suffix=".csv")
    with pytest.raises(FileError, match="files of one kind"):
        table_files(folder)
    with pytest.raises(FileError, match="no such file"):
        ParquetFiles(table_files(folder / "part-7.parquet"), 10**6)


def broken(tmp_path, change):
    """What is said of a set whose second file was changed."""
    folder = parquet(tmp_path / "set")
    change(folder / "part-1.parquet")

    def read():
        table = ParquetFiles(table_files(folder), 10**6)
        return [table.frame(block) for block in range(len(table.rows))]

    with pytest.raises((FileError, DataError)) as error:
        read()
    assert "part-1.parquet" in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("left", [3, 8, 11, 400, -1])
def test_a_file_that_was_cut_short_is_told(tmp_path, left):
    assert "cut short" in broken(tmp_path, lambda path: path.write_bytes(path.read_bytes()[:left]))


def test_an_empty_file_is_told(tmp_path):
    assert "the file is empty" in broken(tmp_path, lambda path: path.write_bytes(b""))


def test_a_file_without_rows_is_told(tmp_path):
    said = broken(tmp_path, lambda path: pl.read_parquet(path).head(0).write_parquet(path))
    assert "expected rows of data" in said


def test_damaged_pages_are_told(tmp_path):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[4:600] = bytes(596)
        path.write_bytes(content)

    assert "cannot be read as one" in broken(tmp_path, damage)


def test_a_damaged_footer_is_told_whatever_it_holds(tmp_path):
    """No byte of the footer, whatever becomes of it, ends in anything but a named error or other numbers."""
    folder = parquet(tmp_path / "set", files=1, rows=200)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    size = int.from_bytes(whole[-8:-4], "little")
    random, told = np.random.default_rng(0), 0
    for at in random.integers(len(whole) - 8 - size, len(whole), 150):
        content = bytearray(whole)
        content[at] ^= int(random.integers(1, 256))
        path.write_bytes(content)
        try:
            row_groups(path)
        except FileError:
            told += 1
    assert told > 10


def test_other_columns_and_other_types_are_told(tmp_path):
    lacks = broken(tmp_path / "a", lambda path: pl.read_parquet(path).drop("b").write_parquet(path))
    assert "lacks 'b'" in lacks
    more = broken(tmp_path / "b", lambda path: pl.read_parquet(path).with_columns(c=1).write_parquet(path))
    assert "adds 'c'" in more
    kind = broken(tmp_path / "c", lambda path: pl.read_parquet(path).cast({"b": pl.String}).write_parquet(path))
    assert "column 'b' of the type Float64" in kind
    assert "got String" in kind


def test_numbers_of_another_width_and_columns_in_another_order_are_one_table(tmp_path):
    folder = parquet(tmp_path / "set")
    path = folder / "part-1.parquet"
    pl.read_parquet(path).cast({"a": pl.Int32}).select("y", "b", "a").write_parquet(path)
    other = folder / "part-2.parquet"
    pl.read_parquet(other).with_columns(b=None).write_parquet(other)
    table = ParquetFiles(table_files(folder), 10**6)
    frame = pl.concat([table.frame(block) for block in range(len(table.rows))])
    assert frame["a"].to_list() == list(range(1500))
    assert frame["b"].null_count() == 500
    assert frame.schema == {"a": pl.Float64, "b": pl.Float64, "y": pl.Float64}


def test_whole_numbers_before_fractions_lose_nothing(tmp_path):
    """A target that is whole in the first file is not cut to whole numbers in the next."""
    for number, values in enumerate([[1, 2], [0.25, 0.75]]):
        pl.DataFrame({"a": values, "y": values}).write_parquet(tmp_path / f"part-{number}.parquet")
    (chunk,) = dr.stream(tmp_path).chunks(0, 4, "none")
    assert chunk.y.tolist() == [1, 2, 0.25, 0.75]


def test_a_large_row_group_is_read_in_parts(tmp_path):
    folder = parquet(tmp_path / "set", files=1, rows=4000, group=10_000)
    table = ParquetFiles(table_files(folder), 24 * 300 * 2)
    assert table.rows.max() <= 300
    assert table.rows.sum() == 4000


def test_sizes_in_words():
    assert as_bytes("256MB") == 256_000_000
    assert as_bytes("1 KiB") == 1024
    for wrong in ("many", "-1", "5 PB", True, 0.5):
        with pytest.raises(SettingError, match="memory: expected"):
            as_bytes(wrong)
