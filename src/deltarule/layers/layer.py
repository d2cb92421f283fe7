"""The contract of a layer: its equations, its shape, its forward and backward pass, and its exact cost.

A layer is a frozen dataclass of static settings. Parameters are plain dicts of arrays, memory (running
statistics, a recurrent state) likewise, and every method is a pure function of its arguments. A container
holds one entry per layer in a tuple, in the layers' order.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import jax
import numpy as np

from deltarule.displayed import Displayed
from deltarule.errors import SettingError
from deltarule.kernels.rectified import masked
from deltarule.kernels.wide import wide
from deltarule.layers.padding import padding_error

Shape = tuple[int, ...]
Params = Any  # a dict of arrays, or a tuple of Params in a container
Memory = Any
Saved = Any  # what backward needs from forward; no more than that
AT_ONCE = 2**22  # numbers in the gradients of single examples, 16 MB


@dataclass(frozen=True)
class Equations:
    """A layer's mathematics in LaTeX, by the symbols that its code uses, in the code's order."""

    forward: tuple[str, ...]
    backward: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True)
class Cost:
    """What a layer costs, in closed form; every number may be an int or a SymPy expression.

    FLOPs count one for each addition, subtraction, multiplication, division, maximum, and elementary function
    (exp, log, tanh, ...) of a number, so two for a multiply-add; comparisons, selections, changes of sign and
    moves count none.

    Attributes:
        forward: FLOPs of the forward pass.
        backward: FLOPs of the backward pass.
        input_gradient: the part of `backward` that only dx needs; it falls away where nothing below learns.
        parameters: how many numbers are learned.
        keeps_x, keeps_y: whether backward needs this layer's input, its output. Neighbours share them.
        saved: how many further numbers backward needs.
        marks: how many bytes of indices, masks and keys backward needs besides.
        alias: whether the output is the input's own memory (a reshape).
        rebuilt: the part of `forward` that makes what backward keeps, without the output. Left out it is all
            of forward, or none where nothing but the input is kept.
        digest: how many of the saved numbers are the layer's digest.
        again, remade: what is left of `forward` and of `rebuilt` where the digest is known.
    """

    forward: Any
    backward: Any
    input_gradient: Any = 0
    parameters: Any = 0
    keeps_x: bool = False
    keeps_y: bool = False
    saved: Any = 0
    marks: Any = 0
    alias: bool = False
    rebuilt: Any = None
    digest: Any = 0
    again: Any = None
    remade: Any = None

    def __post_init__(self):
        if self.rebuilt is None:
            kept = self.keeps_y or self.saved or self.marks
            object.__setattr__(self, "rebuilt", self.forward if kept else 0)
        for known, whole in (("again", self.forward), ("remade", self.rebuilt)):
            if getattr(self, known) is None:
                object.__setattr__(self, known, whole)


@dataclass(frozen=True)
class Context:
    """The randomness and the memory of one step, and where sequences begin and end, as one layer sees them.

    `key` is drawn from the step's key by the layer's place, and only when it is asked for.

    Attributes:
        mask: (n, t) booleans; a step where it is false is padding, and leaves a recurrent state as it is.
        starts: (n, t) booleans; before a step where it is true a recurrent state is zero again.
        digest: that of the same pass, where it is done once more.
    """

    step_key: jax.Array | None = None
    memory: Memory = ()
    path: tuple[Any, ...] = ()
    mask: jax.Array | None = None
    starts: jax.Array | None = None
    digest: Saved = ()

    def at(self, index: int) -> "Context":
        """The context of the layer at `index` inside this one."""
        memory, digest = (part[index] if part else () for part in (self.memory, self.digest))
        return replace(self, memory=memory, path=(*self.path, index), digest=digest)

    @property
    def key(self) -> jax.Array:
        """A random key for this layer in this step."""
        if self.step_key is None:
            raise ValueError("this layer draws random numbers: give its context a key")
        key = self.step_key
        for index in self.path:
            key = jax.random.fold_in(key, index)
        return key


@jax.tree_util.register_static
@dataclass(frozen=True)
class Static:
    """A shape kept from forward to backward: known when the step is compiled, so it takes no bytes."""

    shape: Shape


class Layer(Displayed):
    """What every layer can do. `x` is an array of shape (n, ...), `Shape` its whole shape with n in front."""

    equations: ClassVar[Equations]
    numbers: ClassVar[tuple[str, ...]] = ()  # settings that may be arrays of the training state
    rectifies: ClassVar[bool] = False  # whether ReLU behind it can be had in the same pass
    masks: ClassVar[bool] = False  # whether ReLU before it can be had in the same pass on the way back
    shown_by = "inspect.display.of_network"

    @property
    def mixes_examples(self) -> bool:
        """Whether an example's output depends on the others of its batch, as in batch normalisation."""
        return any(layer.mixes_examples for layer in inner_layers(self))

    @property
    def draws(self) -> bool:
        """Whether forward draws random numbers, as dropout does."""
        return any(layer.draws for layer in inner_layers(self))

    def mixes_steps(self, x: Shape) -> bool:
        """Whether the output for x (n, t, ...) is not one of (n, t, ...), each step of it from that of x alone."""
        return True

    def padded(self, x: Shape) -> bool:
        """Whether the output of padded sequences x (n, t, ...) is padded; ShapeError where padding would count."""
        if self.mixes_steps(x) or self.mixes_examples:
            raise padding_error(type(self).__name__, x)
        return True

    def shape(self, x: Shape) -> Shape:
        """Output shape from input shape; raises ShapeError where the input does not fit."""
        raise NotImplementedError

    def init(self, rng: np.random.Generator, x: Shape) -> Params:
        """Fresh float32 parameters for inputs of shape `x`; {} where there is nothing to learn."""
        return {}

    def memory(self, x: Shape) -> Memory:
        """What is carried from step to step without a derivative; {} where there is nothing."""
        return {}

    def forward(self, params: Params, x: jax.Array, context: Context) -> tuple[jax.Array, Saved]:
        """(y, saved): the output, and what backward needs."""
        raise NotImplementedError

    def backward(self, params: Params, saved: Saved, dy: jax.Array) -> tuple[jax.Array, Params]:
        """(dx, dparams) from the derivative `dy` of the objective with respect to the output."""
        raise NotImplementedError

    def forward_rectified(self, params: Params, x: jax.Array) -> tuple[jax.Array, Saved]:
        """(max(0, y), saved) in one pass over memory, where the layer `rectifies`."""
        raise NotImplementedError

    def backward_rectified(
        self, params: Params, saved: Saved, y: jax.Array, dy: jax.Array
    ) -> tuple[jax.Array, Params]:
        """(dx, dparams) from that y and the derivative `dy` with respect to it."""
        return self.backward(params, saved, masked(dy, y))

    def backward_masked(self, params: Params, saved: Saved, dy: jax.Array) -> tuple[jax.Array, Params]:
        """(dx ⊙ [x > 0], dparams) in one pass over memory, where the layer `masks`."""
        raise NotImplementedError

    def example_norms(self, params: Params, x: jax.Array, dy: jax.Array, context: Context) -> jax.Array:
        """(n,), ‖dθ_n‖²: the squared norm of each example's own gradient, by its own forward and backward.

        Some examples at a time, such that their gradients hold no more than `AT_ONCE` numbers.

        Args:
            x, dy: (n, r, ...), the r rows of each example: one, or one for each step that time folds into rows.
            context: memory, mask and starts, with the same axes in front.
        """

        def one(example):
            x, dy, memory, mask, starts = example
            _, saved = self.forward(params, x, Context(memory=memory, mask=mask, starts=starts))
            _, dparams = self.backward(params, saved, dy)
            return sum((wide(d) ** 2).sum() for d in jax.tree.leaves(dparams))

        numbers = sum(leaf.size for leaf in jax.tree.leaves(params))
        together = max(1, min(len(x), AT_ONCE // numbers))
        return jax.lax.map(one, (x, dy, context.memory, context.mask, context.starts), batch_size=together)

    def digest(self, saved: Saved) -> Saved:
        """What of `saved` is small and dear to make, such as sums over all of x; `Recompute` keeps it."""
        return ()

    def remember(self, memory: Memory, saved: Saved) -> Memory:
        """How the memory moves on after a step."""
        return memory

    def predict(self, params: Params, x: jax.Array, memory: Memory) -> jax.Array:
        """The output when nothing is learned."""
        return self.forward(params, x, Context(memory=memory))[0]

    def advance(self, params: Params, x: jax.Array, context: Context) -> tuple[jax.Array, Memory]:
        """(y, memory): predict, with the memory moved on, as for a sequence that is read window by window."""
        return self.predict(params, x, context.memory), context.memory

    def cost(self, x: Shape) -> Cost:
        """FLOPs, parameters and saved numbers for inputs of shape `x`."""
        raise NotImplementedError

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Shape]]:
        """Layers with every option in turn, each with an input shape: what the battery of laws runs over."""
        raise NotImplementedError


class Container(Layer):
    """A layer made of others: it tells how they advance, and predicts so."""

    def advance(self, params, x, context):
        raise NotImplementedError

    def predict(self, params, x, memory):
        return self.advance(params, x, Context(memory=memory))[0]


class Elementwise(Layer):
    """A layer that maps each number by itself: y = σ(x)."""

    def mixes_steps(self, x: Shape) -> bool:
        return False

    def shape(self, x: Shape) -> Shape:
        return x

    @classmethod
    def examples(cls) -> Iterator[tuple[Self, Shape]]:
        yield cls(), (5, 3)
        yield cls(), (2, 3, 4)


def size(shape: Shape) -> Any:
    """How many numbers an array of this shape holds."""
    return math.prod(shape)


def require_layers(container: str, layers: tuple[Any, ...]) -> None:
    """Raises SettingError where one of `layers` is not a layer, such as a class without its brackets."""
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise SettingError(
                f"{container}: expected a layer at place {index}, got {layer!r}; write Dense(64), ReLU()"
            )


def inner_layers(layer: Layer) -> list[Layer]:
    """The layers that a container holds, in its settings' order."""
    found: list[Layer] = []
    for value in vars(layer).values():
        found += [each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Layer)]
    return found


def map_layers(
    change: Callable[[Layer], Layer], layer: Layer, around: Callable[[Layer], Layer] = lambda container: container
) -> Layer:
    """The network with every innermost layer replaced by `change(layer)`, and each container by `around(it)`."""
    if not inner_layers(layer):
        return change(layer)
    result = copy.copy(layer)
    for name, value in vars(layer).items():
        if isinstance(value, Layer):
            object.__setattr__(result, name, map_layers(change, value, around))
        elif isinstance(value, tuple) and any(isinstance(each, Layer) for each in value):
            object.__setattr__(result, name, tuple(map_layers(change, each, around) for each in value))
    return around(result)
