"""All weights zero in x → ReLU → linear: W, b¹ and C never move, and b² learns the mean of y.

    python studies/zero_start.py

Y = H C + b², H = σ(X W + b¹), all of it zero at the start. δ is the derivative by Y, which is not zero:

    db² = Σ δ;   dC = Hᵀ δ = 0, as H = σ(0) = 0;   δ¹ = δ Cᵀ ⊙ σ′(0) = 0, as C = 0, and so dW = Xᵀ δ¹ = 0, db¹ = 0

"No parameter changes", as is often said, is wrong by one: b² goes to the mean of y. What derivative a ReLU has at
0 does not matter, for C is 0 before it. A sigmoid starts at σ(0) = ½, so that dC is not zero, C moves, and then W:
it learns, but its hidden units stay alike for ever, one unit at the price of many. Weights drawn at random do not.
"""

from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes

import deltarule as dr
from deltarule.layers.initializers import Initializer
from deltarule.training.step import Step
from study import BLUE, GREEN, GREY, ORANGE, Claims, Table, examples, logarithmic, main, side_by_side, trained

HIDDEN, BATCH, EPOCHS, RATE, SEEDS = 16, 34, 200, 0.02, 5


def network(activation: dr.Layer, start: Initializer) -> dr.Chain:
    return dr.Chain(dr.Dense(HIDDEN, W_init=start), activation, dr.Dense(1, W_init=start))


ZERO = dr.Constant(0.0)
CASES = {
    "ReLU, zero": (network(dr.ReLU(), ZERO), dr.SGD(RATE)),
    "ReLU, zero, RMSProp": (network(dr.ReLU(), ZERO), dr.RMSProp(RATE)),
    "sigmoid, zero": (network(dr.Sigmoid(), ZERO), dr.SGD(10 * RATE)),
    "ReLU, Glorot": (network(dr.ReLU(), dr.Glorot()), dr.SGD(RATE)),
}


@dataclass(frozen=True)
class Found:
    """Figures of one case: of each seed m, and of the epochs e.

    Attributes:
        weights: (m,), the largest |number| in W, b¹ and C at the end.
        unlike: (m,), how far the hidden units are from their mean, as a share of it.
        offset: (m, e), b² after each epoch.
        mean: of y, as it is for all seeds.
        loss: (m, e).
    """

    weights: np.ndarray
    unlike: np.ndarray
    offset: np.ndarray
    mean: float
    loss: np.ndarray


def case(net: dr.Chain, optimizer: dr.Optimizer, epochs: int, seeds: int) -> Found:
    x, y = load_diabetes(return_X_y=True)
    x, y = x / x.std(0), y / y.std()
    step = Step(net, dr.SquaredError(), optimizer)
    states, data = side_by_side(step.init(x.shape, seed) for seed in range(seeds)), examples(step, x, y)
    offsets, losses = [], []
    for _ in range(epochs):
        states, loss = trained(step, states, data, 1, BATCH)
        offsets.append(np.asarray(states.params[2]["b"][:, 0]))
        losses.append(loss[:, 0])
    first, _, last = jax.device_get(states.params)
    stuck = [first["W"], first["b"], last["W"]]
    units = np.concatenate([first["W"], first["b"][:, None], last["W"].transpose(0, 2, 1)], axis=1)  # (m, p, h)
    mean = units.mean(2, keepdims=True)
    unlike = np.abs(units - mean).max((1, 2)) / np.maximum(np.abs(mean).max((1, 2)), 1e-30)
    weights = np.max([np.abs(theta).reshape(seeds, -1).max(1) for theta in stuck], axis=0)
    return Found(weights, unlike, np.stack(offsets, 1), float(data.target.mean()), np.stack(losses, 1))


def measured(epochs: int = EPOCHS, seeds: int = SEEDS) -> dict[str, Found]:
    return {name: case(net, optimizer, epochs, seeds) for name, (net, optimizer) in CASES.items()}


def claims(found: dict[str, Found]) -> Claims:
    for name in ("ReLU, zero", "ReLU, zero, RMSProp"):
        f = found[name]
        yield not f.weights.any(), f"{name}: W, b¹ and C are exactly 0 after {f.loss.shape[1]} epochs"
        off = float(np.abs(f.offset[:, -1] - f.mean).max())
        yield off <= 0.1, f"{name}: b² is {off:.3f} from the mean of y, {f.mean:.2f}, at most; y has deviation 1"
    lost = found["ReLU, zero"].loss[:, -1]
    yield abs(lost - 1).max() <= 0.05, f"ReLU, zero: its error {lost.mean():.3f} is the variance of y"
    f = found["sigmoid, zero"]
    yield f.weights.min() >= 0.05, f"sigmoid, zero: its weights move, the largest to {f.weights.min():.2f}"
    yield f.unlike.max() <= 1e-3, f"but its hidden units stay alike, to {f.unlike.max():.0e}"
    f = found["ReLU, Glorot"]
    yield f.unlike.min() >= 0.5, f"weights drawn at random: units differ by {f.unlike.min():.1f} of their mean"
    yield f.loss[:, -1].max() <= 0.6, f"and the error falls to {f.loss[:, -1].max():.2f} of the variance"


def table(found: dict[str, Found]) -> Table:
    header = ("start", "largest of W, b¹, C", "units unlike", "b²", "mean of y", "error")
    return Table(
        header,
        [
            (name, *(a.mean() for a in (f.weights, f.unlike, f.offset[:, -1])), f.mean, f.loss[:, -1].mean())
            for name, f in found.items()
        ],
    )


def picture(found: dict[str, Found]) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, f), color in zip(found.items(), (BLUE, GREY, ORANGE, GREEN), strict=True):
        epochs = np.arange(1, f.loss.shape[1] + 1)
        if name.startswith("ReLU, zero"):
            left.plot(epochs, f.offset.T, color=color, linewidth=0.8, label=[name] + [None] * (len(f.offset) - 1))
        right.plot(epochs, f.loss.mean(0), color=color, label=name)
    left.axhline(found["ReLU, zero"].mean, color="grey", linewidth=0.8, linestyle=":", label="mean of y")
    logarithmic(left, right)
    left.set(xlabel="epoch", ylabel="b²", yscale="linear", ylim=(0, None))
    left.set_title("all zero: only b² learns", loc="left")
    right.set(xlabel="epoch", ylabel="squared error / variance of y", yscale="linear", ylim=(0, 1.5))
    right.set_title("diabetes, 5 seeds", loc="left")
    for axes in (left, right):
        axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
