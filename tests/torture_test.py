"""A few kills and other faults, survived: `make torture` in short."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).parent / "torture" / "drive.py"


@pytest.mark.parametrize(("kind", "kills"), [("wide", 8), ("sweep", 5)])
def test_a_run_survives_kills_and_other_faults(kind, kills):
    command = [sys.executable, str(DRIVER), "--kills", str(kills), "--in-write", "1", "--kinds", kind, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["kills"] >= kills
    assert result["half_written"] >= 1
    assert result["runs"] >= 1
    assert result["faults"] == []
