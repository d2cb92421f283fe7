"""The gated recurrent unit, H_t = (1 − Z_t) ⊙ N_t + Z_t ⊙ H_{t−1}: a gate keeps the state or lets a new one in."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import SettingError
from deltarule.kernels.product import product
from deltarule.layers.cell import Cell
from deltarule.layers.dense import rows
from deltarule.layers.layer import Cost, Equations

GATES = (r"A_t = X_t W + b", r"R_t = \sigma(A_t^r + H_{t-1} U_r)", r"Z_t = \sigma(A_t^z + H_{t-1} U_z)")
STATE = r"H_t = (1 - Z_t) \odot N_t + Z_t \odot H_{t-1}"
DELTAS = (
    r"dA_t^n = dH_t \odot (1 - Z_t) \odot (1 - N_t^2)",
    r"dA_t^z = dH_t \odot (H_{t-1} - N_t) \odot Z_t \odot (1 - Z_t)",
)
PROJECTION = (r"dX_t = dA_t\, W^\top", r"dW = \sum_t X_t^\top dA_t")
SOURCE = "Cho et al. 2014, Learning phrase representations using RNN encoder-decoder"
AFTER = Equations(
    forward=(*GATES, r"V_t = H_{t-1} U_n + c", r"N_t = \tanh(A_t^n + R_t \odot V_t)", STATE),
    backward=(
        *DELTAS,
        r"dA_t^r = dA_t^n \odot V_t \odot R_t \odot (1 - R_t)",
        r"dS_t = [dA_t^r, dA_t^z, dA_t^n \odot R_t]",
        r"dH_{t-1} = dY_{t-1} + dH_t \odot Z_t + dS_t\, U^\top",
        *PROJECTION,
        r"dU = \sum_t H_{t-1}^\top dS_t",
        r"db = \sum_{t,n} dA_{t,n}",
        r"dc = \sum_{t,n} dS_{t,n}^n",
    ),
    source=SOURCE,
)
BEFORE = Equations(
    forward=(*GATES, r"V_t = R_t \odot H_{t-1}", r"N_t = \tanh(A_t^n + V_t U_n)", STATE),
    backward=(
        *DELTAS,
        r"dV_t = dA_t^n\, U_n^\top",
        r"dA_t^r = dV_t \odot H_{t-1} \odot R_t \odot (1 - R_t)",
        r"dH_{t-1} = dY_{t-1} + dH_t \odot Z_t + dV_t \odot R_t + dA_t^r\, U_r^\top + dA_t^z\, U_z^\top",
        *PROJECTION,
        r"dU = \sum_t [H_{t-1}^\top dA_t^r, H_{t-1}^\top dA_t^z, V_t^\top dA_t^n]",
        r"db = \sum_{t,n} dA_{t,n}",
    ),
    source=SOURCE,
)


@dataclass(frozen=True)
class GRU(Cell):
    """The gates r, z and the candidate n stand side by side in W, U and b, as in PyTorch; Keras, ONNX: z, r, n.

    z keeps the old state, as in PyTorch, Keras, ONNX and Cho et al. 2014; in Chung et al. 2014 and in many texts
    z lets the new one in, so that their z is our 1 − z.

    Args:
        features: o, the number of outputs.
        reset: where r acts. "after" the product with U, r ⊙ (h U_n + c) with a bias c of its own, as in
            PyTorch, cuDNN, and Keras by default: one product a step. "before" it, (r ⊙ h) U_n, as in Cho et al.,
            and ONNX by default: two products, one after the other.

    Raises:
        SettingError: fewer than one feature, or a reset that is neither.

    >>> params = GRU(3).init(np.random.default_rng(0), 5)
    >>> {name: array.shape for name, array in params.items()}
    {'W': (5, 9), 'U': (3, 9), 'b': (9,), 'c': (3,)}
    """

    reset: Literal["after", "before"] = "after"

    gates: ClassVar[int] = 3

    @property
    def equations(self):  # type: ignore[override]
        return AFTER if self.reset == "after" else BEFORE

    def __post_init__(self):
        super().__post_init__()
        if self.reset not in ("after", "before"):
            raise SettingError(f"GRU: reset must be 'after' or 'before', got {self.reset!r}")

    @property
    def kernel(self):
        return ("gru", ("W", "U", "b", "c"), {}) if self.reset == "after" else None

    def init(self, rng, i):
        params = super().init(rng, i)
        return params | {"c": np.zeros(self.features, np.float32)} if self.reset == "after" else params

    def step(self, params, a, state):
        (h,), o = state, self.features
        if self.reset == "after":
            s = h @ params["U"]  # (n, 3·o)
            r, z = halves(jax.lax.logistic(a[:, : 2 * o] + s[:, : 2 * o]))  # (n, o), (n, o)
            v = s[:, 2 * o :] + params["c"]  # (n, o)
            n = jnp.tanh(a[:, 2 * o :] + r * v)  # (n, o)
            kept = (r, z, n, v)
        else:
            U_rz, U_n = params["U"][:, : 2 * o], params["U"][:, 2 * o :]
            r, z = halves(jax.lax.logistic(a[:, : 2 * o] + h @ U_rz))  # (n, o), (n, o)
            n = jnp.tanh(a[:, 2 * o :] + (r * h) @ U_n)  # (n, o)
            kept = (r, z, n)
        return ((1 - z) * n + z * h,), kept

    def step_backward(self, params, saved, before, after, dstate):
        (r, z, n, *v), (h,), (dh,), o = saved, before, dstate, self.features
        dn = dh * (1 - z) * (1 - n * n)  # (n, o)
        dz = dh * (h - n) * z * (1 - z)  # (n, o)
        if self.reset == "after":
            dr = dn * v[0] * r * (1 - r)  # (n, o)
            ds = jnp.concatenate([dr, dz, dn * r], axis=1)  # (n, 3·o)
            dbefore = dh * z + ds @ params["U"].T  # (n, o)
        else:
            U_rz, U_n = params["U"][:, : 2 * o], params["U"][:, 2 * o :]
            drh = dn @ U_n.T  # (n, o), of r ⊙ h
            dr = drh * h * r * (1 - r)  # (n, o)
            dbefore = dh * z + drh * r + jnp.concatenate([dr, dz], axis=1) @ U_rz.T  # (n, o)
        return jnp.concatenate([dr, dz, dn], axis=1), (dbefore,)

    def step_cost(self, n):
        o = self.features
        numbers, products = n * o, 6 * n * o * o
        if self.reset == "after":
            return Cost(products + 12 * numbers, products + 17 * numbers, parameters=o, saved=4 * numbers)
        return Cost(products + 11 * numbers, products + 18 * numbers, saved=3 * numbers)

    def state_gradients(self, params, saved, before, after, da):
        (r, *_), (h,), o = saved, before, self.features
        if self.reset == "after":
            dn = da[..., 2 * o :] * r  # (t, n, o)
            ds = jnp.concatenate([da[..., : 2 * o], dn], axis=2)  # (t, n, 3·o)
            return {"U": product(rows(h), rows(ds), a_transposed=True), "c": rows(dn).sum(0)}
        dU_rz = product(rows(h), rows(da[..., : 2 * o]), a_transposed=True)  # (o, 2·o)
        dU_n = product(rows(r * h), rows(da[..., 2 * o :]), a_transposed=True)  # (o, o)
        return {"U": jnp.concatenate([dU_rz, dU_n], axis=1)}  # (o, 3·o)

    def gradient_flops(self, steps):
        o = self.features
        bias = (steps - 1) * o if self.reset == "after" else 0
        return super().gradient_flops(steps) + steps * o + bias


def halves(gates):
    """Two gates that stand side by side."""
    return jnp.split(gates, 2, axis=1)  # (n, o), (n, o)
