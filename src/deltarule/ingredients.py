"""What a training step is made of, as a person says it: checked for `Model`, `plan`, `explain` and `check`."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import jax
import numpy as np

from deltarule.errors import SettingError
from deltarule.layers.layer import Layer, Shape
from deltarule.losses.l2 import L2
from deltarule.losses.loss import Loss
from deltarule.optimizers.optimizer import Optimizer
from deltarule.training.precision import check_precision
from deltarule.training.step import State

WRITE = {
    Layer: "write Dense(10), or Chain(Dense(64), ReLU(), Dense(10))",
    Loss: "write SquaredError() for a regression, SoftmaxCrossEntropy() for classes",
    Optimizer: "write RMSProp(1e-3)",
}


def check_part(where: str, name: str, value: Any, *kinds: type) -> None:
    """Raises SettingError for a part of another kind: a class, a name, a list of layers, or a whole model."""
    if isinstance(value, kinds):
        return
    wanted = " or ".join(f"{'an' if kind is Optimizer else 'a'} {kind.__name__}" for kind in kinds)
    advice = f"give the model's own: model.{name}" if hasattr(value, "optimizer") else WRITE[kinds[0]]
    raise SettingError(f"{where}: {name} must be {wanted}, got {short(value)}; {advice}")


def number_of(value: Any) -> float:
    """A number, of Python, NumPy or JAX, as a float; NaN for what is none, such as True, a text or a list.

    >>> number_of(np.float32(0.5)), number_of("0.5"), number_of([0.5])
    (0.5, nan, nan)
    """
    try:
        return float("nan") if isinstance(value, (bool, np.bool_, str)) or np.ndim(value) else float(value)
    except (TypeError, ValueError):
        return float("nan")


def penalty_of(where: str, l2: Any) -> L2 | None:
    """The penalty of a setting λ or an L2; None for None and for 0. Raises SettingError."""
    if l2 is None:
        return None
    strength = number_of(l2.strength if isinstance(l2, L2) else l2)
    if not 0 <= strength < float("inf"):
        raise SettingError(
            f"{where}: l2 must be a number of at least 0, None, or an L2, got {short(l2)}; write l2=1e-4"
        )
    if strength == 0:
        return None
    return l2 if isinstance(l2, L2) else L2(strength)


def norm_of(where: str, clip_norm: Any) -> float | None:
    """The largest norm of a gradient; raises SettingError for what is neither a number above 0 nor None."""
    if clip_norm is None:
        return None
    norm = number_of(clip_norm)
    if not norm > 0:
        raise SettingError(
            f"{where}: clip_norm must be a number above 0, got {short(clip_norm)}; write clip_norm=1.0, or None"
        )
    return norm


def seed_of(where: str, seed: Any) -> int:
    """The seed as an int; raises SettingError."""
    if isinstance(seed, bool) or not (isinstance(seed, Integral) and 0 <= int(seed) < 2**64):
        raise SettingError(
            f"{where}: seed must be a whole number from 0 to 2^64 - 1, got {short(seed)}; write seed=0"
        )
    return int(seed)


def shape_said(where: str, x: Any, such: str = "(64, 784)") -> Shape:
    """A shape as a tuple; raises SettingError for a single number, a text, or the examples themselves."""
    if isinstance(x, (tuple, list)):
        return tuple(x)
    advice = "give x.shape" if hasattr(x, "shape") else f"write x={such}"
    raise SettingError(
        f"{where}: expected x as a shape, the lengths of the input's axes, got {short(x)}; {advice}"
    )


def short(value: Any) -> str:
    """A value in an error: its repr on one line, cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 100 else text[:97] + "..."


def precision_of(where: str, precision: Any) -> str:
    """The precision; raises SettingError."""
    check_precision(where, precision)
    return precision


def part(name: str, kind: type) -> Callable[[Any], Any]:
    """What gives a part of a model back, or raises SettingError."""

    def checked(value: Any) -> Any:
        check_part("Model", name, value, kind)
        return value

    return checked


OF_A_MODEL: dict[str, Callable[[Any], Any]] = {
    "net": part("net", Layer),
    "loss": part("loss", Loss),
    "optimizer": part("optimizer", Optimizer),
    "l2": lambda l2: penalty_of("Model", l2),
    "clip_norm": lambda clip_norm: norm_of("Model", clip_norm),
    "seed": lambda seed: seed_of("Model", seed),
    "precision": lambda precision: precision_of("Model", precision),
}


def changed(state: State, name: str, before: Any, value: Any) -> State:
    """The state of a trained model, one part of which is another one now.

    An optimizer that keeps other averages begins them anew, and with them the step number, since Adam's bias
    correction counts the steps of its averages. Raises SettingError for another network.
    """
    if name == "net" and value != before:
        raise SettingError(
            f"Model: a trained model keeps its network {short(before)}, got {short(value)}; make a new Model of it"
        )
    if name != "optimizer":
        return state
    fresh = value.init(state.params)
    if type(before) is type(value) and jax.tree.structure(fresh) == jax.tree.structure(state.slots):
        return state
    return state._replace(slots=fresh, step=np.zeros_like(state.step))
