"""`deltarule grade`: a sheet, its key, marks for people and autograders, and files that cannot be marked."""

import io
import json
import sys

import pytest

from deltarule.cli.main import main

SLIP = "e = ceil((d - k + 2*P) / s) + 1\nP_same = (k - 1) / 2\n"


def run(*arguments):
    """The exit status, as the command gives it."""
    return main(["grade", *map(str, arguments)])


@pytest.fixture
def answer(tmp_path):
    path = tmp_path / "answer.txt"

    def written(text):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return written


def test_marks_for_a_person(answer, capsys):
    assert run(answer(SLIP), "--exercise", "R23") == 0
    said = capsys.readouterr().out
    assert "R23: the output size of a convolution" in said
    assert "function: ceil((d" in said
    assert "0/2" in said
    assert said.splitlines()[-1] == "1 of 3 points, 33%"


def test_marks_go_where_there_is_ascii_alone(answer, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii", write_through=True))
    assert run(answer(SLIP), "--exercise", "R23") == 0
    assert b"0/2" in written.getvalue()


def test_a_file_with_a_byte_order_mark_is_read(answer, capsys):
    assert run(answer(b"\xef\xbb\xbfe = 1\r\n"), "--exercise", "R23") == 0
    assert "0/2" in capsys.readouterr().out


def test_marks_for_an_autograder(answer, capsys):
    assert run(answer(SLIP), "--exercise", "R23", "--json") == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    first = told["equations"][0]
    assert (first["name"], first["holds"], first["kind"], first["points"], first["max_points"]) == (
        "e", False, "function", 0, 2,
    )  # fmt: skip
    assert (told["points"], told["max_points"]) == (1, 3)
    assert [test["score"] for test in told["tests"]] == [0, 1]


def test_a_sheet_comes_back_filled_in(answer, capsys):
    assert run("--generate", "--seed", 7, "--depth", 2, "--sheet") == 0
    sheet = capsys.readouterr().out
    assert sheet.startswith("# chain, seed 7, depth 2")
    assert run("--generate", "--seed", 7, "--depth", 2, "--key") == 0
    key = dict(line.split(" = ", 1) for line in capsys.readouterr().out.splitlines())
    filled = [
        f"{line.split(' ')[0]} = {key[line.split(' ')[0]]}" if "= ..." in line else line
        for line in sheet.splitlines()
    ]
    path = answer("\n".join(filled))
    assert run(path, "--generate", "--seed", 7, "--depth", 2, "--json") == 0
    assert json.loads(capsys.readouterr().out)["fraction"] == 1
    assert run("--exercise", "R1", "--sheet", "--json") == 0
    assert "d4  = ..." in json.loads(capsys.readouterr().out)["text"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("e = 1\ne = 2", "line 2: e is stated twice"),
        ("import os", "got an import"),
        (b"e = \xff", "expected a text in UTF-8"),
        ("#" * 20000, "at most 16384 bytes"),
    ],
)
def test_a_file_that_cannot_be_marked_ends_in_2(answer, text, words, capsys):
    path = answer(text)
    assert run(path, "--exercise", "R23", "--json") == 2
    told = capsys.readouterr()
    assert not told.out
    assert words in " ".join(told.err.split())
    assert path.name in told.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no-file", "--exercise", "R1"), "no-file cannot be read"),
        (("--exercise", "R1"), "expected the file of an answer"),
        (("--exercise", "R99", "--sheet"), "expected one of R1"),
        (("--sheet",), "expected --exercise with one of"),
        (("--exercise", "R1", "--generate", "--sheet"), "expected --exercise with one of"),
        (("--generate", "--depth", "9", "--sheet"), "depth of 1 to 6"),
        (("--generate", "--seed", "-1", "--sheet"), "seed of 0 or more"),
    ],
)
def test_settings_that_cannot_be_end_in_2(arguments, words, capsys):
    assert run(*arguments) == 2
    assert words in " ".join(capsys.readouterr().err.split())
