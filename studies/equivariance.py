"""A convolution against a dense layer: fewer numbers, and a shifted input shifts the output, but not everywhere.

    python studies/equivariance.py

From (h, w, i) to (h, w, o) a dense layer has (hwi + 1) hwo parameters, a k×k convolution (k²i + 1) o whatever the
size of the image, and about k²/(hw) of the FLOPs. With S a shift, f(Sx) = S f(x) holds

    exactly        inside, as far from the border as r = Σ (k − 1)/2 over the layers
    not            within r of it, where padding takes the place of what was shifted out
    not            under a stride s, unless the shift is a multiple of s

Often stated as "convolutional networks are invariant to translation". Equivariant layers below a dense one are
not: trained on digits in one place, such a network misreads those two pixels away, as a dense one does. What makes
it invariant is a pooling over all of space, of layers without stride, as long as nothing that the digit reaches is
reached by the border too.
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
    GREEN,
    GREY,
    ORANGE,
    Claims,
    Table,
    accuracies,
    examples,
    main,
    predictions,
    side_by_side,
    trained,
)

SIDES, CHANNELS, FEATURES, DEPTH, IMAGE = (8, 16, 32), 8, 16, 3, 24
MARGIN, SHIFTS, TRAINED, BATCH, EPOCHS, RATE, SEEDS = 5, (0, 1, 2), 1280, 64, 8, 0.01, 5


def pooled(stride: int) -> dr.Chain:
    first, second = dr.Convolution(8, 3, stride=stride), dr.Convolution(32, 3)
    return dr.Chain(first, dr.ReLU(), second, dr.ReLU(), dr.GlobalMaxPool(), dr.Dense(10))


CONVOLUTIONS = dr.Convolution(8, 3, stride=2), dr.ReLU(), dr.Convolution(16, 3), dr.ReLU()
NETWORKS = {
    "dense": (dr.Chain(dr.Flatten(), dr.Dense(64), dr.ReLU(), dr.Dense(10)), GREY),
    "convolutions, then dense": (dr.Chain(*CONVOLUTIONS, dr.Flatten(), dr.Dense(10)), ORANGE),
    "stride 2, then global pooling": (pooled(2), GREEN),
    "global pooling": (pooled(1), BLUE),
}


@dataclass(frozen=True)
class Found:
    """Figures of the three parts.

    Attributes:
        costs: by side and layer, (parameters, FLOPs of forward).
        off: by stride and shift (m, p), how far f(Sx) is from S f(x) at each distance p from the border, the
            largest number as a share of the root mean square.
        accuracy: by network (m, shifts), on digits not seen, shifted.
        same: by network (m, shifts), the share of them that is read as it is without a shift.
    """

    costs: dict[tuple[int, str], tuple[int, int]]
    off: dict[tuple[int, int], np.ndarray]
    accuracy: dict[str, np.ndarray]
    same: dict[str, np.ndarray]


def costs() -> dict[tuple[int, str], tuple[int, int]]:
    found = {}
    for side in SIDES:
        convolution = dr.Convolution(FEATURES, 3).cost((1, side, side, CHANNELS))
        dense = dr.Dense(side * side * FEATURES).cost((1, side * side * CHANNELS))
        found[side, "convolution"] = convolution.parameters, convolution.forward
        found[side, "dense"] = dense.parameters, dense.forward
    return found


def off_by_place(stride: int, shift: int, seed: int) -> np.ndarray:
    """How far a chain of convolutions is from equivariant, by the distance from the border along the shift."""
    rng = np.random.default_rng(seed)
    layers = (dr.Convolution(CHANNELS, 3, stride=stride if depth == 0 else 1) for depth in range(DEPTH))
    net = dr.Chain(*(layer for convolution in layers for layer in (convolution, dr.Tanh())))
    wide = rng.normal(size=(1, IMAGE, IMAGE + shift, CHANNELS)).astype(np.float32)
    params = net.init(rng, (1, IMAGE, IMAGE, CHANNELS))
    before, after = (
        net.forward(params, jax.numpy.asarray(x), Context())[0] for x in (wide[:, :, :IMAGE], wide[:, :, shift:])
    )
    before, after = np.asarray(before), np.asarray(after)  # (1, h, w, o)
    moved = shift // stride
    off = np.abs(before[:, :, moved:] - after[:, :, : after.shape[2] - moved])
    inner = off[0, DEPTH:-DEPTH].max((0, 2)) / np.sqrt((before**2).mean())  # (w,), away from the other two borders
    return np.maximum(inner, inner[::-1])[: len(inner) // 2]


def shifted(x: np.ndarray, shift: int) -> np.ndarray:
    """Digits with a margin around them, moved down and to the right."""
    padded = np.pad(x, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))
    return np.roll(padded, (shift, shift), (1, 2))


def measured(epochs: int = EPOCHS, seeds: int = SEEDS) -> Found:
    off = {
        (stride, shift): np.stack([off_by_place(stride, shift, seed) for seed in range(seeds)])
        for stride, shift in ((1, 1), (2, 1), (2, 2))
    }
    x, y = load_digits()
    x = x.reshape(-1, 8, 8, 1)
    centred, accuracy, same = shifted(x[:TRAINED], 0), {}, {}
    for name, (net, _) in NETWORKS.items():
        schedule = dr.CosineDecay(RATE, epochs * TRAINED // BATCH)
        step = Step(net, dr.SoftmaxCrossEntropy(), dr.Adam(schedule))
        states = side_by_side(step.init(centred.shape, seed) for seed in range(seeds))
        states, _ = trained(step, states, examples(step, centred, y[:TRAINED]), epochs, BATCH)
        read = [predictions(net, states, shifted(x[TRAINED:], shift)) for shift in SHIFTS]
        accuracy[name] = np.stack([accuracies(each, y[TRAINED:]) for each in read], axis=1)
        same[name] = np.stack([(each.argmax(-1) == read[0].argmax(-1)).mean(1) for each in read], axis=1)
    return Found(costs(), off, accuracy, same)


def claims(found: Found) -> Claims:
    parameters = {found.costs[side, "convolution"][0] for side in SIDES}
    yield (
        parameters == {(9 * CHANNELS + 1) * FEATURES},
        f"a convolution has {max(parameters)} parameters at any size",
    )
    for side in SIDES:
        (few, fast), (many, slow) = found.costs[side, "convolution"], found.costs[side, "dense"]
        times, expected = slow / fast, side * side / 9
        text = f"{side}×{side}: dense has {many / few:.0f} times the parameters, {times:.1f} times the FLOPs"
        yield expected <= times <= 1.3 * expected, f"{text}; hw/k² = {expected:.1f}"

    plain, odd, even = (found.off[key] for key in ((1, 1), (2, 1), (2, 2)))
    inside, border = float(plain[:, DEPTH:].max()), float(plain[:, :DEPTH].max(1).min())
    yield inside <= 1e-5, f"inside f(Sx) is S f(x), to {inside:.0e}"
    yield border >= 0.1, f"within {DEPTH} of the border it is off by {border:.2f} at least"
    worst = float(odd[:, DEPTH:].min())
    yield worst >= 0.1, f"stride 2, a shift by 1: off by {worst:.2f} at least, inside as well"
    exact = float(even[:, DEPTH:].max())
    yield exact <= 1e-5, f"stride 2, a shift by 2: inside it is exact again, to {exact:.0e}"

    for name in ("dense", "convolutions, then dense"):
        at_first, _, at_last = found.accuracy[name].mean(0)
        yield (
            at_last <= 0.4 * at_first,
            f"{name}: {at_first:.1%} right in their place, {at_last:.1%} two pixels away",
        )
    pooled = float(found.same["global pooling"].min())
    yield pooled >= 0.999, f"global pooling: {pooled:.1%} of the digits are read as before, wherever they are"
    least = float(found.accuracy["global pooling"].min())
    yield least >= 0.75, f"and {least:.1%} right at least"
    once, twice = found.same["stride 2, then global pooling"][:, 1:].T
    yield once.max() <= 0.8, f"with stride 2 before it {once.mean():.1%} are read as before after a shift by 1"
    yield twice.min() >= 0.98, f"and {twice.min():.1%} at least after one by 2"


def table(found: Found) -> Table:
    header = (
        "network",
        *(f"shift {shift}: right" for shift in SHIFTS),
        *(f"as before, {shift}" for shift in SHIFTS[1:]),
    )
    return Table(
        header,
        [
            (name, *(f"{share:.1%}" for share in (*found.accuracy[name].mean(0), *found.same[name].mean(0)[1:])))
            for name in NETWORKS
        ],
    )


def picture(found: Found) -> Figure:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    lines = {(1, 1): (BLUE, "o"), (2, 1): (ORANGE, "s"), (2, 2): (GREEN, "^")}
    for (stride, shift), (color, marker) in lines.items():
        off = np.maximum(found.off[stride, shift].max(0), 1e-8)
        label = f"stride {stride}, shift {shift}"
        left.plot(np.arange(len(off)), off, color=color, marker=marker, markersize=3.5, linewidth=1, label=label)
    left.axvline(DEPTH - 0.5, color="grey", linewidth=0.8, linestyle=":")
    left.set(yscale="log", xlabel="distance from the border", ylabel="|f(Sx) − S f(x)|", ylim=(3e-9, 30))
    left.set_yticks([1e-8, 1e-6, 1e-4, 1e-2, 1], ["0", "1e-6", "1e-4", "0.01", "1"])
    left.set_title(f"{DEPTH} convolutions", loc="left")
    for name, (_, color) in NETWORKS.items():
        right.plot(SHIFTS, found.accuracy[name].mean(0) * 100, color=color, marker="o", markersize=3.5, label=name)
    right.set(xlabel="shift of the digit, pixels", ylabel="read right, %", ylim=(0, 100), xticks=SHIFTS)
    right.set_title("trained on digits in one place", loc="left")
    left.legend(frameon=False, fontsize=8)
    right.legend(frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return figure


if __name__ == "__main__":
    main()
