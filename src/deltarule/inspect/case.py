"""What the laws of the layer contract are tried on, and what they find.

A case is a layer with random float64 parameters, a random input away from kinks, and a random cotangent; nothing
in it is 0, 1 or alike by chance, so that a fault has nowhere to hide.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers import Embedding
from deltarule.layers.layer import Context, Layer, Params, Shape, inner_layers

FEW = 8


@dataclass(frozen=True)
class Breach:
    """Where a layer breaks a law, and by how much.

    Attributes:
        what: the array or number, such as "dW", "dx" or "cost.forward".
        index: the place in it where it is furthest off, or None.
        expected, got: the values at that place, or the shapes or texts that disagree.
        tolerance: how far apart they may be; 0 for what is exact.
        reason: where the tolerance comes from.
        arrays: (expected, got) as whole arrays, where there are any.
    """

    what: str
    index: tuple[int, ...] | None
    expected: Any
    got: Any
    tolerance: float = 0
    reason: str = "exact"
    arrays: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True)
class Case:
    """A layer and the numbers that a law is tried on, in float64: make and use it under `jax.enable_x64(True)`."""

    layer: Layer
    shape: Shape
    seed: int = 0

    @cached_property
    def params(self) -> Params:
        """Of deviation 1, and 1/√i with more than `FEW` inputs i, or wide units saturate and states go wild."""
        rng = np.random.default_rng(self.seed)

        def drawn(a):
            inputs = math.prod(a.shape[:-1])
            return jnp.asarray(rng.normal(size=a.shape) / (inputs**0.5 if inputs > FEW else 1))

        return jax.tree.map(drawn, self.layer.init(rng, self.shape))

    @cached_property
    def x(self) -> jax.Array:
        """Numbers of 0.2 to 1.5 and their negatives, no two close to each other; codes where codes are due."""
        rng = np.random.default_rng([self.seed, 1])
        if levels := code_levels(self.layer):
            return jnp.asarray(rng.integers(0, min(levels), self.shape), jnp.float64)
        numbers = int(np.prod(self.shape))
        spaced = 0.2 + 1.3 * (rng.permutation(numbers) + rng.uniform(0.25, 0.75)) / numbers
        return jnp.asarray((spaced * rng.choice([-1, 1], numbers)).reshape(self.shape))

    @cached_property
    def dy(self) -> jax.Array:
        rng = np.random.default_rng([self.seed, 2])
        return jnp.asarray(rng.normal(size=self.layer.shape(self.shape)))

    @cached_property
    def context(self) -> Context:
        """With a key, and a memory that is positive, as a variance must be."""
        rng = np.random.default_rng([self.seed, 3])
        memory = jax.tree.map(lambda a: jnp.asarray(rng.uniform(0.2, 1.5, a.shape)), self.layer.memory(self.shape))
        return Context(jax.random.key(self.seed), memory)

    @cached_property
    def forward(self) -> Callable:
        """The forward pass alone: (params, x) to y."""
        context = self.context
        return lambda params, x: self.layer.forward(params, x, context)[0]

    @cached_property
    def output(self) -> Callable:
        """`forward`, compiled."""
        return jax.jit(self.forward)

    @cached_property
    def prediction(self) -> jax.Array:
        """What predict gives."""
        return jax.jit(self.layer.predict)(self.params, self.x, self.context.memory)

    @cached_property
    def passes(self) -> Callable:
        """One pass forward and one backward: (params, x, dy) to (y, dx, dparams)."""
        context = self.context

        def both(params, x, dy):
            y, saved = self.layer.forward(params, x, context)
            return y, *self.layer.backward(params, saved, dy)

        return both

    @cached_property
    def compiled(self) -> Callable:
        """`passes`, compiled."""
        return jax.jit(self.passes)

    @cached_property
    def results(self) -> tuple[jax.Array, jax.Array, Params]:
        """The layer's own (y, dx, dparams)."""
        return self.compiled(self.params, self.x, self.dy)

    @cached_property
    def gradients(self) -> dict[str, jax.Array]:
        """The layer's own gradients by name."""
        return gradients(*self.results[1:])


def code_levels(layer: Layer) -> list[int]:
    """How many codes each `Embedding` in a network knows."""
    own = [layer.levels] if isinstance(layer, Embedding) else []
    return own + [levels for inner in inner_layers(layer) for levels in code_levels(inner)]


def named(tree: Any, prefix: str = "") -> dict[str, jax.Array]:
    """The arrays of a tree by name: "W" in a layer's own dict, "1.0.W" inside others; the prefix precedes W."""
    found = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        *places, last = [str(getattr(key, "key", getattr(key, "idx", key))) for key in path] or ["parameters"]
        found[".".join([*places, prefix + last])] = leaf
    return found


def gradients(dx: jax.Array, dparams: Params) -> dict[str, jax.Array]:
    """A layer's gradients by name."""
    return {"dx": dx, **named(dparams, "d")}


def largest(arrays: Any) -> float:
    """The largest absolute value in a tree of arrays, 0 where there is none."""
    return max((float(np.abs(a).max()) for a in jax.tree.leaves(arrays) if a.size), default=0.0)


def apart(what: str, expected: Any, got: Any, tolerance: Any, reason: str) -> Iterator[Breach]:
    """A breach where two arrays are further apart than the tolerance, or one of them is not finite."""
    expected, got = np.asarray(expected), np.asarray(got)
    if not expected.size:
        return
    distance = np.nan_to_num(np.abs(expected - got), nan=np.inf)
    excess = distance - tolerance
    index = tuple(int(i) for i in np.unravel_index(excess.argmax(), excess.shape))
    if excess[index] > 0:
        allowed = float(np.broadcast_to(tolerance, distance.shape)[index])
        yield Breach(what, index, float(expected[index]), float(got[index]), allowed, reason, (expected, got))
