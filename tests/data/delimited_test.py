"""Tables from files as people have them: what is read, what is told, and what is refused."""

from datetime import date, datetime

import polars as pl
import pytest

from deltarule.data.table import read_table
from deltarule.errors import DataError, FileError


def written(tmp_path, content, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_text_is_read_as_people_write_it(tmp_path):
    content = (
        '\ufeffFull name;"size; m";City\n'
        + '"Smith; ""Jo""";1;Ulm\r\n'
        + "".join(
            f'Person {row};{row};"{missing}"\n' for row, missing in enumerate(["NA", "?", "nan", "NULL", "-"])
        )
        + "\nlast; 2.5 ;\n"
    )
    frame = read_table(written(tmp_path, content))
    assert frame.columns == ["Full name", "size; m", "City"]
    assert frame["Full name"][0] == 'Smith; "Jo"'
    assert frame["size; m"].to_list() == [1, 0, 1, 2, 3, 4, 2.5]
    assert frame["City"].to_list() == ["Ulm"] + [None] * 6


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path, separator):
    content = "\n".join(separator.join(row) for row in [["a", "b"], ["x y", "1"], ["z w v", "2"]])
    assert read_table(written(tmp_path, content)).rows() == [("x y", 1), ("z w v", 2)]


def test_tab_separated_text_may_hold_commas(tmp_path):
    assert read_table(written(tmp_path, "a\tb\n1,5\t2,5\n", "t.tsv")).rows() == [("1,5", "2,5")]


def test_decimal_commas_are_read_and_told(tmp_path):
    notes = []
    assert read_table(written(tmp_path, "a;b\n1,5;2\n-2;3\n"), notes)["a"].to_list() == [1.5, -2.0]
    assert "decimal commas" in notes[0]


def test_a_space_after_the_separator_is_no_part_of_the_field(tmp_path):
    content = 'a, b\n1700000000.5, "x, y"\n'
    assert read_table(written(tmp_path, content)).to_dicts() == [{"a": 1700000000.5, "b": "x, y"}]


def test_types_come_from_the_whole_file(tmp_path):
    content = "n\n" + "1\n" * 20000 + "1.5\n"
    assert read_table(written(tmp_path, content))["n"].sum() == 20001.5


def test_a_few_words_among_numbers_are_told(tmp_path):
    notes = []
    frame = read_table(written(tmp_path, "n,m\n" + "1,2\n" * 20 + "unknown,2\n"), notes)
    assert frame["n"].dtype == pl.String
    assert "1 of its 21 values are not numbers ('unknown')" in notes[0]


@pytest.mark.parametrize("text", ["2024-03-01", "01.03.2024", "2024-03-01 00:00", "2024-03-01T00:00:00.000Z"])
def test_dates_are_found(tmp_path, text):
    assert read_table(written(tmp_path, f"when,b\n{text},1\nNA,2\n"))["when"].to_list() == [
        datetime(2024, 3, 1),
        None,
    ]


def test_names_that_repeat_or_lack_are_made_and_told(tmp_path):
    notes = []
    frame = read_table(written(tmp_path, "a,a,,a_duplicated_0\n1,2,3,4,5\n"), notes)
    assert frame.columns == ["a", "a_duplicated_0", "column_2", "a_duplicated_0_duplicated_0", "column_4"]
    assert "names 3 of 5 columns" in notes[0]
    assert "repeats the name 'a'" in notes[1]


def test_a_separator_that_ends_the_header_adds_no_column(tmp_path):
    assert read_table(written(tmp_path, "a,b,\n1,2\n")).columns == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("t.xlsx", b"", FileError, "suffix .csv, .tsv or .parquet, but got '.xlsx'"),
        ("t", b"", FileError, "but got 'none'"),
        ("t.csv", b"", DataError, "the file is empty"),
        ("t.csv", b"\n \n", DataError, "the file is empty"),
        ("t.csv", b"a,b\n", DataError, "only the line of names"),
        ("t.csv", b"a,b\n1,2\n3\n", DataError, "line 3 has 1 where the first row has 2"),
        ("t.csv", b"a,b\n1,2\n3,4,5\n", DataError, "line 3 has 3 where the first row has 2"),
        ("t.csv", b"a,b,c\n1,2\n", DataError, "line 2 has 2 where the header has 3"),
        ("t.csv", b'a,b\n1,"2\n', DataError, "quotes do not match"),
        ("t.csv", "a,b\nÄ,2\n".encode("latin-1"), FileError, "UTF-8 text, but found the byte 0xc4"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), FileError, "UTF-8"),
        ("t.parquet", b"PAR1 no", FileError, "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, name, content, error, words):
    with pytest.raises(error, match=words) as caught:
        read_table(written(tmp_path, content, name))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_table(tmp_path / "absent.csv")


def test_parquet(tmp_path):
    frame = pl.DataFrame({"a": [1.5, None], "b": [date(2024, 1, 1)] * 2})
    frame.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").equals(frame)
    frame.clear().write_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="there are none"):
        read_table(tmp_path / "none.parquet")
