"""`deltarule completion`: the scripts, asked by the shells themselves."""

import json
import re
import shutil
import subprocess

import pytest

from deltarule.cli.completion import BESIDES, commands, main
from deltarule.cli.main import COMMANDS
from deltarule.cli.main import main as program

FOUND = {command.name: command for command in commands()}


def script(shell, capsys):
    """What the command prints for a shell."""
    capsys.readouterr()
    main([shell])
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_are_those_of_the_help(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        program([command, "--help"])
    said = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    of_help = set(re.findall(r"^[ │|]*(?:-\w, )?(--[a-z][\w-]*)", said, re.MULTILINE))
    besides = {option.name for option in BESIDES.get(command, ())}
    assert {option.name for option in FOUND[command].named} - besides == of_help


def test_choices_are_those_of_the_settings():
    train = {option.name: option for option in FOUND["train"].options}
    assert train["--precision"].choices == ("float32", "bfloat16", "float16")
    assert (train["--watch"].several, train["--precision"].several) == (True, False)
    assert (train["--json"].takes, train["--epochs"].takes) == (False, True)
    assert train["--channels"].choices == ("1", "3")
    assert train["--optimizer"].what == "How the parameters move"


class Bash:
    """bash with the script, asked what it completes."""

    def __init__(self, text):
        self.text = text

    def __call__(self, *words):
        asked = " ".join(f"'{word}'" for word in words)
        ask = f'COMP_WORDS=({asked}); COMP_CWORD={len(words) - 1}; _deltarule; printf "%s\\n" "${{COMPREPLY[@]}}"'
        done = subprocess.run(
            ["bash", "--norc", "-c", f"{self.text}\n{ask}"], capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        return done.stdout.split()


def test_bash_completes(capsys):
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    bash = Bash(script("bash", capsys))
    assert bash("deltarule", "") == list(COMMANDS)
    assert bash("deltarule", "tr") == ["train", "trace"]
    assert bash("deltarule", "train", "--pre") == ["--precision"]
    assert bash("deltarule", "train", "--precision", "f") == ["float32", "float16"]
    assert bash("deltarule", "train", "--precision", "=", "b") == ["bfloat16"]
    assert bash("deltarule", "train", "--precision", "=") == ["float32", "bfloat16", "float16"]
    assert bash("deltarule", "train", "--watch", "delta", "de") == ["delta", "dead"]
    assert bash("deltarule", "train", "--watch", "delta", "--pat") == ["--patience"]
    assert bash("deltarule", "train", "data.csv", "") == []  # files, as bash itself completes them
    assert bash("deltarule", "predict", "--pre") == []
    assert bash("deltarule", "launch", "--processes", "2", "--", "tra") == ["train", "trace"]
    assert bash("deltarule", "launch", "--processes", "2", "--", "train", "--net") == ["--network"]
    assert bash("deltarule", "launch", "--proc") == ["--processes"]
    assert bash("deltarule", "train", "--resu") == ["--resume"]


def test_fish_completes(capsys):
    if shutil.which("fish") is None:
        pytest.skip("there is no fish")
    text = script("fish", capsys)

    def fish(line):
        asked = f"{text}\ncomplete -C '{line}'"
        done = subprocess.run(["fish", "--no-config", "-c", asked], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return [each.split("\t")[0] for each in done.stdout.splitlines()]

    assert set(fish("deltarule ")) == set(COMMANDS)
    assert fish("deltarule train --pre") == ["--precision"]
    assert set(fish("deltarule train --precision f")) >= {"float32", "float16"}
    assert fish("deltarule predict --pre") == []


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_the_shell_takes_the_script(shell, capsys, tmp_path):
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"there is no {shell}")
    (tmp_path / "script").write_text(script(shell, capsys))
    start = "autoload -U compinit; compinit -D; " if shell == "zsh" else ""
    asks = "print $_comps[deltarule]" if shell == "zsh" else "complete deltarule"
    command = [path, "-f", "-c", f"{start}source {tmp_path}/script; {asks}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_deltarule" in done.stdout if shell == "zsh" else "precision" in done.stdout


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh"])
def test_every_command_and_option_is_in_the_script(shell, capsys):
    text = script(shell, capsys)
    for command in FOUND.values():
        assert command.name in text
        for option in command.named:
            assert option.name.removeprefix("--") in text
            assert all(choice in text for choice in option.choices)


def test_the_script_comes_as_json(capsys):
    text = script("bash", capsys)
    main(["bash", "--json"])
    assert json.loads(capsys.readouterr().out) == {"shell": "bash", "script": text.removesuffix("\n")}


def test_an_unknown_shell_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["cmd"])
    assert ended.value.code == 2
    assert "zsh" in capsys.readouterr().err
