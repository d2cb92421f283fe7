"""Operators on features: products, activations, what joins paths, and rows of an embedding."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deltarule.interop.onnx.reading.program import Op
from deltarule.interop.onnx.reading.registry import (
    Piece,
    Read,
    constant,
    joined,
    ours,
    reads,
    require,
    text,
)
from deltarule.layers import (
    ELU,
    GELU,
    SELU,
    Branch,
    Columns,
    Dense,
    Dropout,
    Dueling,
    Embedding,
    GELUTanh,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Residual,
    Scale,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

FLOATS = (1, 10, 11, 16)  # ONNX's numbers of float32, float16, float64 and bfloat16
REORDERED = (
    "expected paths whose numbers lie in one order, but a path leads by a channels-first Flatten that no product "
    "is behind"
)
PLAIN = {
    "Relu": ReLU,
    "Sigmoid": Sigmoid,
    "Softplus": Softplus,
    "Tanh": Tanh,
}


@reads(*PLAIN)
def activation(op: Op, x: Read, pieces: list[Piece]) -> Read:
    pieces.append(Piece(PLAIN[op.kind]()))
    return x


@reads("Swish")
def swish(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require(op.attributes.get("alpha", 1.0) == 1, op, "expected an alpha of 1")
    pieces.append(Piece(SiLU()))
    return x


@reads("Gelu")
def gelu(op: Op, x: Read, pieces: list[Piece]) -> Read:
    pieces.append(Piece(GELUTanh() if text(op.attributes.get("approximate")) == "tanh" else GELU()))
    return x


@reads("Selu")
def selu(op: Op, x: Read, pieces: list[Piece]) -> Read:
    given = [op.attributes.get(name, default) for name, default in (("alpha", 1.67326319), ("gamma", 1.05070102))]
    require(np.allclose(given, (1.67326319, 1.05070102), rtol=1e-5), op, "expected the published alpha and gamma")
    pieces.append(Piece(SELU()))
    return x


@reads("Elu")
def elu(op: Op, x: Read, pieces: list[Piece]) -> Read:
    pieces.append(Piece(ELU(as_written(op.attributes.get("alpha", 1.0)))))
    return x


@reads("LeakyRelu")
def leaky_relu(op: Op, x: Read, pieces: list[Piece]) -> Read:
    pieces.append(Piece(LeakyReLU(as_written(op.attributes.get("alpha", 0.01)))))
    return x


def as_written(number: float) -> float:
    """The shortest decimal of a float32: 0.01, and not 0.009999999776482582."""
    return float(str(np.float32(number)))


@reads("Softmax", "LogSoftmax")
def softmax(op: Op, x: Read, pieces: list[Piece]) -> Read:
    rank = len(x.axes)
    place = op.attributes.get("axis", -1 if x.version >= 13 else 1) % rank
    require(x.version >= 13 or place == rank - 1, op, "before operator set 13 it is read along the last axis only")
    axis = x.axes[place]
    require(axis, op, "expected an axis other than the examples'")
    pieces.append(Piece({"Softmax": Softmax, "LogSoftmax": LogSoftmax}[op.kind](-1 if axis == x.last else axis)))  # type: ignore[arg-type]
    return x


@reads("Identity")
def nothing(op: Op, x: Read, pieces: list[Piece]) -> Read:
    return x


@reads("Cast")
def cast(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """Another precision is nothing, for a Model has its own; whole numbers are cut off."""
    require(op.attributes["to"] in FLOATS, op, "expected numbers that stay what they are, and are not cut off")
    return x


@reads("Dropout")
def dropout(op: Op, x: Read, pieces: list[Piece]) -> Read:
    pieces.append(Piece(Dropout(as_written(float(op.setting("ratio", 1, 0.5))))))
    return x


@reads("Gemm")
def gemm(op: Op, x: Read, pieces: list[Piece]) -> Read:
    given = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0} | op.attributes
    require(not given["transA"] and 0 not in op.weights, op, "expected examples as the rows of its first input")
    W = constant(op, 1, "W") * np.float32(given["alpha"])
    W = W.T if given["transB"] else W
    b = op.weights.get(2)
    return product(op, x, pieces, W, None if b is None else b * np.float32(given["beta"]))


@reads("MatMul")
def matmul(op: Op, x: Read, pieces: list[Piece]) -> Read:
    return product(op, x, pieces, constant(op, 1, "W"), None)


def product(op: Op, x: Read, pieces: list[Piece], W: np.ndarray, b: np.ndarray | None) -> Read:
    """A Dense layer of W (i, o); where its inputs stood in another order, so do its rows."""
    require(
        W.ndim == 2 and x.axes[-1] == x.last, op, "expected the features on the last axis, and a W of two axes"
    )
    require(len(W) == x.shape[-1], op, f"expected a W of {x.shape[-1]} rows, got {W.shape}")
    layer, params = Dense(W.shape[1], bias=b is not None), {"W": ours(x, W)}
    if b is not None:
        params["b"] = np.broadcast_to(b.ravel(), W.shape[1:])
    pieces.append(Piece(layer, params))
    return replace(x.after(layer), rows=None)


@reads("Mul", "Div", "Sub")
def scale(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """A number for each feature, multiplied or taken off."""
    require(
        len(op.inputs) == 1 and (op.kind == "Mul" or 1 in op.weights),
        op,
        "expected a constant for its other input",
    )
    vector = of_features(op, x)
    if op.kind == "Sub":
        return add(op, x, pieces, -vector)
    require(op.kind == "Mul" or vector.all(), op, "expected to divide by numbers other than 0")
    gamma = 1 / vector if op.kind == "Div" else vector
    pieces.append(Piece(Scale(), {"gamma": gamma, "beta": np.zeros_like(gamma)}))
    return x


@reads("Add")
def offset(op: Op, x: Read, pieces: list[Piece]) -> Read:
    return add(op, x, pieces, of_features(op, x))


def add(op: Op, x: Read, pieces: list[Piece], vector: np.ndarray) -> Read:
    """The bias of the layer before, or a Scale."""
    before = pieces[-1] if pieces else None
    if before and isinstance(before.layer, Dense) and not before.layer.bias:
        pieces[-1] = Piece(replace(before.layer, bias=True), {**before.params, "b": vector})
    elif before and isinstance(before.layer, Scale):
        pieces[-1] = Piece(before.layer, {**before.params, "beta": before.params["beta"] + vector})
    else:
        pieces.append(Piece(Scale(), {"gamma": np.ones_like(vector), "beta": vector}))
    return x


def of_features(op: Op, x: Read) -> np.ndarray:
    """The operator's weight as one number for each of our last axis."""
    require(len(op.weights) == 1 and x.last in x.axes, op, "expected one constant, and features")
    [array] = op.weights.values()
    array, place = array.reshape((1,) * (len(x.axes) - array.ndim) + array.shape), x.axes.index(x.last)
    require(
        array.ndim == len(x.axes) and array.size == array.shape[place], op, "expected a number for each feature"
    )
    return ours(x, np.broadcast_to(array.ravel(), x.shape[-1:]).astype(np.float32))


@reads("Dueling")
def dueling(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require(x.axes[-1] == x.last and x.rows is None, op, "expected the features on the last axis")
    pieces.append(Piece(Dueling()))
    return x.after(pieces[-1].layer)


@reads("Gather")
def gather(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """Rows of weights are an embedding; the last step of a recurrent layer is what that ends in."""
    if 0 not in op.weights:
        from deltarule.interop.onnx.reading.recurrent import last_step

        return last_step(op, x, pieces)
    W = op.weights[0]
    require(W.ndim == 2 and op.attributes.get("axis", 0) == 0, op, "expected rows of a W of two axes")
    require(None not in x.axes and x.rows is None, op, "expected codes as they were given")
    pieces.append(Piece(Embedding(*W.shape), {"W": W}))
    return replace(x.after(pieces[-1].layer), axes=(*x.axes, len(x.shape)))


@reads("Slice")
def part(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """Columns of the last axis."""
    starts, ends = (np.ravel(op.setting(name, at)) for name, at in (("starts", 1), ("ends", 2)))
    axes = np.ravel(op.setting("axes", 3, np.arange(len(starts))))
    steps = np.ravel(op.setting("steps", 4, np.ones(len(starts), int)))
    one = len(starts) == 1 and steps.tolist() == [1] and x.axes[int(axes[0])] == x.last
    require(one and x.rows is None, op, "expected a part of the last axis without steps")
    start, stop, _ = slice(int(starts[0]), int(ends[0])).indices(x.shape[-1])
    require(start < stop, op, "expected at least one column")
    pieces.append(Piece(Columns(start, stop)))
    return x.after(pieces[-1].layer)


def residual(op: Op, ends: Sequence[tuple[Read, list[Piece]]], pieces: list[Piece]) -> Read:
    """Two paths whose outputs are added."""
    (x, body), (other, shortcut) = sorted(ends, key=lambda end: not end[1])
    alike = len(ends) == 2 and x.shape == other.shape and x.axes == other.axes
    require(alike, op, f"expected two paths of one shape, got {x.shape} and {other.shape}")
    require(x.rows is other.rows, op, REORDERED)
    parts = joined(body), joined(shortcut)
    layer = Residual(parts[0].layer, parts[1].layer if shortcut else None)
    pieces.append(Piece(layer, tuple(each.params for each in parts), tuple(each.memory for each in parts)))
    return x


def branch(op: Op, ends: Sequence[tuple[Read, list[Piece]]], pieces: list[Piece]) -> Read:
    """Paths whose outputs are concatenated."""
    x = ends[0][0]
    place = op.attributes["axis"] % len(x.axes)
    alike = all(other.axes == x.axes for other, _ in ends) and x.axes[place] == x.last
    require(alike, op, "expected paths that are put side by side along the features")
    require(all(other.rows is None for other, _ in ends), op, REORDERED)
    layers, params, memory = zip(*(joined(path) for _, path in ends), strict=True)
    pieces.append(Piece(Branch(*layers), params, memory))
    return replace(x, shape=(*x.shape[:-1], sum(other.shape[-1] for other, _ in ends)))


JOINS = {"Add": residual, "Concat": branch}
