"""A run's folder: a new one for every run, and the figures of each epoch in it while the run goes on."""

import json
from pathlib import Path

from deltarule.errors import FileError
from deltarule.files import make_folder
from deltarule.training.run import Callback, Row


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
    """A callback that adds each epoch's row to a file of JSON lines as the run goes on."""

    def write(row: Row) -> None:
        try:
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror or error}") from None

    return write
