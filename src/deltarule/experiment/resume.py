"""A run that was killed or stopped, gone on with in its own folder."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import FileError
from deltarule.experiment.run import Result, train
from deltarule.experiment.run_folder import RECORD, REPORT, SETTINGS, read_record
from deltarule.job import Job, read_settings


def settings_of(run: str, command: str = "train", name: str = SETTINGS, kind: type = Job) -> dict[str, Any]:
    """The settings that a command began a run with, in the file of this name, of this kind.

    Raises:
        FileError: no such folder, or one that no run was begun in.
    """
    folder = Path(run)
    if not (folder / name).is_file():
        what = "it has no " + name if folder.is_dir() else "there is no such folder"
        raise FileError(f"{run}: expected the folder of a run that deltarule {command} began, but {what}")
    return read_settings(str(folder / name), kind)


def finished(run: str) -> dict[str, Any] | None:
    """The summary of a run that has come to its end; None of one that goes on, or was stopped."""
    folder = Path(run)
    if not (folder / RECORD).exists() or not (folder / REPORT).exists():
        return None
    return {**read_record(folder / RECORD).get("summary", {}), "report": str(folder / REPORT)}


def resume(
    run: str, job: Job, progress: bool | None = None, tell: Callable[[Sequence[str]], None] | None = None
) -> Result:
    """Goes on with the job of a run from its newest whole checkpoint; it ends as if it had never stopped.

    Raises:
        FileError: the data or the settings are not those of the checkpoint, or none is whole.
        and what `train` raises.
    """
    return train(job, progress, tell, begun=Path(run))
