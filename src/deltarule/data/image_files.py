"""Image files as pixels: uint8 (n, h, w, i), i = 1 for grey and 3 for colour, decoded by several threads."""

import math
import os
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from deltarule.data.delimited import listed
from deltarule.data.memory import machine_memory
from deltarule.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

T = TypeVar("T")
Shape = tuple[int, int, int]  # height, width, channels
Corrupt = Literal["refuse", "skip"]

SUFFIXES = (".png", ".jpg", ".jpeg")  # in lower or upper case
CHANNELS = {"1": 1, "L": 1, "LA": 1, "P": 3, "RGB": 3, "RGBA": 3, "CMYK": 3, "YCbCr": 3}  # by Pillow's mode
BYTES_PER_VALUE = 5  # a pixel as uint8, and as float32 for the network
DECODING = 12  # bytes of a pixel: three copies of an image with transparency are there at a time
LOOKING = 16  # bytes of a value while its mean and its squares are taken in float64
THREADS = 16  # at most, where memory is bounded: what is read at a time follows from it, on any machine
AT_ONCE = 1024  # files that wait for a thread
UNREADABLE = (OSError, SyntaxError, ValueError, TypeError, LookupError, struct.error, zlib.error)


@dataclass(frozen=True)
class Conversion:
    """What image files are turned into: `size` (height, width) and `channels`, or None for what they have.

    Resizing is Pillow's bilinear filter, which averages where it makes smaller; the aspect is not kept. One
    channel of a colour image is its luma, three of a grey one are equal.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None


AS_THEY_ARE = Conversion()


def read_images(
    files: Sequence[str],
    conversion: Conversion,
    like: Shape | None = None,
    corrupt: Corrupt = "refuse",
    notes: list[str] | None = None,
    show: Callable[[str], None] | None = None,
) -> tuple[np.ndarray, list[int]]:
    """Return the pixels of PNG and JPEG files, uint8 (n, h, w, i), and which of `files` they are.

    Palettes, CMYK and YCbCr become colour, black and white becomes grey, and what is transparent is laid on
    white (PyTorch and Keras drop the transparency, and show what is behind it). JPEG photos are turned as
    their EXIF data say. With `corrupt` "skip", files that cannot be read are left out and told in `notes`.

    Args:
        like: the shape that every image must have; by default that of the first.
        show: is called with a line about the progress.

    Raises `DataError` for files that cannot be read, images of different shapes, ones with 16 or more bits a
    channel in grey, and more pixels than the machine's memory holds.
    """
    found = ImageFiles(files, conversion, like, corrupt, show)
    _check_memory(len(files), found.shape)
    pixels, read = found.pixels(found.whole, "reading")
    if notes is not None:
        found.tell(notes)
    return pixels, read


class ImageFiles:
    """Image files of one shape, which are decoded by several threads, and those that cannot be read.

    The arguments are those of `read_images`, and so are the errors.

    Args:
        memory: bytes, a quarter of which the threads may take.

    Attributes:
        shape: of every image.
        decoding: bytes that one thread takes at most, beside the image that comes of it.
        threads: how many there are at most; the cores may be fewer.
        broken: what is wrong with the files that cannot be read, by their places in `files`.
    """

    def __init__(
        self,
        files: Sequence[str],
        conversion: Conversion,
        like: Shape | None = None,
        corrupt: Corrupt = "refuse",
        show: Callable[[str], None] | None = None,
        memory: int | None = None,
    ):
        self.files, self.corrupt, self.show, self.threads = files, corrupt, show, os.cpu_count() or 1
        self.broken: dict[int, str] = {}
        heads = list(self.each(lambda index: _head(files[index], conversion), range(len(files)), "looking at"))
        read = [(files[index], *head) for index, head in enumerate(heads) if head is not None]
        self.shape = _common([file for file, _, _ in read], [shape for _, shape, _ in read], like)
        self.decoding = DECODING * max(pixels for *_, pixels in read) + LOOKING * math.prod(self.shape)
        if memory is not None:
            self.threads = max(1, min(THREADS, memory // 4 // self.decoding))

    @property
    def whole(self) -> list[int]:
        """The places of the files that are not known to be broken."""
        return [index for index in range(len(self.files)) if index not in self.broken]

    def each(
        self, work: Callable[[int], T], places: Sequence[int], doing: str | None = None
    ) -> Iterator[T | None]:
        """What `work` makes of each of these places, one behind the other; None of those that are broken.

        Raises `DataError` behind the last, where files are broken and not skipped, or all of them are.
        """
        from PIL.Image import DecompressionBombError

        def one(index: int) -> T | None:
            try:
                return work(index)
            except DataError:
                raise
            except (*UNREADABLE, DecompressionBombError) as error:
                self.broken[index] = _reason(error)
                return None

        with warnings.catch_warnings(), ThreadPoolExecutor(min(self.threads, os.cpu_count() or 1)) as pool:
            warnings.filterwarnings("ignore", module=r"PIL\.")  # such as of EXIF data that are damaged
            for start in range(0, len(places), AT_ONCE):
                results = pool.map(one, places[start : start + AT_ONCE])
                for done, result in enumerate(results, start + 1):  # which an interrupt ends, and with it the rest
                    yield result
                    if self.show is not None and doing is not None:
                        self.show(f"{doing} {done:,} of {len(places):,} images")
        broken = self.broken
        if broken and (self.corrupt == "refuse" or len(broken) == len(self.files)):
            first = ", ".join(f"{self.files[i]} ({broken[i]})" for i in sorted(broken)[:3])
            more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
            raise DataError(
                f"{len(broken)} of {len(self.files)} files cannot be read as PNG or JPEG images: {first}{more}. "
                "Mend or remove them, or leave such files out with the setting corrupt = skip."
            )

    def pixels(self, places: Sequence[int], doing: str | None = None) -> tuple[np.ndarray, list[int]]:
        """The images at these places, uint8 (n, h, w, i), and the places of those that could be read."""
        pixels = np.empty((len(places), *self.shape), np.uint8)  # (n, h, w, i)
        slots = {index: at for at, index in enumerate(places)}

        def decode(index: int) -> None:
            pixels[slots[index]] = _pixels(self.files[index], self.shape)

        for _ in self.each(decode, places, doing):
            pass
        whole = [at for at, index in enumerate(places) if index not in self.broken]
        return (pixels[whole] if len(whole) < len(places) else pixels), [places[at] for at in whole]

    def of_each(
        self, work: Callable[[np.ndarray], T], places: Sequence[int], doing: str | None = None
    ) -> Iterator[T | None]:
        """What `work` makes of each image, uint8 (h, w, i), of which few are in memory at a time."""
        return self.each(lambda index: work(_pixels(self.files[index], self.shape)), places, doing)

    def look_into(self) -> None:
        """Decode every image once, so that all are known that cannot be read."""
        for _ in self.of_each(lambda _: None, self.whole, "looking into"):
            pass

    def tell(self, notes: list[str]) -> None:
        """Notes which files are left out."""
        if self.broken:
            skipped, count = listed((self.files[index] for index in sorted(self.broken)), 3), len(self.broken)
            notes.append(
                f"{count} of {len(self.files)} files cannot be read as images and are left out: {skipped}."
            )


def _open(file: str) -> "Image.Image":
    from PIL import Image

    return Image.open(file, formats=("PNG", "JPEG"))


def _head(file: str, conversion: Conversion) -> tuple[Shape, int]:
    """Return the shape that the image will have, and how many pixels it has, from the head of its file."""
    with _open(file) as image:
        if image.mode not in CHANNELS:
            raise DataError(
                f"{file}: expected an image of 8 bits a channel, but got the mode {image.mode!r} of Pillow, more "
                "bits in grey. Convert it to 8 bits, or keep all bits in arrays x and y of a .npz file."
            )
        width, height = reversed(image.size) if _lies_on_its_side(image) else image.size
        height_there, width_there = conversion.size or (height, width)
        return (height_there, width_there, conversion.channels or CHANNELS[image.mode]), height * width


def _pixels(file: str, shape: Shape) -> np.ndarray:
    """Return the image as uint8 (h, w, i)."""
    from PIL import Image, ImageOps

    height, width, channels = shape
    with _open(file) as opened:
        image = ImageOps.exif_transpose(opened) if opened.format != "PNG" else opened
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.atleast_3d(np.asarray(image))  # (h, w, i)


def _lies_on_its_side(image: "Image.Image") -> bool:
    """Whether EXIF data turn a JPEG photo by a quarter; in PNG files they would cost decoding it all."""
    from PIL import ExifTags

    return image.format != "PNG" and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5


def _common(files: list[str], shapes: list[Shape], like: Shape | None) -> Shape:
    """Return the shape of all images; raise `DataError` where one differs."""
    expected = like or shapes[0]
    odd = next((index for index, shape in enumerate(shapes) if shape != expected), None)
    if odd is None:
        return expected
    counts = Counter(shapes).most_common()
    if like is not None:
        raise DataError(
            f"{files[odd]}: expected an image of {words(expected)}, as in training, but got {words(shapes[odd])}; "
            f"{sum(shape != expected for shape in shapes)} of {len(shapes)} images differ. Convert them, or train "
            "with the settings image_size and channels, which then convert every image."
        )
    listing = ", ".join(f"{count} of {words(shape)}" for shape, count in counts[:5])
    more = f", and {len(counts) - 5} other kinds" if len(counts) > 5 else ""
    advice = []
    if len({shape[:2] for shape in shapes}) > 1:
        height, width = counts[0][0][:2]
        advice.append(f"image_size = {height}x{width} to resize all")
    if len({shape[2] for shape in shapes}) > 1:
        advice.append("channels = 3 to make all of them colour, or 1 for grey")
    raise DataError(
        f"expected images of one size, all grey or all colour, but {files[0]} is {words(shapes[0])} and "
        f"{files[odd]} is {words(shapes[odd])}; there are {listing}{more}. Set {', and '.join(advice)}."
    )


def _check_memory(images: int, shape: Shape) -> None:
    """Raise `DataError` where so many images take more memory than the machine has."""
    needed = BYTES_PER_VALUE * images * math.prod(shape)
    memory = machine_memory()
    if memory is not None and needed > memory:
        raise DataError(
            f"{images} images of {words(shape)} take {needed / 1e9:.1f} GB, but the machine has "
            f"{memory / 1e9:.1f} GB. Set image_size to something smaller, or say memory to read them as a stream."
        )


def words(shape: tuple[int, ...]) -> str:
    """Return the shape of an image as a person says it.

    >>> words((8, 9, 1)), words((8, 9, 4))
    ('8x9 grey', '8x9 with 4 channels')
    """
    height, width, channels = shape
    return f"{height}x{width} {({1: 'grey', 3: 'colour'}).get(channels, f'with {channels} channels')}"


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "neither PNG nor JPEG"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
