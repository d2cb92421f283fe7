"""A row of figures as loggers take it: flat, names to numbers, and the step that it belongs to."""

import re
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any

from deltarule.training.history import Row

STEPS = ("epoch", "steps")  # of an epoch's row, of an agent's


def figures(rows: Row | Sequence[Row]) -> dict[str, float]:
    """The numbers of a row, or of the rows of several agents, by name; what is None or text is left out.

    >>> row = {"epoch": 3, "loss": 0.5, "watch": {"delta": {"layer 2.0 (Dense)": 0.1}, "noise": None}}
    >>> figures(row)
    {'loss': 0.5, 'watch/delta/2.0 Dense': 0.1}
    >>> figures([{"steps": 40, "return": 9.0}, {"steps": 40, "return": 8.0}])
    {'agent 0/return': 9.0, 'agent 1/return': 8.0}
    """
    if isinstance(rows, dict):
        return dict(flat(rows))
    if len(rows) == 1:
        return dict(flat(rows[0]))
    return {f"agent {m}/{name}": value for m, row in enumerate(rows) for name, value in flat(row)}


def step_of(rows: Row | Sequence[Row]) -> int:
    """The epoch of a row; of an agent's the steps of its environment.

    >>> step_of({"epoch": 3, "loss": 0.5}), step_of([{"steps": 40, "return": 9.0}])
    (3, 40)
    """
    row = rows if isinstance(rows, dict) else rows[0]
    return next(int(row[name]) for name in STEPS if name in row)


def flat(row: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """(name, number) of everything in a row, what is nested after a slash."""
    for name, value in row.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{layer_name(name)}/")
        elif isinstance(value, Real) and (prefix or name not in STEPS):
            yield prefix + layer_name(name), float(value)


def layer_name(name: str) -> str:
    """ "2 Dense" for "layer 2 (Dense)", since not every logger takes parentheses; any other name as it is."""
    return re.sub(r"^layer (\S+) \((.+)\)$", r"\1 \2", name)
