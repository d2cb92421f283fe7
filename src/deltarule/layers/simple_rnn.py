"""The simple recurrent cell, H_t = σ(X_t W + b + H_{t−1} U)."""

from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp

from deltarule.errors import SettingError
from deltarule.layers.cell import Cell
from deltarule.layers.layer import Cost, Equations


@dataclass(frozen=True)
class SimpleRNN(Cell):
    """The state is the output, and backward keeps nothing besides it.

    Its Jacobian from step to step is diag(σ') U^T, so δ dies or grows with the powers of U (Hochreiter 1991;
    Bengio, Simard and Frasconi 1994): for long memories there are `LSTM` and `GRU`.

    Args:
        features: o, the number of outputs.
        activation: σ, "tanh" or "relu".

    Raises:
        SettingError: fewer than one feature, or an activation that is neither.

    >>> import numpy as np
    >>> params = SimpleRNN(3, "relu").init(np.random.default_rng(0), 5)
    >>> {name: array.shape for name, array in params.items()}
    {'W': (5, 3), 'U': (3, 3), 'b': (3,)}
    """

    activation: Literal["tanh", "relu"] = "tanh"

    equations = Equations(
        forward=(r"A_t = X_t W + b", r"H_t = \sigma(A_t + H_{t-1} U)"),
        backward=(
            r"dA_t = dH_t \odot \sigma'(A_t + H_{t-1} U)",
            r"dH_{t-1} = dY_{t-1} + dA_t\, U^\top",
            r"dX_t = dA_t\, W^\top",
            r"dW = \sum_t X_t^\top dA_t",
            r"dU = \sum_t H_{t-1}^\top dA_t",
            r"db = \sum_{t,n} dA_{t,n}",
        ),
        source="Elman 1990, Finding structure in time",
    )

    def __post_init__(self):
        super().__post_init__()
        if self.activation not in ("tanh", "relu"):
            raise SettingError(f"SimpleRNN: activation must be 'tanh' or 'relu', got {self.activation!r}")

    @property
    def kernel(self):
        return "rnn", ("W", "U", "b"), {"relu": self.activation == "relu"}

    def step(self, params, a, state):
        (h,) = state
        s = a + h @ params["U"]  # (n, o)
        return (jnp.tanh(s) if self.activation == "tanh" else jnp.maximum(s, 0),), ()

    def step_backward(self, params, saved, before, after, dstate):
        (h,), (dh,) = after, dstate
        da = dh * (1 - h * h) if self.activation == "tanh" else jnp.where(h > 0, dh, 0)  # (n, o)
        return da, (da @ params["U"].T,)

    def step_cost(self, n):
        o = self.features
        slope = 3 if self.activation == "tanh" else 0
        return Cost(forward=2 * n * o * o + 2 * n * o, backward=2 * n * o * o + slope * n * o)
