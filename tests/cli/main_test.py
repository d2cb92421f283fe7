"""The command `deltarule`: which command, what it says when something is wrong, and its exit status."""

import importlib
import json
import re
import subprocess
import sys

import pytest

import deltarule
from deltarule.cli.main import COMMANDS, main
from deltarule.errors import FileError


class Command:
    """A command that ends with an error."""

    def __init__(self, error: BaseException):
        self.error = error

    def main(self, arguments):
        raise self.error


def failing(monkeypatch, capsys, error: BaseException) -> tuple[int, str]:
    """The exit status and the words on standard error where a command raises `error`."""
    monkeypatch.setattr(importlib, "import_module", lambda name: Command(error))
    status = main(["demo"])
    printed = capsys.readouterr()
    assert not printed.out
    return status, printed.err


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["help"]])
def test_it_lists_its_commands(arguments, capsys):
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert [name for name in COMMANDS if f"deltarule {name}" not in said] == []


def test_it_tells_its_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"deltarule {deltarule.__version__}\n"


@pytest.mark.parametrize("command", ["trian", "", "--json"])
def test_an_unknown_command_is_named_with_those_that_are_known(command, capsys):
    assert main([command]) == 2
    said = " ".join(capsys.readouterr().err.split())  # whatever the line's length
    assert said == f"deltarule: unknown command {command!r}; expected one of {', '.join(COMMANDS)}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"usage: deltarule {command}" in said
    assert "--json" in said


@pytest.mark.parametrize(("command", "files"), [("demo", 0), ("train", 1), ("predict", 2), ("evaluate", 2)])
def test_an_unknown_flag_is_named(command, files, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, *["file"] * files, "--jsn"])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert "--jsn" in printed.err
    assert not printed.out


def test_an_error_with_a_name_is_one_paragraph(monkeypatch, capsys):
    status, said = failing(monkeypatch, capsys, FileError("a file " + "cannot be read " * 20))
    assert status == 2
    assert said.startswith("deltarule: a file cannot be read")
    assert max(map(len, said.splitlines())) <= 100
    assert "\n\n" not in said


def test_an_interrupt_has_its_own_status(monkeypatch, capsys):
    assert failing(monkeypatch, capsys, KeyboardInterrupt()) == (
        130,
        "deltarule: interrupted; a run folder keeps the finished epochs\n",
    )


@pytest.mark.parametrize("package", ["tyro", "polars", "matplotlib"])
def test_a_package_that_is_not_installed_is_named(package, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr("deltarule.inspect.figures", raising=False)
    for name in list(sys.modules):
        if name.split(".")[0] == package or name in ("deltarule.cli.train", "deltarule.inspect.figures"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "table.csv").write_text("a,b\n" + "".join(f"{n},{n * n}\n" for n in range(30)))
    assert main(["train", "table.csv", "--epochs", "1"]) == 2
    said = capsys.readouterr().err
    assert re.search(rf"deltarule: {package}\S* is not installed; pip install 'deltarule\[cli\]' brings it", said)


def test_a_console_gets_the_result_and_the_errors_apart(tmp_path):
    table = "a,b,kind\n" + "".join(f"{n % 7},{n % 5},{'x' if n % 7 > 3 else 'y'}\n" for n in range(70))
    (tmp_path / "table.csv").write_text(table)
    settings = ["--json", "--epochs", "2", "--runs", str(tmp_path / "runs")]
    command = [sys.executable, "-m", "deltarule.cli.main", "train", *settings]

    def console(file: str) -> subprocess.CompletedProcess:
        return subprocess.run([*command, str(tmp_path / file)], capture_output=True, text=True, check=False)

    good, bad = console("table.csv"), console("tabel.csv")
    assert good.returncode == 0
    assert json.loads(good.stdout.splitlines()[-1])["task"] == "classification"
    assert "note: " in good.stderr
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("deltarule: ")
    assert "tabel.csv: expected a table or a folder of images, but there is no such file" in " ".join(
        bad.stderr.split()
    )
    assert "Traceback" not in good.stderr + bad.stderr
