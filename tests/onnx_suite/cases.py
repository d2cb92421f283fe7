"""ONNX's own operator cases: the standard's authors computed them with NumPy, or converted them from PyTorch."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests


@dataclass(frozen=True, eq=False)
class Case:
    """One application of an operator. `rtol` and `atol` are the bounds that the suite itself asks for."""

    name: str
    attributes: dict
    inputs: list
    outputs: list
    rtol: float
    atol: float

    def __str__(self):
        return self.name


@cache
def collected() -> dict[str, list[Case]]:
    """Every case by its operator; collecting them takes seconds, so it is done once."""
    cases = {}
    for operator, case in (*single_nodes(), *converted("pytorch-converted"), *converted("pytorch-operator")):
        cases.setdefault(operator, []).append(case)
    return cases


def single_nodes() -> Iterator[tuple[str, Case]]:
    """The cases of one node, by NumPy.

    Left out are the `_expanded` cases: the same numbers again, for the operator's definition by others.
    """
    state = np.random.get_state()
    with np.errstate(all="ignore"):
        found = collect_testcases(None)
    np.random.set_state(state)  # collecting seeds NumPy's global generator
    for test in found:
        if len(test.model.graph.node) == 1 and "_expanded" not in test.name:
            [node] = test.model.graph.node
            yield node.op_type, as_case(test, node, *test.data_sets[0])


def converted(kind: str) -> Iterator[tuple[str, Case]]:
    """The models of one node with PyTorch's numbers; inputs stand in the node's order: x, then the weights.

    The average pool of a series is written as that of an image one pixel wide, and so are its arrays here.
    """
    for test in load_model_tests(kind=kind):
        folder = Path(test.model_dir)
        graph, data = onnx.load(folder / "model.onnx").graph, folder / "test_data_set_0"
        kinds = [node.op_type for node in graph.node]
        if len(kinds) > 1 and kinds != ["Unsqueeze", "AveragePool", "Squeeze"]:
            continue
        node, y = graph.node[len(kinds) // 2], tensor(data / "output_0.pb")
        arrays = {array.name: numpy_helper.to_array(array) for array in graph.initializer}
        fed = [value.name for value in graph.input if value.name not in arrays]
        arrays |= {name: tensor(data / f"input_{place}.pb") for place, name in enumerate(fed)}
        if len(kinds) > 1:
            axes = tuple(helper.get_attribute_value(graph.node[0].attribute[0]))
            arrays[node.input[0]], y = (np.expand_dims(a, axes) for a in (arrays[fed[0]], y))
        yield node.op_type, as_case(test, node, [arrays[name] for name in node.input], [y])


def as_case(test, node, inputs, outputs) -> Case:
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return Case(test.name.removeprefix("test_"), attributes, inputs, outputs, test.rtol, test.atol)


def tensor(path: Path) -> np.ndarray:
    """The array in a file of ONNX."""
    return numpy_helper.to_array(onnx.load_tensor(path))
