"""Examples as a network takes them: inputs, targets, weights and lengths, checked against it and its loss."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from deltarule.data.arrays import as_features, as_targets, as_weights, check_same_length, split
from deltarule.data.batches import Batches, is_batches
from deltarule.data.chunks import Chunked
from deltarule.data.frames import column_names, frame_features, frame_target
from deltarule.data.lengths import mask_of
from deltarule.data.stream import Stream
from deltarule.errors import DataError, SettingError, ShapeError
from deltarule.ingredients import short
from deltarule.layers.layer import Layer, Shape
from deltarule.losses.loss import Loss
from deltarule.training.step import Batch
from deltarule.training.windows import Source, as_source, is_recurrent, shape_of


def features_of(x: ArrayLike, net: Layer, expected: Shape | None) -> np.ndarray:
    """x as float32, each example of the shape that is expected; None takes any.

    How many time steps there are is free in a recurrent network.
    """
    features = as_features(x)
    free = 1 if is_recurrent(net) else 0
    if expected is not None and features.shape[1 + free :] != tuple(expected)[free:]:
        names = ["n", *("t" for _ in range(free)), *map(str, expected[free:])]
        raise ShapeError(
            f"x: expected examples of shape ({', '.join(names)}), as in training, got {features.shape}"
        )
    return features


def batch_of(
    net: Layer,
    loss: Loss,
    x: ArrayLike,
    y: ArrayLike,
    weight: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    expected: Shape | None = None,
) -> Batch:
    """x (n, ...), y, weights and lengths (n,) as one batch, its examples of the shape that is expected."""
    features, targets = features_of(x, net, expected), as_targets(y)
    check_same_length(features, targets)
    outputs, n = net.shape(features.shape), len(features)
    target = loss.prepare(targets, outputs)
    weights = np.ones(n, np.float32) if weight is None else as_weights(weight, n)
    if lengths is None:
        return Batch(features, target, weights)  # type: ignore[arg-type]
    mask = mask_of(lengths, features)
    if len(outputs) > 2 and outputs[:2] == mask.shape:  # a prediction for each time step
        weights = weights[:, None] * mask  # (n, t)
    return Batch(features, target, weights, mask)  # type: ignore[arg-type]


def of_frame(x: Any, y: Any, columns: list[str]) -> tuple[Any, Any]:
    """(x, y) of a data frame, its columns in the order of `columns`, which an empty list takes up; else as given.

    y may be the name of the column that is predicted.
    """
    found = column_names(x)
    if found is None:
        if isinstance(y, str):
            raise SettingError(
                f"y: {y!r} names a column, but x is no data frame; give the targets, or as x the data frame"
            )
        return x, y
    if isinstance(y, (list, tuple)) and y and all(isinstance(name, str) and name in found for name in y):
        raise SettingError(
            f"y: expected the name of one column, or targets, got the names {', '.join(y)}; give the values of "
            "these columns as y, and as x the frame without them"
        )
    name = str(y) if isinstance(y, (str, Integral)) else None  # pandas may number its columns
    target = y if name is None else frame_target(x, name)
    names = columns or [each for each in found if each != name]
    features = frame_features(x, names)
    columns[:] = names
    return features, target


def training_examples(
    batch: Callable[..., Batch],
    x: Any,
    y: Any,
    weight: Any,
    lengths: Any,
    validation: Any,
    seed: int,
    columns: list[str] | None = None,
) -> tuple[Batch | Source | Chunked, Batch | Chunked | None]:
    """(what is trained on, what is held out or None), of all that `Model.fit` takes; `batch` checks arrays.

    `columns` takes up the names of a data frame's columns.
    """
    columns = [] if columns is None else columns
    if y is not None:
        if isinstance(x, Chunked) or callable(x) or hasattr(x, "__next__"):
            raise SettingError(
                f"y: expected none, because the batches or the stream {short(x)} bring it; leave y out"
            )
        data: Batch | Source | Chunked = batch(x, y, weight, lengths, columns=columns)
    elif column_names(x) is not None:
        raise SettingError('which column of the frame is predicted? Say so as y: model.fit(frame, "price")')
    else:
        data = as_source(Batches(x) if is_batches(x) else x, weight, lengths)
    try:
        return with_held_out(data, batch, validation, seed, columns)
    except (ShapeError, DataError) as error:
        raise type(error)(f"validation: {error}") from None


def with_held_out(
    data: Batch | Source | Chunked, batch: Callable[..., Batch], validation: Any, seed: int, columns: list[str]
) -> tuple[Batch | Source | Chunked, Batch | Chunked | None]:
    """(what is left to train on, what is held out or None), of the setting `validation`; raises SettingError."""
    if validation is None or isinstance(validation, Chunked):
        return data, validation
    if is_batches(validation):
        return data, Batches(validation)
    got = short(validation)
    if isinstance(validation, (tuple, list)):
        if 2 <= len(validation) <= 4 and validation[1] is not None:
            return data, batch(*validation, like=shape_of(data)[1:], columns=columns)
        got = f"{len(validation)} parts" if len(validation) != 2 else "y=None"
    elif isinstance(validation, Real) and not isinstance(validation, bool):
        share = float(validation)
        return data.divided(share) if isinstance(data, Stream) else divided(data, share, seed)
    raise SettingError(
        "fit: validation must be a share such as 0.1, (x, y), (x, y, weight) or (x, y, weight, lengths), batches, "
        f"a stream, or None, got {got}; write validation=0.1, or validation=(x, y)"
    )


def check_alike(data: object, expected: Shape | None) -> None:
    """Raises ShapeError for a stream or batches whose examples are not of the shape that is expected."""
    if isinstance(data, Chunked) and expected is not None and data.shape[1:] != tuple(expected):
        raise ShapeError(
            f"x: expected a stream of examples of shape {tuple(expected)}, as in training, got {data.shape[1:]}"
        )


def check_batches(data: object, batch_size: int | None, **settings: Any) -> None:
    """Raises SettingError for settings that minibatches made outside have decided."""
    given = {"batch_size": batch_size, **settings}
    if isinstance(data, Batches) and any(value is not None for value in given.values()):
        names = ", ".join(name for name, value in given.items() if value is not None)
        raise SettingError(
            f"fit: {names} cannot be said of batches that come ready made: their sizes and their order are their "
            "own, and one device takes them; leave it out, or give arrays x and y"
        )


def batch_size_of(data: Batch | Source | Chunked, batch_size: int | None) -> int:
    """The examples of a step: those that are said, those of a batch or of a source, or 64, or all if fewer."""
    if batch_size is not None:
        return batch_size
    n = shape_of(data)[0]
    return min(64, n) if isinstance(data, (Batch, Stream)) else n


def check_sizes(examples: int, batch_size: int, micro_batches: Any) -> None:
    """Raises SettingError for a batch larger than all examples, and for parts that it cannot be divided into."""
    if batch_size > examples:
        raise SettingError(
            f"fit: batch_size {batch_size} is larger than the {examples} training examples; "
            f"choose batch_size={min(64, examples)}"
        )
    if not (isinstance(micro_batches, Integral) and 1 <= int(micro_batches) <= batch_size):
        raise SettingError(f"fit: micro_batches must be from 1 to batch_size, got {micro_batches!r}")


def divided(data: Batch | Source | Chunked, share: float, seed: int) -> tuple[Batch, Batch]:
    """(training examples, held-out examples), drawn by the seed, classes in proportion."""
    if not isinstance(data, Batch):
        raise SettingError("fit: a source, or batches, have no share to hold out; give validation=(x, y)")
    classes = data.target if data.target.ndim == 1 and np.issubdtype(data.target.dtype, np.integer) else None
    kept, held = split(len(data.x), share, seed, classes)
    training, held_out = (jax.tree.map(lambda a, r=rows: a[r], data) for rows in (kept, held))
    return training, held_out
