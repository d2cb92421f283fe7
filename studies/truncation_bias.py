"""The bias of truncated back-propagation through time, against the number of steps τ that δ goes back.

    python studies/truncation_bias.py

Influence balancing (Tallec and Ollivier 2017, Unbiasing truncated backpropagation through time): 23 linear units
in a line, s_{t+1} = A s_t + θ v with A = (1, 1)/2 on the diagonal and beside it, v = 1 for the first 10 units and
−1 for the other 13; ℓ = ½ (s_1 − 1)². At rest s_1 = −6 θ. The 10 positive units are near and the 13 negative ones
far, so that a δ which goes back few steps sees the wrong sign, and training diverges for ever.

Then random tanh networks: the same bias, small where the memory of the network is short.
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.layers.cell import Cell
from deltarule.layers.layer import Context, Cost
from study import BLUE, ORANGE, PURPLE, Claims, Table, logarithmic, main

UNITS, POSITIVE, RIGHT_FROM = 23, 10, 41
LENGTH, WINDOWS = 200, [1, 2, 4, 8, 16, 32, 64, 128, 200]
RADII, SEEDS = (0.5, 0.9, 0.99), 5


@dataclass(frozen=True)
class Influence(Cell):
    """s_{t+1} = A s_t + θ v: one number θ is learned, and there is no input."""

    features: int = UNITS

    @property
    def A(self):
        return 0.5 * (jnp.eye(UNITS) + jnp.eye(UNITS, k=1))

    @property
    def v(self):
        return jnp.where(jnp.arange(UNITS) < POSITIVE, 1.0, -1.0)

    def init(self, rng, i):
        return {"theta": np.zeros((), np.float32)}

    def project(self, params, x):
        return jnp.broadcast_to(params["theta"] * self.v, (*x.shape[:2], UNITS))  # (t, n, o)

    def project_backward(self, params, x, da):
        return jnp.zeros_like(x), {"theta": (da * self.v).sum()}

    def step(self, params, a, state):
        return (a + state[0] @ self.A.T,), ()

    def step_backward(self, params, saved, before, after, dstate):
        (ds,) = dstate
        return ds, (ds @ self.A,)

    def state_gradients(self, params, saved, before, after, da):
        return {}

    def step_cost(self, n):
        return Cost(2 * n * UNITS * UNITS, 2 * n * UNITS * UNITS)


@partial(jax.jit, static_argnames="layer")
def gradients(layer: dr.Recurrent, params, x, memories, windows, target, weight):
    """dparams of ½ Σ weight (y − target)² at the last step, through the last τ steps of x (n, t, i) alone.

    One for each τ in `windows` and the state before it in `memories`; the steps before a window are padding.
    """

    def one(memory, window):
        mask = jnp.broadcast_to(jnp.arange(x.shape[1]) >= x.shape[1] - window, x.shape[:2])  # (n, t)
        y, saved = layer.forward(params, x, Context(memory=(memory,), mask=mask))
        ends = jnp.zeros_like(y).at[:, -1].set(weight * (y[:, -1] - target))  # (n, t, o)
        return layer.backward(params, saved, ends)[1]

    return jax.vmap(one)(memories, windows)


def influence(theta: float = 0.1) -> tuple[np.ndarray, np.ndarray, float]:
    """(τ, dθ truncated at τ, dθ through all of time) at the state of rest for θ."""
    cell, windows = Influence(), np.array([*range(1, 61), 1000])
    rest = jnp.linalg.solve(jnp.eye(UNITS) - cell.A, theta * cell.v)  # (o,)
    memories, first = jnp.broadcast_to(rest, (len(windows), 1, UNITS)), jnp.arange(UNITS) == 0
    layer, x = dr.Recurrent(cell, carry=True), jnp.zeros((1, windows[-1], 1))
    found = gradients(layer, {"theta": jnp.asarray(theta)}, x, memories, windows, 1.0, first)["theta"]
    return windows[:-1], np.asarray(found[:-1]), float(found[-1])


def random_network(radius: float, seed: int) -> np.ndarray:
    """(τ,) how far the gradient truncated at τ is from the whole one, as a share, for a spectral radius of U."""
    rng, i, o = np.random.default_rng(seed), 3, 16
    params = {name: jnp.asarray(a, float) for name, a in dr.SimpleRNN(o).init(rng, i).items()}
    params["U"] = params["U"] * radius  # orthogonal before
    x, target = jnp.asarray(rng.normal(size=(8, LENGTH, i))) * 0.2, jnp.asarray(rng.normal(size=(8, o)))
    hs, _ = dr.Recurrent(dr.SimpleRNN(o)).forward(params, x, Context())  # (n, t, o)
    before = jnp.pad(hs, ((0, 0), (1, 0), (0, 0))).swapaxes(0, 1)[LENGTH - np.array(WINDOWS)]  # (τ, n, o)
    layer = dr.Recurrent(dr.SimpleRNN(o), carry=True)
    found = jax.tree.leaves(gradients(layer, params, x, before, np.array(WINDOWS), target, 1.0))
    flat = np.concatenate([leaf.reshape(len(WINDOWS), -1) for leaf in found], axis=1)
    return np.linalg.norm(flat - flat[-1], axis=1) / np.linalg.norm(flat[-1])


class Found(NamedTuple):
    """τ, dθ truncated at τ and through all of time, of influence balancing; the networks' bias (m, τ) by ‖U‖."""

    lengths: np.ndarray
    truncated: np.ndarray
    whole: float
    networks: dict[float, np.ndarray]


def measured(radii=RADII, seeds: int = SEEDS) -> Found:
    with jax.enable_x64(True):
        networks = {radius: np.stack([random_network(radius, seed) for seed in range(seeds)]) for radius in radii}
        return Found(*influence(), networks)


def claims(found: Found) -> Claims:
    lengths, whole = found.lengths, found.whole
    right = lengths[found.truncated * whole > 0]
    yield right[0] == RIGHT_FROM, f"the truncated gradient has the wrong sign up to τ = {right[0] - 1}"
    yield len(right) == lengths[-1] - right[0] + 1, f"and the right one at every τ from {right[0]} on"
    for radius, bias in found.networks.items():
        falls = (bias[:, -1] <= 1e-12).all() and (bias[:, 0] > 2 * bias[:, -2]).all()
        figures = ", ".join(f"{b:.0e} at {t}" for t, b in zip(WINDOWS, bias.max(0), strict=True))
        yield falls, f"‖U‖ = {radius}: the bias falls with τ, at most {figures}"
    at_16 = np.stack([bias[:, WINDOWS.index(16)] for bias in found.networks.values()])
    longer = float((at_16[1:] / at_16[:-1]).min())
    yield longer >= 1.5, f"the longer the memory, the larger the bias at τ = 16: {longer:.1f} times at least"


def table(found: Found) -> Table:
    rows = [(f"‖U‖ = {radius}", *bias.mean(0)) for radius, bias in found.networks.items()]
    return Table(("bias as a share", *(f"τ = {t}" for t in WINDOWS)), rows)


def picture(found: Found) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(found.lengths, found.truncated, color=BLUE, label="truncated at τ")
    left.axhline(found.whole, color=ORANGE, label="all of time")
    left.axvline(RIGHT_FROM, color="grey", linewidth=0.8, linestyle=":")
    left.axhline(0, color="grey", linewidth=0.8)
    left.set(xlabel="τ", ylabel="dθ")
    left.set_title("influence balancing: right sign from 41", loc="left")
    left.legend(frameon=False, loc="lower right")
    for (radius, bias), color in zip(found.networks.items(), (BLUE, PURPLE, ORANGE), strict=False):
        right.plot(WINDOWS[:-1], bias.mean(0)[:-1], marker="o", markersize=3, color=color, label=f"‖U‖ = {radius}")
    logarithmic(right)
    right.set(xlabel="τ", ylabel="bias / gradient")
    right.set_title(f"random tanh networks, {len(bias)} seeds", loc="left")
    right.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
