"""What makes the reference says what the code says."""

import doctest
import importlib
import json
import sys

import pytest

import deltarule as dr
from documents import DOCS, ROOT


@pytest.fixture
def extension(monkeypatch):
    """Imports an extension of the site by its name."""
    pytest.importorskip("sphinx", reason="the site is built by the extra `docs`")
    monkeypatch.setattr(sys, "path", [str(DOCS / "extensions"), *sys.path])
    return importlib.import_module


@pytest.mark.parametrize("name", ["docstring", "formulas", "benchmarks"])
def test_its_examples_hold(name, extension):
    failed, tried = doctest.testmod(extension(name))
    assert tried
    assert not failed


def test_every_public_name_has_one_place(extension):
    areas = extension("areas")
    placed = [name for area in areas.AREAS for _, name, thing in areas.members(area)]
    public = [name for name in dr.__all__ if type(getattr(dr, name)).__name__ != "module"]
    assert not {name for name in public if placed.count(name) != 1}
    with pytest.raises(KeyError, match=r"no page of the reference: add it to AREAS"):
        areas.area_of("deltarule.elsewhere")


def test_every_area_has_its_page(extension):
    for area in extension("areas").AREAS:
        assert f"```{{generated}} area {area}\n" in (DOCS / "reference" / f"{area}.md").read_text()


def test_a_layer_is_told_whole(extension):
    told = extension("reference").entry("deltarule", "Dense", dr.Dense)
    assert "Dense(features: int, bias: bool = True, W_init: Initializer = Glorot())" in told
    assert r"dX &= dY\, W^\top" in told
    assert r"| parameters | $o \cdot \left(i + 1\right)$ |" in told
    assert "After Rumelhart, Hinton and Williams 1986." in told
    line = int(told.rpartition("line ")[2].split()[0])
    assert (ROOT / "src/deltarule/layers/dense.py").read_text().splitlines()[line - 1 : line + 1] == [
        "@dataclass(frozen=True)",
        "class Dense(Layer):",
    ]


def test_results_become_rows(extension, tmp_path):
    results = tmp_path / "dense-2-core-anvil.json"
    row = {"name": "a|b", "peer": "they", "ours": 1.5, "theirs": 3, "unit": "ms", "ratio": 2.0, "spread": None}
    results.write_text(json.dumps({"machine": {"cores": 2}, "versions": {"jax": "1"}, "rows": [row]}))
    page = extension("benchmarks").page(results)
    assert "# Dense (2-core Anvil)" in page
    assert "`python benchmarks/dense.py --json`" in page
    assert r"| a\|b | they | 1.5 | 3 | ms | 2 |" in page
    with pytest.raises(FileNotFoundError, match="nobody"):
        extension("benchmarks").measured_by("nobody-2-core-anvil")


def test_help_has_no_colours(extension):
    told = extension("commands").help_of("plan")
    assert told.startswith("usage: deltarule plan")
    assert "\x1b" not in told
    assert max(map(len, told.splitlines())) <= 90
