"""Every layer of a network with its path and its input's shape, found by a forward pass that is only traced."""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import DeltaruleError
from deltarule.layers.layer import Context, Layer, Shape, inner_layers

Path = tuple[int, ...]


class Visit(NamedTuple):
    """A layer where it stands: `(2, 0)` is the first layer inside the third of a network."""

    path: Path
    layer: Layer
    x: Shape


def visits(net: Layer, x: Shape) -> list[Visit]:
    """Every layer in the order in which forward enters it, containers before what they hold.

    A layer that is entered more than once is told once, with its first input. One that fails is told too; what
    comes after it sees the shape that it states.

    Raises:
        ShapeError: a layer cannot take its input.

    >>> from deltarule.layers import Chain, Dense, ReLU
    >>> for visit in visits(Chain(Dense(4), ReLU()), (8, 3)):
    ...     print(visit.path, type(visit.layer).__name__, visit.x)
    () Chain (8, 3)
    (0,) Dense (8, 3)
    (1,) ReLU (8, 4)
    """
    net.shape(x)
    found: dict[tuple[Path, int], Visit] = {}
    context = Context(jax.random.key(0), net.memory(x))

    def forward(x):
        params = net.init(np.random.default_rng(0), x.shape)
        return watched(net, found).forward(params, x, context)[0]

    jax.eval_shape(forward, jax.ShapeDtypeStruct(x, np.float32))
    return list(found.values())


@dataclass(frozen=True)
class Watched(Layer):
    """A layer that notes where it is entered."""

    layer: Layer
    entered: Layer  # with what it holds watched too
    found: dict[tuple[Path, int], Visit]

    def shape(self, x):
        return self.entered.shape(x)

    def remember(self, memory, saved):
        return self.entered.remember(memory, saved)

    def forward(self, params, x, context):
        path = tuple(index for index in context.path if isinstance(index, int))
        self.found.setdefault((path, id(self.layer)), Visit(path, self.layer, tuple(x.shape)))
        try:
            return self.entered.forward(params, x, context)
        except DeltaruleError:
            raise
        except Exception:
            return jnp.zeros(self.layer.shape(x.shape), x.dtype), ()


def watched(layer: Layer, found: dict) -> Layer:
    """The layer and all that it holds, noting in `found` where each is entered."""
    entered = copy.copy(layer)
    if inner_layers(layer):
        for name, value in vars(layer).items():
            if isinstance(value, Layer):
                object.__setattr__(entered, name, watched(value, found))
            elif isinstance(value, tuple) and any(isinstance(each, Layer) for each in value):
                object.__setattr__(entered, name, tuple(watched(each, found) for each in value))
    return Watched(layer, entered, found)
