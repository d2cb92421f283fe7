"""AdaGrad: each step is divided by the root of the sum of its own squared gradients so far."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from deltarule.optimizers.optimizer import Optimizer, split, zeros
from deltarule.schedules import Schedule
from deltarule.settings import at_least_zero, positive


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """s ← s + g², θ ← θ − α g / (√s + ε) (Duchi, Hazan and Singer 2011).

    Args:
        epsilon: ε > 0.
        initial: the sum's first value; 0 as in PyTorch (Keras starts from 0.1).

    Raises:
        SettingError: an epsilon that is not positive, or an initial sum that is negative.

    >>> AdaGrad().flops
    7
    """

    learning_rate: float | Schedule = 0.01
    epsilon: float = 1e-10
    initial: float = 0.0

    @property
    def flops(self):
        return 7

    @property
    def slots(self):
        return 1

    def __post_init__(self):
        super().__post_init__()
        positive("AdaGrad", epsilon=self.epsilon)
        at_least_zero("AdaGrad", initial=self.initial)

    def init(self, params):
        return jax.tree.map(lambda s: s + s.dtype.type(self.initial), zeros(params))

    def update(self, dparams, slots, params, rates):
        alpha, epsilon = rates["learning_rate"], rates["epsilon"]

        def one(theta, g, s):
            s = s + g * g
            return theta - alpha * g / (jnp.sqrt(s) + epsilon), s

        return split(jax.tree.map(one, params, dparams, slots), params)
