"""A run's folder: a new one for every run, the figures of each epoch while it goes on, and what it left.

When a run ends, its folder holds `record.json`: what came out, on what, with which settings, where. Everything
that a report shows is in the folder.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.errors import FileError
from deltarule.files import make_folder, write_whole
from deltarule.job import read_settings
from deltarule.loading import load
from deltarule.model import Model
from deltarule.training.history import Row
from deltarule.training.processes import is_first
from deltarule.training.run import Callback

MODEL, METRICS, RECORD, SETTINGS = "model.safetensors", "metrics.jsonl", "record.json", "run.toml"
CHECKPOINTS, REPORT = "checkpoints", "report.html"
SWEEP = "sweep.toml"  # what a sweep was begun with


@dataclass(frozen=True)
class Run:
    """What a run left.

    Attributes:
        record: what was written down at its end; {} where it did not come to it.
    """

    folder: Path
    model: Model
    record: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @property
    def settings(self) -> dict[str, Any]:
        """The settings by name, as they were used; or as they were given, where there is no record."""
        if "settings" in self.record:
            return self.record["settings"]
        file = self.folder / SETTINGS
        return read_settings(str(file)) if file.exists() else {}


def read_run(path: str) -> Run:
    """The run in a folder.

    Raises:
        FileError: no such folder, one that holds no run, or a run that is half written.
    """
    folder = Path(path)
    if not folder.is_dir():
        kind = "this is a file" if folder.exists() else "there is none"
        raise FileError(f"{path}: expected the folder of a run, such as runs/iris-1, but {kind}")
    if not (folder / MODEL).exists():
        begun = next((name for name in (METRICS, SWEEP) if (folder / name).exists()), None)
        if begun is None:
            raise FileError(
                f"{path}: expected the folder of a run, but it holds neither {MODEL} nor {METRICS}; name a folder "
                "that deltarule train or demo made"
            )
        raise FileError(
            f"{path}: the run is half written: it has {begun}, but no {MODEL}. It goes on still, or it was "
            "killed before it could save its model; wait for it, or go on: "
            f"deltarule {begun_by(folder)} --resume {path}"
        )
    return Run(folder, load(folder / MODEL), read_record(folder / RECORD))


def begun_by(folder: Path) -> str:
    """The command that a run was begun with."""
    if (folder / SWEEP).exists():
        return "sweep"
    settings = folder / SETTINGS
    lines = settings.read_text(errors="replace").splitlines() if settings.is_file() else []
    return "dqn" if any(line.startswith("environment =") for line in lines) else "train"


def read_record(path: Path) -> dict[str, Any]:
    """What was written down at the end of a run; {} where it did not come to its end."""
    try:
        record = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(f"{path}: expected a whole JSON file, but it is damaged ({error}); delete it") from None
    if not isinstance(record, dict):
        raise FileError(f"{path}: expected a JSON object, but got {str(record)[:40]!r}; delete it")
    return record


def new_folder(runs: str, name: str) -> Path:
    """A folder that is not there yet: runs/name-1, runs/name-2, ..."""
    parent, number = make_folder(runs), 1
    while True:
        folder = parent / f"{name}-{number}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise FileError(f"the folder {folder} cannot be made: {error.strerror or error}") from None


def metrics_writer(path: Path) -> Callback:
    """A callback that adds each epoch's row to a file of JSON lines as the run goes on; process 0 does.

    Where a run goes on from a checkpoint, rows of the first row's epoch and of later ones are dropped before it.
    """
    fresh = True

    def write(row: Row) -> None:
        nonlocal fresh
        if not is_first():
            return
        try:
            if fresh and path.exists():
                write_whole(path, lines(rows_before(path, row["epoch"])))
            fresh = False
            with path.open("a") as file:
                file.write(lines([row]).decode())
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror or error}") from None

    return write


def lines(rows: Iterable[Row]) -> bytes:
    """Rows as JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def rows_before(path: Path, epoch: int) -> list[Row]:
    """The rows in a file of JSON lines up to an epoch, without a line that is half written."""
    rows = []
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            break
        rows.append(row)
    return [row for row in rows if row["epoch"] < epoch]
