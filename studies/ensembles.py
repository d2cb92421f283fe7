"""An ensemble averages predictions; the average of parameters is another network, and no ensemble.

    python studies/ensembles.py

g(x) = 1/M Σ_m f(x; θ^m). Members whose seeds alone differ are independent draws of one f, so that the variance of
g is that of f divided by M, and its error falls by just the spread of the members about it (Krogh and Vedelsby
1995):

    (g − y)² = 1/M Σ_m (f_m − y)² − 1/M Σ_m (f_m − g)²

f(x; 1/M Σ θ^m) has none of this. Hidden units of strangers are in another order and of another sign, their mean is
near 0, and the network with the mean weights is worse than a single member; its variance does not fall as 1/M.

Often stated as "never average weights", which is wrong too: members that part late, from one network half trained,
are close together, and the network of their mean weights is as good as their ensemble, at the price of one network
(Izmailov et al. 2018; Wortsman et al. 2022). But they have little variance of their own to lose.
"""

from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes

import deltarule as dr
from deltarule.training.step import State, Step
from study import BLUE, GREY, ORANGE, Claims, Table, examples, main, predictions, side_by_side, trained

HIDDEN, BATCH, EPOCHS, RATE, MEMBERS, SEEDS, TRAINED = 32, 30, 100, 0.01, 10, 5, 300
KINDS = ("strangers", "siblings")


@dataclass(frozen=True)
class Found:
    """What networks give for examples not seen, by kind: `members` (m, k, n), k in each of m ensembles, and
    `averaged` (m, n), the network with the mean of their parameters. `y` (n,) is the truth, of variance 1.
    """

    y: np.ndarray
    members: dict[str, np.ndarray]
    averaged: dict[str, np.ndarray]

    def error(self, given: np.ndarray) -> np.ndarray:
        return ((given - self.y) ** 2).mean(-1)

    def errors(self, kind: str) -> dict[str, np.ndarray]:
        """The squared errors (m,) of a member on the average, of the ensemble, and of the averaged parameters."""
        members = self.members[kind]
        return {
            "a member": self.error(members).mean(1),
            "ensemble": self.error(members.mean(1)),
            "averaged weights": self.error(self.averaged[kind]),
        }

    def variances(self, kind: str) -> dict[str, float]:
        """The same for the variance over seeds, the mean over examples."""
        members = self.members[kind]
        return {
            "a member": float(members.var(0, ddof=1).mean()),
            "ensemble": float(members.mean(1).var(0, ddof=1).mean()),
            "averaged weights": float(self.averaged[kind].var(0, ddof=1).mean()),
        }


def measured(epochs: int = EPOCHS, members: int = MEMBERS, seeds: int = SEEDS) -> Found:
    x, y = load_diabetes(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = (x / x.std(0))[order], ((y - y.mean()) / y.std())[order]
    net = dr.Chain(dr.Dense(HIDDEN), dr.Tanh(), dr.Dense(1))
    step = Step(net, dr.SquaredError(), dr.Adam(RATE))
    data = examples(step, x[:TRAINED], y[:TRAINED])
    fresh = side_by_side(step.init(x.shape, seed) for seed in range(seeds * members))
    half, _ = trained(step, fresh, data, epochs // 2, BATCH)
    strangers, _ = trained(step, half, data, epochs // 2, BATCH)
    shared = jax.tree.map(lambda leaf: np.repeat(leaf[::members], members, axis=0), jax.device_get(half))
    siblings, _ = trained(step, shared._replace(key=fresh.key), data, epochs // 2, BATCH)

    def grouped(states: State) -> State:
        """The mean of the parameters of each ensemble's members."""
        return jax.tree.map(lambda leaf: np.asarray(leaf).reshape(seeds, members, *leaf.shape[1:]).mean(1), states)

    def given(states: State) -> np.ndarray:
        return predictions(net, states, x[TRAINED:])[..., 0]  # (m, n)

    kinds = dict(zip(KINDS, (strangers, siblings), strict=True))
    return Found(
        y[TRAINED:],
        {kind: given(states).reshape(seeds, members, -1) for kind, states in kinds.items()},
        {kind: given(grouped(states)) for kind, states in kinds.items()},
    )


def claims(found: Found) -> Claims:
    members = found.members["strangers"]
    spread = ((members - members.mean(1, keepdims=True)) ** 2).mean((1, 2))
    member, ensemble, averaged = found.errors("strangers").values()
    off = float(np.abs(member - spread - ensemble).max())
    yield off <= 1e-5, f"the ensemble's error is a member's less their spread, to {off:.0e}"
    gain = float((ensemble / member).max())
    yield gain <= 0.92, f"an ensemble of {members.shape[1]} has {gain:.2f} of a member's error at most"
    v_member, v_ensemble, v_averaged = found.variances("strangers").values()
    part = v_member / v_ensemble
    ideal = members.shape[1]
    yield (
        ideal / 2 <= part <= 2 * ideal,
        f"its variance is 1/{part:.1f} of a member's; independent ones give 1/{ideal}",
    )
    worse = float((averaged / ensemble).min())
    yield worse >= 1.02, f"averaged weights of strangers: {worse:.2f} times the ensemble's error at least"
    mean = float(averaged.mean() / ensemble.mean())
    yield mean >= 1.2, f"and {mean:.2f} times on the average"
    yield v_averaged >= 3 * v_ensemble, f"their variance is {v_averaged / v_ensemble:.1f} times the ensemble's"
    _, ensemble, averaged = found.errors("siblings").values()
    near = float((averaged / ensemble).max())
    yield near <= 1.05, f"averaged weights of siblings: {near:.3f} times their ensemble's error at most"
    v_siblings = found.variances("siblings")["ensemble"]
    yield v_siblings >= 2 * v_ensemble, f"but their ensemble has {v_siblings / v_ensemble:.1f} times the variance"


def table(found: Found) -> Table:
    return Table(
        ("members", "network", "squared error", "least", "largest", "variance over seeds"),
        [
            (kind, name, error.mean(), error.min(), error.max(), found.variances(kind)[name])
            for kind in KINDS
            for name, error in found.errors(kind).items()
        ],
    )


def picture(found: Found) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    colors = {"a member": GREY, "ensemble": BLUE, "averaged weights": ORANGE}
    for at, kind in enumerate(KINDS):
        for shift, (name, color) in zip((-0.25, 0, 0.25), colors.items(), strict=True):
            error = found.errors(kind)[name]
            label = name if at == 0 else None
            places = np.full(len(error), at + shift)
            left.plot(places, error, "o", color=color, markersize=4, alpha=0.7, label=label)
            right.bar(at + shift, found.variances(kind)[name], 0.23, color=color)
    left.axhline(1, color="grey", linewidth=0.8, linestyle=":")
    left.set(ylabel="squared error / variance of y", ylim=(0, None), xlim=(-0.5, 1.5))
    left.set_title(f"diabetes, {len(error)} seeds", loc="left")
    right.set(ylabel="variance over seeds")
    for axes in (left, right):
        axes.set_xticks(range(len(KINDS)), KINDS)
    left.legend(frameon=False, loc="lower left")
    return figure


if __name__ == "__main__":
    main()
