"""Recurrent layers: ONNX has time before examples, W (directions, g·o, i), and two biases that are added."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.interop.onnx.gates import GATES
from deltarule.interop.onnx.writing.graph import Value
from deltarule.interop.onnx.writing.registry import Here, whole, writes
from deltarule.layers import GRU, LSTM, Recurrent, SimpleRNN


@writes(Recurrent)
def recurrent(here: Here, x: Value) -> Value:
    """Every step's output, or the last state's alone, which is the operator's second output."""
    layer, cell = here.layer, here.layer.cell
    if type(cell) not in CELLS:
        raise here.refuse(
            f"ONNX has no form of the cell {type(cell).__name__}; use SimpleRNN, GRU or LSTM, or give your layer "
            "one with deltarule.interop.onnx.writes"
        )
    if layer.carry:
        raise here.refuse(
            "carry=True goes on from the state of the batch before, and an ONNX file keeps nothing between two "
            "calls; put the same parameters into a network with carry=False"
        )
    x = here.laid(x, "time")
    operator, settings, others = CELLS[type(cell)](here)
    order, o = GATES[operator], cell.features
    weights = (
        here.weight("W", reordered(here.params["W"], order).T[None]),
        here.weight("U", reordered(here.params["U"], order).T[None]),
        here.weight("b", np.concatenate([reordered(here.params["b"], order), *second_bias(here, o)])[None]),
    )
    direction = "reverse" if layer.reverse else "forward"
    settings |= {"hidden_size": o, "direction": direction}
    y, h = here.node(operator, x.name, *weights, *others, outputs=2, **settings)
    if layer.last:
        return Value(here.node("Squeeze", h, here.weight("direction", whole([0]))), layer.shape(x.shape))
    return here.gives(x, here.node("Squeeze", y, here.weight("direction", whole([1]))))


def rnn(here: Here) -> tuple[str, dict[str, Any], Sequence[str]]:
    return "RNN", {"activations": [{"tanh": "Tanh", "relu": "Relu"}[here.layer.cell.activation]]}, ()


def gru(here: Here) -> tuple[str, dict[str, Any], Sequence[str]]:
    return "GRU", {"linear_before_reset": int(here.layer.cell.reset == "after")}, ()


def lstm(here: Here) -> tuple[str, dict[str, Any], Sequence[str]]:
    """Peepholes stand behind the length of each sequence and the first h and c, which are left out."""
    if not here.layer.cell.peephole:
        return "LSTM", {}, ()
    i, f, o = here.params["p"]
    return "LSTM", {}, ("", "", "", here.weight("p", np.concatenate([i, o, f])[None]))


CELLS = {SimpleRNN: rnn, GRU: gru, LSTM: lstm}


def reordered(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """The gates along the last axis in ONNX's order."""
    parts = np.split(np.asarray(array), len(order), axis=-1)
    return np.concatenate([parts[gate] for gate in order], axis=-1)


def second_bias(here: Here, o: int) -> list[np.ndarray]:
    """The bias of the state: that of a GRU's candidate, which r scales too; 0 elsewhere."""
    size = here.params["b"].size
    if "c" not in here.params:
        return [np.zeros(size, np.float32)]
    return [np.zeros(size - o, np.float32), np.asarray(here.params["c"])]
