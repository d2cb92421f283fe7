"""An ONNX graph under construction: nodes and weights by name, and arrays that know how their axes lie."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from deltarule.interop.onnx.layouts import Layout, axes_of, turn
from deltarule.layers.layer import Shape

OPERATOR_SET = 21  # the least that has all operators but those below; ONNX Runtime 1.18 and later read it
LATER = {"RMSNormalization": 23}  # read by ONNX Runtime 1.22 and later
ML = "ai.onnx.ml"


@dataclass(frozen=True)
class Value:
    """An array in the graph.

    Attributes:
        shape: as our layers see it, with 1 in place of n.
        layout: how its axes lie in the graph.
        free: whether the length of axis 1, time, is left open.
    """

    name: str
    shape: Shape
    layout: Layout = "last"
    free: bool = False

    @property
    def channels(self) -> int:
        """At which place of the graph's array our last axis lies."""
        return axes_of(self.layout, len(self.shape)).index(len(self.shape) - 1)


@dataclass
class Graph:
    """What is written; every name is given once."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    inputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    outputs: list[onnx.ValueInfoProto] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    turned: dict[tuple[str, Layout], str] = field(default_factory=dict)

    def unused(self, name: str) -> str:
        """The name, or with a number behind it if it is taken."""
        found, number = name, 1
        while found in self.names:
            found, number = f"{name}.{number}", number + 1
        self.names.add(found)
        return found

    def input(self, name: str, kind: type, dimensions: Sequence[int | str]) -> str:
        """An input of NumPy's type `kind`, or of text."""
        name = self.unused(name)
        self.inputs.append(helper.make_tensor_value_info(name, tensor_type(kind), list(dimensions)))
        return name

    def output(self, value: str, name: str, kind: type, dimensions: Sequence[int | str | None]) -> None:
        """Gives an array out under a name."""
        name = self.unused(name)
        self.nodes.append(helper.make_node("Identity", [value], [name], name=self.unused(f"{name}/Identity")))
        self.outputs.append(helper.make_tensor_value_info(name, tensor_type(kind), list(dimensions)))

    def weight(self, name: str, array: Any) -> str:
        """A constant array."""
        name = self.unused(name)
        self.weights[name] = np.asarray(array, order="C")
        return name

    def node(self, scope: str, operator: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> Any:
        """The name of a new node's output; the names of several."""
        name = self.unused(f"{scope}{operator}")
        made = [f"{name}:{place}" for place in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def laid(self, value: Value, layout: Layout) -> Value:
        """The array in a layout; nothing happens where it lies so already, or has been turned before."""
        before, after = (axes_of(each, len(value.shape)) for each in (value.layout, layout))
        if before == after:
            return replace(value, layout=layout)
        key = value.name, layout
        if key not in self.turned:
            name = self.node("", "Transpose", [value.name], perm=turn(before, after))
            self.turned[key], self.turned[name, value.layout] = name, value.name
        return replace(value, name=self.turned[key], layout=layout)

    def model(self, **about: Any) -> onnx.ModelProto:
        """The whole graph as a model of the earliest operator set that has all its operators."""
        version = max([OPERATOR_SET, *(LATER.get(node.op_type, 0) for node in self.nodes)])
        sets = [helper.make_opsetid("", version)]
        if any(node.domain == ML for node in self.nodes):
            sets.append(helper.make_opsetid(ML, 3))
        weights = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, "deltarule", self.inputs, self.outputs, weights)
        lowest = helper.find_min_ir_version_for(sets)
        return helper.make_model(graph, opset_imports=sets, ir_version=lowest, **about)


def tensor_type(kind: type) -> int:
    """ONNX's number for a type."""
    return onnx.TensorProto.STRING if kind is str else helper.np_dtype_to_tensor_dtype(np.dtype(kind))
