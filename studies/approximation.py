"""The universal approximation theorem speaks of the best weights; gradient descent finds others.

    python studies/approximation.py

A piecewise linear interpolant of f at h + 1 knots t_k is a network with one hidden layer of h ReLU units,

    f̂(x) = f(t_0) + Σ_k (s_k − s_{k−1}) max(0, x − t_k),   s_k the slope between t_k and t_{k+1}, s_{−1} = 0

and its error is at most (t_{k+1} − t_k)² max |f″| / 8: it falls as h^−2. Weights as good as these are there at
every width, and are not found: from the usual start, with biases 0, all kinks begin at x = 0, and a network of 64
units ends where one of 8 does. With kinks spread over the interval it learns more, and is still behind. From the
constructed weights the same descent, at a tenth of the rate, only improves: what is missing is the way there.

Often stated as "a wide network learns any function"; the theorem says that it can hold one. Nor is the interpolant
the best network: with few units gradient descent beats it, for it may put the kinks where it likes.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.training.step import Step
from study import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    Claims,
    Table,
    examples,
    logarithmic,
    main,
    predictions,
    side_by_side,
    slope,
    trained,
)

WIDTHS, POINTS, BATCH, EPOCHS, RATE, SEEDS = (4, 8, 16, 32, 64, 128), 512, 64, 300, 0.01, 5
SHOWN = 64  # units of the networks that are drawn
STARTS = {"usual": ORANGE, "kinks spread": GREEN, "constructed": BLUE}


def f(x: np.ndarray) -> np.ndarray:
    return np.sin(np.pi * x) + np.sin(3 * np.pi * x) / 2


def constructed(width: int):
    """The parameters of the interpolant with equal distances between its knots."""
    knots = np.linspace(-1, 1, width + 1)
    slopes = np.diff(f(knots)) / np.diff(knots)
    first = {"W": np.ones((1, width), np.float32), "b": -knots[:-1].astype(np.float32)}
    jumps = np.diff(slopes, prepend=0)[:, None]
    return first, {}, {"W": jumps.astype(np.float32), "b": f(knots[:1]).astype(np.float32)}


def spread(params, seed: int):
    """The same weights, with biases that put the kinks x = −b/w anywhere in [−1, 1]."""
    first, *others = params
    kinks = np.random.default_rng(seed).uniform(-1, 1, len(first["b"])).astype(np.float32)
    return {**first, "b": -first["W"][0] * kinks}, *others


@dataclass(frozen=True)
class Found:
    """Root mean squared errors on [−1, 1]: of the interpolant by width, and trained (m,) by start and width.

    `shown` are what networks of SHOWN units give at x, trained from the first seed, by start.
    """

    built: dict[int, float]
    error: dict[tuple[str, int], np.ndarray]
    x: np.ndarray
    shown: dict[str, np.ndarray]


def measured(widths=WIDTHS, epochs: int = EPOCHS, seeds: int = SEEDS) -> Found:
    x = np.linspace(-1, 1, POINTS)[:, None]
    built, error, shown = {}, {}, {}
    for width in widths:
        net = dr.Chain(dr.Dense(width, W_init=dr.He()), dr.ReLU(), dr.Dense(1))
        schedules = (dr.CosineDecay(rate, epochs * POINTS // BATCH) for rate in (RATE, RATE / 10))
        step, gentle = (Step(net, dr.SquaredError(), dr.Adam(schedule)) for schedule in schedules)
        data, fresh = examples(step, x, f(x)), [step.init(x.shape, seed) for seed in range(seeds)]
        starts = {
            "usual": fresh,
            "kinks spread": [s._replace(params=spread(s.params, seed)) for seed, s in enumerate(fresh)],
            "constructed": [gentle.init(x.shape, s)._replace(params=constructed(width)) for s in range(seeds)],
        }
        for name, states in starts.items():
            y = predictions(net, trained(step, side_by_side(states), data, epochs, BATCH)[0], x)
            error[name, width] = np.sqrt(((y - f(x)) ** 2).mean((1, 2)))
            if width == SHOWN:
                shown[name] = y[0]
        y = predictions(net, side_by_side(starts["constructed"]), x)[0]
        built[width] = float(np.sqrt(((y - f(x)) ** 2).mean()))
    return Found(built, error, x, shown)


def claims(found: Found) -> Claims:
    widths = sorted(found.built)
    power = slope(widths[1:], [found.built[width] for width in widths[1:]])
    yield -2.3 <= power <= -1.7, f"constructed: the error falls as h^{power:.2f}"
    for name, least in (("usual", 3.5), ("kinks spread", 2)):
        behind = min(float((found.error[name, h] / found.built[h]).min()) for h in widths[2:])
        yield behind >= least, f"trained, {name}: {behind:.1f} times that error at least, from h = {widths[2]} on"
    wide = float(found.error["usual", 64].mean() / found.error["usual", 8].mean())
    best = found.built[64] / found.built[8]
    yield (
        wide >= 0.6,
        f"usual start: the error of 64 units is {wide:.2f} of that of 8; constructed it is {best:.2f}",
    )
    gain = [found.error["usual", h].mean() / found.error["kinks spread", h].mean() for h in widths[3:]]
    yield (
        min(gain) >= 1.3,
        f"kinks spread at the start: {min(gain):.1f} times nearer at least, from h = {widths[3]} on",
    )
    better = [float((found.error["constructed", h] / found.built[h]).max()) for h in widths[1:]]
    yield max(better) <= 0.7, f"trained from the constructed weights: {max(better):.2f} of that error at most"
    few = float((found.error["usual", widths[0]] / found.built[widths[0]]).max())
    yield few <= 0.9, f"with {widths[0]} units: trained from the usual start {few:.2f} of it at most"


def table(found: Found) -> Table:
    rows = [(h, e, *(found.error[name, h].mean() for name in STARTS)) for h, e in found.built.items()]
    return Table(("units", "constructed", *(f"trained from: {name}" for name in STARTS)), rows)


def picture(found: Found) -> Figure:
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    x = found.x[::4]
    left.plot(x, f(x), color=GREY, linewidth=3, alpha=0.4, label="f")
    for name, color in STARTS.items():
        left.plot(x, found.shown[name][::4], color=color, linewidth=1, label=name)
        errors = np.stack([found.error[name, h] for h in found.built])  # (h, m)
        right.plot(list(found.built), errors, color=color, marker="o", markersize=2.5, linewidth=0.6)
    right.plot(
        *zip(*found.built.items(), strict=True), color=GREY, linestyle="--", label="constructed, not trained"
    )
    left.set(xlabel="x", ylabel="f(x)", xticks=(-1, -0.5, 0, 0.5, 1))
    left.set_title(f"{SHOWN} units, trained from", loc="left")
    left.legend(frameon=False, fontsize=8)
    logarithmic(right)
    right.set(xlabel="hidden units h", ylabel="error")
    right.set_xticks(list(found.built), map(str, found.built))
    right.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main()
