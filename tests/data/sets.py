"""Sets of examples in files, whose rows can be told apart."""

from pathlib import Path

import numpy as np
import polars as pl


def arrays(folder: Path, x, y) -> Path:
    """The arrays as x.npy and y.npy of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return folder


def numbered(folder: Path, n: int = 1000, width: int = 3) -> Path:
    """n examples in x.npy and y.npy; the first number of each is its own."""
    x = np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)
    x[:, 0] = np.arange(n)
    return arrays(folder, x, (np.arange(n) % 2).astype(np.int64))


def classes(folder: Path, n: int = 706) -> Path:
    """n examples of three classes; with a fifth held out, an epoch over chunks of 112 ends in one of two."""
    x = np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)
    return arrays(folder, x, np.digitize(x.sum(1), [-1, 1]))


def parquet(folder: Path, files: int = 3, rows: int = 500, group: int = 100, suffix: str = ".parquet") -> Path:
    """A table of numbers in several files: a, which is the number of the row, b, and their sum y."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for file in range(files):
        a, b = np.arange(rows, dtype=float) + rows * file, random.normal(size=rows)
        frame = pl.DataFrame({"a": a, "b": b, "y": a + b})
        path = folder / f"part-{file}{suffix}"
        frame.write_parquet(path, row_group_size=group) if suffix == ".parquet" else frame.write_csv(path)
    return folder


def read(stream, epoch: int = 0, batch_size: int = 10, **more) -> np.ndarray:
    """The first number of every example of an epoch, in the order of its batches."""
    chunks = stream.chunks(epoch, batch_size, **more)
    return np.concatenate([chunk.x[: chunk.examples, 0] for chunk in chunks])
