"""`deltarule study`: which studies there are, what one says, and what happens where a claim does not hold."""

import json
from pathlib import Path

import pytest

from deltarule.cli import study
from deltarule.cli.main import main

TINY = '''"""{name} is a study."""

from matplotlib.figure import Figure

from study import Table


def measured():
    return 3


def table(found):
    return Table(("a | b",), [(found,)])


def claims(found):
    yield found == {expected}, f"it is {{found}}"


def picture(found):
    return Figure()
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of two studies: the claim of the one holds, the other's does not."""
    for name, expected in (("tiny_true", 3), ("tiny_false", 4)):
        (tmp_path / f"{name}.py").write_text(TINY.format(name=name, expected=expected))
    monkeypatch.setattr(study, "folder", lambda: tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_without_a_name_it_lists_them(capsys):
    assert main(["study"]) == 0
    said = capsys.readouterr().out
    assert [name for name in study.studies() if name not in said] == []
    assert main(["study", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out.splitlines()[-1])["studies"]
    assert listed["zero_start"].startswith("All weights zero")


def test_a_study_says_its_claims_and_is_drawn(folder, capsys):
    assert main(["study", "tiny_true", "--json", "--figures", str(folder / "drawn")]) == 0
    said = capsys.readouterr().out
    assert "holds: it is 3" in said
    result = json.loads(said.splitlines()[-1])["studies"]["tiny_true"]
    assert result.pop("seconds") < 60
    picture = str(folder / "drawn" / "tiny_true.svg")
    assert result == {"holds": True, "claims": [{"holds": True, "claim": "it is 3"}], "picture": picture}
    assert Path(picture).read_bytes().startswith(b"<?xml")


def test_a_claim_that_does_not_hold_ends_with_status_1(folder, capsys):
    with pytest.raises(SystemExit, match="a claim does not hold in tiny_false"):
        main(
            ["study", "all", "--json", "--figures", str(folder), "--gallery", str(folder / "docs" / "gallery.md")]
        )
    said = capsys.readouterr().out
    assert "FAILS: it is 3" in said
    result = json.loads(said.splitlines()[-1])["studies"]
    assert {name: each["holds"] for name, each in result.items()} == {"tiny_false": False, "tiny_true": True}
    page = (folder / "docs" / "gallery.md").read_text()
    assert "## tiny true\n\n**tiny_true is a study.**" in page
    assert "- **does not hold:** it is 3" in page
    assert "![tiny_true is a study.](../tiny_true.svg)" in page
    assert "| a \\| b |\n| --- |\n| 3 |" in page


@pytest.mark.parametrize(
    ("name", "hint"), [("zero_stat", "did you mean zero_start?"), ("qqq", "there are adding, approximation")]
)
def test_an_unknown_study_is_named_with_the_nearest(name, hint, capsys):
    assert main(["study", name]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith(f"deltarule: study '{name}': there is none by that name; {hint}")


def test_an_installation_without_studies_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(study.deltarule, "__file__", str(tmp_path / "site" / "deltarule" / "__init__.py"))
    assert main(["study"]) == 2
    assert "the studies are not there" in " ".join(capsys.readouterr().err.split())


def test_installed_studies_lie_in_the_package(tmp_path, monkeypatch):
    package = tmp_path / "deltarule"
    (package / "studies").mkdir(parents=True)
    (package / "studies" / "study.py").touch()
    monkeypatch.setattr(study.deltarule, "__file__", str(package / "__init__.py"))
    assert study.folder() == package / "studies"
