"""Images to numbers and back: z = (pixel - mean) / deviation by channel, learned from the training images."""

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from deltarule.data.facts import Moments
from deltarule.data.image_files import AS_THEY_ARE, Conversion, Shape, words
from deltarule.data.target import Target
from deltarule.errors import DataError, FileError

BLOCK = 256  # images that are looked at at a time


@dataclass(frozen=True)
class ImagePreprocessing:
    """How images become numbers; plain data that JSON can hold.

    Attributes:
        shape: height, width and channels of every image.
        values: "uint8" for pixels of 0 to 255, which are scaled to 0 to 1; "float32" for any numbers.
        conversion: what image files are turned into.
        mean, deviation: of each channel over the training images, after scaling; the deviation of a channel
            that is constant is 1.
        goal: what is predicted.

    >>> pixels = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    >>> goal = Target("class", "classification", ("cat", "dog"))
    >>> preprocessing = ImagePreprocessing.fit(pixels, goal)
    >>> preprocessing.mean, preprocessing.deviation
    ((0.5,), (0.5,))
    >>> preprocessing.transform(pixels).ravel()
    array([-1.,  1.], dtype=float32)
    """

    shape: Shape
    values: Literal["uint8", "float32"]
    conversion: Conversion
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    goal: Target

    @classmethod
    def fit(cls, pixels: np.ndarray, goal: Target, conversion: Conversion = AS_THEY_ARE) -> "ImagePreprocessing":
        """Learn from the training images, uint8 or float32 (n, h, w, i)."""
        values = "uint8" if pixels.dtype == np.uint8 else "float32"
        blocks = (moments(pixels[start : start + BLOCK]) for start in range(0, len(pixels), BLOCK))
        return cls.of(functools.reduce(Moments.merged, blocks), pixels.shape[1:], values, goal, conversion)

    @classmethod
    def of(
        cls,
        found: Moments,
        shape: Shape,
        values: Literal["uint8", "float32"],
        goal: Target,
        conversion: Conversion,
    ) -> "ImagePreprocessing":
        """Learn from what `moments` found in the training images."""
        mean, deviation = (
            np.divide(found.mean, _scale(values)),
            np.sqrt(np.divide(found.squares, found.rows)),
        )  # (i,)
        deviation = np.where(deviation > np.finfo(np.float32).tiny, deviation / _scale(values), 1.0)
        return cls(shape, values, conversion, tuple(mean.tolist()), tuple(deviation.tolist()), goal)

    def transform(self, pixels: np.ndarray) -> np.ndarray:
        """Return the images (n, h, w, i) standardised, as float32, which takes four times the memory of uint8.

        Raises `DataError` for images of another shape or type than in training.
        """
        values = "uint8" if pixels.dtype == np.uint8 else "float32"
        if pixels.shape[1:] != self.shape:
            raise DataError(
                f"Images: expected {words(self.shape)}, as in training, but got {words(pixels.shape[1:])}. "
                "Bring images of that shape."
            )
        if values != self.values:
            wanted = {"uint8": "bytes of 0 to 255 (image files, or x of the type uint8)", "float32": "x of floats"}
            raise DataError(
                f"Images: expected {wanted[self.values]}, as in training, but got {wanted[values]}. "
                "Bring values of the scale that was trained on."
            )
        with np.errstate(over="ignore"):
            z = pixels - np.float32(np.multiply(self.mean, _scale(values)))  # (n, h, w, i)
            z /= np.float32(np.multiply(self.deviation, _scale(values)))
        return z

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain lists, dicts, text and numbers, from which `from_json` makes the same."""
        saved = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("conversion", "goal"):
            saved[name] = dataclasses.asdict(saved[name])
        return {"kind": "images", "target": saved.pop("goal"), **saved}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "ImagePreprocessing":
        """Return the preprocessing that `to_json` saved; raises `FileError` where something else came."""
        try:
            goal = Target(**{**saved["target"], "classes": tuple(saved["target"]["classes"])})
            size, channels = saved["conversion"]["size"], saved["conversion"]["channels"]
            height, width, depth = saved["shape"]
            return cls(
                (height, width, depth),
                saved["values"],
                Conversion(tuple(size) if size else None, channels),
                tuple(saved["mean"]),
                tuple(saved["deviation"]),
                goal,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(
                f"Preprocessing of images: expected what to_json made, but it does not fit ({error}). "
                "Save the model again with this version."
            ) from None


def moments(pixels: np.ndarray) -> Moments:
    """Return how many pixels images (n, h, w, i) have, and of each channel their mean and Σ (x − mean)², (i,)."""
    mean = pixels.mean((0, 1, 2), dtype=np.float64)  # (i,)
    squares = np.square(pixels - mean).sum((0, 1, 2))  # (i,)
    return Moments(pixels.size // mean.size, mean, squares)  # type: ignore[arg-type]  # of channels side by side


def _scale(values: str) -> float:
    return 255.0 if values == "uint8" else 1.0
