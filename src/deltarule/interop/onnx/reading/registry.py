"""Which layer an operator is: one function for each operator, given what came before it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from deltarule.interop.onnx.layouts import Layout, axes_of
from deltarule.interop.onnx.reading.program import Op
from deltarule.layers import Chain, Identity
from deltarule.layers.layer import Layer, Memory, Params, Shape


class Unfit(Exception):
    """An operator that is known, in a place or with a setting that no layer has."""

    def __init__(self, op: Op, why: str):
        super().__init__(f"operator {op.name!r} ({op.kind}): {why}")
        self.place = op.place


class Misplaced(Unfit):
    """An array that does not lie as the operator has it; with another layout of the input it may."""


class Fold(NamedTuple):
    """How many steps are folded into the examples, and the n of the file without them."""

    steps: int
    batch: int | str | None


class Piece(NamedTuple):
    """A layer with its parameters and its memory."""

    layer: Layer
    params: Params = {}  # noqa: RUF012  # never written to
    memory: Memory = {}  # noqa: RUF012


@dataclass(frozen=True)
class Read:
    """An array of the file by ours: what it is of what the layers so far give.

    Attributes:
        shape: of ours, with 1 for n.
        axes: the axis of ours at each place of the file's array; None for one of length 1 that ours has not, and
            -1 for the directions of a recurrent operator, which ours has in its last axis.
        rows: at which place of our last axis each number of the file's last axis lies, where they differ.
        version: of the operator set.
        batch: the n of the file: a number where it is fixed, else its name.
        zeros: names of arrays of zeros.
        fold: what of time is folded into the examples.
    """

    shape: Shape
    axes: tuple[int | None, ...]
    rows: np.ndarray | None = None
    version: int = 21
    batch: int | str | None = None
    zeros: frozenset[str] = frozenset()
    fold: Fold | None = None

    @property
    def last(self) -> int:
        """Our last axis."""
        return len(self.shape) - 1

    def lies(self, layout: Layout) -> bool:
        return self.axes == axes_of(layout, len(self.shape))

    def after(self, layer: Layer) -> "Read":
        """The array behind a layer that keeps its axes."""
        return replace(self, shape=layer.shape(self.shape))


Reader = Callable[[Op, Read, list[Piece]], Read]  # adds pieces to the list
READERS: dict[str, Reader] = {}


def reads(*kinds: str) -> Callable[[Reader], Reader]:
    """Marks a function as the one that reads these operators."""

    def register(reader: Reader) -> Reader:
        READERS.update(dict.fromkeys(kinds, reader))
        return reader

    return register


def joined(pieces: Sequence[Piece]) -> Piece:
    """Layers one after the other as one."""
    if len(pieces) == 1:
        return pieces[0]
    if not pieces:
        return Piece(Identity())
    layers, params, memory = zip(*pieces, strict=True)
    return Piece(Chain(*layers), params, memory)


def require(condition: Any, op: Op, why: str) -> None:
    if not condition:
        raise Unfit(op, why)


def require_first(op: Op, x: Read) -> None:
    """The operator has channels first, and so must the array lie."""
    if len(x.shape) < 3 or not x.lies("first"):
        raise Misplaced(op, "expected an input that is channels-first images or series")


def ours(x: Read, vector: np.ndarray) -> np.ndarray:
    """Numbers of the file's last axis, along axis 0, in the order of our last axis."""
    if x.rows is None:
        return vector
    result = np.empty_like(vector)
    result[x.rows] = vector
    return result


def constant(op: Op, place: int, what: str) -> np.ndarray:
    """The weight at a place of the inputs."""
    require(place in op.weights, op, f"expected {what} that is stored in the file, not computed")
    return op.weights[place]


def text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
