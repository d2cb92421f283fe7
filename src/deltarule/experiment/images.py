"""Images as examples: what to learn from a folder of class folders, and what to predict in other files."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deltarule.data.arrays import read_npz, split
from deltarule.data.delimited import listed
from deltarule.data.image_files import SUFFIXES, Conversion, Corrupt, words
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.images import Images, Reader, image_files, labelled_files, read_image_arrays
from deltarule.data.target import Target, present, strata
from deltarule.errors import DataError, SettingError
from deltarule.experiment.network import image_network
from deltarule.experiment.prepared import Examples, Prepared
from deltarule.experiment.reading import Reading
from deltarule.job import Job, refuse_others, refuse_settings

if TYPE_CHECKING:
    import polars as pl

FOR_FILES = ("image_size", "channels", "corrupt")


def are_images(path: str) -> bool:
    """Whether a folder or file holds images: any folder or image file, and arrays (n, h, w) or (n, h, w, i)."""
    if Path(path).suffix.lower() == ".npz" and Path(path).is_file():
        return read_npz(path)["x"].ndim in (3, 4)
    return Path(path).is_dir() or Path(path).suffix.lower() in SUFFIXES


def prepare(job: Job, progress: bool | None) -> Prepared:
    """The images of a job, those to train on and those held out.

    Raises:
        FileError, DataError, ShapeError, SettingError: what is wrong with the files, images or settings.
    """
    import polars as pl

    refuse_others(job, "images")
    refuse_settings(job, ("target",), "is for tables: the target of images is their folder, or y in a .npz file")
    notes: list[str] = []
    conversion = Conversion(image_size(job.image_size), job.channels)
    task = job.task if job.task in ("classification", "regression") else None
    if Path(job.data).suffix.lower() == ".npz" and not Path(job.data).is_dir():
        refuse_settings(job, FOR_FILES, "is for image files, and these are arrays")
        found = read_image_arrays(job.data, notes)
    else:
        with Reading(progress) as reading:
            found = read_folder(job.data, Reader(conversion, corrupt=job.corrupt, show=reading.show), notes)
        task = task or "classification"
    labels = known_labels(found)
    notes.append(f"{job.data}: {len(labels):,} images of {words(found.pixels.shape[1:])}.")
    kept, _ = split(len(labels), job.validation, job.seed, strata(labels.to_frame(), 0, task))
    training = np.isin(np.arange(len(labels)), kept)
    goal, told = Target.fit(labels, training, task)
    preparation = ImagePreprocessing.fit(found.pixels[training & present(labels)], goal, conversion)
    return Prepared(
        preparation,
        image_network(preparation, job),
        known(preparation, found, training),
        known(preparation, found, ~training),
        (*notes, *told),
        rows=pl.DataFrame({"file": np.array(found.files)[~training & present(labels)]}) if found.files else None,
    )


def features(
    preparation: ImagePreprocessing,
    data: Sequence[str],
    corrupt: Corrupt,
    notes: list[str],
    progress: bool | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A column with the file of each image (for arrays none), and x."""
    if len(data) == 1 and Path(data[0]).suffix.lower() == ".npz":
        return {}, preparation.transform(read_arrays(data[0], corrupt, notes).pixels)
    with Reading(progress) as reading:
        files = image_files(data, notes)
        reader = Reader(preparation.conversion, preparation.shape, corrupt, reading.show)
        found = reader.read(files, None, notes)
    return {"file": np.array(found.files)}, preparation.transform(found.pixels)


def examples(
    preparation: ImagePreprocessing,
    data: str,
    corrupt: Corrupt,
    notes: list[str],
    progress: bool | None = None,
) -> Examples:
    """x, y and weights of the images in class folders, or of the arrays that have a target."""
    if Path(data).suffix.lower() == ".npz":
        found = read_arrays(data, corrupt, notes)
    else:
        with Reading(progress) as reading:
            reader = Reader(preparation.conversion, preparation.shape, corrupt, reading.show)
            found = read_folder(data, reader, notes, preparation.goal)
    return known(preparation, found, np.ones(len(found.pixels), bool))


def read_folder(folder: str, reader: Reader, notes: list[str], goal: Target | None = None) -> Images:
    """The images in the class folders of `folder`: at least two of them, or those of the classes of `goal`."""
    files, labels = labelled_files(folder, notes)
    found = sorted(set(labels))
    if goal is None:
        if len(found) < 2:
            raise DataError(
                f"{folder}: expected a folder for each of at least two classes, but there is only {found[0]!r}. "
                "Bring images of another class, or name the folder above it."
            )
        return reader.read(files, labels, notes)
    classes = {str(each): each for each in goal.classes}
    if unknown := [each for each in found if each not in classes]:
        raise DataError(
            f"{folder}: expected folders named after the classes of training ({listed(classes, 10)}), but got "
            f"{listed(unknown)}. Rename or move these folders, or train with them."
        )
    return reader.read(files, [classes[each] for each in labels], notes)


def read_arrays(path: str, corrupt: Corrupt, notes: list[str]) -> Images:
    """The images in a .npz file."""
    if corrupt != "refuse":
        raise SettingError(f"{path}: corrupt = skip is for image files, and these are arrays; leave it out")
    return read_image_arrays(path, notes)


def known(preparation: ImagePreprocessing, found: Images, rows: np.ndarray) -> Examples:
    """x, y and weights of the images at `rows` (n,) that have a label."""
    import polars as pl

    labels = known_labels(found)
    rows = rows & present(labels)
    y = preparation.goal.encode(labels.filter(pl.Series(rows)))
    return preparation.transform(found.pixels[rows]), y, found.weight[rows]


def known_labels(found: Images) -> "pl.Series":
    """The label of each image; raises DataError where there are none."""
    if found.labels is None:
        raise DataError("expected arrays x and y, where y is the label of each image, but there is only x")
    return found.labels


def image_size(text: str | None) -> tuple[int, int] | None:
    """Height and width from text such as 32x48.

    >>> image_size("32x48")
    (32, 48)
    """
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise SettingError(f"image_size: expected height x width in pixels, such as 32x32, but got {text!r}")
    return int(found[1]), int(found[2])
