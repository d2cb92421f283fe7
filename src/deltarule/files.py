"""Files that are either whole or not there."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import IO

from deltarule.errors import FileError


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes beside the path and renames, so that a file in its place is never half written.

    Raises:
        FileError: the folder does not exist or cannot be written, or the disk is full; what was there stays. Or
            the disk would not keep the name of the new file through a loss of power.
    """
    path = Path(path)
    beside, outcome = None, "nothing was changed"
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
        outcome = "it is there, but a loss of power may undo it"
        synchronise(path.parent)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}; {outcome}") from None
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def synchronise(folder: Path) -> None:
    """Has the disk keep the names in a folder, where the system can; raises OSError."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # of a file system that keeps no folders
            raise
    finally:
        os.close(handle)


def lock(folder: Path) -> IO[bytes]:
    """A file in the folder that holds it for this process until it is closed, or the process ends in any way.

    Raises:
        FileError: another process holds it, or it cannot be written.
    """
    try:
        file = open(folder / "lock", "ab")  # noqa: SIM115  # it is held open
    except OSError as error:
        raise FileError(f"{folder} cannot be written: {error.strerror or error}") from None
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise FileError(f"{folder}: another process writes there now; wait for it, or end it") from None
    except (ImportError, OSError):
        pass  # a system that has no locks
    return file


def make_folder(path: str | os.PathLike[str]) -> Path:
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
