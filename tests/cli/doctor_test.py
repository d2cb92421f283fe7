"""`deltarule doctor`: what it says, its exit status, and that it needs nothing but the core."""

import json
import subprocess
import sys

import pytest

from deltarule.cli import doctor
from deltarule.cli.doctor import main
from deltarule.inspect.doctor import Diagnosis, Problem

ALONE = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {hidden}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
from deltarule.cli.doctor import main
main({arguments})
"""
OPTIONAL = {
    "tyro",
    "rich",
    "polars",
    "matplotlib",
    "PIL",
    "sklearn",
    "latex2mathml",
    "sympy",
    "tomli_w",
    "gymnasium",
}


def alone(arguments, **environment):
    """The command in a process of its own that lacks all optional packages."""
    program = ALONE.format(hidden=OPTIONAL, arguments=arguments)
    variables = {"PATH": "/usr/bin:/bin", "DELTARULE_CACHE": "off", **environment}
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=variables, check=False
    )


def test_it_needs_nothing_but_the_core():
    done = alone([])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "✓ Deltarule works here."
    assert "gradient_error" in done.stdout


def test_a_platform_that_is_not_there_ends_with_status_1():
    done = alone(["--json"], JAX_PLATFORMS="rocm")
    assert done.returncode == 1
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["works"], told["devices"], told["settings"]["JAX_PLATFORMS"]) == (False, {}, "rocm")
    assert ["unset it" in problem["what"] for problem in told["problems"] if problem["fatal"]] == [True]


FACTS = {
    "versions": {"jax": "0.10.2"},
    "devices": {"0": {"kind": "H100", "platform": "gpu", "memory": 80_000_000_000}},
    "extras": {
        "cli": {"packages": {"tyro": "1.0"}, "missing": [], "brings": None},
        "rl": {"packages": {}, "missing": ["gymnasium"], "brings": "pip install 'deltarule[rl]'"},
    },
    "cache": {"folder": None, "programs": 0, "bytes": 1500},
}


@pytest.mark.parametrize("rich", [True, False])
def test_a_person_is_told_everything(rich, monkeypatch, capsys):
    if not rich:
        monkeypatch.setitem(sys.modules, "rich", None)
        monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setenv("COLUMNS", "100")
    problem = Problem("compiled programs cannot be kept", fatal=False)
    monkeypatch.setattr(doctor, "diagnosis", lambda: Diagnosis(FACTS, (problem,)))
    main([])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "versions jax 0.10.2",
        "devices 0 H100 (gpu, 80 GB)",
        "extras cli installed: tyro 1.0",
        "rl pip install 'deltarule[rl]' brings gymnasium",
        "cache folder none",
        "programs 0",
        "bytes 1.5 kB",
        "",
        "! compiled programs cannot be kept",
        "✓ Deltarule works here.",
    ]


def test_what_does_not_work_ends_with_status_1(monkeypatch, capsys):
    monkeypatch.setattr(
        doctor, "diagnosis", lambda: Diagnosis(FACTS, (Problem("JAX finds no device", fatal=True),))
    )
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "✗ JAX finds no device",
        "✗ Deltarule does not work here.",
    ]
    with pytest.raises(SystemExit) as ended:
        main(["--json"])
    assert json.loads(capsys.readouterr().out)["works"] is False


def test_an_unknown_flag_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--jsn"])
    assert ended.value.code == 2
    assert "--jsn" in capsys.readouterr().err
