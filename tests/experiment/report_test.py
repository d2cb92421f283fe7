"""A run's report: what it shows of every kind of run, how runs are compared, and what is wrong with a folder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from browser import laid_out
from deltarule.cli.main import main
from deltarule.experiment.report import report_of
from experiment.jobs import BUNDLED, arrays, houses, run, table
from outline import outline

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def iris(tmp_path_factory):
    """The folder of a quick job on the irises."""
    return run(tmp_path_factory.mktemp("iris"), BUNDLED / "iris.csv", watch=("delta", "gradient")).folder


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    """The folder of a quick regression, one column of which has a hostile name and hostile values."""
    folder = tmp_path_factory.mktemp("prices")
    frame = houses().rename({"town": HOSTILE}).with_columns(note=np.array(["<b>", "'\"&"] * 100))
    return run(folder, table(folder, frame), target="price", epochs=4).folder


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """The folder of a quick job on images."""
    folder, random = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    x, y = random.integers(0, 255, (40, 6, 6, 3), dtype=np.uint8), np.arange(40) % 2
    return run(folder, arrays(folder, x=x, y=y), network="dense", epochs=1).folder


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """The folder of a quick forecast."""
    folder = tmp_path_factory.mktemp("load")
    hours = np.datetime64("2024-01-01T00:00:00") + 3600 * np.arange(150)
    lines = [f"{hour},{np.sin(i / 4):.3f}" for i, hour in enumerate(hours)]
    (folder / "load.csv").write_text("time,load\n" + "\n".join(lines) + "\n")
    settings = {"task": "forecast", "history": 4, "horizon": 2, "network": "dense", "epochs": 1}
    return run(folder, folder / "load.csv", **settings).folder


@pytest.fixture(scope="module")
def tale(tmp_path_factory):
    """The folder of a quick job on a text."""
    folder = tmp_path_factory.mktemp("tale")
    (folder / "tale.txt").write_text("the <i>cat</i> & the dog.\n" * 80)
    return run(folder, folder / "tale.txt", epochs=1, window=16, batch_size=4).folder


@pytest.fixture
def page(request):
    """The page in the folder that a test names."""
    return outline((request.getfixturevalue(request.param) / "report.html").read_bytes())


KINDS = ["iris", "prices", "shapes", "load", "tale"]


@pytest.mark.parametrize("page", KINDS, indirect=True)
def test_every_page_is_whole_and_small(page):
    page.assert_self_contained()
    parts = [given["id"] for name, given in page.elements if name == "section"]
    assert [part for part in parts if part != "diagnostics"] == [
        *("result", "data", "network", "training", "predictions", "equations", "check", "environment")
    ]
    for name, given in page.elements:
        assert name != "img" or given["alt"]
        assert name != "svg" or (given["role"] == "img" and given["aria-label"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_is_under_500_kilobytes_and_the_same_from_its_folder(kind, request):
    folder = request.getfixturevalue(kind)
    written = (folder / "report.html").read_bytes()
    assert len(written) < 500_000
    assert report_of([str(folder)])[0] == written


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            "iris",
            [
                "Learning “virginica”",
                "4",
                "Dense(8)",
                "SoftmaxCrossEntropy(",
                "Adam(learning_rate=0.02",
                "120",
                "30",
            ],
        ),
        ("prices", [HOSTILE, "one-hot, 3 levels", "<b>", "root mean squared error", "error"]),
        ("shapes", ["6x6 colour", "images to learn from", "Flatten()"]),
        ("load", ["error of the naive forecast", "RMSE", "made at", "2024-01-0"]),
        ("tale", ["A sample", "The characters that were least expected", "bits", "Embedding("]),
    ],
    indirect=["page"],
)
def test_a_page_tells_what_was_trained_on_what(page, words):
    assert [each for each in words if each not in page.text] == []


def test_the_worst_examples_are_the_worst(iris):
    record = json.loads((iris / "record.json").read_text())
    shares = [row[2] for row in record["worst"]["rows"]]
    assert shares == sorted(shares)
    counts = np.array(record["confusion"]["counts"])
    assert counts.sum() == record["data"]["held_out"] == 30
    assert np.trace(counts) / 30 == pytest.approx(record["summary"]["validation"])
    wrong = [row for row in record["worst"]["rows"] if row[0] != row[1]]
    assert len(wrong) == min(12, 30 - np.trace(counts))


@pytest.mark.parametrize("page", ["prices"], indirect=True)
def test_a_regression_shows_predictions_and_residuals(page):
    spoken = [given["aria-label"] for name, given in page.elements if name == "svg"]
    for words in ("predicted over the true values", "errors of the held-out examples over their predicted values"):
        assert sum(words in each for each in spoken) == 1


def test_pictures_show_the_images_that_they_name(shapes):
    record = json.loads((shapes / "record.json").read_text())
    assert len(record["worst"]["pictures"]) == 8
    assert all("taken for" in each["alt"] or "right" in each["alt"] for each in record["worst"]["pictures"])


@pytest.mark.parametrize("page", ["iris"], indirect=True)
def test_a_page_maps_what_was_watched_and_holds_backward_against_autodiff(iris, page):
    rows = [json.loads(line) for line in (iris / "metrics.jsonl").read_text().splitlines()]
    assert set(rows[0]["watch"]) == {"delta", "gradient"}
    assert f"{rows[0]['watch']['gradient']['layer 0 (Dense)']:.2g}" in page.text
    assert "autodiff agree" in page.text


def test_an_interrupted_run_has_a_page_of_what_it_learned(iris, tmp_path):
    for name in ("model.safetensors", "metrics.jsonl", "run.toml"):
        shutil.copy(iris / name, tmp_path / name)
    found = outline(report_of([str(tmp_path)])[0])
    assert "did not end by itself" in found.text
    assert "Loss by epoch." in found.text
    assert "learning rate" in found.text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder, good: None, "expected the folder of a run, such as runs/iris-1, but there is none"),
        (lambda folder, good: folder.write_text("x"), "but this is a file"),
        (lambda folder, good: folder.mkdir(), "holds neither model.safetensors nor metrics.jsonl"),
        (lambda folder, good: half(folder), "half written: it has metrics.jsonl, but no model.safetensors"),
        (lambda folder, good: half(folder, "environment = 'CartPole-v1'"), "deltarule dqn --resume"),
        (lambda folder, good: half(folder, "data = 'iris.csv'"), "deltarule train --resume"),
        (lambda folder, good: altered(folder, good, "model.safetensors"), "not a whole safetensors file"),
        (lambda folder, good: altered(folder, good, "record.json"), "a whole JSON file, but it is damaged"),
        (lambda folder, good: altered(folder, good, "record.json", "[1]"), "a JSON object, but got '[1]'"),
        (lambda folder, good: altered(folder, good, "record.json", '{"summary": 1}'), "not as its run wrote it"),
        (lambda folder, good: unrecorded(folder, good), "expected a whole SVG file"),
    ],
)
def test_a_folder_that_is_wrong_is_named(make, words, iris, tmp_path, capsys):
    folder = tmp_path / "run"
    make(folder, iris)
    assert main(["report", str(folder), "--output", str(tmp_path / "out.html")]) == 2
    printed = capsys.readouterr()
    said = " ".join(printed.err.split())
    assert not printed.out
    assert str(folder) in said
    assert words in said
    assert not (tmp_path / "out.html").exists()


def half(folder: Path, settings: str = "") -> None:
    """A run that was killed before its end."""
    folder.mkdir()
    (folder / "run.toml").write_text(settings)
    (folder / "metrics.jsonl").write_text('{"epoch": 1, "loss": 2.0}\n{"epo')


def altered(folder: Path, good: Path, name: str, content: str | None = None) -> None:
    """A run one of whose files has another content, or lacks its second half."""
    shutil.copytree(good, folder)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2] if content is None else content.encode())


def unrecorded(folder: Path, good: Path) -> None:
    """A run of an earlier version, whose figure is half written."""
    altered(folder, good, "confusion.svg")
    (folder / "record.json").unlink()


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    """The folder of another job on the irises."""
    return run(
        tmp_path_factory.mktemp("second"),
        BUNDLED / "iris.csv",
        learning_rate=0.1,
        epochs=2,
        watch=("delta", "gradient"),
    ).folder


def test_runs_are_compared(iris, second, tmp_path, capsys):
    output = tmp_path / "both.html"
    assert main(["report", str(iris), str(second), "--output", str(output), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["differ"] == {
        "learning_rate": [0.02, 0.1],
        "optimizer": ["Adam(0.02)", "Adam(0.1)"],
        "epochs": [3, 2],
    }
    assert [each["epochs"] for each in told["runs"]] == [3, 2]
    assert (told["report"], told["bytes"]) == (str(output), output.stat().st_size)
    found = outline(output.read_bytes())
    found.assert_self_contained()
    assert "2 runs compared" in found.text
    pictures = [given["aria-label"] for name, given in found.elements if name == "svg"]
    assert [label.split(":")[0] for label in pictures] == [
        f"Curves of the {name} over the epochs" for name in ("loss", "validation loss", "validation accuracy")
    ]


def test_one_run_gets_its_page_in_its_folder(iris, tmp_path, capsys):
    shutil.copytree(iris, tmp_path / "copy")
    (tmp_path / "copy" / "report.html").unlink()
    assert main(["report", str(tmp_path / "copy")]) == 0
    assert "open it in a browser" in capsys.readouterr().out
    assert (tmp_path / "copy" / "report.html").exists()


@pytest.mark.parametrize(
    ("folders", "words"),
    [([], "expected the folder of a run"), (2, "is named twice"), (9, "expected at most 8 runs")],
)
def test_runs_that_cannot_be_compared(folders, words, iris, capsys):
    assert main(["report", *([str(iris)] * folders if folders else [])]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_lays_the_pages_out(scheme, iris, prices, shapes, load, tale, second, tmp_path):
    pages = [(folder / "report.html").read_bytes() for folder in (iris, prices, shapes, load, tale)]
    pages.append(report_of([str(iris), str(second), str(prices)])[0])
    for told in laid_out(pages, tmp_path, scheme):
        assert told["width"] in (400, 1400)
        assert (told["overflow"], told["over"]) == (0, [])
        assert (told["flat"], told["pictures"]) == (0, 0)
        assert told["formulas"] > 10 or "compared" in told["title"]
        assert told["paper"] == {"light": "rgb(255, 254, 251)", "dark": "rgb(23, 24, 26)"}[scheme]
