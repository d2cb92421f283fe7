"""Quick jobs, and the files that they are given."""

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import sklearn.datasets

from deltarule.experiment import Result, train
from deltarule.job import Job

BUNDLED = Path(sklearn.datasets.__file__).parent / "data"
QUICK = Job(data="", hidden=(8,), learning_rate=0.02, epochs=3)


def houses(rows: int = 200) -> pl.DataFrame:
    """A table with numbers, a category, missing values, and a price that follows from them."""
    random = np.random.default_rng(0)
    size, age = random.uniform(40, 200, rows), random.uniform(0, 50, rows)
    town = random.choice(["Bonn", "Köln", "Ulm"], rows)
    price = 3 * size - 2 * age + 80 * (town == "Köln") + random.normal(0, 5, rows)
    age = [None if each > 47 else each for each in age]
    return pl.DataFrame({"size": size, "age": age, "town": town, "price": price})


def run(tmp_path: Path, data: str | Path, **settings) -> Result:
    """What a quick job on the file gives."""
    return train(dataclasses.replace(QUICK, data=str(data), runs=str(tmp_path / "runs"), **settings))


def table(tmp_path: Path, frame: pl.DataFrame, name: str = "houses.csv") -> Path:
    """The frame as a file."""
    path = tmp_path / name
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    return path


def arrays(tmp_path: Path, **found) -> Path:
    """The arrays as a .npz file."""
    np.savez(tmp_path / "arrays.npz", **found)
    return tmp_path / "arrays.npz"


def left(tmp_path: Path) -> list[str]:
    """The names of all files in run folders."""
    return sorted(path.name for path in (tmp_path / "runs").rglob("*") if path.is_file())
