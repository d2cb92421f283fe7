"""The files of a set: a folder, a pattern, a list, or one file; and that none of them changes while it is read."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deltarule.data.delimited import listed
from deltarule.errors import FileError

TABLES = (".parquet", ".csv", ".tsv")
Place = str | os.PathLike[str]
Data = Place | Sequence[Place]


@dataclass(frozen=True)
class Files:
    """Files in their order, as they were when they were found."""

    paths: tuple[Path, ...]
    stamps: tuple[tuple[int, int], ...]  # bytes, and when each was last changed

    @classmethod
    def of(cls, paths: Sequence[Path]) -> "Files":
        """These files; raises FileError for one that is not there, or is empty."""
        stamps = tuple(map(stamp, paths))
        for path, (size, _) in zip(paths, stamps, strict=True):
            if not size:
                raise FileError(f"{path}: expected data, but the file is empty. Write it again, or take it away.")
        return cls(tuple(paths), stamps)

    def unchanged(self, file: int) -> Path:
        """The path of a file; raises FileError where it is not what it was."""
        path = self.paths[file]
        if stamp(path) != self.stamps[file]:
            raise FileError(
                f"{path}: the file was changed while it was read, so its rows are no longer those that the run "
                "began with. Start the run again, and leave the files of the set alone until it ends."
            )
        return path


def stamp(path: Path) -> tuple[int, int]:
    """(bytes, time of the last change) of a file; raises FileError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise FileError(f"{path}: there is no such file, or there is none any more. Check the path.") from None
    except OSError as error:
        raise FileError(f"{path}: the file cannot be read ({error.strerror}). Check its permissions.") from None
    return found.st_size, found.st_mtime_ns


def table_files(data: Data) -> list[Path]:
    """The .parquet, .csv and .tsv files that are meant, sorted where a folder or a pattern names them.

    Raises:
        FileError: no file is matched, or files of several kinds are.
    """
    if isinstance(data, (str, os.PathLike)):
        path = Path(data)
        if path.is_dir():
            found = sorted(each for each in path.iterdir() if is_table(each))
            where = f"the folder {path}"
        elif path.exists() or not glob.has_magic(str(data)):
            found, where = [path], str(path)
        else:
            found = sorted(each for each in map(Path, glob.glob(str(data), recursive=True)) if is_table(each))
            where = f"the pattern {data}"
    else:
        found, where = [Path(each) for each in data], "the list"
    if not found:
        raise FileError(f"{where}: expected files with the suffix {', '.join(TABLES)}, but none is there.")
    suffixes = {each.suffix.lower() for each in found}
    if len(suffixes) > 1 or not suffixes <= {*TABLES}:
        raise FileError(
            f"{where}: expected files of one kind, {', '.join(TABLES)}, but got {listed(sorted(suffixes))}. Name "
            "those of one kind, with a pattern such as 'data/*.parquet'."
        )
    return found


def is_table(path: Path) -> bool:
    """Whether a file in a folder is part of a set: hidden ones, and those that begin with _, never are."""
    return path.suffix.lower() in TABLES and path.name[0] not in "._" and path.is_file()
