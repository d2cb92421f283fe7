"""The contract of an optimizer: two pure functions, and numbers that may differ from model to model."""

from typing import Any

import jax
import numpy as np

from deltarule.layers.layer import Params
from deltarule.schedules import ConstantRate, Schedule, as_schedule, numbers

Rates = dict[str, Any]
Slots = Any  # what the optimizer keeps for each parameter


class Optimizer:
    """A rule that moves parameters against their gradient; nothing else moves them.

    `learning_rate` is a number or a Schedule.
    """

    learning_rate: float | Schedule

    def __post_init__(self):
        self.schedule()

    @property
    def flops(self) -> int:
        """The exact cost of an update, FLOPs per parameter."""
        raise NotImplementedError

    @property
    def slots(self) -> int:
        """How many numbers are kept beside each parameter."""
        raise NotImplementedError

    def update_flops(self, parameters: Any, weights: Any) -> Any:
        """FLOPs of an update of so many parameters, of which so many are weights that may decay.

        What is computed once a step and not once a parameter is left out: Adam's powers of β, a schedule.
        """
        return self.flops * parameters

    def schedule(self) -> Schedule:
        """The learning rate as a schedule."""
        return as_schedule(type(self).__name__, "learning_rate", self.learning_rate)

    def numbers(self) -> dict[str, Any]:
        """Every number of this optimizer, as floats that the training state holds as arrays."""
        return {**numbers(self), "learning_rate": numbers(self.schedule())}

    def rates(self, n: dict[str, Any], k: jax.Array) -> Rates:
        """The numbers as they are at step k."""
        schedule = self.learning_rate if isinstance(self.learning_rate, Schedule) else ConstantRate(0.0)
        return {**n, "learning_rate": schedule.at(k, n["learning_rate"]), "k": k}

    def init(self, params: Params) -> Slots:
        """What is kept beside the parameters at the start."""
        raise NotImplementedError

    def update(self, dparams: Params, slots: Slots, params: Params, rates: Rates) -> tuple[Params, Slots]:
        """(params, slots) after a step along `dparams`."""
        raise NotImplementedError


def zeros(params: Params) -> Params:
    """Zeros in the shape of the parameters, made on the host: XLA would compile a program for each shape."""
    return jax.tree.map(lambda theta: np.zeros(theta.shape, theta.dtype), params)


def split(pairs: Any, like: Any, parts: int = 2) -> tuple[Any, ...]:
    """A tree of tuples as a tuple of trees, the trees shaped as `like`."""
    leaves, structure = jax.tree.flatten(like)
    columns = zip(*structure.flatten_up_to(pairs), strict=True) if leaves else [()] * parts
    return tuple(structure.unflatten(column) for column in columns)
