"""Adam: momentum and a running mean square, both freed of the bias of their start at zero."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from deltarule.losses.l2 import NOT_WEIGHTS, on_weights
from deltarule.optimizers.optimizer import Optimizer, split, zeros
from deltarule.schedules import Schedule
from deltarule.settings import at_least_zero, below_one, parameter_names, positive


@dataclass(frozen=True)
class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², θ ← θ − α m̂ / (√v̂ + ε) (Kingma and Ba 2015).

    m̂ = m / (1 − β₁^k) and v̂ = v / (1 − β₂^k) at the k-th step; √(1 − β₂^k) is multiplied through, which saves a
    division a parameter. 1 − β is kept as a number of its own and
    1 − β^k is computed as −expm1(k log1p(−(1 − β))): in float32 1 − 0.999 is off by 5e-5 otherwise.

    Raises:
        SettingError: a β outside [0, 1), or an epsilon that is not positive.

    >>> Adam().flops
    12
    """

    learning_rate: float | Schedule = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    @property
    def flops(self) -> int:
        return 12

    @property
    def slots(self):
        return 2

    def __post_init__(self):
        super().__post_init__()
        name = type(self).__name__
        below_one(name, beta_1=self.beta_1, beta_2=self.beta_2)
        positive(name, epsilon=self.epsilon)

    def numbers(self):
        return {**super().numbers(), "1 - beta_1": 1 - self.beta_1, "1 - beta_2": 1 - self.beta_2}

    def init(self, params):
        return {"m": zeros(params), "v": zeros(params)}

    def update(self, dparams, slots, params, rates):
        c_1, c_2, epsilon = rates["1 - beta_1"], rates["1 - beta_2"], rates["epsilon"]
        k = rates["k"] + 1.0
        root = jnp.sqrt(-jnp.expm1(k * jnp.log1p(-c_2)))
        alpha = rates["learning_rate"] * root / -jnp.expm1(k * jnp.log1p(-c_1))

        def one(theta, g, m, v):
            m = m + c_1 * (g - m)
            v = v + c_2 * (g * g - v)
            return theta - alpha * m / (jnp.sqrt(v) + epsilon * root), m, v

        params, m, v = split(jax.tree.map(one, params, dparams, slots["m"], slots["v"]), params, parts=3)
        return params, {"m": m, "v": v}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled decay: θ ← θ − α λ θ before Adam's own step (Loshchilov and Hutter 2019).

    Args:
        weight_decay: λ, multiplied by the learning rate as in PyTorch.
        exclude: names of parameters that do not decay, or one name; PyTorch and Keras decay every parameter.

    >>> AdamW().numbers()["weight_decay"]
    0.01
    """

    weight_decay: float = 0.01
    exclude: tuple[str, ...] = NOT_WEIGHTS

    @property
    def flops(self) -> int:
        return 13  # of a weight; the excluded parameters take 12

    def update_flops(self, parameters, weights):
        return 12 * parameters + weights

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "exclude", parameter_names("AdamW", self.exclude))
        at_least_zero("AdamW", weight_decay=self.weight_decay)

    def update(self, dparams, slots, params, rates):
        keep = 1 - rates["learning_rate"] * rates["weight_decay"]
        decayed = on_weights(lambda theta, _: keep * theta, params, params, self.exclude)
        return super().update(dparams, slots, decayed, rates)
