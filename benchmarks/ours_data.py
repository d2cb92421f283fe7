"""A table in memory and in Parquet files: the task, the set of files, ours over it, and the memory that it takes.

    python benchmarks/ours_data.py FOLDER BYTES

prints by how many bytes a process grows at most, while it trains on a stream of the folder within a bound.
"""

import functools
import gc
import sys
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
import polars as pl

import deltarule as dr
from deltarule.training.streaming import stream_program
from ours_dense import Deltarule, Task, network

GROUP = 16384  # rows of a row group
FILES = 4


@dataclass(frozen=True)
class TableTask(Task):
    """Numbers of which a class follows, but for one in ten."""

    @functools.cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.examples, self.sizes[0])).astype(np.float32)
        target = x[:, :4].sum(1) > 0  # (n,)
        return x, (target ^ (rng.random(self.examples) < 0.1)).astype(np.int32)

    def write(self, folder: Path) -> Path:
        """The examples as Parquet files of row groups of 16,384 rows."""
        x, target = self.data
        frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(x.T)} | {"y": target})
        for number, part in enumerate(frame.iter_slices(-(-len(frame) // FILES))):
            part.write_parquet(folder / f"part-{number}.parquet", row_group_size=GROUP)
        return folder

    @property
    def size(self) -> int:
        """Bytes of all examples in memory."""
        return self.examples * 4 * (self.sizes[0] + 1)


class Streamed(Deltarule):
    """Ours over the files: an epoch as `fit` runs it on a stream."""

    def __init__(self, task: TableTask, folder: Path, memory: int):
        super().__init__(task)
        self.stream = dr.stream(folder, memory=memory)
        self.program = stream_program(self.step.structure(), task.batch)
        self.name = "deltarule, streamed"
        self.data = self.stream

    def run(self):
        self.state, loss = self.program(self.state, self.stream, None, None)
        jax.device_get(loss)


def peak(folder: str, memory: int, task: Task) -> int:
    """Bytes that two epochs and two evaluations add to a process that has compiled their programs.

    The programs are compiled by a first epoch on as many blocks as fill a chunk.
    """
    stream = dr.stream(folder, memory=memory)
    training, held_out = stream.divided(0.2)
    few = training.divided(min(0.9, 1.2 * training.chunk_rows(task.batch) / training.examples))[1]
    model = dr.Model(network(task.sizes), dr.SoftmaxCrossEntropy(), dr.Adam(task.rate))
    for shown in (few, held_out):
        model.fit(few, epochs=1, batch_size=task.batch, validation=shown, progress=False)
    jax.block_until_ready(jax.device_put(np.zeros(1)))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = status("VmRSS")
    model.fit(training, epochs=2, batch_size=task.batch, validation=held_out, progress=False)
    return status("VmHWM") - before


def status(name: str) -> int:
    """A figure of this process's memory in bytes, as Linux tells it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


TABLE = TableTask("a", (20, 64, 64, 2), 64, "Adam", 1e-3, examples=1 << 20)

if __name__ == "__main__":
    print(peak(sys.argv[1], int(sys.argv[2]), TABLE))
