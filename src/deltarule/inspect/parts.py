"""A network's cost, part by part: what each layer adds to the step, counted once.

A container's cost is made of the costs of what it holds, so what is asked of a container is heard by every layer
inside, with the shape of its input, be it numbers or symbols. What a container costs beyond its layers is its own:
the sum of a residual block, the second forward pass of `Recompute`.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deltarule.errors import SettingError
from deltarule.layers import Chain, Recompute
from deltarule.layers.layer import Cost, Layer, Shape, inner_layers, size

Path = tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """A layer where it stands, and its share of a step.

    Attributes:
        x, y: the shapes of its input and output.
        forward, backward: FLOPs in the step; without those of dx where nothing below learns.
        parameters: how many numbers it learns.
        saved, marks: numbers, and bytes of masks and keys besides, that are kept from forward for backward. What
            two layers keep together is told with the first.
        inner: whether it holds other layers.
    """

    path: Path
    layer: Layer
    x: Shape
    y: Shape
    forward: Any
    backward: Any
    parameters: Any
    saved: Any
    marks: Any
    inner: bool

    @property
    def adds(self) -> bool:
        """Whether it has a cost of its own."""
        return any((self.forward, self.backward, self.parameters, self.saved, self.marks))


def parts(net: Layer, x: Shape) -> list[Part]:
    """Every layer's share of a step, in forward order, containers before what they hold.

    Raises:
        ShapeError: a layer cannot take its input.
        SettingError: a layer states no cost.

    >>> from deltarule.layers import Dense, ReLU
    >>> for part in parts(Chain(Dense(4), ReLU(), Dense(2)), (8, 3))[1:]:
    ...     print(part.path, part.y, part.forward, part.backward, part.saved)
    (0,) (8, 4) 224 220 24
    (1,) (8, 4) 32 0 32
    (2,) (8, 2) 144 270 0
    """
    tree = listened(net, ())
    tree.shape(x)
    tree.cost(x)
    saved: dict[Path, Any] = {}
    keep(tree, tree.x, saved, set())
    return list(shares(tree, saved, below=False))


class Listened(Layer):
    """A layer that notes with which input its cost was asked for, and what it answered."""

    x: Shape
    told: Cost

    def __init__(self, layer: Layer, inside: Layer, path: Path):
        self.layer, self.inside, self.path = layer, inside, path
        self.children = [each for each in inner_layers(inside) if isinstance(each, Listened)]

    def shape(self, x):
        with self.named(x):
            return self.inside.shape(x)

    def memory(self, x):
        return self.inside.memory(x)

    def cost(self, x):
        with self.named(x):
            self.x, self.told = tuple(x), self.inside.cost(x)
        return self.told

    @contextmanager
    def named(self, x: Shape) -> Iterator[None]:
        """What goes wrong inside, with the layer's place."""
        name = type(self.layer).__name__
        where = f"layer {'.'.join(map(str, self.path))}, {name}" if self.path else name
        try:
            yield
        except NotImplementedError:
            raise SettingError(
                f"{where}: it states no cost for an input of shape {tuple(x)}; give {name} a method cost(x) that "
                "returns a deltarule.Cost"
            ) from None
        except TypeError as error:  # what Python says where a symbol is compared or counted with
            if not any(getattr(length, "free_symbols", ()) for length in x):
                raise
            raise SettingError(
                f"{where}: a symbol where a number is needed, in an input of shape {tuple(x)}: {error}"
            ) from None


def listened(layer: Layer, path: Path) -> Listened:
    """The layer and all that it holds, each noting its cost."""
    inside, number = copy.copy(layer), 0
    for name, value in vars(layer).items():
        several = value if isinstance(value, tuple) else (value,)
        if any(isinstance(each, Layer) for each in several):
            made = []
            for each in several:
                made.append(listened(each, (*path, number)))
                number += 1
            object.__setattr__(inside, name, tuple(made) if isinstance(value, tuple) else made[0])
    return Listened(layer, inside, path)


def keep(node: Listened, x: Any, saved: dict[Path, Any], kept: set) -> Any:
    """Notes what each layer keeps besides what is kept already; the array that its output is.

    An array is known by a name: x is that of the input.
    """
    cost, y = node.told, (node.path, "y")
    inside = [] if isinstance(node.layer, Recompute) else node.children
    h = x
    for child in inside:
        h = keep(child, h if isinstance(node.layer, Chain) else x, saved, kept)
    if inside and (isinstance(node.layer, Chain) or cost.keeps_y or cost.alias):
        y = h
    elif cost.alias:
        y = x
    own = 0 if inside else cost.saved
    for name, needed, numbers in ((x, cost.keeps_x, size(node.x)), (y, cost.keeps_y, size(node.shape(node.x)))):
        if needed and name not in kept:
            kept.add(name)
            own += numbers
    saved[node.path] = own
    return y


def shares(node: Listened, saved: dict[Path, Any], below: bool) -> Iterator[Part]:
    """The parts of a layer and of what it holds; `below` tells whether a layer before it learns."""
    cost, inside = node.told, node.children
    told = [child.told for child in inside]
    learned, under = [], below
    for child in told:
        learned.append(under)
        under = under or (isinstance(node.layer, Chain) and bool(child.parameters))
    marks = cost.marks - (0 if isinstance(node.layer, Recompute) else sum(child.marks for child in told))
    yield Part(
        path=node.path,
        layer=node.layer,
        x=node.x,
        y=node.shape(node.x),
        forward=cost.forward - sum(child.forward for child in told),
        backward=in_step(cost, below) - sum(map(in_step, told, learned)),
        parameters=cost.parameters - sum(child.parameters for child in told),
        saved=saved.get(node.path, 0),
        marks=marks if node.path in saved else 0,
        inner=bool(inside),
    )
    for child, under in zip(inside, learned, strict=True):
        yield from shares(child, saved, under)


def in_step(cost: Cost, below: bool) -> Any:
    """FLOPs of backward in a step, in which dx is made only where a layer below learns."""
    return cost.backward - (0 if below else cost.input_gradient)
