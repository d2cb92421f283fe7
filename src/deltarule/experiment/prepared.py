"""Data that a network can take, and how they were made: what a table and images have in common."""

from dataclasses import dataclass

import numpy as np

from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.table import Preprocessing
from deltarule.layers.layer import Layer

Examples = tuple[np.ndarray, np.ndarray, np.ndarray]  # x, y and weights


@dataclass(frozen=True)
class Prepared:
    """A job's data, and the network that is to learn them; `notes` are sentences for a person."""

    preprocessing: Preprocessing | ImagePreprocessing
    network: Layer
    training: Examples
    held_out: Examples
    notes: tuple[str, ...]
