"""`deltarule train` on a table in many files, larger than its memory; and predict and evaluate on such sets."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from deltarule.cli.main import main
from deltarule.files import write_whole

QUICK = ["--epochs", "3", "--hidden", "16", "--learning-rate", "0.02", "--memory", "200kB"]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test has a folder of its own to work in."""
    monkeypatch.chdir(tmp_path)


def houses(folder="houses", files=4, rows=400, suffix=".parquet"):
    """A set in which who buys follows from the size and the town; a target is missing now and then."""
    random = np.random.default_rng(0)
    Path(folder).mkdir()
    for number in range(files):
        size, town = random.normal(100, 20, rows), random.choice(["Bonn", "Ulm"], rows)
        sold = np.where(size + 20 * (town == "Ulm") > 110, "yes", "no").tolist()
        sold[7] = None
        frame = pl.DataFrame(
            {"size": size, "town": town, "price": 3 * size + random.normal(size=rows), "sold": sold}
        )
        path = Path(folder) / f"part-{number}{suffix}"
        frame.write_parquet(path, row_group_size=50) if suffix == ".parquet" else frame.write_csv(path)
    return folder


def result(capsys, *arguments):
    """The JSON of a command."""
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def refused(capsys, *arguments):
    """What a command that cannot be says, in one line."""
    short = ["--epochs", "1"] if arguments[0] == "train" else []
    assert main([*arguments, *short]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    assert "Traceback" not in printed.err
    return " ".join(printed.err.split())


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_folder_of_tables_is_learned_within_its_memory(capsys, suffix):
    folder = houses(suffix=suffix)
    summary = result(capsys, "train", folder, "--target", "sold", *QUICK)
    assert summary["metric"] == "accuracy"
    assert summary["validation"] > 0.9
    run = Path(summary["run"])
    record = json.loads((run / "record.json").read_text())
    assert record["data"]["training"] + record["data"]["held_out"] == 4 * 399
    assert record["data"]["held_out"] == pytest.approx(0.2 * 4 * 399, abs=60)
    assert any("are read in chunks of" in note and "within 200 kB" in note for note in record["notes"])
    assert (run / "confusion.svg").exists()
    assert "part-0" not in (run / "run.toml").read_text()
    again = result(capsys, "train", "--config", str(run / "run.toml"))
    assert again["validation"] == summary["validation"]

    whole = result(capsys, "evaluate", summary["run"], folder)
    assert whole["rows"] == 4 * 399
    frames = [
        pl.read_parquet(path) if suffix == ".parquet" else pl.read_csv(path)
        for path in sorted(Path(folder).iterdir())
    ]
    pl.concat(frames).write_csv("whole.csv")
    same = result(capsys, "evaluate", summary["run"], "whole.csv")
    assert same["accuracy"] == pytest.approx(whole["accuracy"], abs=1e-6)
    assert same["loss"] == pytest.approx(whole["loss"], rel=1e-4)
    predicted = result(capsys, "predict", summary["run"], f"{folder}/*{suffix}", "--output", "all.csv")
    assert predicted["rows"] == 1600
    result(capsys, "predict", summary["run"], "whole.csv", "--output", "one.csv")
    assert pl.read_csv("all.csv")["sold"].to_list() == pl.read_csv("one.csv")["sold"].to_list()


def test_one_file_with_a_memory_is_a_stream_and_a_regression_tells_its_error(capsys):
    houses()
    summary = result(capsys, "train", "houses/part-0.parquet", "--target", "price", *QUICK)
    assert summary["metric"] == "r2"
    found = result(capsys, "evaluate", summary["run"], "houses/part-0.parquet")
    whole = result(capsys, "evaluate", summary["run"], "houses")
    assert summary["validation"] > 0.8
    assert found["root_mean_squared_error"] == pytest.approx(whole["root_mean_squared_error"], rel=0.5)
    assert found["root_mean_squared_error"] < 60


def test_what_is_wrong_with_a_set_is_told_in_one_paragraph(capsys):
    folder = houses()
    assert "there is no such column" in refused(capsys, "train", folder, "--target", "rent")
    assert "none is there" in refused(capsys, "train", "houses/*.csv")
    assert "least possible is" in refused(capsys, "train", folder, "--target", "sold", "--memory", "2kB")
    assert "number of bytes" in refused(capsys, "train", folder, "--target", "sold", "--memory", "much")
    assert "window is for text" in refused(capsys, "train", folder, "--window", "3")
    Path("note.txt").write_text("a text that is long enough to be read " * 20)
    assert "memory is for a table in files" in refused(capsys, "train", "note.txt", "--memory", "1MB")
    path = Path(folder) / "part-2.parquet"
    whole = path.read_bytes()
    write_whole(path, whole[:-100])
    assert "part-2.parquet: expected a whole Parquet file" in refused(capsys, "train", folder, "--target", "sold")
    write_whole(path, b"")
    assert "part-2.parquet: expected data, but the file is empty" in refused(capsys, "train", folder)
    pl.read_parquet(f"{folder}/part-0.parquet").drop("town").write_parquet(path)
    assert "lacks 'town'" in refused(capsys, "train", folder, "--target", "sold")
    assert not Path("runs").exists()


def test_a_set_without_the_columns_of_training_is_told(capsys):
    summary = result(capsys, "train", houses(), "--target", "sold", *QUICK)
    for path in Path("houses").iterdir():
        pl.read_parquet(path).drop("sold").write_parquet(path)
    assert "expected the target column 'sold'" in refused(capsys, "evaluate", summary["run"], "houses")
    assert result(capsys, "predict", summary["run"], "houses")["rows"] == 1600
    for path in Path("houses").iterdir():
        pl.read_parquet(path).drop("size").write_parquet(path)
    assert "'size' is missing" in refused(capsys, "predict", summary["run"], "houses")
