"""The operators that the library has: how a case is put to our layer, and which cases are left out, and why."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnx_suite.cases import Case, collected

WHOLE_NUMBERS = "whole numbers have no derivative"

Adapter = Callable[[Case], Any]  # from a case to our outputs: one array, or several in the operator's order


@dataclass(frozen=True)
class Operator:
    adapter: Adapter
    out_of_scope: dict[str, str]
    """The names of cases, each with the reason why the library does not take it."""


OPERATORS: dict[str, Operator] = {}


def operator(name: str, out_of_scope: dict[str, str] | None = None) -> Callable[[Adapter], Adapter]:
    """Marks a function as the adapter of the operator `name`."""
    unknown = set(out_of_scope or {}) - {case.name for case in collected()[name]}
    if unknown:
        raise ValueError(f"ONNX has no such {name} case to leave out: {sorted(unknown)}")

    def register(adapter: Adapter) -> Adapter:
        OPERATORS[name] = Operator(adapter, out_of_scope or {})
        return adapter

    return register


def channels_last(array: np.ndarray) -> np.ndarray:
    """From (n, i, d..), as ONNX has it, to (n, d.., i)."""
    return np.moveaxis(array, 1, -1)


def channels_first(array: Any) -> Any:
    """From (n, d.., o) back to (n, o, d..)."""
    return np.moveaxis(array, -1, 1)
