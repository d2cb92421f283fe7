"""How a fault is planted: a sound layer, cell or loss whose methods give something else than the right result."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from deltarule.inspect import laws
from deltarule.layers import Recurrent, Tanh
from deltarule.layers.cell import Cell
from deltarule.layers.layer import Layer
from deltarule.losses import SquaredError
from deltarule.losses.loss import Loss

DERIVED, SHAPES = laws.derivative_by_autodiff, laws.shapes


class Fault(NamedTuple):
    """A network with one fault: the law it breaks, what is wrong, words of the cause, and the layer's place."""

    net: Layer | Loss
    x: tuple[int, ...]
    law: Callable
    parameter: str
    cause: str
    path: str = ""


def planted(sound: Any, **methods: Any) -> Any:
    """The same layer, cell or loss with methods of its class replaced."""
    kind = type(f"Faulty{type(sound).__name__}", (type(sound),), methods)
    faulty = object.__new__(dataclass(frozen=True, init=False)(kind))
    vars(faulty).update(vars(sound))
    return faulty


def wrong_dx(layer: Layer, change: Callable, x: tuple[int, ...], cause: str) -> Fault:
    """A layer that gives `change(right, params, saved, dy)` for dx."""

    def backward(self, params, saved, dy):
        right, dparams = type(layer).backward(self, params, saved, dy)
        return change(right, params, saved, dy), dparams

    return Fault(planted(layer, backward=backward), x, DERIVED, "dx", cause)


def wrong_dparam(layer: Layer, name: str, change: Callable, x: tuple[int, ...], cause: str, law=DERIVED) -> Fault:
    """A layer that gives `change(right, params, saved, dy)` for the gradient of one parameter."""

    def backward(self, params, saved, dy):
        dx, dparams = type(layer).backward(self, params, saved, dy)
        return dx, dparams | {name: change(dparams[name], params, saved, dy)}

    return Fault(planted(layer, backward=backward), x, law, f"d{name}", cause)


def wrong_cost(layer: Layer, name: str, change: Callable, x: tuple[int, ...], law: Callable, cause: str) -> Fault:
    """A layer that states `change(right, x)` for a part of its cost."""

    def cost(self, x):
        right = type(layer).cost(self, x)
        return replace(right, **{name: change(getattr(right, name), x)})

    what = "cost.saved with keeps_x and keeps_y" if name.startswith("keeps") else f"cost.{name}"
    return Fault(planted(layer, cost=cost), x, law, what, cause)


def wrong_step(cell: Cell, change: Callable) -> Recurrent:
    """A recurrent layer, not native, whose steps back give `change(da, dbefore, params)`."""

    def step_backward(self, params, saved, before, after, dstate):
        return change(*type(cell).step_backward(self, params, saved, before, after, dstate), params)

    return Recurrent(planted(cell, step_backward=step_backward, kernel=None))


def wrong_weights(cell: Cell, name: str, change: Callable) -> Recurrent:
    """A recurrent layer, not native, that gives `change(right, params, y, dy)` for the gradient of a parameter."""

    def backward(self, params, x, first, y, others, saved, dy, mask, follows, reverse):
        dx, dparams = type(cell).backward(self, params, x, first, y, others, saved, dy, mask, follows, reverse)
        return dx, dparams | {name: change(dparams[name], params, y, dy)}

    return Recurrent(planted(cell, backward=backward, kernel=None))


def wrong_loss(change: Callable, cause: str) -> Fault:
    """A squared error that gives `change(value, dy, y, target, weight)` for its value and dy."""

    def judge(self, y, target, weight):
        return change(*SquaredError.__call__(self, y, target, weight), y, target, weight)

    return Fault(planted(SquaredError(), __call__=judge), (6, 3), DERIVED, "dy", cause)


def wrong_tanh(law: Callable, parameter: str, cause: str, **methods: Any) -> Fault:
    """A hyperbolic tangent with other methods."""
    return Fault(planted(Tanh(), **methods), (6, 3), law, parameter, cause)
