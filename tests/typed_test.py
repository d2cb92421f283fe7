"""What a user writes over the whole public surface passes pyright in strict mode."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import deltarule as dr

USER = Path(__file__).parent / "typed" / "user.py"


def strict(text, folder):
    """What pyright finds in a user's file, a project of its own: (line, what is wrong)."""
    pytest.importorskip("pyright")
    (folder / "pyrightconfig.json").write_text("{}")
    (folder / "user.py").write_text(text)
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "user.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [(each["range"]["start"]["line"] + 1, each["message"]) for each in found]


def test_a_user_is_strict_without_errors(tmp_path):
    text = USER.read_text()
    wrong = text + "\n\nbad: int = dr.Dense(4).shape((1, 2))\n"  # so that pyright is known to look
    [(line, message)] = strict(wrong, tmp_path)
    assert (line, "tuple[int, ...]" in message) == (wrong.count("\n"), True)


def test_the_user_uses_every_public_name():
    used = set(re.findall(r"\bdr\.(\w+)", USER.read_text()))
    assert set(dr.__all__) - used == set()


def test_the_package_says_that_it_is_typed():
    assert (Path(dr.__file__).parent / "py.typed").is_file()
