"""Files that are either whole or not there."""

import os
import tempfile
from pathlib import Path

from deltarule.errors import FileError


def write_whole(path: str | os.PathLike, content: bytes) -> None:
    """Writes beside the path and renames, so that a file in its place is never half written.

    Raises:
        FileError: the folder does not exist or cannot be written, or the disk is full; what was there stays.
    """
    path = Path(path)
    beside = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        beside = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        beside.chmod(0o666 & ~mask)
        beside.replace(path)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}; nothing was changed") from None
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def make_folder(path: str | os.PathLike) -> Path:
    """The folder, made if it is not there.

    Raises:
        FileError: it cannot be made, or a file is in its place.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder {path} cannot be made: {error.strerror or error}") from None
    return path
