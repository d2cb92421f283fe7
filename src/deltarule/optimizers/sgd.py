"""Stochastic gradient descent, θ ← θ − α g, with momentum if asked for."""

from dataclasses import dataclass

import jax

from deltarule.errors import SettingError
from deltarule.optimizers.optimizer import Optimizer, split, zeros
from deltarule.schedules import Schedule
from deltarule.settings import below_one


@dataclass(frozen=True)
class SGD(Optimizer):
    """θ ← θ − α g; with momentum μ, v ← μ v + g and θ ← θ − α v, or θ ← θ − α (g + μ v) by Nesterov.

    The learning rate stands outside v, as in PyTorch; Sutskever et al. 2013 put it inside, which differs
    where the rate changes.

    Raises:
        SettingError: momentum outside [0, 1), or Nesterov without momentum.

    >>> params, _ = SGD(0.1).update({"W": 2.0}, (), {"W": 1.0}, {"learning_rate": 0.1})
    >>> params
    {'W': 0.8}
    """

    learning_rate: float | Schedule = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self):
        super().__post_init__()
        below_one("SGD", momentum=self.momentum)
        if self.nesterov and not self.momentum:
            raise SettingError("SGD: nesterov=True needs a momentum above 0, such as 0.9")

    @property
    def flops(self):
        return 2 + 2 * bool(self.momentum) + 2 * self.nesterov

    @property
    def slots(self):
        return int(bool(self.momentum))

    def init(self, params):
        return zeros(params) if self.momentum else ()

    def update(self, dparams, slots, params, rates):
        alpha = rates["learning_rate"]
        if not self.momentum:
            return jax.tree.map(lambda theta, g: theta - alpha * g, params, dparams), slots

        mu = rates["momentum"]

        def one(theta, g, v):
            v = mu * v + g
            return theta - alpha * (g + mu * v if self.nesterov else v), v

        return split(jax.tree.map(one, params, dparams, slots), params)
