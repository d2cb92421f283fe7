"""PyTorch with its DataLoader on the same tables: from memory, and from the same Parquet files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, get_worker_info

from ours_data import FILES, GROUP, TableTask
from peers_dense import Torch, torch_eager

MIXED = 8  # row groups that are shuffled together


def fastest_form(task: TableTask) -> str:
    """The fastest form of the task's optimizer in PyTorch, found on some of the examples."""
    return torch_eager(replace(task, examples=4096)).form


class Loaded(Torch):
    """PyTorch eager over a DataLoader: the usual one, of a data set in memory."""

    def __init__(self, task: TableTask, form: str, workers: int):
        super().__init__(task, form, "by DataLoader")
        self.name, self.workers = f"PyTorch, DataLoader, {workers} workers", workers
        self.note = f"{form} {task.optimizer}"
        self.loader = DataLoader(self.examples(), **self.options(), **self.of_workers())

    def of_workers(self) -> dict:
        """Workers that live on from epoch to epoch; they are not forked, since threads run in this process."""
        if not self.workers:
            return {}
        return {"num_workers": self.workers, "persistent_workers": True, "multiprocessing_context": "spawn"}

    def examples(self):
        return TensorDataset(self.x, self.target)

    def options(self) -> dict:
        return {"batch_size": self.task.batch, "shuffle": True}

    def batches(self):
        return iter(self.loader)


class LoadedFiles(Loaded):
    """The same over Parquet files: row groups in random order, of which several are shuffled together."""

    def __init__(self, task: TableTask, form: str, workers: int, folder: Path):
        self.folder = folder
        super().__init__(task, form, workers)
        self.name = f"PyTorch, DataLoader over Parquet, {workers} workers"

    def examples(self):
        rows = -(-self.task.examples // FILES)
        groups = [(path, start) for path in sorted(self.folder.iterdir()) for start in range(0, rows, GROUP)]
        return RowGroups(groups, self.task.batch)

    def options(self) -> dict:
        return {"batch_size": None}  # the data set makes whole batches


class RowGroups(IterableDataset):
    """Batches from row groups, read with polars; each worker takes its share of the groups."""

    def __init__(self, groups: list[tuple[Path, int]], batch: int):
        self.groups, self.batch = groups, batch

    def __iter__(self):
        worker = get_worker_info()
        index, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        seed = torch.initial_seed() - index  # of the epoch, the same in all workers
        order = np.random.default_rng(seed % 2**63).permutation(len(self.groups))[index::count]
        for first in range(0, len(order), MIXED):
            frames = [self.read(*self.groups[at]) for at in order[first : first + MIXED]]
            frame = pl.concat(frames)
            x = torch.from_numpy(frame.drop("y").to_numpy(order="c"))
            target = torch.from_numpy(frame["y"].to_numpy().astype(np.int64))
            for rows in torch.randperm(len(x)).split(self.batch):
                yield x[rows], target[rows]

    def read(self, path: Path, start: int) -> pl.DataFrame:
        return pl.scan_parquet(path, glob=False).slice(start, GROUP).collect()
