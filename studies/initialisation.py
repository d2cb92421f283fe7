"""The variance of z by layer under each rule for the initial weights: which activation each rule keeps level.

    python studies/initialisation.py

With weights of mean 0 and h = σ(z) of the layer before

    Var[z^l] = d_in Var[W] E[(h^{l−1})²],   Var[δ^{l−1}] = d_out Var[W] E[σ′²] Var[δ^l]

Where σ is the identity E[h²] = Var[z], and Var[W] = 1/d_in (LeCun) keeps the variance; a ReLU halves E[h²], and
2/d_in (He) makes up for it. Glorot's 2/(d_in + d_out) is a compromise between the two equations: it is LeCun's
rule where all layers are equally wide, and in a network that narrows it keeps neither z nor δ, but the less bad of
both. Some texts call N(0, 1/d_in) Xavier's; that is LeCun's. What matters is the variance: uniform or normal is
all the same. Orthogonal weights keep every length exactly, equal ones make all units alike, and N(0, 1) explodes.
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

DEPTH, WIDTH, EXAMPLES, SEEDS = 20, 128, 64, 5
FUNNEL = (1024, 512, 256, 128, 64)
ACTIVATIONS = {"identity": dr.Identity(), "tanh": dr.Tanh(), "ReLU": dr.ReLU()}
RULES: dict[str, tuple[Initializer, str]] = {
    "LeCun": (dr.LeCun("normal"), BLUE),
    "LeCun uniform": (dr.LeCun("uniform"), BLUE),
    "Glorot": (dr.Glorot("normal"), PURPLE),
    "Glorot uniform": (dr.Glorot("uniform"), PURPLE),
    "He": (dr.He("normal"), ORANGE),
    "He uniform": (dr.He("uniform"), ORANGE),
    "orthogonal": (dr.Orthogonal(), GREEN),
    "N(0, 1)": (dr.Normal(1.0), RED),
    "constant": (dr.Constant(1 / WIDTH), GREY),
}


@dataclass(frozen=True)
class Found:
    """By seed m and layer l: Var[z] and Var[δ], each as a share of the first (of δ: of the last) layer's.

    `unlike` (m, l) is the share of Var[z] that is between the units of an example.
    """

    z: np.ndarray
    delta: np.ndarray
    unlike: np.ndarray


def by_layer(rule: Initializer, activation: dr.Layer, widths: tuple[int, ...], seed: int):
    """(Var[z], Var[δ], Var[z] between units) of each layer, for x and a last δ drawn from N(0, 1)."""
    rng = np.random.default_rng(seed)
    net = dr.Chain(*(f for o in widths[1:] for f in (dr.Dense(o, W_init=rule), activation)))
    x = jnp.asarray(rng.standard_normal((EXAMPLES, widths[0])))
    params = jax.tree.map(lambda theta: theta.astype(float), net.init(rng, x.shape))
    h, zs, saved = x, [], []
    for layer, p in zip(net.layers, params, strict=True):
        h, kept = layer.forward(p, h, Context())
        saved.append(kept)
        zs += [h] if p else []
    dh, deltas = jnp.asarray(rng.standard_normal(h.shape)), []
    for layer, p, kept in reversed(list(zip(net.layers, params, saved, strict=True))):
        deltas += [dh] if p else []
        dh, _ = layer.backward(p, kept, dh)
    return (
        [float((z**2).mean()) for z in zs],
        [float((delta**2).mean()) for delta in reversed(deltas)],
        [float(z.var(1).mean() / (z**2).mean()) for z in zs],
    )


def case(rule: Initializer, activation: dr.Layer, widths: tuple[int, ...], seeds: int) -> Found:
    of_seeds = [by_layer(rule, activation, widths, seed) for seed in range(seeds)]
    z, delta, unlike = map(np.array, zip(*of_seeds, strict=True))
    return Found(z / z[:, :1], delta / delta[:, -1:], unlike)


def measured(depth: int = DEPTH, width: int = WIDTH, seeds: int = SEEDS) -> dict[tuple[str, str], Found]:
    """By activation and rule, and of the two rules in a network that narrows."""
    with jax.enable_x64(True):
        found = {
            (name, rule): case(RULES[rule][0], activation, (width,) * (depth + 1), seeds)
            for name, activation in ACTIVATIONS.items()
            for rule in RULES
        }
        for rule in ("LeCun", "Glorot"):
            found["narrowing", rule] = case(RULES[rule][0], dr.Identity(), FUNNEL, seeds)
    return found


def claims(found: dict[tuple[str, str], Found]) -> Claims:
    layers = found["identity", "LeCun"].z.shape[1]

    def ends(activation, rule):
        last = found[activation, rule].z[:, -1]
        return float(last.min()), float(last.max())

    def factor(activation, rule):
        """By which Var[z] is multiplied in a layer, the mean over layers and seeds."""
        return float(np.exp(np.log(found[activation, rule].z[:, -1]).mean() / (layers - 1)))

    for rule in ("LeCun", "Glorot"):
        least, most = ends("identity", rule)
        yield 0.3 <= least <= most <= 3, f"identity, {rule}: Var[z] is {least:.2f} to {most:.2f} of the first"
    least, most = ends("identity", "orthogonal")
    yield 0.999 <= least <= most <= 1.001, f"identity, orthogonal: {least:.5f} to {most:.5f}, exactly kept"
    doubled = factor("identity", "He")
    yield 1.8 <= doubled <= 2.2, f"identity, He: each layer multiplies Var[z] by {doubled:.2f}"

    least, most = ends("ReLU", "He")
    yield 0.05 <= least <= most <= 20, f"ReLU, He: {least:.2f} to {most:.2f} of the first, the same order"
    for rule in ("LeCun", "Glorot", "orthogonal"):
        halved = factor("ReLU", rule)
        yield 0.4 <= halved <= 0.6, f"ReLU, {rule}: each layer multiplies Var[z] by {halved:.2f}"
    least, most = ends("tanh", "LeCun")
    yield (
        0.15 / layers <= least <= most <= 3 / layers,
        f"tanh, LeCun: {least:.3f} to {most:.3f}: it falls, as 1/l",
    )
    exploded = factor("identity", "N(0, 1)")
    yield exploded >= 20, f"identity, N(0, 1): each layer multiplies Var[z] by {exploded:.0f}, the width"

    for activation in ACTIVATIONS:
        alike = [
            abs(factor(activation, rule) / factor(activation, f"{rule} uniform") - 1) for rule in ("LeCun", "He")
        ]
        yield max(alike) <= 0.1, f"{activation}: uniform and normal differ by {max(alike):.1%} a layer"
    unlike = max(float(found[activation, "constant"].unlike.max()) for activation in ACTIVATIONS)
    yield unlike <= 1e-9, "equal weights: all units of a layer are alike"

    both = {rule: found["narrowing", rule] for rule in ("LeCun", "Glorot")}
    narrow = {rule: (f.z[:, -1], f.delta[:, 0]) for rule, f in both.items()}
    z, delta = narrow["LeCun"]
    yield 0.7 <= z.min() <= z.max() <= 1.4 and delta.max() <= 0.2, "a narrowing network: LeCun keeps z and not δ"
    off = {rule: max(np.abs(np.log(z)).max(), np.abs(np.log(delta)).max()) for rule, (z, delta) in narrow.items()}
    yield off["Glorot"] <= 0.8 * off["LeCun"], "Glorot keeps neither, and is the less far off at worst"


def table(found: dict[tuple[str, str], Found]) -> Table:
    header = ("activation", "rule", "Var[z] of the last, least", "largest", "Var[δ] of the first", "units unlike")
    return Table(
        header,
        [
            (*key, f.z[:, -1].min(), f.z[:, -1].max(), f.delta[:, 0].mean(), f.unlike[:, -1].mean())
            for key, f in found.items()
        ],
    )


def picture(found: dict[tuple[str, str], Found]) -> Figure:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    for axes, name in zip(panels, ACTIVATIONS, strict=True):
        for rule, (_, color) in RULES.items():
            z = np.exp(np.log(found[name, rule].z).mean(0))
            style = "--" if "uniform" in rule else "-"
            axes.plot(np.arange(1, len(z) + 1), z, color=color, linestyle=style, linewidth=1.2, label=rule)
        logarithmic(axes)
        axes.set(xscale="linear", ylim=(1e-7, 1e7), xlabel="layer", xticks=(1, 5, 10, 15, 20))
        axes.set_title(name, loc="left")
    panels[0].set_ylabel("Var[z], layer 1 = 1")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


if __name__ == "__main__":
    main()
