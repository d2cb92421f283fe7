"""A chain of layers: forward from first to last, backward from last to first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

from deltarule.errors import ShapeError
from deltarule.layers.dense import Dense
from deltarule.layers.layer import Container, Cost, Equations, Layer, Shape, require_layers, size
from deltarule.layers.padding import behind
from deltarule.layers.relu import ReLU
from deltarule.layers.reshape import Reshape
from deltarule.layers.tanh import Tanh


@dataclass(frozen=True, init=False)
class Chain(Container):
    """Layers one after the other; `params`, `memory` and `saved` are tuples in their order.

    Raises:
        SettingError: something in the chain is not a layer.
        ShapeError: a layer cannot take the output of the one before; its path leads to it.

    >>> Chain(Dense(64), ReLU(), Dense(10)).shape((32, 784))
    (32, 10)
    """

    layers: tuple[Layer, ...]

    equations = Equations(
        forward=(r"H^0 = X", r"H^l = f^l(H^{l-1})", r"Y = H^L"),
        backward=(
            r"dH^L = dY",
            r"dH^{l-1} = \left(\partial f^l / \partial H^{l-1}\right)^\top dH^l",
            r"dX = dH^0",
        ),
        source="Rumelhart, Hinton and Williams 1986",
    )

    def __init__(self, *layers: Layer):
        object.__setattr__(self, "layers", layers)
        require_layers(type(self).__name__, layers)

    def shapes(self, x: Shape) -> list[Shape]:
        """The shapes between the layers: that of x, then each layer's output."""
        shapes = [tuple(x)]
        for index, layer in enumerate(self.layers):
            try:
                shapes.append(layer.shape(shapes[-1]))
            except ShapeError as error:
                raise error.inside(index) from None
        return shapes

    def shape(self, x):
        return self.shapes(x)[-1]

    def padded(self, x):
        for index, (layer, shape) in enumerate(zip(self.layers, self.shapes(x), strict=False)):
            try:
                if not layer.padded(shape):
                    return False
            except ShapeError as error:
                raise error.inside(index) from None
        return True

    def init(self, rng, x):
        streams = rng.spawn(len(self.layers))
        return tuple(f.init(r, s) for f, r, s in zip(self.layers, streams, self.shapes(x), strict=False))

    def memory(self, x):
        return tuple(layer.memory(shape) for layer, shape in zip(self.layers, self.shapes(x), strict=False))

    @property
    def passes(self) -> list[tuple[int, Layer, bool]]:
        """(place, layer, whether it takes the ReLU behind it along) for every layer that is not taken along."""
        takes = [layer.rectifies and type(behind) is ReLU for layer, behind in pairwise(self.layers)]
        places = zip(self.layers, [*takes, False], [False, *takes])  # noqa: B905 an empty chain has none
        return [(k, layer, take) for k, (layer, take, taken) in enumerate(places) if not taken]

    def forward(self, params, x, context):
        h, saved = x, []
        for index, layer, rectified in self.passes:
            before = h.shape
            if rectified:
                h, kept = layer.forward_rectified(params[index], h)
                saved += [kept, h]
            else:
                h, kept = layer.forward(params[index], h, context.at(index))
                saved.append(kept)
            context = behind(context, layer, before)
        return h, tuple(saved)

    def backward(self, params, saved, dy):
        passes = self.passes
        behind = {index + 2 for index, _, rectified in passes if rectified}  # a ReLU that is taken along
        dh, dparams, masked = dy, [], False
        for index, layer, rectified in reversed(passes):
            p, kept = params[index], saved[index]
            if rectified and not masked:
                dh, dp = layer.backward_rectified(p, kept, saved[index + 1], dh)
            elif masked := layer.masks and index in behind:
                dh, dp = layer.backward_masked(p, kept, dh)
            else:
                dh, dp = layer.backward(p, kept, dh)
            dparams += [{}, dp] if rectified else [dp]
        return dh, tuple(reversed(dparams))

    def digest(self, saved):
        return tuple(layer.digest(kept) for layer, kept in zip(self.layers, saved, strict=True))

    def remember(self, memory, saved):
        return tuple(f.remember(m, kept) for f, m, kept in zip(self.layers, memory, saved, strict=True))

    def advance(self, params, x, context):
        h, memory = x, []
        for index, layer, rectified in self.passes:
            before = h.shape
            if rectified:
                h, _ = layer.forward_rectified(params[index], h)
                memory += [(), ()]
            else:
                h, moved = layer.advance(params[index], h, context.at(index))
                memory.append(moved)
            context = behind(context, layer, before)
        return h, tuple(memory)

    def cost(self, x):
        shapes = self.shapes(x)
        total = Cost(forward=0, backward=0, alias=True)
        learned = False
        for layer, before in zip(self.layers, shapes, strict=False):
            cost = layer.cost(before)
            total = join(total, cost, between=size(before), learned=learned)
            learned = learned or bool(cost.parameters)
        return total

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Shape]]:
        yield cls(Dense(4), Tanh(), Dense(3)), (7, 5)
        yield cls(Dense(6), ReLU(), Reshape(2, 3), cls(Dense(4), Tanh()), Reshape(-1), Dense(3)), (7, 5)


def join(first: Cost, then: Cost, between, learned: bool) -> Cost:
    """The cost of two layers in a row; the array of `between` numbers that joins them is kept once.

    Where the joint is the memory of the whole's input or output too, it is counted there.
    """
    joint = first.keeps_y or then.keeps_x
    inner = joint and not first.alias and not then.alias
    return replace(
        first,
        forward=first.forward + then.forward,
        backward=first.backward + then.backward,
        input_gradient=first.input_gradient + (0 if learned else then.input_gradient),
        parameters=first.parameters + then.parameters,
        keeps_x=first.keeps_x or (first.alias and joint),
        keeps_y=then.keeps_y or (then.alias and joint and not first.alias),
        saved=first.saved + then.saved + (between if inner else 0),
        marks=first.marks + then.marks,
        alias=first.alias and then.alias,
        digest=first.digest + then.digest,
        again=first.again + then.again,
        remade=(first.again if then.keeps_x or then.remade else first.remade) + then.remade,
        rebuilt=(first.forward if then.keeps_x or then.rebuilt else first.rebuilt) + then.rebuilt,
    )
