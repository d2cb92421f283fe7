"""Batch against layer normalisation at batch sizes 1 to 256: small batches make the one noisy, the other is exact.

    python studies/normalisation.py

Batch normalisation takes the mean and the variance of M examples for those of all, and errs by about √(1.5/M) of a
deviation: 1/M from the mean, and for a normal z another ½ z²/M from the variance. What an example gives depends on
its company. Layer normalisation takes an example's own features, and company makes no difference at all.

At M = 1 the variance is 0 and nothing is left of z; Deltarule refuses it. At M = 2 each unit is left with a sign:
(z − μ)/σ = ±1 says which of two examples has more of it. Often stated as "batch normalisation needs large
batches": on digits it is not behind from M = 4 on.
"""

from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.demo import load_digits
from deltarule.layers.layer import Context
from deltarule.training.step import Step
from study import (
    BLUE,
    GREY,
    ORANGE,
    Claims,
    Table,
    accuracies,
    examples,
    logarithmic,
    main,
    predictions,
    side_by_side,
    slope,
    trained,
)

SIZES, TRAINED, HIDDEN, EPOCHS, RATE, SEEDS = (1, 2, 4, 16, 64, 256), 1280, 32, 10, 0.002, 5
NORMS = {"batch": (dr.BatchNorm(), ORANGE), "layer": (dr.LayerNorm(), BLUE)}


@dataclass(frozen=True)
class Found:
    """By normalisation and batch size M; `refused` says whether batch normalisation refuses M = 1.

    `noise` is how far an example's output is from that among all examples, a root mean square; `accuracy` (m,)
    counts digits not seen in training.
    """

    noise: dict[tuple[str, int], float]
    accuracy: dict[tuple[str, int], np.ndarray]
    refused: bool


def given(norm: dr.Layer, z: np.ndarray) -> np.ndarray:
    """What a fresh normalisation gives in training for each batch of z (batches, n, i)."""
    params = norm.init(np.random.default_rng(0), z.shape[1:])
    return np.asarray(jax.vmap(lambda batch: norm.forward(params, batch, Context())[0])(z))


def network(norm: dr.Layer) -> dr.Chain:
    hidden = (layer for _ in range(2) for layer in (dr.Dense(HIDDEN), norm, dr.ReLU()))
    return dr.Chain(*hidden, dr.Dense(10))


def measured(sizes=SIZES, epochs: int = EPOCHS, seeds: int = SEEDS) -> Found:
    x, y = load_digits()
    rng = np.random.default_rng(0)
    z = x[:TRAINED] @ dr.LeCun()(rng, (x.shape[1], HIDDEN), x.shape[1], HIDDEN)  # (n, h)
    noise, accuracy, refused = {}, {}, False
    for name, (norm, _) in NORMS.items():
        among_all = given(norm, z[None])[0]
        for size in sizes:
            rows = rng.permutation(TRAINED).reshape(-1, size)
            try:
                noise[name, size] = float(np.sqrt(((given(norm, z[rows]) - among_all[rows]) ** 2).mean()))
            except dr.ShapeError:
                refused = True
                continue
            optimizer = dr.SGD(RATE * size**0.5, momentum=0.9)
            step = Step(network(norm), dr.SoftmaxCrossEntropy(), optimizer)
            states = side_by_side(step.init(x.shape, seed) for seed in range(seeds))
            states, _ = trained(step, states, examples(step, x[:TRAINED], y[:TRAINED]), epochs, size)
            read = predictions(step.net, states, x[TRAINED:])
            accuracy[name, size] = accuracies(read, y[TRAINED:])
    return Found(noise, accuracy, refused)


def claims(found: Found) -> Claims:
    sizes = sorted({size for name, size in found.noise if name == "batch"})
    largest = max(noise for (name, _), noise in found.noise.items() if name == "layer")
    yield largest <= 1e-6, f"layer: what an example gives differs by {largest:.0e} at most, whatever its company"
    power = slope(sizes, [found.noise["batch", size] for size in sizes])
    yield (
        -0.7 <= power <= -0.4,
        f"batch: it differs by {found.noise['batch', sizes[0]]:.2f} at M = 2, as M^{power:.2f}",
    )
    yield found.refused, "batch: at M = 1 the variance is 0; it is refused"
    alone = float(found.accuracy["layer", 1].min())
    yield alone >= 0.8, f"layer: at M = 1 it reads {alone:.1%} of new digits right at least"
    batch, layer = (found.accuracy[name, 2] for name in ("batch", "layer"))
    lost = float((layer - batch).min())
    yield lost >= 0.1, f"M = 2: batch {batch.mean():.1%}, layer {layer.mean():.1%}; {lost:.1%} are lost at least"
    for size in sizes[1:]:
        batch, layer = (float(found.accuracy[name, size].mean()) for name in ("batch", "layer"))
        yield batch >= layer - 0.03, f"M = {size}: batch {batch:.1%}, layer {layer:.1%}; batch is not behind"


def table(found: Found) -> Table:
    def row(size):
        cells = [found.noise.get(("batch", size), "refused"), found.noise["layer", size]]
        for name in NORMS:
            right = found.accuracy.get((name, size))
            cells += ["", ""] if right is None else [f"{right.mean():.1%}", f"{right.min():.1%}"]
        return (size, *cells)

    header = ("M", "noise: batch", "layer", "right: batch", "least", "right: layer", "least")
    return Table(header, [row(size) for size in sorted({size for _, size in found.noise})])


def picture(found: Found) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, (_, color) in NORMS.items():
        sizes = sorted(size for norm, size in found.accuracy if norm == name)
        reads = np.stack([found.accuracy[name, size] for size in sizes])  # (sizes, m)
        right.plot(sizes, reads.mean(1) * 100, color=color, label=name)
        right.plot(sizes, reads * 100, color=color, linestyle="", marker="o", markersize=2.5)
    sizes = np.array(sorted(size for name, size in found.noise if name == "batch"))
    left.plot(sizes, [found.noise["batch", size] for size in sizes], color=ORANGE, marker="o", markersize=3)
    left.plot(sizes, np.sqrt(1.5 / sizes), color=GREY, linestyle=":", label="√(1.5/M)")
    logarithmic(left, right)
    right.set(yscale="linear", xlabel="batch size M", ylabel="read right, %", ylim=(0, 100))
    right.set_title(f"digits not seen, {reads.shape[1]} seeds", loc="left")
    left.set(xlabel="batch size M", ylabel="deviation from that among all")
    left.set_title("batch: what an example gives; layer: 0", loc="left")
    for axes in (left, right):
        axes.set_xticks(SIZES, map(str, SIZES))
        axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
