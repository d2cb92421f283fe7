"""Normalisations."""

import numpy as np

from deltarule.interop.onnx.reading.features import as_written
from deltarule.interop.onnx.reading.program import Op
from deltarule.interop.onnx.reading.registry import Piece, Read, constant, ours, reads, require
from deltarule.layers import BatchNorm, GroupNorm, LayerNorm, RMSNorm


def epsilon(op: Op) -> float:
    return as_written(op.attributes.get("epsilon", 1e-5))


@reads("BatchNormalization")
def batch_norm(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require(x.axes[1] == x.last and not op.attributes.get("training_mode"), op, "expected features on axis 1")
    gamma, beta, mean, variance = (ours(x, constant(op, at, "statistics")) for at in (1, 2, 3, 4))
    layer = BatchNorm(as_written(op.attributes.get("momentum", 0.9)), epsilon(op))
    pieces.append(Piece(layer, {"gamma": gamma, "beta": beta}, {"mean": mean, "variance": variance}))
    return x


@reads("LayerNormalization")
def layer_norm(op: Op, x: Read, pieces: list[Piece]) -> Read:
    axes = -(op.attributes.get("axis", -1) % len(x.axes) - len(x.axes))
    require_trailing(op, x, axes)
    gamma = ours(x, constant(op, 1, "a scale"))
    params = {"gamma": np.broadcast_to(gamma, x.shape[-axes:])}
    if 2 in op.weights:
        params["beta"] = np.broadcast_to(ours(x, op.weights[2]), x.shape[-axes:])
    pieces.append(Piece(LayerNorm(epsilon(op), offset="beta" in params, axes=axes), params))
    return x


@reads("RMSNormalization")
def rms_norm(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require(op.attributes.get("axis", -1) % len(x.axes) == len(x.axes) - 1, op, "expected the last axis alone")
    require_trailing(op, x, 1)
    pieces.append(Piece(RMSNorm(epsilon(op)), {"gamma": ours(x, constant(op, 1, "a scale"))}))
    return x


def require_trailing(op: Op, x: Read, axes: int) -> None:
    """The axes that are normalised are our last ones, in our order."""
    ours_last = tuple(range(len(x.shape) - axes, len(x.shape)))
    fits = x.axes[len(x.axes) - axes :] == ours_last and (x.rows is None or axes == 1) and ours_last[0] > 0
    require(fits, op, "expected to normalise the last axes, features behind all others")


@reads("GroupNormalization")
def group_norm(op: Op, x: Read, pieces: list[Piece]) -> Read:
    groups = op.attributes["num_groups"]
    require(x.axes[1] == x.last and x.rows is None, op, "expected channels on axis 1")
    weights = {}
    for name, place in (("gamma", 1), ("beta", 2)):
        vector = constant(op, place, "a scale and a bias")
        weights[name] = vector if len(vector) == x.shape[-1] else np.repeat(vector, x.shape[-1] // groups)
    pieces.append(Piece(GroupNorm(groups, epsilon(op)), weights))
    return x


@reads("InstanceNormalization")
def instance_norm(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require(x.axes[1] == x.last and x.rows is None, op, "expected channels on axis 1")
    gamma, beta = (constant(op, place, "a scale and a bias") for place in (1, 2))
    pieces.append(Piece(GroupNorm(x.shape[-1], epsilon(op)), {"gamma": gamma, "beta": beta}))
    return x
