"""Long short-term memory, C_t = F_t ⊙ C_{t−1} + I_t ⊙ G_t, H_t = O_t ⊙ tanh C_t: a state that is added to."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers.cell import Cell
from deltarule.layers.dense import rows
from deltarule.layers.layer import Cost, Equations


@dataclass(frozen=True)
class LSTM(Cell):
    """The state is h, the output, and c; the gates i, f, g, o stand side by side in W, U and b.

    PyTorch and Keras have the same order, ONNX i, o, f, c. The bias of f begins at 1, so that a fresh cell
    remembers (Jozefowicz, Zaremba and Sutskever 2015), as in Keras; PyTorch begins near 0. Of each step backward
    keeps the gates and c, and makes tanh c once more.

    Args:
        features: o, the number of outputs.
        peephole: whether the gates see c: i and f the one before, o the new one, by the rows of p (3, o), which
            begins at zero.

    Raises:
        SettingError: fewer than one feature.

    >>> params = LSTM(3, peephole=True).init(np.random.default_rng(0), 5)
    >>> {name: array.shape for name, array in params.items()}
    {'W': (5, 12), 'U': (3, 12), 'b': (12,), 'p': (3, 3)}
    """

    peephole: bool = False

    gates: ClassVar[int] = 4
    equations = Equations(
        forward=(
            r"A_t = X_t W + b",
            r"I_t = \sigma(A_t^i + H_{t-1} U_i + p_i \odot C_{t-1})",
            r"F_t = \sigma(A_t^f + H_{t-1} U_f + p_f \odot C_{t-1})",
            r"G_t = \tanh(A_t^g + H_{t-1} U_g)",
            r"C_t = F_t \odot C_{t-1} + I_t \odot G_t",
            r"O_t = \sigma(A_t^o + H_{t-1} U_o + p_o \odot C_t)",
            r"H_t = O_t \odot \tanh C_t",
        ),
        backward=(
            r"dA_t^o = dH_t \odot \tanh C_t \odot O_t \odot (1 - O_t)",
            r"dC_t \mathrel{+}= dH_t \odot O_t \odot (1 - \tanh^2 C_t) + dA_t^o \odot p_o",
            r"dA_t^i = dC_t \odot G_t \odot I_t \odot (1 - I_t)",
            r"dA_t^f = dC_t \odot C_{t-1} \odot F_t \odot (1 - F_t)",
            r"dA_t^g = dC_t \odot I_t \odot (1 - G_t^2)",
            r"dC_{t-1} = dC_t \odot F_t + dA_t^i \odot p_i + dA_t^f \odot p_f",
            r"dH_{t-1} = dY_{t-1} + dA_t\, U^\top",
            r"dX_t = dA_t\, W^\top",
            r"dW = \sum_t X_t^\top dA_t",
            r"dU = \sum_t H_{t-1}^\top dA_t",
            r"db = \sum_{t,n} dA_{t,n}",
            r"dp = \sum_{t,n} [dA_t^i \odot C_{t-1}, dA_t^f \odot C_{t-1}, dA_t^o \odot C_t]",
        ),
        source="Hochreiter and Schmidhuber 1997, Long short-term memory; Gers, Schmidhuber and Cummins 2000, "
        "Learning to forget; for the peepholes Gers and Schmidhuber 2000, Recurrent nets that time and count",
    )

    @property
    def kernel(self):
        return None if self.peephole else ("lstm", ("W", "U", "b"), {})

    def init(self, rng, i):
        params, o = super().init(rng, i), self.features
        params["b"][o : 2 * o] = 1
        return params | {"p": np.zeros((3, o), np.float32)} if self.peephole else params

    def state(self, n):
        return ((n, self.features), (n, self.features))

    def step(self, params, a, state):
        h, c = state
        i, f, g, o = jnp.split(a + h @ params["U"], 4, axis=1)  # (n, o) each, before their σ
        if self.peephole:
            i, f = i + params["p"][0] * c, f + params["p"][1] * c  # (n, o), (n, o)
        i, f, g = jax.lax.logistic(i), jax.lax.logistic(f), jnp.tanh(g)  # (n, o) each
        c = f * c + i * g  # (n, o)
        if self.peephole:
            o = o + params["p"][2] * c  # (n, o)
        o = jax.lax.logistic(o)  # (n, o)
        return (o * jnp.tanh(c), c), (i, f, g, o)

    def step_backward(self, params, saved, before, after, dstate):
        (i, f, g, o), (_, c_before), (_, c), (dh, dc) = saved, before, after, dstate
        tanh_c = jnp.tanh(c)  # (n, o)
        do = dh * tanh_c * o * (1 - o)  # (n, o)
        dc = dc + dh * o * (1 - tanh_c * tanh_c)  # (n, o)
        if self.peephole:
            dc = dc + do * params["p"][2]  # (n, o), through the gate o
        di = dc * g * i * (1 - i)  # (n, o)
        df = dc * c_before * f * (1 - f)  # (n, o)
        dg = dc * i * (1 - g * g)  # (n, o)
        dc = dc * f  # (n, o)
        if self.peephole:
            dc = dc + di * params["p"][0] + df * params["p"][1]  # (n, o), through the gates i and f
        da = jnp.concatenate([di, df, dg, do], axis=1)  # (n, 4·o)
        return da, (da @ params["U"].T, dc)

    def step_cost(self, n):
        o, peephole = self.features, int(self.peephole)
        return Cost(
            forward=8 * n * o * o + (13 + 6 * peephole) * n * o,
            backward=8 * n * o * o + (23 + 6 * peephole) * n * o,
            parameters=3 * peephole * o,
            saved=4 * n * o,
        )

    def state_gradients(self, params, saved, before, after, da):
        dparams = super().state_gradients(params, saved, before, after, da)
        if self.peephole:
            di, df, _, do = jnp.split(da, 4, axis=2)  # (t, n, o) each
            (_, c_before), (_, c) = before, after
            terms = (di * c_before, df * c_before, do * c)  # (t, n, o) each
            dparams["p"] = jnp.stack([rows(term).sum(0) for term in terms])  # (3, o)
        return dparams

    def gradient_flops(self, steps):
        peepholes = 3 * (2 * steps - 1) * self.features if self.peephole else 0
        return super().gradient_flops(steps) + peepholes
