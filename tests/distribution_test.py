"""The wheel: it builds, and holds the package, its licence and its type marker, and nothing else."""

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import deltarule

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        yield file


def test_its_name_tells_the_version(wheel):
    assert Path(wheel.filename).name == f"deltarule-{deltarule.__version__}-py3-none-any.whl"


def test_it_holds_the_package_whole(wheel):
    source = ROOT / "src"
    own = {path.relative_to(source).as_posix() for path in source.rglob("*.py")} | {"deltarule/py.typed"}
    studies = {f"deltarule/studies/{path.name}" for path in (ROOT / "studies").glob("*.py")}
    held = {name for name in wheel.namelist() if not name.startswith("deltarule-")}
    assert held >= own | studies
    assert {name for name in held if name.endswith(".py")} == {
        name for name in own | studies if name.endswith(".py")
    }


def test_no_test_and_no_picture_is_in_it(wheel):
    names = wheel.namelist()
    assert [name for name in names if "test" in name.split("/")[-1] and not name.endswith("self_test.py")] == []
    assert {name.split("/")[0] for name in names} == {"deltarule", f"deltarule-{deltarule.__version__}.dist-info"}
    assert [name for name in names if name.endswith((".svg", ".png", ".pyc", ".csv", ".json", ".so"))] == []


def test_it_says_what_it_is(wheel):
    folder = f"deltarule-{deltarule.__version__}.dist-info"
    facts = message_from_bytes(wheel.read(f"{folder}/METADATA"))
    assert (facts["Version"], facts["License-Expression"]) == (deltarule.__version__, "Apache-2.0")
    assert facts["Requires-Python"] == ">=3.11"
    core = sorted(line for line in facts.get_all("Requires-Dist") or [] if "extra" not in line)
    assert [line.split(">")[0] for line in core] == ["jax", "numpy", "safetensors"]
    assert wheel.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert b"deltarule = deltarule.cli.main:main" in wheel.read(f"{folder}/entry_points.txt")


def test_the_citation_is_of_this_version():
    lines = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {deltarule.__version__}" in lines


def test_a_report_of_a_fault_asks_for_the_doctor():
    assert "deltarule doctor --json" in (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text()
