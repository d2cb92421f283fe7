"""Recurrent layers: W (i, g·o) is weight_ih (g·o, i), U (o, g·o) weight_hh, and the gates stand in the same order.

PyTorch adds two biases, of which one is enough: read, they are summed into b; written, the second is zero, but for
the candidate of the GRU, whose second bias stands behind the reset gate and is c here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.interop.torch.layout import Flow
from deltarule.interop.torch.module import Conversion, Module, refusal
from deltarule.interop.torch.reading import Place, Reader
from deltarule.interop.torch.weights import Array, Arrays
from deltarule.layers import (
    GRU,
    LSTM,
    Bidirectional,
    Branch,
    Chain,
    Dropout,
    Recurrent,
    SimpleRNN,
)
from deltarule.layers.cell import Cell
from deltarule.layers.layer import Layer


@dataclass(frozen=True, eq=False)
class Biases:
    """b and, of a GRU, c; the suffix is that of the layer and direction."""

    suffix: str
    features: int
    candidate: bool

    def state(self, params, memory):
        b = np.asarray(params["b"])
        second = np.zeros_like(b)
        if self.candidate:
            second[-self.features :] = params["c"]
        return {"bias_ih" + self.suffix: b, "bias_hh" + self.suffix: second}

    def arrays(self, state):
        b, second = (np.asarray(state[name + self.suffix]) for name in ("bias_ih", "bias_hh"))
        if not self.candidate:
            return {"b": b + second}, {}
        gates, c = second[: -self.features], second[-self.features :]
        return {"b": b + np.concatenate([gates, np.zeros_like(c)]), "c": c.copy()}, {}


@dataclass(frozen=True)
class Stack:
    """Recurrent layers that one module of PyTorch's is: cells of a kind, one above the other."""

    cell: Cell
    paths: tuple[tuple[tuple[int, ...], ...], ...]  # those of the directions, for each layer
    reverse: bool
    last: bool
    drop: float


def stack_of(layer: Layer) -> Stack | None:
    """The layer as one module, if PyTorch has it."""
    if type(layer) is Recurrent:
        native = layer.cell.kernel is not None and type(layer.cell) in KINDS and not layer.carry
        return Stack(layer.cell, (((),),), layer.reverse, layer.last, 0.0) if native else None
    if type(layer) is Branch and len(layer.branches) == 2:
        one, two = map(stack_of, layer.branches)
        if one and layer == Bidirectional(one.cell, one.last) and two:
            return Stack(one.cell, (((0,), (1,)),), False, one.last, 0.0)
    if type(layer) is Chain:
        return chain_of(layer)
    return None


def chain_of(chain: Chain) -> Stack | None:
    """Two or more layers, alike but that the last one may give its last state alone; or with dropout between."""
    drops = [each for each in chain.layers if type(each) is Dropout]
    step = 2 if drops else 1
    reading = chain.layers[::step]
    stacks = [stack_of(each) for each in reading]
    if len(reading) < 2 or list(chain.layers[1::step] if drops else ()) != drops[:1] * (len(reading) - 1):
        return None
    if len(chain.layers) != step * (len(reading) - 1) + 1 or not all(stacks):
        return None
    found = [each for each in stacks if each is not None and len(each.paths) == 1 and not each.reverse]
    kinds = {(each.cell, len(each.paths[0])) for each in found}
    if len(found) < len(stacks) or len(kinds) > 1 or any(each.last for each in found[:-1]):
        return None
    paths = tuple(tuple((step * number, *path) for path in each.paths[0]) for number, each in enumerate(found))
    return Stack(found[0].cell, paths, False, found[-1].last, drops[0].drop if drops else 0.0)


KINDS = {SimpleRNN: "RNN", GRU: "GRU", LSTM: "LSTM"}


def stacked(stack: Stack, flow: Flow) -> tuple[Module, ...]:
    """The module of a stack; it is PyTorch's own, but for what it returns."""
    cell = stack.cell
    settings: dict[str, Any] = {
        "input_size": flow.channels,
        "hidden_size": cell.features,
        "num_layers": len(stack.paths),
        "bidirectional": len(stack.paths[0]) == 2,
        "dropout": stack.drop,
        "reverse": stack.reverse,
        "last": stack.last,
    }
    if isinstance(cell, SimpleRNN):
        settings["nonlinearity"] = cell.activation
    held = []
    for number, directions in enumerate(stack.paths):
        for path, direction in zip(directions, ("", "_reverse"), strict=False):
            suffix, at = f"_l{number}{direction}", (*flow.at, *path)
            arrays = (Array("weight_ih" + suffix, "W", (1, 0)), Array("weight_hh" + suffix, "U", (1, 0)))
            biases = Biases(suffix, cell.features, isinstance(cell, GRU))
            held += [(at, entry) for entry in (*arrays, biases)]
    return (Module(KINDS[type(cell)], settings, held=tuple(held)),)


def recurrent(layer: Recurrent, flow: Flow) -> tuple[Module, ...]:
    """One layer; a cell that PyTorch has not is a module of our own, with our arrays transposed."""
    if layer.carry:
        raise refusal(
            flow.at,
            layer.name,
            "carry begins where the last batch ended, where a module of PyTorch's is handed its state with each "
            "call; build the network without carry, and hand nn.LSTM its (h, c) yourself",
        )
    if stack := stack_of(layer):
        return stacked(stack, flow)
    own = {GRU: "GRUBefore", LSTM: "PeepholeLSTM"}.get(type(layer.cell))  # type: ignore[arg-type]
    if own is None:
        raise refusal(flow.at, layer.name, "a cell of your own; write its module in PyTorch beside it")
    settings = {"input_size": flow.channels, "hidden_size": layer.cell.features}
    settings |= {"reverse": layer.reverse, "last": layer.last}
    names = [("weight_ih", "W", (1, 0)), ("weight_hh", "U", (1, 0)), ("bias", "b", None)]
    if isinstance(layer.cell, LSTM):
        names.append(("weight_peephole", "p", None))
    return (Module(own, settings, held=tuple((flow.at, Array(*each)) for each in names)),)


def from_recurrent(module: Any, place: Place) -> Layer:
    """Its output sequence, in our order (n, t, o), whether or not batch_first."""
    name = type(module).__name__
    if getattr(module, "proj_size", 0):
        raise refusal(place.path, name, f"expected proj_size=0, got {module.proj_size}: no cell here has one")
    features = module.hidden_size
    cell = {
        "RNN": lambda: SimpleRNN(features, module.nonlinearity),
        "GRU": lambda: GRU(features),
        "LSTM": lambda: LSTM(features),
    }[name]()
    layer = Bidirectional(cell) if module.bidirectional else Recurrent(cell)
    if module.num_layers == 1:
        return layer
    between = [Dropout(float(module.dropout))] if module.dropout else []
    return Chain(layer, *(each for _ in range(module.num_layers - 1) for each in (*between, layer)))


def with_biases(module: Any, state: Arrays) -> Arrays:
    """A module without biases has zeros for them here, which go on to be trained."""
    if type(module).__name__ not in KINDS.values() or module.bias:
        return state
    weights = {name: array for name, array in state.items() if name.startswith("weight_ih")}
    zeros = {
        name.replace("weight_ih", bias): np.zeros(len(array), array.dtype)
        for name, array in weights.items()
        for bias in ("bias_ih", "bias_hh")
    }
    return state | zeros


LAYERS = {Recurrent: Conversion(recurrent, "last")}
MODULES = {kind: Reader(from_recurrent, "last", 3) for kind in KINDS.values()}
