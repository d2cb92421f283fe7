"""Recurrent operators: time before examples, W (directions, g·o, i), and two biases that are added."""

from dataclasses import replace

import numpy as np

from deltarule.interop.onnx.gates import GATES
from deltarule.interop.onnx.reading.program import Op
from deltarule.interop.onnx.reading.registry import Misplaced, Piece, Read, constant, reads, require, text
from deltarule.layers import GRU, LSTM, Branch, Recurrent, SimpleRNN
from deltarule.layers.cell import Cell

REVERSED = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
PLAIN = {"RNN": ("tanh",), "GRU": ("sigmoid", "tanh"), "LSTM": ("sigmoid", "tanh", "tanh")}
STATES = (5, 6)  # the places of the first h and c


@reads("RNN", "GRU", "LSTM")
def recurrent(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require(op.port < 2, op, "expected the outputs h, and not the last c")
    zero = all(not op.weights[at].any() for at in STATES if at in op.weights)
    require(zero and set(op.missing) <= x.zeros, op, "expected to begin at a state of 0, and no lengths")
    require(4 not in op.weights and not op.attributes.get("clip"), op, "expected no lengths and no clip")
    reversals = REVERSED[text(op.attributes.get("direction", "forward"))]
    check_activations(op, len(reversals))
    batch_first = bool(op.attributes.get("layout"))
    if len(x.shape) != 3 or not x.lies("last" if batch_first else "time"):
        raise Misplaced(op, "expected sequences, with time on the first axis but where its layout is 1")
    found = [
        one_direction(op, k, Recurrent(cell_of(op), reverse, op.port == 1)) for k, reverse in enumerate(reversals)
    ]
    if len(found) == 1:
        pieces.append(found[0])
    else:
        layers, params, memory = zip(*found, strict=True)
        pieces.append(Piece(Branch(*layers), params, memory))
    y = x.after(pieces[-1].layer)
    side = None if len(found) == 1 else -1
    if op.port == 1:  # h (directions, n, o)
        return replace(y, axes=(0, side, 1) if batch_first else (side, 0, 1))
    return replace(y, axes=(0, 1, side, 2) if batch_first else (1, side, 0, 2))


def check_activations(op: Op, directions: int) -> None:
    """Raises Unfit for others than the published ones."""
    given = [text(each).lower() for each in op.attributes.get("activations", PLAIN[op.kind] * directions)]
    relu = op.kind == "RNN" and given == ["relu"] * directions
    require(relu or given == [*PLAIN[op.kind] * directions], op, f"expected its usual activations, got {given}")
    require(not op.attributes.get("input_forget"), op, "expected a forget gate of its own")


def cell_of(op: Op) -> Cell:
    o, given = op.attributes["hidden_size"], op.attributes
    if op.kind == "RNN":
        return SimpleRNN(o, "relu" if text(given.get("activations", ["Tanh"])[0]).lower() == "relu" else "tanh")
    if op.kind == "GRU":
        return GRU(o, "after" if given.get("linear_before_reset") else "before")
    return LSTM(o, peephole=7 in op.weights)


def one_direction(op: Op, k: int, layer: Recurrent) -> Piece:
    """The layer that reads in one direction, with its gates in our order."""
    cell, order = layer.cell, np.argsort(GATES[op.kind])
    o, gates = cell.features, len(order)
    W, U = (gates_of(constant(op, at, "weights")[k], order, gates).T for at in (1, 2))
    biases = op.weights[3][k] if 3 in op.weights else np.zeros(2 * gates * o, np.float32)
    b, c = (gates_of(half, order, gates) for half in np.split(biases, 2))
    params = {"W": W, "U": U}
    if isinstance(cell, GRU) and cell.reset == "after":
        params["b"] = b + np.where(np.arange(gates * o) < 2 * o, c, 0)
        params["c"] = c[2 * o :]
    else:
        params["b"] = b + c
    if isinstance(cell, LSTM) and cell.peephole:
        params["p"] = op.weights[7][k].reshape(3, o)[[0, 2, 1]]
    return Piece(layer, params)


def gates_of(array: np.ndarray, order: np.ndarray, gates: int) -> np.ndarray:
    """The gates along the first axis in our order."""
    parts = np.split(array, gates)
    return np.concatenate([parts[gate] for gate in order])


def last_step(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """The last of all steps, which the recurrent layer before gives by itself; or the one direction of h."""
    index, place = op.weights.get(1), op.attributes.get("axis", 0) % len(x.axes)
    require(index is not None and index.ndim == 0, op, "expected one index that is stored in the file")
    axes = tuple(axis for at, axis in enumerate(x.axes) if at != place)
    if x.axes[place] is None:
        return replace(x, axes=axes)
    layer = pieces[-1].layer if pieces else None
    ends = isinstance(layer, Recurrent) and not layer.reverse and not layer.last and x.axes[place] == 1
    require(ends and index in (-1, x.shape[1] - 1), op, "expected the last step of a recurrent operator")
    pieces[-1] = pieces[-1]._replace(layer=replace(layer, last=True))  # type: ignore[type-var]
    after = {0: 0, 2: 1}
    return replace(x, shape=(x.shape[0], x.shape[-1]), axes=tuple(after.get(axis, axis) for axis in axes))  # type: ignore[arg-type]
