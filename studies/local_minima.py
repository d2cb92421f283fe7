"""Two seeds end in different parameters with a similar loss, also when the hidden units are matched.

    python studies/local_minima.py

A network with one hidden layer of d tanh units reads digits. To put its units in another order changes nothing,
nor does a change of sign of all that goes into a unit and comes out of it: each minimum has d! 2^d copies. The
Hungarian algorithm finds the copy of B nearest to A among all of them, for with a unit's numbers in one vector

    min over π, s of Σ_h |a_h − s_h b_π(h)|²  =  Σ |a_h|² + Σ |b_h|² − 2 max over π of Σ_h |a_h · b_π(h)|

Often stated as "all seeds find one minimum, up to symmetry": the matching takes away a part of the distance only.
And on the straight line from A to B the loss rises above both ends, before the matching and after it, so that the
loss is not convex. Entezari et al. (2022) and Ainsworth et al. (2023, Git re-basin) find that the ridge after the
matching falls as networks become wide.
"""

from dataclasses import dataclass
from itertools import combinations

import jax
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

import deltarule as dr
from deltarule.demo import load_digits
from deltarule.layers.layer import Context
from deltarule.training.step import Step
from study import BLUE, GREY, ORANGE, Claims, Table, examples, main, side_by_side, trained

HIDDEN, BATCH, EPOCHS, SEEDS, STRENGTH = 16, 64, 100, 5, 1e-4
WAY = np.linspace(0, 1, 21)  # shares of the way from A to B


@dataclass(frozen=True)
class Pair:
    """Two seeds: the distance of their hidden units and the loss on the way, before and after the matching.

    A distance is a share of the root of |A| |B|: √2 where A and B have nothing to do with each other.
    """

    seeds: tuple[int, int]
    before: float
    after: float
    way: np.ndarray  # losses
    matched_way: np.ndarray


@dataclass(frozen=True)
class Found:
    """`start` and `end` are the losses (m,) of the seeds; `copy` the distance to a copy in another order."""

    start: np.ndarray
    end: np.ndarray
    pairs: list[Pair]
    copy: tuple[float, float]


def units(params) -> np.ndarray:
    """All numbers of each hidden unit, (h, p): the weights that go in, the bias, the weights that come out."""
    first, _, last = params
    return np.concatenate([first["W"], first["b"][None], last["W"].T]).T


def network_of(units, b):
    """The parameters with these hidden units (h, p) and output biases."""
    W, inner_b, C = units[:, :64].T, units[:, 64], units[:, 65:]
    return {"W": W, "b": inner_b}, {}, {"W": C, "b": b}


def matched(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The units b (h, p) in the order and with the signs that bring them nearest to the units a."""
    alike = a @ b.T  # (h, h)
    mine, theirs = linear_sum_assignment(-np.abs(alike))
    return b[theirs] * np.sign(alike[mine, theirs])[:, None]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.sqrt(np.linalg.norm(a) * np.linalg.norm(b)))


def measured(hidden: int = HIDDEN, epochs: int = EPOCHS, seeds: int = SEEDS) -> Found:
    x, y = load_digits()
    net = dr.Chain(dr.Dense(hidden), dr.Tanh(), dr.Dense(10))
    step = Step(net, dr.SoftmaxCrossEntropy(), dr.Adam(3e-3), l2=dr.L2(STRENGTH))
    fresh, data = side_by_side(step.init(x.shape, seed) for seed in range(seeds)), examples(step, x, y)
    states, _ = trained(step, fresh, data, epochs, BATCH)

    def loss_of(params):
        """The objective, with its penalty."""
        y, _ = net.forward(params, data.x, Context())
        value, _ = step.loss(y, data.target, data.weight / len(x))
        return value + STRENGTH * sum((layer["W"] ** 2).sum() for layer in (params[0], params[2]))

    @jax.jit
    def loss(params):  # network by network: under vmap jaxlib 0.10.2 sums wrongly on a CPU from 2^15 examples on
        return jax.lax.map(loss_of, params)

    def way(a, b):
        """The loss on the straight line from one network to another, each (units, biases)."""
        t = WAY[:, None, None].astype(np.float32)
        between, biases = (1 - t) * a[0] + t * b[0], (1 - t[:, 0]) * a[1] + t[:, 0] * b[1]
        return np.asarray(loss(jax.vmap(network_of)(between, biases)))

    params = jax.device_get(states.params)
    ends = [jax.tree.map(lambda leaf, m=m: leaf[m], params) for m in range(seeds)]
    networks = [(units(each), each[2]["b"]) for each in ends]
    pairs = []
    for i, j in combinations(range(seeds), 2):
        (a, _), (b, b_bias) = networks[i], networks[j]
        nearest = matched(a, b), b_bias
        ways = way(networks[i], networks[j]), way(networks[i], nearest)
        pairs.append(Pair((i, j), distance(a, b), distance(a, nearest[0]), *ways))
    rng, a = np.random.default_rng(0), networks[0][0]
    copy = rng.permutation(a) * rng.choice([-1, 1], (hidden, 1))
    same = distance(a, copy), distance(a, matched(a, copy))
    return Found(np.asarray(loss(fresh.params)), np.asarray(loss(states.params)), pairs, same)


def claims(found: Found) -> Claims:
    spread = float((found.end.max() - found.end.min()) / found.end.mean())
    share = float(found.end.max() / found.start.min())
    yield share <= 0.1, f"every seed learns: its loss falls to {share:.3f} of what it was, at most"
    yield spread <= 0.2, f"the seeds' losses differ by {spread:.1%}"
    before, after = (np.array([getattr(pair, name) for pair in found.pairs]) for name in ("before", "after"))
    yield before.min() >= 1.2, f"two seeds are {before.min():.2f} apart at least; √2 = 1.41 for strangers"
    yield (after <= 0.9 * before).all(), f"the nearest copy is nearer, {after.mean():.2f} on the average"
    yield after.min() >= 0.3, f"but no seed is a copy of another: {after.min():.2f} are left at least"
    shuffled, again = found.copy
    yield shuffled >= 1.2 and again <= 1e-6, f"a true copy: {shuffled:.2f} apart, {again:.0e} after the matching"
    higher = [(way.max() / max(way[0], way[-1])) for p in found.pairs for way in (p.way, p.matched_way)]
    ridge, lower = (np.array(higher[k::2]) for k in (0, 1))
    yield ridge.min() >= 2, f"between two seeds the loss rises to {ridge.min():.1f} times its ends at least"
    yield (lower < ridge).all(), f"the matching lowers the ridge, to {lower.mean():.1f} times on the average"
    yield lower.min() >= 1.02, f"and does not level it: {lower.min():.2f} times at least"


def table(found: Found) -> Table:
    header = ("seeds", "losses", "distance", "after matching", "highest loss between", "after matching")
    return Table(
        header,
        [
            (
                f"{p.seeds[0]}, {p.seeds[1]}",
                " ".join(f"{found.end[seed]:.3f}" for seed in p.seeds),
                *(p.before, p.after, p.way.max(), p.matched_way.max()),
            )
            for p in found.pairs
        ],
    )


def picture(found: Found) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for pair in found.pairs:
        label = pair is found.pairs[0]
        left.plot(WAY, pair.way, color=ORANGE, linewidth=0.8, label="as they are" if label else None)
        left.plot(WAY, pair.matched_way, color=BLUE, linewidth=0.8, label="after the matching" if label else None)
    left.set(xlabel="share of the way from A to B", ylabel="loss", ylim=(0, None))
    left.set_title("digits: the loss between two seeds", loc="left")
    left.legend(frameon=False)
    places = np.arange(len(found.pairs))
    right.bar(places - 0.2, [pair.before for pair in found.pairs], 0.4, color=ORANGE)
    right.bar(places + 0.2, [pair.after for pair in found.pairs], 0.4, color=BLUE)
    right.axhline(np.sqrt(2), color=GREY, linewidth=0.8, linestyle=":")
    right.set_xticks(places, [f"{i}, {j}" for i, j in (pair.seeds for pair in found.pairs)])
    right.set(xlabel="seeds", ylabel="distance / norm")
    right.set_title("distance of the hidden units", loc="left")
    return figure


if __name__ == "__main__":
    main()
