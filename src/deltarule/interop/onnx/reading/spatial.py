"""Convolutions and pooling, which ONNX has with channels first."""

from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.interop.onnx.reading.program import Op
from deltarule.interop.onnx.reading.registry import Piece, Read, constant, reads, require, require_first, text
from deltarule.kernels.window import window
from deltarule.layers import (
    AveragePool,
    Convolution,
    ConvolutionTranspose,
    GlobalAveragePool,
    GlobalMaxPool,
    MaxPool,
)


@reads("Conv")
def convolution(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require_first(op, x)
    K = constant(op, 1, "K")
    size, stride, padding, dilation = sliding(op, x, K.shape[2:])
    layer = Convolution(len(K), size, stride, padding, dilation, op.attributes.get("group", 1), 2 in op.weights)
    return convolved(op, x, pieces, layer, K)


@reads("ConvTranspose")
def convolution_transpose(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """An output_shape says how much is padded; less than nothing is padding of the output."""
    require_first(op, x)
    K, axes = constant(op, 1, "K"), len(x.shape) - 2
    size, stride, padding, dilation = sliding(op, x, K.shape[2:])
    groups, more = op.attributes.get("group", 1), list(op.attributes.get("output_padding", [0] * axes))
    if "output_shape" in op.attributes:
        full = ConvolutionTranspose(1, size, stride, "valid", tuple(more), dilation).shape(x.shape)
        cut = np.subtract(full[1:-1], op.attributes["output_shape"])
        padding = tuple((int(c - c // 2), int(c // 2)) for c in np.maximum(cut, 0))
        more = [q + max(0, -int(c)) for q, c in zip(more, cut, strict=True)]
    settings = size, stride, padding, tuple(more), dilation, groups, 2 in op.weights
    return convolved(op, x, pieces, ConvolutionTranspose(groups * K.shape[1], *settings), K)


def convolved(op: Op, x: Read, pieces: list[Piece], layer: Any, K: np.ndarray) -> Read:
    params = {"K": np.moveaxis(K, (0, 1), (-1, -2))}
    if layer.bias:
        params["b"] = op.weights[2]
    pieces.append(Piece(layer, params))
    return x.after(layer)


@reads("MaxPool")
def max_pool(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require_first(op, x)
    require(op.port == 0, op, "expected its largest numbers, and not their places")
    pieces.append(Piece(MaxPool(*sliding(op, x, op.attributes["kernel_shape"]))))
    return x.after(pieces[-1].layer)


@reads("AveragePool")
def average_pool(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require_first(op, x)
    counted = bool(op.attributes.get("count_include_pad"))
    require(not (counted and op.attributes.get("ceil_mode")), op, "expected ceil_mode=0 where padding is counted")
    size, stride, padding, dilation = sliding(op, x, op.attributes["kernel_shape"])
    pieces.append(Piece(AveragePool(size, stride, padding, counted, dilation)))
    return x.after(pieces[-1].layer)


@reads("GlobalAveragePool", "GlobalMaxPool")
def global_pool(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require_first(op, x)
    return pooled(x, pieces, {"GlobalAveragePool": GlobalAveragePool, "GlobalMaxPool": GlobalMaxPool}[op.kind]())


@reads("ReduceMean", "ReduceMax")
def reduced(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """The mean or the maximum over all of space."""
    places = {int(place) % len(x.axes) for place in np.ravel(op.setting("axes", 1, []))}
    space = {place for place, axis in enumerate(x.axes) if axis is not None and 0 < axis < x.last}
    require(places == space and space and -1 not in x.axes, op, "expected all axes of space, and no other")
    y = pooled(x, pieces, GlobalAveragePool() if op.kind == "ReduceMean" else GlobalMaxPool())
    if op.attributes.get("keepdims", 1):
        return y
    return replace(y, axes=tuple(axis for place, axis in enumerate(y.axes) if place not in places))


def pooled(x: Read, pieces: list[Piece], layer: Any) -> Read:
    """(n, i), where the file keeps axes of length 1."""
    pieces.append(Piece(layer))
    places = {0: 0, x.last: 1}
    return replace(x.after(layer), axes=tuple(places.get(axis) for axis in x.axes))  # type: ignore[arg-type]


def sliding(op: Op, x: Read, size: Any) -> tuple:
    """(size, stride, padding, dilation); what ceil_mode adds to the output is padding behind."""
    given, axes = op.attributes, len(x.shape) - 2
    size, stride, dilation = tuple(size), *(tuple(given.get(key, [1] * axes)) for key in ("strides", "dilations"))
    automatic = text(given.get("auto_pad", "NOTSET"))
    if automatic == "NOTSET":
        pads = given.get("pads", [0] * 2 * axes)
        require(min(pads) >= 0, op, f"expected pads of at least 0, got {list(pads)}")
        padding = tuple(zip(pads[:axes], pads[axes:], strict=True))
    elif automatic == "SAME_LOWER":
        found = window(op.name, x.shape, size, stride, "same", dilation)
        padding = tuple((behind, front) for front, behind in found.padding)
    else:
        padding = "same" if automatic == "SAME_UPPER" else "valid"
    if given.get("ceil_mode"):
        found = window(op.name, x.shape, size, stride, padding, dilation)
        padding = tuple(map(rounded_up, x.shape[1:-1], found.extent, stride, found.padding))
    return size, stride, padding, dilation


def rounded_up(d: int, k: int, s: int, padding: tuple[int, int]) -> tuple[int, int]:
    """The padding with which ⌊(d − k + P)/s⌋ is ⌈(d − k + P)/s⌉, unless that window would start in the padding."""
    front, behind = padding
    more = -(d - k + front + behind) % s
    starts = d + front + behind + more - k
    return (front, behind + more) if starts < d + front else padding
