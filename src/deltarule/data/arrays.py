"""Arrays from outside, made safe to compute with: float32, contiguous, finite, and of matching length."""

import zipfile
import zlib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from deltarule.errors import DataError, FileError, SettingError, ShapeError


def as_features(x: ArrayLike, name: str = "x") -> np.ndarray:
    """Return the examples `x` (n, ...) as `as_numbers` does, and refuse NaN and infinity.

    Raises `ShapeError` and `DataError`, as `as_numbers` does, and `DataError` for NaN, infinity, or a number too
    large for float32.

    >>> as_features([[1, 2], [3, 4]])
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    features = as_numbers(x, name)
    if not np.isfinite(features).all():
        _refuse_non_finite(np.asarray(x), features, name)
    return features


def as_numbers(x: ArrayLike, name: str = "x") -> np.ndarray:
    """Return the examples `x` (n, ...) as a contiguous float32 array, copied only where it is none yet.

    Booleans, integers and floats of every width are taken; float64 is rounded to float32.

    Raises `ShapeError` for a single number, ragged lists or no examples, and `DataError` for text and objects.
    """
    given = _numeric(x, name)
    if given.ndim == 0:
        raise ShapeError(
            f"{name}: expected an array of examples, shape (n, ...), but got one number, shape (). "
            f"Put a single example in a list: [{name}]."
        )
    if given.size == 0:
        raise ShapeError(
            f"{name}: expected at least one example with at least one value, but got shape {given.shape}. "
            "Check the selection that made the array."
        )
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(given, dtype=np.float32)


def as_targets(y: Any) -> np.ndarray:
    """Return the targets `y` (n, ...) as an array of the type that they have; a loss reads it.

    Raises `ShapeError` for a single number and for ragged lists, and `DataError` for what holds no rows, such as a
    set, a dict or a function.

    >>> as_targets(["cat", "dog"]).shape
    (2,)
    """
    targets = as_array(y, "y")
    if targets.ndim == 0 and targets.dtype.kind == "O":
        raise DataError(
            f"y: expected an array or a list of targets, but got one thing of the type {type(y).__name__}. "
            "Give the targets in the order of the rows of x."
        )
    if targets.ndim == 0:
        raise ShapeError(
            f"y: expected one target for each example, shape (n, ...), but got the single value {y!r}. "
            "Give the targets in the order of the rows of x."
        )
    return targets


def as_array(given: Any, name: str) -> np.ndarray:
    """Return what was given as an array of any type.

    Raises `ShapeError` for ragged lists, and `DataError` for masked values and for what NumPy cannot read, such
    as a tensor that keeps its graph.
    """
    if isinstance(given, np.ma.MaskedArray) and (masked := int(np.ma.getmaskarray(given).sum())):
        raise DataError(
            f"{name}: expected a value in every place, but {masked} of {given.size} are masked. Leave those rows "
            "out, or fill them in with filled()."
        )
    try:
        return np.asarray(given)
    except ValueError:
        raise ShapeError(
            f"{name}: expected rows of one length, but got ragged lists. Pad or cut them to one length."
        ) from None
    except (TypeError, RuntimeError) as error:
        raise DataError(
            f"{name}: expected what NumPy reads as an array, but got the type {type(given).__name__}, which it "
            f"cannot read ({error}). Give a NumPy array."
        ) from None


def as_weights(weight: ArrayLike, examples: int) -> np.ndarray:
    """Return one weight an example as float32 (n,), where n is `examples`.

    Raises `ShapeError` for another shape, and `DataError` for a weight that is negative, NaN or infinite, and
    for weights that are all zero.

    >>> as_weights([1, 0, 2], examples=3)
    array([1., 0., 2.], dtype=float32)
    """
    weights = as_features(weight, "weight")
    if weights.shape != (examples,):
        raise ShapeError(
            f"weight: expected one number for each of the {examples} examples, shape ({examples},), but got "
            f"shape {weights.shape}. Give one weight an example."
        )
    negative = np.flatnonzero(weights < 0)
    if negative.size:
        raise DataError(
            f"weight: expected numbers of 0 or more, but {negative.size} of {examples} are negative, "
            f"the first ({weights[negative[0]]:g}) at row {negative[0]}. Use 0 to leave an example out."
        )
    if not weights.any():
        raise DataError(
            f"weight: expected at least one weight above 0, but all {examples} are 0, so nothing would be "
            "learned. Give the examples that count a positive weight."
        )
    return weights


def check_same_length(x: np.ndarray, y: np.ndarray) -> None:
    """Raise `ShapeError` unless `x` (n, ...) and `y` (n, ...) hold the same number of examples.

    >>> check_same_length(np.zeros((3, 2)), np.zeros(3))
    """
    if len(x) != len(y):
        raise ShapeError(
            f"x and y: expected one target for each example, but x holds {len(x)} examples, shape {x.shape}, "
            f"and y holds {len(y)}, shape {y.shape}. Row i of x must belong to row i of y."
        )


def split(
    examples: int, fraction: float, seed: int, strata: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return sorted training indices and held-out indices of a random split; `fraction` of them is held out.

    With `strata` (n,), integer class labels, each class keeps its share to within one example, and always
    keeps one example for training. The same arguments give the same split.

    Raises `DataError` for a fraction that leaves either side empty, and `ShapeError` or `DataError` for
    strata of another length or of another type than integers.

    >>> train, held_out = split(6, 1 / 3, seed=0, strata=[0, 0, 0, 1, 1, 1])
    >>> len(train), len(held_out)
    (4, 2)
    """
    if not 0 < fraction < 1:
        raise DataError(
            f"split: expected a held-out fraction between 0 and 1, but got {fraction}. "
            "Use 0.2 to hold out a fifth."
        )
    count = round(examples * fraction)
    if not 0 < count < examples:
        raise DataError(
            f"split: expected at least one example on each side, but a fraction of {fraction} of {examples} "
            f"examples holds out {count}. Use another fraction or more examples."
        )
    if seed < 0:
        raise SettingError(f"split: seed must be a whole number of at least 0, got {seed}")
    random = np.random.default_rng(seed)
    if strata is None:
        held_out = random.permutation(examples)[:count]
    else:
        held_out = _stratified(_labels(strata, examples), fraction, count, random)
    kept = np.ones(examples, dtype=bool)
    kept[held_out] = False
    return np.flatnonzero(kept), np.flatnonzero(~kept)


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Return the arrays `x` and, where they are there, `y` and `weight` of a NumPy .npz file, as they were saved.

    Raises `FileError` for a file that is missing, damaged or no .npz, and `DataError` where `x` is not in it or
    an array holds Python objects, which are never unpickled.
    """
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                raise ValueError("a single array without a name")
            found = list(loaded.keys())
            arrays = {name: loaded[name] for name in ("x", "y", "weight") if name in found}
    except FileNotFoundError:
        raise FileError(f"{path}: expected a .npz file, but no such file exists. Check the path.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise FileError(
            f"{path}: expected a .npz file of named arrays, but it is damaged, is not a .npz file, or holds "
            "Python objects, which are never read. Write it again with numpy.savez(path, x=x, y=y)."
        ) from None
    if "x" not in arrays:
        raise DataError(
            f"{path}: expected arrays named x and, to train or evaluate, y, but found "
            f"{', '.join(found) or 'none'}. Write it again with numpy.savez(path, x=x, y=y)."
        )
    return arrays


def _numeric(x: ArrayLike, name: str) -> np.ndarray:
    given = as_array(x, name)
    if given.ndim == 0 and given.dtype.kind == "O":
        raise DataError(
            f"{name}: expected an array of booleans, integers or floats, but got one thing of the type "
            f"{type(x).__name__}. Give an array of NumPy, or lists of numbers."
        )
    if given.dtype.kind not in "biuf":
        raise DataError(
            f"{name}: expected booleans, integers or floats, but got the type {given.dtype}. Turn text and "
            "objects into numbers first; a table with text columns trains as a file, with `deltarule train`."
        )
    return given


def _refuse_non_finite(given: np.ndarray, features: np.ndarray, name: str) -> NoReturn:
    """Say where `features` (n, ...) is not finite, and whether `given` was or became too large on the way."""
    wrong = ~np.isfinite(given)
    if wrong.any():
        what, advice = (
            "NaN or infinite",
            "Remove those rows or fill them in, for example with the column's median.",
        )
    else:
        wrong = ~np.isfinite(features)
        what, advice = (
            "too large for float32 (above 3.4e38)",
            "Scale the numbers down, for example standardise.",
        )
    row, *columns = (int(index) for index in np.argwhere(wrong)[0])
    column = f", column {', '.join(map(str, columns))}" if columns else ""
    raise DataError(
        f"{name}: expected finite numbers, but {wrong.sum()} of {wrong.size} are {what}, the first "
        f"({given[row, *columns]}) at row {row}{column}. {advice}"
    )


def _labels(strata: ArrayLike, examples: int) -> np.ndarray:
    labels = np.asarray(strata)
    if labels.shape != (examples,):
        raise ShapeError(
            f"split: expected one class label for each of the {examples} examples, shape ({examples},), but "
            f"got strata of shape {labels.shape}. Give one label an example."
        )
    if labels.dtype.kind not in "iu":
        raise DataError(
            f"split: expected strata of integer class labels, but got the type {labels.dtype}. "
            "Use the codes of the classes, 0, 1, 2, …"
        )
    return labels


def _stratified(labels: np.ndarray, fraction: float, count: int, random: np.random.Generator) -> np.ndarray:
    """Return about `count` held-out indices, shared over the classes by largest remainder, ties at random."""
    classes, sizes = np.unique(labels, return_counts=True)
    shares = np.floor(sizes * fraction).astype(int)
    remainders = sizes * fraction - shares
    order = random.permutation(len(classes))
    order = order[np.argsort(-remainders[order], kind="stable")]
    able = [index for index in order if shares[index] + 1 < sizes[index]]
    shares[able[: count - shares.sum()]] += 1
    if not shares.any():
        raise DataError(
            f"split: expected a class with at least two examples to hold one out, but the {len(classes)} "
            f"classes have one each. Split without strata, or bring more examples."
        )
    members = [random.permutation(np.flatnonzero(labels == label)) for label in classes]
    return np.concatenate([rows[:share] for rows, share in zip(members, shares, strict=True)])
