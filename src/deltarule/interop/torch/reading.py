"""How one of PyTorch's modules is read: where it stands, and what it needs there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deltarule.interop.torch.layout import Layout
from deltarule.layers.layer import Layer, Shape


@dataclass(frozen=True)
class Place:
    """What comes to a module: our shape (n, ...), and PyTorch's layout of it.

    Attributes:
        path: the names that lead to the module, as in PyTorch.
        to_space: whether the first of the modules behind it that tells has its channels first.
    """

    path: tuple[str, ...]
    shape: Shape
    layout: Layout
    to_space: bool = False


@dataclass(frozen=True)
class Reader:
    """A module's counterpart.

    Attributes:
        layer: (module, place) -> the layer that does the same.
        needs: whether it has the channels "first" or "last", or takes "any" layout.
        rank: how many axes its input has, with the examples'; 0 where that is free.
    """

    layer: Callable[[Any, Place], Layer]
    needs: str = "any"
    rank: int = 0
