"""Layers of features, and those that move or cut arrays: Dense, activations, Embedding, Flatten, Columns."""

import numpy as np

from deltarule.interop.onnx.layouts import axes_of
from deltarule.interop.onnx.writing.graph import Value
from deltarule.interop.onnx.writing.registry import FixedTime, Here, whole, writes
from deltarule.layers import (
    ELU,
    GELU,
    SELU,
    Columns,
    Cutout,
    Dense,
    Dropout,
    Dueling,
    Embedding,
    Flatten,
    GELUTanh,
    Identity,
    LeakyReLU,
    LogSoftmax,
    RandomCrop,
    RandomFlip,
    RandomShift,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpatialDropout,
    Tanh,
)

PLAIN = {
    ReLU: "Relu",
    SELU: "Selu",
    GELU: "Gelu",
    Sigmoid: "Sigmoid",
    Softplus: "Softplus",
    Tanh: "Tanh",
}


@writes(*PLAIN)
def activation(here: Here, x: Value) -> Value:
    return here.apply(PLAIN[type(here.layer)], x)


@writes(GELUTanh)
def gelu_tanh(here: Here, x: Value) -> Value:
    return here.apply("Gelu", x, approximate="tanh")


@writes(ELU)
def elu(here: Here, x: Value) -> Value:
    return here.apply("Elu", x, alpha=float(here.layer.alpha))


@writes(LeakyReLU)
def leaky_relu(here: Here, x: Value) -> Value:
    return here.apply("LeakyRelu", x, alpha=float(here.layer.slope))


@writes(SiLU)
def silu(here: Here, x: Value) -> Value:
    return here.apply("Mul", x, here.node("Sigmoid", x.name))


@writes(Softmax, LogSoftmax)
def softmax(here: Here, x: Value) -> Value:
    rank = len(x.shape)
    place = axes_of(x.layout, rank).index(here.layer.axis % rank)
    return here.apply(type(here.layer).__name__, x, axis=place)


@writes(Identity, Dropout, SpatialDropout, Cutout, RandomFlip, RandomShift)
def nothing(here: Here, x: Value) -> Value:
    """What only training has."""
    return x


@writes(RandomCrop)
def centre(here: Here, x: Value) -> Value:
    """What predictions take of each image."""
    sizes, rank = (here.layer.height, here.layer.width), len(x.shape)
    starts = [(d - size) // 2 for d, size in zip(x.shape[1:-1], sizes, strict=True)]
    places = [axes_of(x.layout, rank).index(axis) for axis in (1, 2)]
    return cut(here, x, starts, [start + size for start, size in zip(starts, sizes, strict=True)], places)


@writes(Columns)
def columns(here: Here, x: Value) -> Value:
    return cut(here, x, [here.layer.start], [here.layer.stop], [x.channels])


def cut(here: Here, x: Value, starts: list[int], stops: list[int], places: list[int]) -> Value:
    """A part of each axis at `places` in the graph's array."""
    named = (("starts", starts), ("ends", stops), ("axes", places))
    return here.apply("Slice", x, *(here.weight(name, whole(numbers)) for name, numbers in named))


@writes(Dense)
def dense(here: Here, x: Value) -> Value:
    x = here.laid(x, "last") if x.layout == "first" else x
    W = here.weight("W", here.params["W"])
    if not here.layer.bias:
        return here.apply("MatMul", x, W)
    b = here.weight("b", here.params["b"])
    if len(x.shape) == 2:
        return here.apply("Gemm", x, W, b)
    return here.gives(x, here.node("Add", here.node("MatMul", x.name, W), b))


@writes(Embedding)
def embedding(here: Here, x: Value) -> Value:
    """A last row of NaN stands for what is no code: what differs from the nearest code that there is."""
    x, levels = here.laid(x, "last"), here.layer.levels
    W = np.concatenate([here.params["W"], np.full((1, here.layer.features), np.nan, np.float32)])
    least, most, other = (
        here.weight(name, np.float32(number))
        for name, number in (("least", 0), ("most", levels - 1), ("other", levels))
    )
    nearest = here.node("Round", here.node("Clip", x.name, least, most))
    code = here.node("Where", here.node("Equal", nearest, x.name), nearest, other)
    row = here.node("Cast", code, to=7)  # int64
    return here.gives(x, here.node("Gather", here.weight("W", W), row))


@writes(Flatten)
def flatten(here: Here, x: Value) -> Value:
    if x.free:
        raise FixedTime
    return here.apply("Flatten", here.laid(x, "last"), axis=1)


@writes(Reshape)
def reshape(here: Here, x: Value) -> Value:
    if x.free:
        raise FixedTime
    shape = here.weight("shape", whole((0, *here.layer.shape(x.shape)[1:])))
    return here.apply("Reshape", here.laid(x, "last"), shape)


@writes(Dueling)
def dueling(here: Here, x: Value) -> Value:
    x, last = here.laid(x, "last"), here.weight("axes", whole([-1]))
    zero, one, end = (here.weight(name, whole([n])) for name, n in (("zero", 0), ("one", 1), ("end", 2**62)))
    v = here.node("Slice", x.name, zero, one, last)
    a = here.node("Slice", x.name, one, end, last)
    centred = here.node("Sub", a, here.node("ReduceMean", a, last, keepdims=1))
    return here.gives(x, here.node("Add", v, centred))
