"""Branches side by side from one input, Y = [F_1(X), ..., F_k(X)] along the last axis."""

import functools
import operator
from dataclasses import dataclass

import jax.numpy as jnp

from deltarule.errors import SettingError, ShapeError
from deltarule.layers.chain import Chain
from deltarule.layers.dense import Dense
from deltarule.layers.identity import Identity
from deltarule.layers.layer import Container, Equations, Layer, Static, require_layers, size
from deltarule.layers.residual import beside, path_padded
from deltarule.layers.tanh import Tanh


@dataclass(frozen=True, init=False)
class Branch(Container):
    """Every branch sees the whole input; their outputs are concatenated along the last axis.

    Raises:
        SettingError: fewer than two branches, or one that is not a layer.
        ShapeError: the branches' outputs differ in another axis than the last.

    >>> Branch(Dense(8), Identity()).shape((32, 5))
    (32, 13)
    """

    branches: tuple[Layer, ...]

    equations = Equations(
        forward=(r"Y = [F_1(X), \ldots, F_k(X)]",),
        backward=(r"dX = \sum_j \left(\partial F_j / \partial X\right)^\top dY_j",),
    )

    def __init__(self, *branches: Layer):
        object.__setattr__(self, "branches", branches)
        require_layers("Branch", branches)
        if len(branches) < 2:
            raise SettingError(f"Branch: expected at least two branches, got {len(branches)}")

    def outputs(self, x):
        """Each branch's output shape."""
        shapes = []
        for index, branch in enumerate(self.branches):
            try:
                shapes.append(branch.shape(x))
            except ShapeError as error:
                raise error.inside(index) from None
        return shapes

    def shape(self, x):
        shapes = self.outputs(x)
        if len(x) < 2:
            raise ShapeError(f"Branch: expected an input of shape (n, ..., i), got {x}")
        if len({shape[:-1] for shape in shapes}) > 1:
            raise ShapeError(f"Branch: expected outputs that differ in the last axis only, got {shapes}")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    def padded(self, x):
        padded = [path_padded(branch, index, x) for index, branch in enumerate(self.branches)]
        return any(padded)

    def init(self, rng, x):
        streams = rng.spawn(len(self.branches))
        return tuple(branch.init(stream, x) for branch, stream in zip(self.branches, streams, strict=True))

    def memory(self, x):
        return tuple(branch.memory(x) for branch in self.branches)

    def forward(self, params, x, context):
        ys, saved = [], []
        for index, branch in enumerate(self.branches):
            y, kept = branch.forward(params[index], x, context.at(index))
            ys.append(y)
            saved.append((kept, Static(y.shape)))
        return jnp.concatenate(ys, axis=-1), tuple(saved)

    def backward(self, params, saved, dy):
        dparams, dxs, start = [], [], 0
        for branch, p, (kept, y) in zip(self.branches, params, saved, strict=True):
            stop = start + y.shape[-1]
            dx_j, dp = branch.backward(p, kept, dy[..., start:stop])
            dxs.append(dx_j)
            dparams.append(dp)
            start = stop
        return functools.reduce(operator.add, dxs), tuple(dparams)

    def remember(self, memory, saved):
        return tuple(f.remember(m, kept) for f, m, (kept, _) in zip(self.branches, memory, saved, strict=True))

    def advance(self, params, x, context):
        advanced = [f.advance(params[index], x, context.at(index)) for index, f in enumerate(self.branches)]
        ys, memory = zip(*advanced, strict=True)
        return jnp.concatenate(ys, axis=-1), memory

    def cost(self, x):
        outputs = [size(shape) for shape in self.outputs(x)]
        return beside([branch.cost(x) for branch in self.branches], outputs, size(x), join=0)

    @classmethod
    def examples(cls):
        yield cls(Dense(3), Identity()), (7, 5)
        yield cls(Chain(Dense(3), Tanh()), Dense(2), Tanh()), (7, 5)
