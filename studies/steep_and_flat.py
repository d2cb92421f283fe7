"""A surface steep one way and flat the other: SGD with a constant rate against RMSProp.

    python studies/steep_and_flat.py

ρ(w) = ½ (κ u² + v²), (u, v) = w turned by an angle: one feature in metres and another in kilometres make such a
surface of a regression. Along u SGD multiplies the distance by 1 − α κ in each step, along v by 1 − α. It leaps
over the valley from 1/κ on and diverges from 2/κ on; at any smaller rate the flat direction takes some κ steps.

RMSProp divides each axis by the size of its own gradient. On the axes both directions then go at one
pace, whatever κ is. Two things are told less often: with a constant rate it does not arrive, but circles at a
distance of the order of α; and it knows axes only: turn the surface by 45°, and what it gained is lost again.
"""

from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.training.step import Step
from study import BLUE, GREEN, GREY, ORANGE, Claims, Table, examples, logarithmic, main, side_by_side, slope

KAPPAS, LEVEL, STEPS, SEEDS = (10, 100, 1000), 0.05, 10_000, 5
TURNS = {"on the axes": 0.0, "turned by 45°": np.pi / 4}
SGD_RATES = np.array([0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 1.9, 1.97, 1.99, 2.02])  # times 1/κ
RMSPROP_RATES = np.geomspace(1e-4, 0.3, 12)


def paths(kappa: float, turn: float, optimizer: dr.Optimizer, rates: np.ndarray, steps: int, seeds: int):
    """(u, v) after each step (r, s, k, 2) at every rate r from every start s, all at once.

    Two examples are the surface: features (√κ, 0) and (0, 1), turned, with targets 0. Half the sum over two
    examples is their mean, so that the loss is ρ.
    """
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])  # rows u, v
    step = Step(dr.Dense(1, bias=False), dr.SquaredError(), optimizer)
    data = examples(step, np.diag([np.sqrt(kappa), 1.0]) @ turned, np.zeros(2))
    angles = np.random.default_rng(0).uniform(np.pi / 6, np.pi / 3, seeds)  # both directions have their way to go
    starts = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ turned  # (s, 2)

    def start(rate, w):
        state = step.init((2, 2), 0)
        numbers = {**state.numbers, "learning_rate": {"rate": np.float32(rate)}}
        return state._replace(params={"W": w[:, None].astype(np.float32)}, numbers=numbers)

    states = side_by_side(start(rate, w) for rate in rates for w in starts)

    @jax.jit
    @jax.vmap
    def walk(state):
        def one(state, _):
            moved, _ = step(state, data)
            return moved, moved.params["W"][:, 0]

        return jax.lax.scan(one, state, length=steps)[1]

    ways = np.concatenate([np.stack([s for _ in rates for s in starts])[:, None], walk(states)], axis=1) @ turned.T
    return ways.reshape(len(rates), seeds, steps + 1, 2)


def steps_to_level(ways: np.ndarray) -> np.ndarray:
    """After how many steps the distance to the minimum is below LEVEL to the end (...); inf where it never is."""
    far = ~(np.linalg.norm(ways, axis=-1) <= LEVEL)  # NaN is far
    last = far.shape[-1] - far[..., ::-1].argmax(-1)  # one after the last far one
    return np.where(last < far.shape[-1], last, np.inf)


def crossings(ways: np.ndarray) -> np.ndarray:
    """How often a path leaps over the valley, u = 0, before it is at LEVEL."""
    u = ways[..., 0]
    return ((u[..., 1:] * u[..., :-1] < 0) & (np.abs(u[..., :-1]) > LEVEL)).sum(-1)


@dataclass(frozen=True)
class Found:
    """Of one optimizer on one surface: `steps` (r, s) to the level, `leaps` (r, s) over the valley, at each rate.

    `floor` (r, s) is the largest distance to the minimum in the last tenth of the way; `way` the path from the
    first start at the best rate.
    """

    rates: np.ndarray
    steps: np.ndarray
    leaps: np.ndarray
    floor: np.ndarray
    way: np.ndarray

    @property
    def best(self) -> int:
        """Which rate is the fastest from the start that takes longest."""
        return int(self.steps.max(1).argmin())


def one(kappa: float, turn: float, optimizer: dr.Optimizer, rates: np.ndarray, steps: int, seeds: int) -> Found:
    with np.errstate(invalid="ignore", over="ignore"):
        ways = paths(kappa, turn, optimizer, rates, steps, seeds)
        to_level, leaps = steps_to_level(ways), crossings(ways)
        floor = np.linalg.norm(ways[:, :, -steps // 10 :], axis=-1).max(-1)
    return Found(rates, to_level, leaps, floor, ways[to_level.max(1).argmin(), 0])


def measured(kappas=KAPPAS, steps: int = STEPS, seeds: int = SEEDS) -> dict[tuple[str, str, float], Found]:
    """By optimizer, turn and κ."""
    found = {}
    for place, turn in TURNS.items():
        for kappa in kappas:
            found["SGD", place, kappa] = one(kappa, turn, dr.SGD(1.0), SGD_RATES / kappa, steps, seeds)
            found["RMSProp", place, kappa] = one(kappa, turn, dr.RMSProp(1.0), RMSPROP_RATES, steps, seeds)
    return found


def claims(found: dict[tuple[str, str, float], Found]) -> Claims:
    kappas = sorted({kappa for _, _, kappa in found})
    straight, turned = TURNS
    fastest = {key: float(f.steps.max(1)[f.best]) for key, f in found.items()}

    for kappa in kappas:
        sgd = found["SGD", straight, kappa]
        small, beyond = sgd.rates * kappa < 0.99, sgd.rates * kappa > 2
        yield not sgd.leaps[small].any(), f"κ = {kappa}: SGD leaps over the valley at no rate below 1/κ"
        yield np.isinf(sgd.steps[beyond]).all(), f"κ = {kappa}: SGD arrives at no rate beyond 2/κ"
        leaps = int(sgd.leaps[sgd.best].min())
        yield leaps >= 5, f"κ = {kappa}: at its fastest rate, {sgd.rates[sgd.best]:.3g}, it leaps {leaps} times"
    growth = slope(kappas, [fastest["SGD", straight, kappa] for kappa in kappas])
    yield growth >= 0.8, f"the steps of SGD at its best rate grow as κ^{growth:.2f}"
    growth = slope(kappas, [fastest["RMSProp", straight, kappa] for kappa in kappas])
    yield abs(growth) <= 0.1, f"those of RMSProp, on the axes, as κ^{growth:.2f}"
    sgd, rmsprop = (fastest[name, straight, kappas[-1]] for name in ("SGD", "RMSProp"))
    yield sgd >= 5 * rmsprop, f"κ = {kappas[-1]}: {sgd:.0f} steps of SGD at best against {rmsprop:.0f} of RMSProp"
    sgd, rmsprop = (fastest[name, straight, kappas[0]] for name in ("SGD", "RMSProp"))
    yield sgd <= rmsprop, f"κ = {kappas[0]}: {sgd:.0f} against {rmsprop:.0f}: where κ is small SGD is the faster"

    f = found["RMSProp", straight, kappas[-1]]
    share = (f.floor / f.rates[:, None])[4:]  # the slowest are still on their way
    yield (
        0.5 <= share.min() <= share.max() <= 1,
        f"RMSProp does not arrive: it circles at {share.min():.2f} to {share.max():.2f} of α from the minimum",
    )
    sgd, rmsprop = (fastest[name, turned, kappas[-1]] for name in ("SGD", "RMSProp"))
    yield rmsprop >= 0.5 * sgd, f"turned by 45°, κ = {kappas[-1]}: RMSProp {rmsprop:.0f} steps, SGD {sgd:.0f}"


def table(found: dict[tuple[str, str, float], Found]) -> Table:
    header = ("optimizer", "surface", "κ", "best rate", "steps", "leaps over the valley", "distance at last")
    return Table(
        header,
        [
            (*key, f.rates[f.best], *(float(a[f.best].max()) for a in (f.steps, f.leaps, f.floor)))
            for key, f in found.items()
        ],
    )


def picture(found: dict[tuple[str, str, float], Found]) -> Figure:
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    kappas, straight = sorted({kappa for _, _, kappa in found}), "on the axes"
    v, u = np.meshgrid(np.linspace(-0.1, 1, 111), np.linspace(-0.75, 0.9, 111))
    left.contour(v, u, kappas[0] * u**2 + v**2, levels=np.geomspace(0.01, 10, 8), colors="0.85", linewidths=0.8)
    for name, color in (("SGD", ORANGE), ("RMSProp", BLUE)):
        way = found[name, straight, kappas[0]].way[:60]
        left.plot(way[:, 1], way[:, 0], color=color, marker="o", markersize=2.5, linewidth=1, label=name)
    left.set(xlabel="v, flat", ylabel="u, steep")
    left.set_title(f"κ = {kappas[0]}, each at its best rate", loc="left")
    left.legend(frameon=False, loc="lower right")
    lines = {
        ("SGD", straight): (ORANGE, "-"),
        ("RMSProp", straight): (BLUE, "-"),
        ("SGD", "turned by 45°"): (GREY, ":"),
        ("RMSProp", "turned by 45°"): (GREEN, "--"),
    }
    for (name, place), (color, style) in lines.items():
        steps = [found[name, place, kappa].steps.max(1).min() for kappa in kappas]
        right.plot(kappas, steps, color=color, linestyle=style, marker="o", markersize=3, label=f"{name}, {place}")
    logarithmic(right)
    right.set(xlabel="κ, steep to flat", ylabel=f"steps to a distance of {LEVEL}", ylim=(10, 8000))
    right.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


if __name__ == "__main__":
    main()
