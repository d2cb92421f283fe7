"""What every study does: models side by side, a table, claims held against their figures, a picture.

A study is a file whose first line is its claim, with four functions: `measured` makes its figures, `table` lists
them, `claims` holds them, `picture` draws them; `conduct` does all four. Models of several seeds are trained by
one program, mapped over them.
"""

import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import jax
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from deltarule.inspect.figures import drawn
from deltarule.layers.layer import Layer
from deltarule.training.epoch import epoch_program
from deltarule.training.evaluate import outputs
from deltarule.training.step import Batch, State, Step

FIGURES = Path(__file__).parent / "figures"
BLUE, ORANGE, PURPLE, GREEN, GREY, RED = "#1f5fa8", "#d9731a", "#7a5195", "#3a7d44", "#555555", "#c0272d"


class Claim(NamedTuple):
    """A sentence with its figures, and whether they bear it out."""

    holds: bool
    text: str


Claims = Iterator[tuple[bool, str]]


class Table(NamedTuple):
    """Rows below their header; a float is written with three digits."""

    header: Sequence[str]
    rows: list[Sequence[Any]]

    def written(self) -> list[list[str]]:
        def cell(value):
            return f"{value:.3g}" if isinstance(value, (float, np.floating)) else str(value)

        return [[cell(value) for value in row] for row in (self.header, *self.rows)]

    def __str__(self) -> str:
        cells = self.written()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(map(str.rjust, row, widths)) for row in cells)


class Outcome(NamedTuple):
    """A study that was made: what it says, its table, its claims, its picture, and the seconds it took."""

    name: str
    text: str
    table: Table
    claims: list[Claim]
    picture: Path
    seconds: float

    @property
    def holds(self) -> bool:
        return all(claim.holds for claim in self.claims)


def conduct(study: ModuleType, figures: Path = FIGURES) -> Outcome:
    """Makes a study: prints its table and its claims, and draws its picture into a folder."""
    start = time.perf_counter()
    found = study.measured()
    table = study.table(found)
    print(table)
    claims = [Claim(bool(holds), text) for holds, text in study.claims(found)]
    for holds, text in claims:
        print(f"{'holds' if holds else 'FAILS'}: {text}")
    path = figures / f"{Path(str(study.__file__)).stem}.svg"
    figures.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        path.write_bytes(lean(drawn(study.picture)(found)))
    print(f"picture: {path}", flush=True)
    return Outcome(path.stem, str(study.__doc__), table, claims, path, time.perf_counter() - start)


def main() -> None:
    """Makes the study that is run as a file."""
    if not conduct(sys.modules["__main__"]).holds:
        sys.exit("a claim fails")


def lean(svg: bytes) -> bytes:
    """The same picture in fewer bytes: a tenth of a point is as fine as one sees, and a path is one line."""

    def shortened(path: re.Match) -> str:
        return re.sub(r"(\.\d)\d+", r"\1", re.sub(r"\s+", " ", path[0]))

    text = re.sub(r'\s(?:d|x|y)="[^"]*"', shortened, svg.decode())
    return re.sub(r"'DejaVu Sans', [^;\"]*sans-serif", "'DejaVu Sans', sans-serif", text).encode()


def logarithmic(*axes: Axes) -> None:
    """Logarithmic axes both ways, with their numbers written out."""
    for each in axes:
        each.set(xscale="log", yscale="log")
        for axis in (each.xaxis, each.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """p of the line y = c x^p that fits best on logarithmic axes."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def side_by_side(states: Iterable[State]) -> State:
    """The states of models as one, each leaf (m, ...)."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states)


def examples(step: Step, x: np.ndarray, y: np.ndarray) -> Batch:
    """x and y as a step takes them, each example with weight 1."""
    target = step.loss.prepare(y, step.net.shape(x.shape))
    return Batch(x.astype(np.float32), target, np.ones(len(x), np.float32))  # type: ignore[arg-type]


def trained(
    step: Step, states: State, data: Batch, epochs: int, batch_size: int, order: str = "permutation"
) -> tuple[State, np.ndarray]:
    """(states, losses (m, epochs)) of models side by side, after as many epochs over the same data."""
    program = jax.vmap(epoch_program(step.structure(), batch_size, order), in_axes=(0, None))
    states, data = jax.device_put((states, data))
    losses = []
    for _ in range(epochs):
        states, loss = program(states, data)
        losses.append(loss)
    return states, np.stack(losses, axis=1)


def predictions(net: Layer, states: State, x: np.ndarray) -> np.ndarray:
    """What each of the models side by side gives for x: (m, n, ...)."""
    predict = jax.jit(jax.vmap(lambda params, memory: outputs(net, params, memory, x.astype(np.float32), None)))
    return np.asarray(predict(states.params, states.memory))


def accuracies(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The share of examples that each of the models side by side reads right (m,), from y (m, n, o)."""
    return (y.argmax(-1) == classes).mean(-1)
