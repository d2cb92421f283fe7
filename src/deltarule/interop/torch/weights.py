"""One array of PyTorch's beside ours, both ways: `state` from ours to theirs, `arrays` from theirs to ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from deltarule.errors import FileError
from deltarule.interop.torch.layout import Order

State = Mapping[str, np.ndarray]
Arrays = dict[str, np.ndarray]


class Entry(Protocol):
    """Some of a module's arrays, and the layer's that they are."""

    def state(self, params: Any, memory: Any) -> Arrays:
        """PyTorch's arrays by its names."""
        ...

    def arrays(self, state: State) -> tuple[Arrays, Arrays]:
        """(params, memory), those parts that these arrays hold."""
        ...


@dataclass(frozen=True, eq=False)
class Array:
    """The same numbers under another name, and perhaps in another order.

    Args:
        theirs, ours: the names.
        axes: which of our axes each of theirs is; by default they are the same.
        orders: for each of our axes, the order of its numbers there.
        remembered: whether ours is in the layer's memory.
    """

    theirs: str
    ours: str
    axes: tuple[int, ...] | None = None
    orders: tuple[Order, ...] = ()
    remembered: bool = False

    def state(self, params, memory):
        array = np.asarray((memory if self.remembered else params)[self.ours])
        for axis, order in enumerate(self.orders):
            if order is not None:
                array = array.take(order, axis)
        return {self.theirs: array if self.axes is None else array.transpose(self.axes)}

    def arrays(self, state):
        array = np.asarray(state[self.theirs])
        if self.axes is not None:
            array = array.transpose(np.argsort(self.axes))
        for axis, order in enumerate(self.orders):
            if order is not None:
                array = array.take(np.argsort(order), axis)
        found = {self.ours: np.ascontiguousarray(array)}
        return ({}, found) if self.remembered else (found, {})


@dataclass(frozen=True, eq=False)
class Fixed:
    """A scale or an offset that PyTorch's module has and our layer has not: all of it is 1, or 0."""

    theirs: str
    value: int
    shape: tuple[int, ...]

    def state(self, params, memory):
        return {self.theirs: np.full(self.shape, self.value, np.float32)}

    def arrays(self, state):
        if not (np.asarray(state[self.theirs]) == self.value).all():
            raise FileError(
                f"{self.theirs}: expected {self.value} everywhere, for the layer here has none of its own; give "
                "the layer scale=True and offset=True"
            )
        return {}, {}


@dataclass(frozen=True, eq=False)
class Count:
    """How many steps a batch normalisation has seen: PyTorch writes it, and with a momentum never reads it."""

    theirs: str = "num_batches_tracked"

    def state(self, params, memory):
        return {self.theirs: np.zeros((), np.int64)}

    def arrays(self, state):
        return {}, {}
