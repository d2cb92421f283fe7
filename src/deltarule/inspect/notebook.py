"""A traced step as a Jupyter notebook: each equation, and below it the same in NumPy, to run and to change."""

import base64
import json
from typing import Any

import numpy as np

from deltarule.inspect.as_numpy import NoNumPy, as_numpy, identifier
from deltarule.inspect.derivation import Line
from deltarule.inspect.formula import Fence, sides, write
from deltarule.inspect.stages import Stage, described
from deltarule.inspect.trace import Trace, after
from deltarule.layers import SELU
from deltarule.layers.layer import Elementwise, size
from deltarule.layers.selu import ALPHA, SCALE

LARGE = 1024  # numbers; an array of more is written in base 64
HELPERS = """import base64
import math

import numpy as np

np.set_printoptions(precision=4, suppress=True)


def sigma(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


erfc = np.vectorize(math.erfc)
"""


def notebook(traced: Trace) -> str:
    """The notebook's file; what has no line of NumPy (a draw, a window, a step in time) is taken from the step."""
    writer = Writer(traced)
    given, updates = ([line for line in traced.lines if line.phase == phase] for phase in ("given", "update"))
    cells = [markdown("# A training step\n\n" + "; ".join(traced.notes) + ".")]
    cells.append(code(f"{HELPERS}\n{writer.given(given)}"))
    for phase, part in traced.parts[1:]:
        cells.append(markdown(f"## {phase.capitalize()}"))
        for place, lines in part:
            formulas = "\n\n".join(rf"$${line.latex} \quad {line.space} \tag{{{line.number}}}$$" for line in lines)
            cells += [markdown(f"### {place}\n\n{formulas}"), code("\n".join(map(writer.line, lines)))]
    cells += [markdown("## The same numbers as the library's own step"), code(writer.check(updates))]
    whole = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


class Writer:
    """Writes the lines of a trace as NumPy, each layer's with the names of its own numbers and arrays."""

    def __init__(self, traced: Trace):
        self.values, self.loss = traced.values, traced.derivation.loss
        self.stages = {each.path: each for each in traced.derivation.stages if isinstance(each, Stage)}
        self.arrays = {name: identifier(name) for name in traced.values}
        self.arrays |= {
            "K": str(size(traced.values["T"].shape[1:])),
            "c": str(getattr(self.loss, "threshold", "")),
        }
        self.names = {path: self.arrays | constants(stage) for path, stage in self.stages.items()}

    def given(self, lines: list[Line]) -> str:
        """What the step begins with."""
        return "\n".join(f"{identifier(each.array)} = {literal(self.values[each.array])}" for each in lines)

    def line(self, line: Line) -> str:
        """An equation as code that shows what it makes."""
        stage = self.stages.get(line.path)
        if stage is not None and line.layer != described(stage.layer):
            stage = None
        try:
            if stage is None:
                written = as_numpy(line.formula, self.arrays)
            elif isinstance(stage.layer, Elementwise) or len(stage.x.shape) == len(stage.y.shape) == 2:
                written = as_numpy(line.formula, self.names[line.path], f"_{stage.number}")
            else:
                return self.taken(line)
        except NoNumPy:
            return self.taken(line)
        made = written.split(" = ")[0]
        return f'{written}\nprint("{made} =", {made}, sep="\\n")'

    def taken(self, line: Line) -> str:
        """Its arrays as the step computed them."""
        [*left] = sides(line.formula)[0]
        made = [line.array, *(write((node,)) for each in left if isinstance(each, Fence) for node in each.inside)]
        value = after if line.phase == "update" else str
        return (
            "\n".join(
                f"{identifier(name)} = {literal(self.values[value(name)])}  # as the step has it"
                for name in made
                if name in self.values
            )
            or f"# {line.text}"
        )

    def check(self, lines: list[Line]) -> str:
        """The loss, every gradient, and every parameter after the step, against the library's."""
        expected = [("rho", r"\rho")]
        for line in lines:
            name = identifier(line.array)
            expected += [(f"d{name}", f"d{line.array}"), (name, after(line.array))]
        return "\n".join(
            f"np.testing.assert_allclose({name}, {literal(self.values[value])}, 1e-4, 1e-6)"
            for name, value in expected
        )


def constants(stage: Stage) -> dict[str, str]:
    """The numbers that a layer's equations name."""
    settings = {r"\epsilon": "epsilon", "a": "slope", r"\alpha": "alpha"}
    found = {sign: getattr(stage.layer, name) for sign, name in settings.items() if hasattr(stage.layer, name)}
    if isinstance(stage.layer, SELU):
        found = {r"\alpha": ALPHA, r"\lambda": SCALE}
    return {
        sign: str(number) for sign, number in (found | {"d": stage.x.shape[-1], "N": stage.x.shape[0]}).items()
    }


def literal(value: np.ndarray) -> str:
    """The array as Python writes it, with the digits that its type has."""
    if value.size > LARGE:
        bits = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return f'np.frombuffer(base64.b64decode("{bits}"), "{value.dtype}").reshape({value.shape})'
    return f"np.array({value.astype(str).astype(float).tolist()})"


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def code(text: str) -> dict[str, Any]:
    source = text.rstrip().splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": source}
