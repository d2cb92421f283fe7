"""Which operators compute a layer: one function for each kind, found by the layer's exact class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.errors import SettingError
from deltarule.interop.onnx.layouts import Layout
from deltarule.interop.onnx.writing.graph import Graph, Value
from deltarule.layers.layer import Layer, Memory, Params, Shape


class FixedTime(Exception):
    """The graph holds a layer that takes sequences of one length only."""


@dataclass(frozen=True)
class Here:
    """A layer where it stands in the network, and the graph that it is written to."""

    graph: Graph
    layer: Any
    params: Params
    memory: Memory
    path: tuple[int, ...] = ()

    @property
    def scope(self) -> str:
        """What the names of its nodes and weights begin with."""
        return "/".join(map(str, self.path)) + "/" * bool(self.path)

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        return self.graph.node(self.scope, operator, inputs, outputs, **attributes)

    def weight(self, name: str, array: Any) -> str:
        """A constant array; a parameter has the name that it has in the model's own file."""
        return self.graph.weight(f"{self.scope}{name}", array)

    def laid(self, x: Value, layout: Layout) -> Value:
        return self.graph.laid(x, layout)

    def gives(self, x: Value, name: str, shape: Shape | None = None) -> Value:
        """The array `name`, which lies as x does; of the layer's output shape unless another is given."""
        return replace(x, name=name, shape=self.layer.shape(x.shape) if shape is None else shape)

    def apply(self, operator: str, x: Value, *weights: str, **attributes: Any) -> Value:
        """One operator of x and some weights; the layout stays."""
        return self.gives(x, self.node(operator, x.name, *weights, **attributes))

    def inner(self, layer: Layer, index: int, x: Value) -> Value:
        """The layer at `index` inside this one, written."""
        memory = self.memory[index] if self.memory else ()
        return write(Here(self.graph, layer, self.params[index], memory, (*self.path, index)), x)

    def refuse(self, why: str) -> SettingError:
        """The error that this layer cannot be written."""
        where = f"layer {'.'.join(map(str, self.path))}, " if self.path else ""
        return SettingError(f"{where}{type(self.layer).__name__}: {why}")


Writer = Callable[[Here, Value], Value]
WRITERS: dict[type, Writer] = {}


def writes(*kinds: type) -> Callable[[Writer], Writer]:
    """Marks a function as the one that writes layers of these classes, and not those of classes made from them.

    It is given where the layer stands (`here.layer`, `here.params`, `here.memory`) and its input, and returns
    its output. So a layer of your own is exported too:

    >>> import deltarule as dr
    >>> class Rectified(dr.ReLU): ...
    >>> @writes(Rectified)
    ... def rectified(here, x):
    ...     return here.apply("Relu", x)
    """

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(kinds, writer))
        return writer

    return register


def write(here: Here, x: Value) -> Value:
    """The layer's output in the graph; raises SettingError for a layer that has no writer."""
    writer = WRITERS.get(type(here.layer))
    if writer is None:
        raise here.refuse(
            "expected one of Deltarule's layers, for ONNX has no form of your own; give it one with "
            "deltarule.interop.onnx.writes, or export the network without it"
        )
    return writer(here, x)


def whole(numbers: Sequence[int]) -> np.ndarray:
    """Whole numbers as ONNX takes shapes and axes."""
    return np.asarray(numbers, np.int64)
