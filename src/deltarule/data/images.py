"""Images with their labels: a folder that holds a folder for each class, or the arrays of a .npz file."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deltarule.data.arrays import as_features, as_weights, read_npz
from deltarule.data.delimited import listed
from deltarule.data.file_set import Data, is_table
from deltarule.data.image_files import AS_THEY_ARE, SUFFIXES, Conversion, Corrupt, Shape, read_images
from deltarule.data.target import Label
from deltarule.errors import DataError, FileError, SettingError, ShapeError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Images:
    """Pixels (n, h, w, i), uint8 or float32, with the file (of a .npz: no file), label and weight of each."""

    pixels: np.ndarray
    files: tuple[str, ...]
    labels: "pl.Series | None"
    weight: np.ndarray


@dataclass(frozen=True)
class Reader:
    """How image files are read: `data.image_files.read_images` states what each of these does."""

    conversion: Conversion = AS_THEY_ARE
    like: Shape | None = None
    corrupt: Corrupt = "refuse"
    show: Callable[[str], None] | None = None

    def read(self, files: Sequence[str], labels: Sequence[Label] | None, notes: list[str]) -> Images:
        """Return the images in `files`, with their labels where those are known."""
        import polars as pl

        pixels, read = read_images(files, self.conversion, self.like, self.corrupt, notes, self.show)
        found = None if labels is None else pl.Series("class", [labels[index] for index in read])
        return Images(pixels, tuple(files[index] for index in read), found, np.ones(len(pixels), np.float32))


def labelled_files(folder: str, notes: list[str]) -> tuple[list[str], list[str]]:
    """Return the images in the class folders of `folder` and their classes, both by name in order.

    What is hidden (its name starts with a dot) is not looked at; other files and folders are told in `notes`.
    Links are followed.

    Raises `FileError` where there is no such folder, and `DataError` for one without class folders, and for a
    class folder without images.
    """
    folders, images, others = _contents(Path(folder))
    if not folders:
        found = f"only images ({len(images)})" if images else "neither folders nor images"
        raise DataError(
            f"{folder}: expected a folder for each class, but there are {found} in it. Move each image into "
            f"a folder that is named after its class, as in {Path(folder) / 'cats' / '1.png'}."
        )
    if images:
        notes.append(
            f"{folder}: images beside the class folders belong to no class and are left out "
            f"({len(images)}): {listed((each.name for each in images), 3)}."
        )
    files, labels = [], []
    for each in folders:
        deeper, images, odd = _contents(each)
        if not images:
            inner = f"only folders ({listed((one.name for one in deeper), 3)})" if deeper else "none"
            hint = f"give {each} instead if those are the classes, or move" if deeper else "put"
            raise DataError(
                f"{each}: expected PNG or JPEG images of the class {each.name!r}, but there are {inner}. Remove "
                f"the folder, {hint} images into it."
            )
        files += [str(image) for image in images]
        labels += [each.name] * len(images)
        others += odd
        _tell_deeper(each, deeper, notes)
    _tell_others(folder, others, notes)
    return files, labels


def check_classes(folder: str, labels: Sequence[str]) -> None:
    """Raise `DataError` where all images are of one class."""
    if len(set(labels)) < 2:
        raise DataError(
            f"{folder}: expected a folder for each of at least two classes, but there is only {labels[0]!r}. "
            "Bring images of another class, or name the folder above it."
        )


def holds_images(data: Data) -> bool:
    """Whether a folder holds images, in it or in folders of it, and no table."""
    if not isinstance(data, (str, os.PathLike)) or any(map(is_table, Path(data).glob("*"))):
        return False
    return any(each.suffix.lower() in SUFFIXES for at in ("*", "*/*") for each in Path(data).glob(at))


def height_and_width(text: str | None) -> tuple[int, int] | None:
    """Return height and width from text such as 32x48.

    >>> height_and_width("32x48")
    (32, 48)
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", str(text))
    if found is None:
        raise SettingError(f"image_size: expected height x width in pixels, such as 32x32, but got {text!r}")
    return int(found[1]), int(found[2])


def image_files(paths: Sequence[str], notes: list[str]) -> list[str]:
    """Return the images that are `paths`, and those in folders and in the folders of these, by name in order.

    Raises `FileError` where there is nothing at a path, or no image in a folder, or a file of another kind.
    """
    files: list[str] = []
    for path in map(Path, paths):
        if path.is_dir():
            folders, images, others = _contents(path)
            for folder in folders:
                deeper, more, odd = _contents(folder)
                images, others = images + more, others + odd
                _tell_deeper(folder, deeper, notes)
            _tell_others(path, others, notes)
            if not images:
                raise FileError(f"{path}: expected PNG or JPEG images in the folder, but there are none.")
            files += [str(image) for image in images]
        elif not path.is_file():
            raise FileError(f"{path}: expected an image or a folder, but there is none. Check the path.")
        elif path.suffix.lower() not in SUFFIXES:
            raise FileError(
                f"{path}: expected PNG or JPEG images, folders of them, or one .npz file, because the model was "
                f"trained on images; but got the suffix {path.suffix or 'none'!r}. Convert or rename the file."
            )
        else:
            files.append(str(path))
    return files


def read_image_arrays(path: str, notes: list[str]) -> Images:
    """Return the images x, (n, h, w) or (n, h, w, i), of a .npz file, and y and weight where they are there.

    The type uint8 stays and means pixels of 0 to 255; every other type is numbers, taken as they are.

    Raises `ShapeError` for x of another rank, and `DataError` for y of another length and for NaN and infinity.
    """
    import polars as pl

    found = read_npz(path)
    x = found["x"]
    if x.ndim not in (3, 4) or not x.size:
        raise ShapeError(f"{path}: expected images x of shape (n, h, w) or (n, h, w, channels), but got {x.shape}")
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] > 4:
        notes.append(
            f"x of shape {x.shape} is read as images of height {x.shape[1]} with {x.shape[3]} channels. If its "
            "channels come first, write x.transpose(0, 2, 3, 1)."
        )
    pixels = (x if x.dtype == np.uint8 else as_features(x, f"{path}: x")).reshape(*x.shape[:3], -1)
    labels = None
    if "y" in found:
        if found["y"].shape != (len(x),):
            raise DataError(f"{path}: expected y of shape ({len(x)},), one an image, got {found['y'].shape}")
        try:
            labels = pl.Series("y", found["y"])
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path}: y cannot be the labels of images: {error}") from None
    return Images(pixels, (), labels, as_weights(found.get("weight", np.ones(len(x))), len(x)))


def _contents(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """Return the folders, the images and the other files in a folder, each by name in order, without hidden."""
    if not folder.is_dir():
        raise FileError(
            f"{folder}: expected a folder that holds a folder of images for each class, but "
            f"{'this is a file' if folder.exists() else 'there is none'}. Check the path."
        )
    try:
        found = sorted((each for each in folder.iterdir() if each.name[0] != "."), key=lambda each: each.name)
    except OSError as error:
        raise FileError(
            f"{folder}: the folder cannot be read ({error.strerror}). Check its permissions."
        ) from None
    folders = [each for each in found if each.is_dir()]
    images = [each for each in found if each not in set(folders) and each.suffix.lower() in SUFFIXES]
    return folders, images, [each for each in found if each not in {*folders, *images}]


def _tell_deeper(folder: Path, deeper: list[Path], notes: list[str]) -> None:
    if deeper:
        notes.append(f"{folder}: folders inside it are not read: {listed((each.name for each in deeper), 3)}.")


def _tell_others(folder: str | Path, others: list[Path], notes: list[str]) -> None:
    if others:
        notes.append(
            f"{folder}: files that are neither PNG nor JPEG are left out ({len(others)}): "
            f"{listed((each.name for each in others), 3)}."
        )
