"""ONNX's own operator cases: inputs and outputs that the standard's authors computed with NumPy."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from onnx import helper
from onnx.backend.test.case.node import collect_testcases


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
    """Every case of a single node by its operator; collecting them takes seconds, so it is done once.

    Left out are the `_expanded` cases: the same numbers again, for the operator's definition by others.
    """
    state = np.random.get_state()
    with np.errstate(all="ignore"):
        found = collect_testcases(None)
    np.random.set_state(state)  # collecting seeds NumPy's global generator
    cases = {}
    for test in found:
        if len(test.model.graph.node) == 1 and "_expanded" not in test.name:
            node, (inputs, outputs) = test.model.graph.node[0], test.data_sets[0]
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            case = Case(test.name.removeprefix("test_"), attributes, inputs, outputs, test.rtol, test.atol)
            cases.setdefault(node.op_type, []).append(case)
    return cases


def cases(operator: str, out_of_scope: dict[str, str] | None = None) -> list[Case]:
    """The cases of an operator, but for those that `out_of_scope` names with the reason."""
    known, left_out = collected()[operator], out_of_scope or {}
    unknown = set(left_out) - {case.name for case in known}
    if unknown:
        raise ValueError(f"ONNX has no such {operator} case to leave out: {sorted(unknown)}")
    return [case for case in known if case.name not in left_out]
