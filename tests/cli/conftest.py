"""A trained model, and a table, that the commands are tried on."""

import numpy as np
import polars as pl
import pytest

from deltarule.cli.main import main


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A run folder of a classifier, and beside it table.csv, which it learned."""
    folder = tmp_path_factory.mktemp("model")
    random = np.random.default_rng(0)
    size, town = random.normal(size=80), random.choice(["Bonn", "Ulm"], 80)
    sold = np.where(size + (town == "Ulm") > 0.5, "yes", "no")
    pl.DataFrame({"size": size, "town": town, "sold": sold}).write_csv(folder / "table.csv")
    job = ["--epochs", "20", "--hidden", "8", "--learning-rate", "0.05", "--runs", str(folder)]
    assert main(["train", str(folder / "table.csv"), *job]) == 0
    return folder / "table-1"


@pytest.fixture
def frame(model):
    """The table that the model learned."""
    return pl.read_csv(model.parent / "table.csv")


@pytest.fixture
def flowers(tmp_path, monkeypatch):
    """The current folder, with flowers.csv of three kinds in it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    kind = np.arange(90) % 3
    numbers = rng.normal(size=(90, 2)) + kind[:, None]
    rows = [f"{a:.3f},{b:.3f},{'abc'[k]}" for (a, b), k in zip(numbers, kind, strict=True)]
    (tmp_path / "flowers.csv").write_text("a,b,kind\n" + "\n".join(rows) + "\n")
    return tmp_path
