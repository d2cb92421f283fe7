"""How ‖δ^l‖ falls from the last layer to the first, with 2 to 64 layers, under each activation and its weights.

    python studies/vanishing_gradients.py

    δ^{l−1} = (W^l)ᵀ δ^l ⊙ σ′(Z^{l−1})

A sigmoid's slope is ¼ at most, so that each layer takes three quarters of δ and more. "Because it saturates", as
is often said, is not the reason: with fresh weights σ′ is near its largest value in every layer. "ReLU does not
vanish" is half of the truth: with the weights of Glorot's rule it loses half of |δ|² a layer, far more than tanh;
what keeps δ is He's rule, Var[W] = 2/d. A residual block hands δ on past its body, so that none is lost; but the
bodies add to it, and only a normalisation at the head of each keeps the sum from growing by a factor a layer.

Found with `backward` of each layer in its turn, in float64: 4^−64 is below what float32 holds.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.layers.initializers import Initializer
from deltarule.layers.layer import Context
from study import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, Claims, Table, logarithmic, main

DEPTHS, WIDTH, EXAMPLES, SEEDS = (2, 4, 8, 16, 32, 64), 128, 64, 5
GLOROT, HE = dr.Glorot(), dr.He()


def plain(activation: dr.Layer, rule: Initializer, width: int, depth: int) -> dr.Chain:
    return dr.Chain(*(layer for _ in range(depth) for layer in (dr.Dense(width, W_init=rule), activation)))


def residual(activation: dr.Layer, rule: Initializer, width: int, depth: int) -> dr.Chain:
    body = dr.Chain(dr.LayerNorm(), dr.Dense(width, W_init=rule), activation)
    return dr.Chain(*(dr.Residual(body) for _ in range(depth)))


def bare_residual(activation: dr.Layer, rule: Initializer, width: int, depth: int) -> dr.Chain:
    body = dr.Chain(dr.Dense(width, W_init=rule), activation)
    return dr.Chain(*(dr.Residual(body) for _ in range(depth)))


CASES = {
    "sigmoid, Glorot": (plain, dr.Sigmoid(), GLOROT, ORANGE),
    "ReLU, Glorot": (plain, dr.ReLU(), GLOROT, GREY),
    "tanh, Glorot": (plain, dr.Tanh(), GLOROT, PURPLE),
    "ReLU, He": (plain, dr.ReLU(), HE, BLUE),
    "residual, normalised": (residual, dr.ReLU(), GLOROT, GREEN),
    "residual, bare": (bare_residual, dr.ReLU(), GLOROT, RED),
}


@dataclass(frozen=True)
class Found:
    """`deltas` (m, l): the norm of δ by layer, the last one's 1; `slopes` (m, l): the mean |σ′| of each layer."""

    deltas: np.ndarray
    slopes: np.ndarray


def one(net: dr.Chain, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """‖dY‖ of each layer of a chain (l,), and the mean |σ′| of each activation in it."""
    rng = np.random.default_rng(seed)
    x = jnp.asarray(rng.standard_normal((EXAMPLES, width)))
    params = jax.tree.map(lambda theta: theta.astype(float), net.init(rng, x.shape))
    y, saved = net.forward(params, x, Context())
    dh, norms, slopes = jnp.asarray(rng.standard_normal(y.shape)), [], []
    for layer, p, kept in reversed(list(zip(net.layers, params, saved, strict=True))):
        if not isinstance(layer, dr.Dense):
            norms.append(jnp.linalg.norm(dh))
            inner, kept_inner = (layer.body.layers[-1], kept[0][-1]) if p else (layer, kept)
            slopes.append(jnp.abs(inner.backward({}, kept_inner, jnp.ones_like(dh))[0]).mean())
        dh, _ = layer.backward(p, kept, dh)
    norms, slopes = np.array(norms[::-1]), np.array(slopes[::-1])
    return norms / norms[-1], slopes


def measured(depths=DEPTHS, width: int = WIDTH, seeds: int = SEEDS) -> dict[tuple[str, int], Found]:
    """By case and depth."""
    found = {}
    with jax.enable_x64(True):
        for name, (build, activation, rule, _) in CASES.items():
            for depth in depths:
                net = build(activation, rule, width, depth)
                of_seeds = [one(net, width, seed) for seed in range(seeds)]
                found[name, depth] = Found(*map(np.stack, zip(*of_seeds, strict=True)))
    return found


def claims(found: dict[tuple[str, int], Found]) -> Claims:
    depths = sorted({depth for _, depth in found})
    deepest = depths[-1]

    def first(name):
        return found[name, deepest].deltas[:, 0]

    for depth in depths:
        worst = float(found["sigmoid, Glorot", depth].deltas[:, 0].max())
        yield worst <= 0.3 ** (depth - 1), f"sigmoid, {depth} layers: ‖δ¹‖ is {worst:.0e} of ‖δ^L‖ at most"
    least = float(found["sigmoid, Glorot", deepest].slopes.min())
    yield least >= 0.18, f"though it does not saturate: the mean σ′ is {least:.2f} at least, of ¼"
    worst, bound = float(first("ReLU, Glorot").max()), 0.8 ** (deepest - 1)
    yield worst <= bound, f"ReLU with Glorot's rule, {deepest} layers: {worst:.0e}, it vanishes too"
    tanh = float(first("tanh, Glorot").min())
    yield tanh >= 10 * worst, f"tanh with Glorot's rule: {tanh:.2f}, more than ReLU keeps"
    yield tanh >= 0.3 / np.sqrt(deepest / 8), f"tanh falls no faster than 1/√L: {tanh:.2f} of ‖δ^L‖ are left"
    he = first("ReLU, He")
    yield 0.1 <= he.min() <= he.max() <= 10, f"ReLU with He's rule: {he.min():.2f} to {he.max():.2f}, it stays"
    kept = first("residual, normalised")
    most = 2 * np.sqrt(deepest)
    yield (
        1 <= kept.min() <= kept.max() <= most,
        f"residual blocks with a normalisation: {kept.min():.1f} to {kept.max():.1f}, it grows as √L at most",
    )
    bare, growth = float(first("residual, bare").min()), 1.15 ** (deepest - 1)
    yield bare >= growth, f"residual blocks without: {bare:.0e}, it explodes"


def table(found: dict[tuple[str, int], Found]) -> Table:
    header = ("network", "layers", "‖δ¹‖/‖δ^L‖, least", "largest", "mean |σ′|: first", "middle", "last")
    return Table(
        header,
        [
            (*key, f.deltas[:, 0].min(), f.deltas[:, 0].max(), *f.slopes.mean(0)[[0, key[1] // 2, -1]])
            for key, f in found.items()
        ],
    )


def picture(found: dict[tuple[str, int], Found]) -> Figure:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    depths = sorted({depth for _, depth in found})
    for name, (*_, color) in CASES.items():
        deltas = found[name, depths[-1]].deltas
        left.plot(np.arange(1, depths[-1] + 1), deltas.T, color=color, linewidth=0.8)
        ends = [np.exp(np.log(found[name, depth].deltas[:, 0]).mean()) for depth in depths]
        right.plot(depths, ends, color=color, marker="o", markersize=3, label=name)
    logarithmic(right)
    right.set(xlabel="layers", ylabel="‖δ¹‖ / ‖δ^L‖")
    right.set_xticks(depths, map(str, depths))
    left.set(xlabel="layer l", ylabel="‖δ^l‖ / ‖δ^L‖", yscale="log", ylim=right.get_ylim())
    left.yaxis.set_major_formatter(right.yaxis.get_major_formatter())
    left.set_title(f"δ on its way through {depths[-1]} layers", loc="left")
    right.set_title("what the first layer gets", loc="left")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    main()
