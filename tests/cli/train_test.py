"""`deltarule train`: flags or a TOML file in, one JSON line out; what is wrong is said before anything is made."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import sklearn.datasets

import deltarule as dr
from deltarule.cli.main import main

IRIS = str(Path(sklearn.datasets.__file__).parent / "data" / "iris.csv")
QUICK = ["--epochs", "2", "--hidden", "8"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test has a folder of its own to work in."""
    monkeypatch.chdir(tmp_path)


def trained(capsys, *arguments: str) -> dict:
    """The JSON of a run."""
    assert main(["train", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys, *arguments: str) -> str:
    """What a run that cannot be says, in one line."""
    try:
        status = main(["train", *arguments])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
    printed = capsys.readouterr()
    assert not printed.out
    return " ".join(printed.err.replace("│", " ").split())


def test_the_last_line_is_the_result(capsys):
    summary = trained(capsys, IRIS, *QUICK, "--target", "virginica", "--batch-size", "20")
    assert set(summary) >= {"task", "metric", "validation", "epochs", "seconds", "parameters", "run"}
    assert (summary["task"], summary["metric"], summary["epochs"]) == ("classification", "accuracy", 2)
    assert summary["parameters"] == 4 * 8 + 8 + 8 * 3 + 3
    assert summary["seconds"] > 0
    for name in ("curves.svg", "confusion.svg"):
        root = ElementTree.parse(Path(summary["run"]) / name).getroot()
        assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_a_person_is_told_the_result_and_where_to_look(capsys):
    assert main(["train", IRIS, *QUICK]) == 0
    printed = capsys.readouterr()
    assert "accuracy" in printed.out
    assert "look at runs/iris-1/" in printed.out
    assert "epoch 2/2" in printed.err
    assert "note: Target 'virginica' holds 3 different values" in printed.err


def test_a_run_is_repeated_from_its_own_file_bit_for_bit(capsys):
    first = trained(capsys, IRIS, *QUICK, "--target", "-1", "--seed", "7", "--optimizer", "sgd", "--l2", "0.01")
    second = trained(capsys, "--config", f"{first['run']}/run.toml")
    assert second["run"] != first["run"]
    assert second["loss"] == first["loss"]
    x = np.ones((1, 4))
    models = [dr.load(Path(run["run"]) / "model.safetensors") for run in (first, second)]
    np.testing.assert_array_equal(*(model.predict(x) for model in models))
    texts = [(Path(run["run"]) / "run.toml").read_text() for run in (first, second)]
    assert texts[0] == texts[1]


def test_a_run_in_float16_tells_its_scale_and_is_repeated_from_its_file(capsys):
    first = trained(capsys, IRIS, *QUICK, "--precision", "float16")
    second = trained(capsys, "--config", f"{first['run']}/run.toml")
    assert first["precision"] == second["precision"] == "float16"
    assert first["loss"] == second["loss"]
    rows = [json.loads(line) for line in (Path(first["run"]) / "metrics.jsonl").read_text().splitlines()]
    assert [(row["scale"], row["skipped"]) for row in rows] == [(65536, 0)] * 2


def test_what_is_watched_is_in_the_metrics_of_each_epoch(capsys):
    summary = trained(capsys, IRIS, *QUICK, "--watch", "delta", "dead")
    rows = [json.loads(line) for line in (Path(summary["run"]) / "metrics.jsonl").read_text().splitlines()]
    assert [list(row["watch"]) for row in rows] == [["delta", "dead"]] * 2
    assert list(rows[0]["watch"]["dead"]) == ["layer 1 (ReLU)"]
    assert 'watch = [\n    "delta",' in (Path(summary["run"]) / "run.toml").read_text()


def test_flags_overrule_the_file(capsys):
    Path("run.toml").write_text(f'data = "{IRIS}"\nepochs = 1\nhidden = [8]\nruns = "there"\n')
    summary = trained(capsys, "--config", "run.toml", "--epochs", "2")
    assert (summary["epochs"], summary["run"]) == (2, "there/iris-1")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs = 2\nlearnin_rate = 0.1", "unknown setting 'learnin_rate'; did you mean 'learning_rate'?"),
        ("zzz = 2", "unknown setting 'zzz'; expected some of data, target, task"),
        ("[train]\nepochs = 2", "unknown setting 'train'"),
        ('epochs = "many"', "epochs = 'many' does not fit; expected a whole number"),
        ("epochs = 2.5", "epochs = 2.5 does not fit; expected a whole number"),
        ("seed = true", "seed = True does not fit"),
        ('optimizer = "adm"', "adam"),
        ("epochs = ", "run.toml: not a TOML file (Invalid value"),
        ("data = ", "not a TOML file"),
    ],
)
def test_a_file_of_settings_that_is_wrong_is_told_where(text, words, capsys):
    Path("run.toml").write_text(f'data = "{IRIS}"\n{text}\n')
    assert words in refused(capsys, "--config", "run.toml")


def test_a_file_of_settings_that_is_not_there_is_named(capsys):
    assert "none.toml cannot be read: No such file" in refused(capsys, "--config", "none.toml")
    assert "--config expects a TOML file" in refused(capsys, IRIS, "--config")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "DATA"),
        (["none.csv"], "no such file"),
        ([IRIS, "--learningrate", "1"], "--learning-rate"),
        ([IRIS, "--optimizer", "adm"], "'rmsprop'"),
        ([IRIS, "--epochs", "x"], "--epochs"),
        ([IRIS, "--target", "virginca"], "Nearest: 'virginica'"),
        ([IRIS, "--runs", "taken"], "the folder taken cannot be made"),
        ([IRIS, "--batch-size", "1000"], "choose batch_size"),
    ],
)
def test_what_cannot_be_is_said(arguments, words, capsys):
    Path("taken").touch()
    assert words in refused(capsys, *arguments)


def test_a_lost_run_keeps_a_model_that_predicts(capsys):
    said = refused(capsys, IRIS, *QUICK, "--task", "regression", "--learning-rate", "1e9")
    assert "the loss was lost in epoch 1" in said
    assert "smaller learning rate" in said
    assert np.isfinite(dr.load("runs/iris-1/model.safetensors").predict(np.ones((1, 4)))).all()
    assert Path("runs/iris-1/run.toml").exists()


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("epochs = 1\nhidden = [8]", ["--config", "run.toml", IRIS]),
        ("epochs = 1\nhidden = [8]", [IRIS, "--config=run.toml"]),
        (f'epochs = 1\nhidden = [8]\ndata = "{IRIS}"', ["--config", "run.toml"]),
        ('data = "none.csv"\nepochs = 1\nhidden = [8]', ["--config", "run.toml", IRIS]),
    ],
    ids=["data from the command line", "equals sign", "data last", "data overruled"],
)
def test_settings_and_command_line_go_together(text, arguments, capsys):
    Path("run.toml").write_text(text)
    assert trained(capsys, *arguments)["parameters"] == 4 * 8 + 8 + 8 * 3 + 3
