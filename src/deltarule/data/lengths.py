"""Sequences of different lengths side by side: padded to the longest, and masked where they are."""

import numpy as np
from numpy.typing import ArrayLike

from deltarule.data.arrays import as_array
from deltarule.errors import DataError, ShapeError


def mask_of(lengths: ArrayLike, x: np.ndarray) -> np.ndarray:
    """(n, t) booleans, true at the first `lengths` (n,) time steps of each of the sequences x (n, t, ...).

    Raises `ShapeError` for sequences without a time axis and for lengths of another shape than (n,), `DataError`
    for a length that is no whole number from 1 to t.

    >>> mask_of([1, 3], np.zeros((2, 3, 5))).tolist()
    [[True, False, False], [True, True, True]]
    """
    given = as_array(lengths, "lengths")
    if x.ndim < 2:
        raise ShapeError(f"lengths: expected sequences x of shape (n, t, ...), got {x.shape}")
    n, steps = x.shape[:2]
    if given.shape != (n,):
        raise ShapeError(
            f"lengths: expected one for each of the {n} sequences, shape ({n},), got shape {given.shape}"
        )
    whole = given.dtype.kind in "iu" or (given.dtype.kind == "f" and bool((given == np.floor(given)).all()))
    if not whole:
        raise DataError(f"lengths: expected whole numbers of time steps, got {given.dtype}")
    wrong = np.flatnonzero((given < 1) | (given > steps))
    if wrong.size:
        raise DataError(
            f"lengths: expected 1 to {steps}, the time steps of x, but got {given[wrong[0]]:g} for sequence "
            f"{wrong[0]}; {wrong.size} of {n} are out of range. Leave empty sequences out"
        )
    return np.arange(steps) < given[:, None]  # (n, t)
