"""Recomputation, Y = F(X) with backward's F computed again from X: memory for time."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from deltarule.layers.batch_norm import BatchNorm
from deltarule.layers.batch_norm_relu import BatchNormReLU
from deltarule.layers.chain import Chain
from deltarule.layers.dense import Dense
from deltarule.layers.dropout import Dropout
from deltarule.layers.layer import Context, Cost, Equations
from deltarule.layers.layer_norm import LayerNorm
from deltarule.layers.relu import ReLU
from deltarule.layers.scale import Scale
from deltarule.layers.tanh import Tanh


@dataclass(frozen=True, init=False)
class Recompute(Chain):
    """A chain that keeps its input, and in backward computes once more what its layers keep.

    Of what they keep it holds on to their digest alone, such as the mean and variance of a batch normalisation: a
    few numbers that take passes over the whole input to make.

    A chain of L layers in √L such parts keeps some 2 √L arrays rather than L, for at most one more forward
    pass. What draws random numbers draws the same again; memory moves on once.

    Raises:
        SettingError, ShapeError: as Chain.

    >>> Recompute(Scale(), ReLU(), Dense(5)).cost((8, 3)).saved  # its input, which the layer before may share
    0
    """

    equations = Equations(
        forward=(r"Y = F(X)",),
        backward=(r"Y = F(X)", r"dX = \left(\partial F / \partial X\right)^\top dY"),
        source="Chen, Xu, Zhang and Guestrin 2016, Training deep nets with sublinear memory cost",
    )

    def forward(self, params, x, context):
        y, saved = super().forward(params, x, context)
        moved = super().remember(context.memory, saved) if context.memory else ()
        key = context.key if self.draws else None
        return y, (x, key, context.memory, moved, context.mask, context.starts, super().digest(saved))

    def backward(self, params, saved, dy):
        x, key, memory, _, mask, starts, digest = saved
        if jax.tree.leaves(digest[0]):  # then all that follows waits for it, and x need not be copied
            digest = jax.tree.map(partial(after, dy), digest)
        else:
            x = after(dy, x)
        _, saved = super().forward(params, x, Context(key, memory, (), mask, starts, digest))
        return super().backward(params, saved, dy)

    def digest(self, saved):
        return saved[-1]

    def remember(self, memory, saved):
        _, _, _, moved, *_ = saved
        return moved

    def cost(self, x):
        body = super().cost(x)
        backward = body.remade + body.backward
        memory = sum(leaf.size for leaf in jax.tree.leaves(self.memory(x)))
        return Cost(
            forward=body.forward,
            backward=backward,
            input_gradient=body.input_gradient if body.parameters else backward,
            parameters=body.parameters,
            keeps_x=True,
            saved=2 * memory + body.digest,
            marks=8 if self.draws else 0,
            alias=body.alias,
            rebuilt=body.rebuilt - body.remade,
            digest=body.digest,
            again=body.again,
            remade=0,
        )

    @classmethod
    def examples(cls):
        yield cls(Scale(), ReLU(), Dense(3)), (7, 5)
        yield cls(Dense(4), Tanh(), Chain(Dense(6), LayerNorm())), (7, 5)
        yield cls(Dense(4), BatchNorm(), Dropout(0.4), ReLU(), Dropout(0.3)), (7, 5)
        yield cls(BatchNormReLU(), Dense(4)), (7, 5)
        yield cls(Tanh(), Tanh()), (2, 3, 5)


def after(dy: jax.Array, x: jax.Array) -> jax.Array:
    """x, of which the compiler cannot know that it is x until dy is there.

    Else it would compute early, or merge with the first pass, what is to be computed again; and XLA drops
    `optimization_barrier` for a CPU before it merges. That no number lies above 0 and below it, it does not know.
    """
    first = dy[(0,) * dy.ndim]
    return jnp.where((first > 0) & (first < 0), 0, x)  # (n, ...)
