"""The demonstration: it reads digits well, says where to look, and holds its figures to the rows held out."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.datasets import load_digits

import deltarule as dr
from deltarule import demo


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return demo.digits(str(tmp_path_factory.mktemp("demo")))


def test_held_out_digits_are_read(summary):
    assert summary["validation"] >= 0.97
    assert summary["held_out"] == 359
    assert summary["epochs"] == demo.EPOCHS
    assert summary["parameters"] == 64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    assert (summary["task"], summary["metric"]) == ("classification", "accuracy")


def test_its_folder_holds_the_model_and_the_figures(summary):
    folder = Path(summary["run"])
    assert sorted(path.name for path in folder.iterdir()) == [
        *("confusion.svg", "curves.svg", "digits.svg", "metrics.jsonl", "model.safetensors"),
        *("record.json", "report.html"),
    ]
    for path in folder.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == list(range(1, demo.EPOCHS + 1))
    assert rows[-1]["validation_accuracy"] == pytest.approx(summary["validation"])


def test_the_saved_model_reads_digits(summary):
    images, labels = load_digits(return_X_y=True)
    predicted = dr.load(Path(summary["run"]) / "model.safetensors").predict(images / 16).argmax(1)
    assert np.mean(predicted == labels) > 0.98


def test_the_seed_decides(summary, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "EPOCHS", 1)
    runs = [demo.digits(str(tmp_path), seed)["run"] for seed in (1, 1)]
    rows = [(Path(run) / "metrics.jsonl").read_text() for run in runs]
    losses = [json.loads(text)["loss"] for text in rows]
    assert losses[0] == losses[1]
    assert losses[0] != json.loads((Path(summary["run"]) / "metrics.jsonl").read_text().splitlines()[0])["loss"]
