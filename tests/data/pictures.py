"""Image files of random pixels."""

from pathlib import Path

import numpy as np
from PIL import Image


def pixels(height: int = 5, width: int = 7, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Random pixels, uint8 (h, w) in grey, or (h, w, i)."""
    shape = (height, width, channels)[: 2 if channels == 1 else 3]
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write(path: Path, array: np.ndarray | None = None, **settings) -> str:
    """The pixels, or random grey ones, as a file in a folder that is made; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels() if array is None else array).save(path, **settings)
    return str(path)


def truncate(path: str) -> str:
    """The file without its last third."""
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: 2 * len(content) // 3])
    return path
