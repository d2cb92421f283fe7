"""Image files larger than memory together, as examples: each block of them is decoded when it is read.

A file stands for itself, so those to train on are laid into blocks in an order that is drawn by the seed, before a
stream shuffles the blocks: a chunk holds images from all of them, whatever folder they are in.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from deltarule.data.block_order import FILES, permuted
from deltarule.data.file_set import Files
from deltarule.data.image_files import Conversion, Corrupt, ImageFiles
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.images import check_classes, labelled_files
from deltarule.data.stream import Stream
from deltarule.data.target import Target
from deltarule.errors import FileError

BLOCK, LEAST = 64, 32  # images of a block, at most; and blocks, at least, so that a share of them can be held out
BYTES = 5  # of a value, as uint8 and as float32


@dataclass(frozen=True, eq=False)
class CodedImages:
    """Images with their targets, as a preprocessing codes them.

    Args:
        found: the files.
        places: (n,), which of them, block behind block.
        y: (n,), their targets.
        length: how many a block has.
    """

    found: ImageFiles
    preprocessing: ImagePreprocessing
    places: np.ndarray
    y: np.ndarray
    length: int
    files: Files = field(init=False)

    def __post_init__(self):
        paths = [Path(self.found.files[int(place)]) for place in self.places]
        object.__setattr__(self, "files", Files.of(paths))

    @property
    def rows(self) -> np.ndarray:
        return np.diff([*self.file, len(self.places)])

    @property
    def file(self) -> np.ndarray:
        """(k,), the number of the first file of each block."""
        return np.arange(0, len(self.places), self.length)

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.places), *self.preprocessing.shape

    @property
    def target_bytes(self) -> int:
        return self.y[:1].nbytes

    @property
    def block_bytes(self) -> int:
        decoding = min(self.found.threads, self.length) * self.found.decoding
        return self.length * BYTES * math.prod(self.preprocessing.shape) + decoding

    def read(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """x float32 (n, h, w, i) and y of a block; raises DataError and FileError that name the file."""
        at = slice(block * self.length, (block + 1) * self.length)
        places = self.places[at].tolist()
        for file in range(at.start, at.start + len(places)):
            self.files.unchanged(file)
        pixels, read = self.found.pixels(places)
        if len(read) < len(places):
            raise FileError(f"{self.name(block)}: an image can be read no more. Start the run again.")
        return self.preprocessing.transform(pixels), self.y[at]

    def name(self, block: int) -> str:
        """Where a block is, for a person."""
        return f"{self.files.paths[block * self.length]} and what is read beside it"


def image_stream(
    found: ImageFiles,
    preprocessing: ImagePreprocessing,
    places: np.ndarray,
    y: np.ndarray,
    memory: int,
    seed: int | None = None,
) -> Stream:
    """The images at some places with their targets, laid into blocks in an order of the seed, or else as they are.

    Raises:
        FileError: a file that is not there any more.
    """
    order = np.arange(len(places)) if seed is None else permuted(seed, FILES, 0, len(places))
    length = min(block_length(preprocessing, memory), -(-len(order) // LEAST))
    source = CodedImages(found, preprocessing, places[order], y[order], length)
    return Stream(source, np.arange(len(source.rows)), memory, seed or 0)


def folder_stream(folder: str, conversion: Conversion, corrupt: Corrupt, memory: int, seed: int) -> Stream:
    """The images in class folders, their pixels from 0 to 1, and the numbers of their classes, by name in order.

    Raises:
        FileError, DataError: what is wrong with the folder or the images in it.
    """
    files, labels = labelled_files(folder, [])
    check_classes(folder, labels)
    found = ImageFiles(files, conversion, None, corrupt, memory=memory)
    if corrupt == "skip":
        found.look_into()
    classes, y = np.unique(labels, return_inverse=True)
    goal = Target("class", "classification", tuple(classes.tolist()))
    channels = found.shape[2]
    as_they_are = ImagePreprocessing(found.shape, "uint8", conversion, (0.0,) * channels, (1.0,) * channels, goal)
    places = np.array(found.whole)
    return image_stream(found, as_they_are, places, y[places].astype(np.int32), memory, seed)


def block_length(preprocessing: ImagePreprocessing, memory: int, most: int = BLOCK) -> int:
    """How many images are decoded at a time: what a sixteenth of the memory holds, at most `most`."""
    return max(1, min(most, memory // 16 // (BYTES * math.prod(preprocessing.shape))))
