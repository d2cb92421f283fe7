"""Examples as a network takes them: inputs, targets, weights and lengths, checked against it and its loss."""

import jax
import numpy as np
from numpy.typing import ArrayLike

from deltarule.data.arrays import as_features, as_weights, check_same_length, split
from deltarule.data.lengths import mask_of
from deltarule.data.stream import Stream
from deltarule.errors import SettingError, ShapeError
from deltarule.layers.layer import Layer, Shape
from deltarule.losses.loss import Loss
from deltarule.training.step import Batch
from deltarule.training.windows import Source, is_recurrent


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
    features = features_of(x, net, expected)
    check_same_length(features, np.asarray(y))
    outputs, n = net.shape(features.shape), len(features)
    target = loss.prepare(y, outputs)
    weights = np.ones(n, np.float32) if weight is None else as_weights(weight, n)
    if lengths is None:
        return Batch(features, target, weights)  # type: ignore[arg-type]
    mask = mask_of(lengths, features)
    if len(outputs) > 2 and outputs[:2] == mask.shape:  # a prediction for each time step
        weights = weights[:, None] * mask  # (n, t)
    return Batch(features, target, weights, mask)  # type: ignore[arg-type]


def check_alike(data: object, expected: Shape | None) -> None:
    """Raises ShapeError for a stream whose examples are not of the shape that is expected."""
    if isinstance(data, Stream) and expected is not None and data.shape[1:] != tuple(expected):
        raise ShapeError(
            f"x: expected a stream of examples of shape {tuple(expected)}, as in training, got {data.shape[1:]}"
        )


def divided(data: Batch | Source, share: float, seed: int) -> tuple[Batch, Batch]:
    """(training examples, held-out examples), drawn by the seed, classes in proportion."""
    if not isinstance(data, Batch):
        raise SettingError("fit: a source has no share to hold out; give validation=(x, y)")
    classes = data.target if data.target.ndim == 1 and np.issubdtype(data.target.dtype, np.integer) else None
    kept, held = split(len(data.x), share, seed, classes)
    training, held_out = (jax.tree.map(lambda a, r=rows: a[r], data) for rows in (kept, held))
    return training, held_out
