"""Images as examples: what to learn from a folder of class folders, and what to predict in other files."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deltarule.data.arrays import read_npz, split
from deltarule.data.delimited import listed
from deltarule.data.facts import Moments
from deltarule.data.image_files import SUFFIXES, Conversion, Corrupt, ImageFiles, words
from deltarule.data.image_preprocessing import ImagePreprocessing, moments
from deltarule.data.image_stream import block_length, image_stream
from deltarule.data.images import (
    Images,
    Reader,
    check_classes,
    height_and_width,
    image_files,
    labelled_files,
    read_image_arrays,
)
from deltarule.data.memory import as_bytes, told
from deltarule.data.stream import Stream
from deltarule.data.target import Label, Target, Task, present, strata
from deltarule.errors import DataError, SettingError
from deltarule.experiment.network import image_network
from deltarule.experiment.prepared import Examples, Prepared
from deltarule.experiment.reading import Reading
from deltarule.experiment.table_set import MEMORY, SAMPLE
from deltarule.job import Job, refuse_others, refuse_settings
from deltarule.model import Model

if TYPE_CHECKING:
    import polars as pl

FOR_FILES = ("image_size", "channels", "corrupt", "memory")


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

    refuse_others(dataclasses.replace(job, memory=None), "images")
    refuse_settings(job, ("target",), "is for tables: the target of images is their folder, or y in a .npz file")
    notes: list[str] = []
    conversion = Conversion(height_and_width(job.image_size), job.channels)
    task = job.task if job.task in ("classification", "regression") else None
    if Path(job.data).suffix.lower() == ".npz" and not Path(job.data).is_dir():
        refuse_settings(job, FOR_FILES, "is for image files, and these are arrays")
        found = read_image_arrays(job.data, notes)
    else:
        task = task or "classification"
        if job.memory is not None:
            return prepare_streams(job, conversion, task, progress)
        with Reading(progress) as reading:
            reader = Reader(conversion, corrupt=job.corrupt, show=reading.show)
            found = reader.read(*class_folders(job.data, notes), notes)
    labels = known_labels(found)
    notes.append(f"{job.data}: {len(labels):,} images of {words(found.pixels.shape[1:])}.")
    kept, _ = split(len(labels), job.validation, job.seed, strata(labels.to_frame(), 0, task))
    training = np.isin(np.arange(len(labels)), kept)
    goal, more = Target.fit(labels, training, task)
    preparation = ImagePreprocessing.fit(found.pixels[training & present(labels)], goal, conversion)
    return Prepared(
        preparation,
        image_network(preparation, job),
        known(preparation, found, training),
        known(preparation, found, ~training),
        (*notes, *more),
        rows=pl.DataFrame({"file": np.array(found.files)[~training & present(labels)]}) if found.files else None,
    )


def prepare_streams(job: Job, conversion: Conversion, task: Task, progress: bool | None) -> Prepared:
    """The images of class folders as streams, divided as in memory; raises as `prepare` does.

    One pass over all images learns what standardises them, and finds those that cannot be read.
    """
    import polars as pl

    memory, notes = as_bytes(job.memory or MEMORY), list[str]()
    with Reading(progress) as reading:
        files, classes = class_folders(job.data, notes)
        found = ImageFiles(files, conversion, None, job.corrupt, reading.show, memory)
        labels = pl.Series("class", classes)
        places = np.array(found.whole)
        kept, _ = split(len(places), job.validation, job.seed, strata(labels[places].to_frame(), 0, task))
        training, facts = np.isin(np.arange(len(files)), places[kept]), Moments()
        each = found.of_each(lambda image: moments(image[None]), places.tolist(), "reading")
        for place, of_one in zip(places, each, strict=True):
            if of_one is not None and training[place]:
                facts = facts.merged(of_one)
    found.tell(notes)
    places = np.array(found.whole)
    goal, more = Target.fit(labels[places], training[places], task)
    preparation = ImagePreprocessing.of(facts, found.shape, "uint8", goal, conversion)
    y, training = goal.encode(labels[places]), training[places]
    stream = image_stream(found, preparation, places[training], y[training], memory, job.seed)
    held = image_stream(found, preparation, places[~training], y[~training], memory)
    size = min(32, stream.examples) if job.batch_size is None else job.batch_size
    quality, most = stream.shuffle_quality(size), block_length(preparation, memory, SAMPLE)
    shown = np.flatnonzero(~training)[:: -(-held.examples // most)]
    pixels, _ = found.pixels(places[shown].tolist())
    return Prepared(
        preparation,
        image_network(preparation, job),
        stream,
        (preparation.transform(pixels), y[shown], np.ones(len(shown), np.float32)),
        (
            *notes,
            f"{job.data}: {len(places):,} images of {words(found.shape)}.",
            *more,
            f"They are read in chunks of {stream.chunk_rows(size):,}, within {told(memory)}; each chunk mixes "
            f"{quality.blocks:g} of {quality.of} blocks, whose images are drawn from all of them.",
            f"{held.examples:,} images are held out; the report shows {len(shown):,}.",
        ),
        rows=pl.DataFrame({"file": [files[place] for place in places[shown]]}),
        stream=held,
    )


def outputs(
    model: Model,
    preparation: ImagePreprocessing,
    data: Sequence[str],
    corrupt: Corrupt,
    notes: list[str],
    progress: bool | None = None,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A column with the file of each image (for arrays none), and what the model gives for it, (n, k)."""
    if len(data) == 1 and Path(data[0]).suffix.lower() == ".npz":
        return {}, model.predict(preparation.transform(read_arrays(data[0], corrupt, notes).pixels))
    given, read, length = [], list[int](), block_length(preparation, as_bytes(MEMORY), SAMPLE)
    with Reading(progress) as reading:
        found = known_files(preparation, image_files(data, notes), corrupt, reading)
        places = found.whole
        for start in range(0, len(places), length):
            pixels, here = found.pixels(places[start : start + length])
            if here:
                given.append(model.predict(preparation.transform(pixels)))
                read += here
            reading.show(f"predicting {start + len(pixels):,} of {len(places):,} images")
    found.tell(notes)
    return {"file": np.array([found.files[place] for place in read])}, np.concatenate(given)


def known_files(
    preparation: ImagePreprocessing, files: Sequence[str], corrupt: Corrupt, reading: Reading
) -> ImageFiles:
    """Image files of the shape of training."""
    memory = as_bytes(MEMORY)
    return ImageFiles(files, preparation.conversion, preparation.shape, corrupt, reading.show, memory)


def examples(
    preparation: ImagePreprocessing,
    data: str,
    corrupt: Corrupt,
    notes: list[str],
    progress: bool | None = None,
) -> Examples | Stream:
    """The images in class folders, or x, y and weights of the arrays that have a target."""
    import polars as pl

    if Path(data).suffix.lower() == ".npz":
        arrays = read_arrays(data, corrupt, notes)
        return known(preparation, arrays, np.ones(len(arrays.pixels), bool))
    with Reading(progress) as reading:
        files, labels = class_folders(data, notes, preparation.goal)
        found = known_files(preparation, files, corrupt, reading)
        if corrupt == "skip":
            found.look_into()
    found.tell(notes)
    y = preparation.goal.encode(pl.Series(labels))
    return image_stream(found, preparation, np.array(found.whole), y[found.whole], as_bytes(MEMORY))


def class_folders(folder: str, notes: list[str], goal: Target | None = None) -> tuple[list[str], list[Label]]:
    """The images in the class folders, and their classes: at least two of them, or those of `goal`."""
    files, labels = labelled_files(folder, notes)
    if goal is None:
        check_classes(folder, labels)
        return files, list(labels)
    classes = {str(each): each for each in goal.classes}
    if unknown := sorted({each for each in labels if each not in classes}):
        raise DataError(
            f"{folder}: expected folders named after the classes of training ({listed(classes, 10)}), but got "
            f"{listed(unknown)}. Rename or move these folders, or train with them."
        )
    return files, [classes[each] for each in labels]


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
