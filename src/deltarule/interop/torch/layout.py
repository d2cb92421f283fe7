"""Where PyTorch has an axis: a layout holds, for each of its axes in turn, the number of ours.

Here images are (n, h, w, c), there (n, c, h, w): layout (0, 3, 1, 2). A sequence (n, t, i) that an LSTM reads is
the same in both, (0, 1, 2). Where axes are flattened, their layout becomes an order of the features.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.layers.layer import Layer, Shape, size

Layout = tuple[int, ...]
Order = np.ndarray | None  # PyTorch's feature k is ours of number order[k]; None where they are the same


def last(rank: int) -> Layout:
    """The layout that is ours: channels last.

    >>> last(4)
    (0, 1, 2, 3)
    """
    return tuple(range(rank))


def first(rank: int) -> Layout:
    """The layout of PyTorch's images, series and volumes: channels first.

    >>> first(4), first(2)
    ((0, 3, 1, 2), (0, 1))
    """
    return (0, rank - 1, *range(1, rank - 1)) if rank > 1 else last(rank)


def seen(shape: Shape, layout: Layout) -> Shape:
    """The shape that PyTorch sees.

    >>> seen((8, 28, 30, 3), first(4))
    (8, 3, 28, 30)
    """
    return tuple(shape[axis] for axis in layout)


def own(shape: Shape, layout: Layout) -> Shape:
    """Our shape, from that which PyTorch sees.

    >>> own((8, 3, 28, 30), first(4))
    (8, 28, 30, 3)
    """
    return tuple(shape[layout.index(axis)] for axis in range(len(shape)))


def flat_order(shape: Shape, layout: Layout) -> Order:
    """The order of the features that PyTorch's Flatten makes of our shape (n, ...).

    >>> flat_order((8, 2, 1, 3), first(4)).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    numbers = np.arange(size(shape[1:])).reshape(shape[1:])
    order = numbers.transpose([axis - 1 for axis in layout[1:]]).ravel()
    return None if (order == np.sort(order)).all() else order


def same_order(one: Order, two: Order) -> bool:
    """Whether two orders are the same."""
    return one is two if one is None or two is None else np.array_equal(one, two)


@dataclass(frozen=True)
class Flow:
    """What is between two layers: our shape (n, ...), PyTorch's layout of it, and what comes.

    Attributes:
        order: that of the features, of an input (n, i) that was flattened.
        goal: the order that a layer's output is to have, where the layer can give it any.
        after: the layers that follow.
        at: the path of the layer.
    """

    shape: Shape
    layout: Layout
    order: Order = None
    goal: Order = None
    after: tuple[Layer, ...] = ()
    at: tuple[int, ...] = ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def channels(self) -> Any:
        """How many channels, or features, there are."""
        return self.shape[-1]

    @property
    def space(self) -> Shape:
        return self.shape[1:-1]

    def axis(self, ours: int) -> int:
        """PyTorch's axis for one of ours."""
        return self.layout.index(ours % self.rank)
