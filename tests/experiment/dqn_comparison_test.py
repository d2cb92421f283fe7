"""Runs of agents side by side: what the page tells of them, how it looks, and which cannot be compared."""

import json
import shutil
from pathlib import Path

import pytest

from browser import laid_out
from deltarule.cli.main import main
from deltarule.dqn.returns import summary
from deltarule.errors import FileError, SettingError
from deltarule.experiment.dqn import train
from deltarule.experiment.dqn_job import DqnJob
from deltarule.experiment.report import report_of
from deltarule.experiment.report.dqn_figures import over_seeds
from experiment.dqn_test import QUICK
from experiment.games import register
from outline import outline

register()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Runs of a game: three seeds, three with Double and another γ, and one of another width."""
    folder = tmp_path_factory.mktemp("runs")
    job = DqnJob("Numbers-v0", steps=160, seeds=3, runs=str(folder), **QUICK)
    others = {"seed": 1, "double": True, "gamma": 0.9}, {"seeds": 1, "hidden": (4,)}
    return [str(train(DqnJob(**vars(job) | other)).folder) for other in ({}, *others)]


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The folder of a run whose environment failed."""
    folder = tmp_path_factory.mktemp("broken")
    with pytest.raises(ValueError, match="keeps what was learned"):
        train(DqnJob("NaN-v0", steps=480, evaluate_every=96, runs=str(folder), **QUICK))
    return str(folder / "NaN-v0-1")


def records(folders):
    return [json.loads((Path(folder) / "record.json").read_text()) for folder in folders]


def test_a_page_tells_the_returns_of_each_seed_and_the_settings_that_differ(folders, tmp_path, capsys):
    output = tmp_path / "both.html"
    assert main(["report", *folders, "--output", str(output), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["differ"] == {
        "seeds": [3, 3, 1],
        "seed": [0, 1, 0],
        "network": ["Dense(8), ReLU, Dense(2)"] * 2 + ["Dense(4), ReLU, Dense(2)"],
        "gamma": [0.99, 0.9, 0.99],
        "double": [False, True, False],
    }
    found = outline(output.read_bytes())
    found.assert_self_contained()
    settings = records(folders)[0]["settings"]
    assert not {"alpha", "eta", "sequence", "burn_in", "time_limits_end"} & set(settings)
    cells = [[f"{row['return']:.4g}" for row in record["seeds"]] for record in records(folders)]
    rows = [["0", cells[0][0], "–", cells[2][0]], ["1", cells[0][1], cells[1][0], "–"]]
    rows += [["2", cells[0][2], cells[1][1], "–"], ["3", "–", cells[1][2], "–"]]
    assert "".join("".join(row) for row in rows) in found.text
    for each in told["runs"]:
        assert f"{each['interquartile_mean']:.4g}" in found.text
    low, high = told["runs"][1]["interval"]
    assert f"{low:.4g} – {high:.4g}" in found.text
    labels = [given["aria-label"] for name, given in found.elements if name == "svg"]
    assert [label.partition(":")[0].partition(" over the steps")[0] for label in labels] == [
        "Interquartile means of the returns over seeds",
        *(f"Curves of the {each}" for each in ("return of the greedy policy", "return while exploring")),
        *(f"Curves of the {each}" for each in ("promised beyond what came", "loss")),
    ]


def altered(folder, place, **of_summary):
    """A copy of a run whose record has another summary."""
    shutil.copytree(folder, place)
    record = json.loads((place / "record.json").read_text())
    record["summary"] |= of_summary
    (place / "record.json").write_text(json.dumps(record))
    return str(place)


@pytest.mark.parametrize(
    ("middle", "interval", "words"),
    [
        (900.0, [800.0, 999.0], "is 900, of one. Its 95 % interval lies above those of the others."),
        (900.0, [1.0, 999.0], "is 900, of one. Its 95 % interval overlaps with that of Numbers-v0-2."),
        (900.0, None, "is 900, of one. Of a run with one seed there is no interval"),
        (-1.0, [-1.0, -1.0], ", of Numbers-v0-2. Its 95 % interval lies above those of the others."),
    ],
)
def test_the_lead_names_the_best_and_whose_interval_overlaps(middle, interval, words, folders, tmp_path):
    one = altered(folders[0], tmp_path / "one", interquartile_mean=middle, interval=interval)
    assert words in outline(report_of([one, folders[1]])[0]).text


def test_runs_of_several_games_or_that_broke_off_have_no_best(folders, broken):
    assert "The runs are of different environments" in outline(report_of([folders[0], broken])[0]).text
    copy = broken + "-copy"
    shutil.copytree(broken, copy)
    found = outline(report_of([broken, copy])[0])
    assert "Not every run came to its end" in found.text
    assert "The runs have the same settings." in found.text


def test_a_curve_is_the_summary_over_the_seeds_that_have_it():
    agents = [
        [{"steps": step, "return": value} for step, value in enumerate(values)]
        for values in ([1.0, 2.0], [5.0, None], [9.0, 4.0])
    ]
    assert over_seeds(agents, "return") == ([0, 1], [summary([1.0, 5.0, 9.0]), summary([2.0, 4.0])])


def test_runs_that_cannot_be_compared_are_named(folders, tmp_path, monkeypatch):
    with pytest.raises(SettingError, match="Numbers-v0-1 is named twice"):
        report_of([folders[0], folders[0]])
    with pytest.raises(SettingError, match="at most 8 runs to compare, but got 9"):
        report_of([folders[0]] * 9)
    with pytest.raises(FileError, match="none: expected the folder of a run"):
        report_of([folders[0], str(tmp_path / "none")])
    half = tmp_path / "half"
    half.mkdir()
    (half / "metrics.jsonl").write_text("")
    (half / "run.toml").write_text("environment = 'Numbers-v0'")
    with pytest.raises(FileError, match=r"half written.*deltarule dqn --resume"):
        report_of([str(half), folders[0]])
    with pytest.raises(FileError, match=r"two: record.json or metrics.jsonl is not as the run wrote it"):
        report_of([folders[0], altered(folders[1], tmp_path / "two", interquartile_mean="much")])
    monkeypatch.setattr("deltarule.experiment.report.read_run", lambda folder: None)  # one of deltarule train
    with pytest.raises(SettingError, match="is a run of deltarule train, and there are others of deltarule dqn"):
        report_of([folders[0], str(tmp_path)])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_lays_the_pages_out(scheme, folders, broken, tmp_path):
    pages = [report_of([*folders, broken])[0]]
    for told in laid_out(pages, tmp_path, scheme):
        assert (told["overflow"], told["over"], told["pictures"]) == (0, [], 0)
