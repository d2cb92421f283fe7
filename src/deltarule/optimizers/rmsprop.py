"""RMSProp: each step is divided by a running root mean square of its own gradient."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from deltarule.errors import SettingError
from deltarule.optimizers.optimizer import Optimizer, split, zeros
from deltarule.schedules import Schedule
from deltarule.settings import below_one, positive


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """r ← ρ r + (1 − ρ) g², θ ← θ − α g / √(r + ε) (Tieleman and Hinton 2012).

    Args:
        decay: ρ; 0.9 as in Hinton's lecture (PyTorch's alpha is 0.99 by default).
        epsilon: ε > 0.
        epsilon_place: "under_root" as above, or "beside_root" for g / (√r + ε), which PyTorch computes; the
            same ε is the larger safeguard under the root.

    Raises:
        SettingError: a decay outside [0, 1), an epsilon that is not positive, an unknown place.

    >>> RMSProp(1e-3).numbers()["decay"]
    0.9
    """

    learning_rate: float | Schedule = 1e-3
    decay: float = 0.9
    epsilon: float = 1e-8
    epsilon_place: Literal["under_root", "beside_root"] = "under_root"

    @property
    def flops(self):
        return 9

    @property
    def slots(self):
        return 1

    def __post_init__(self):
        super().__post_init__()
        below_one("RMSProp", decay=self.decay)
        positive("RMSProp", epsilon=self.epsilon)
        if self.epsilon_place not in ("under_root", "beside_root"):
            raise SettingError(
                f"RMSProp: epsilon_place must be 'under_root' or 'beside_root', got {self.epsilon_place!r}"
            )

    def numbers(self):
        return {**super().numbers(), "1 - decay": 1 - self.decay}

    def init(self, params):
        return zeros(params)

    def update(self, dparams, slots, params, rates):
        alpha, rho, epsilon = rates["learning_rate"], rates["decay"], rates["epsilon"]

        def one(theta, g, r):
            r = rho * r + rates["1 - decay"] * (g * g)
            root = jnp.sqrt(r + epsilon) if self.epsilon_place == "under_root" else jnp.sqrt(r) + epsilon
            return theta - alpha * g / root, r

        return split(jax.tree.map(one, params, dparams, slots), params)
