"""Stride, padding and channels of a convolution: what each does to size, cost and accuracy.

    python studies/convolution_settings.py

A convolution of kernel k, a ReLU and a dense layer read 8×8 digits; one setting changes at a time. Of e² positions

    e = ⌊(d − k + 2P)/s⌋ + 1

With a ceiling in its place the formula promises a position that is not there, whenever s does not divide. The
convolution's parameters are (k² i + 1) o, whatever stride and padding are; the dense layer's grow with e² o. FLOPs
fall about as s^−2, and grow as i o.

Often stated as "padding keeps the borders, so that the network reads better": on digits, whose borders are empty,
it changes size and cost, and the accuracy hardly. Nor is stride the cheap way: with a quarter of the channels in
its place a network has the same FLOPs and reads better. Channels buy accuracy, and each doubling buys less than
the one before.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.demo import load_digits
from deltarule.training.step import Step
from study import (
    BLUE,
    GREEN,
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

SIDE, KERNEL, TRAINED, BATCH, EPOCHS, RATE, SEEDS = 8, 3, 1280, 64, 6, 0.01, 5
BASE = {"stride": 1, "padding": 1, "channels": 8}
CHOICES = {"stride": (1, 2, 3, 4), "padding": (0, 1, 2), "channels": (1, 2, 4, 8, 16)}
COLORS = {"stride": ORANGE, "padding": GREEN, "channels": BLUE}


@dataclass(frozen=True)
class Found:
    """Of one network: e, its parameters in both layers, FLOPs of an example's forward, and accuracies (m,)."""

    size: int
    convolution: int
    dense: int
    flops: int
    accuracy: np.ndarray


def one(stride: int, padding: int, channels: int, epochs: int, seeds: int) -> Found:
    x, y = load_digits()
    x = x.reshape(-1, SIDE, SIDE, 1)
    convolution = dr.Convolution(channels, KERNEL, stride=stride, padding=padding)
    net = dr.Chain(convolution, dr.ReLU(), dr.Flatten(), dr.Dense(10))
    schedule = dr.CosineDecay(RATE, epochs * TRAINED // BATCH)
    step = Step(net, dr.SoftmaxCrossEntropy(), dr.Adam(schedule))
    states = side_by_side(step.init(x.shape, seed) for seed in range(seeds))
    states, _ = trained(step, states, examples(step, x[:TRAINED], y[:TRAINED]), epochs, BATCH)
    single = (1, *x.shape[1:])
    whole, first = net.cost(single), convolution.cost(single)
    return Found(
        convolution.shape(single)[1],
        first.parameters,
        whole.parameters - first.parameters,
        first.forward,
        accuracies(predictions(net, states, x[TRAINED:]), y[TRAINED:]),
    )


def measured(choices=CHOICES, epochs: int = EPOCHS, seeds: int = SEEDS) -> dict[tuple[str, int], Found]:
    """By the setting that is changed and its value; all others are the base's."""
    base = one(**BASE, epochs=epochs, seeds=seeds)
    return {
        (name, value): base if BASE[name] == value else one(**{**BASE, name: value}, epochs=epochs, seeds=seeds)
        for name, values in choices.items()
        for value in values
    }


def claims(found: dict[tuple[str, int], Found]) -> Claims:
    values = {name: [value for each, value in found if each == name] for name in BASE}

    def accuracy(name, value):
        return float(found[name, value].accuracy.mean())

    for name in ("stride", "padding"):
        settings = [{**BASE, name: value} for value in values[name]]
        sizes = [(SIDE - KERNEL + 2 * each["padding"]) // each["stride"] + 1 for each in settings]
        right = [found[name, value].size for value in values[name]] == sizes
        yield right, f"{name} {values[name]}: e is {sizes}, as the formula says"
    ceiling = -(-(SIDE - KERNEL + 2) // 2) + 1
    yield found["stride", 2].size == ceiling - 1, f"stride 2: a ceiling would promise {ceiling}"
    alike = {found[name, value].convolution for name in ("stride", "padding") for value in values[name]}
    yield len(alike) == 1, f"the convolution has {max(alike)} parameters under every stride and padding"

    strides = [stride for stride in values["stride"] if stride <= KERNEL]
    power = slope(strides, [found["stride", stride].flops for stride in strides])
    yield -2.4 <= power <= -1.6, f"FLOPs of the convolution fall as s^{power:.2f}"
    part = found["stride", 2].flops / found["stride", 1].flops
    lost = accuracy("stride", 1) - accuracy("stride", 2)
    yield 0.01 <= lost <= 0.08, f"stride 2: {part:.0%} of the FLOPs, and {lost:.1%} of the digits lost"
    better = accuracy("channels", 2) - accuracy("stride", 2)
    same = found["channels", 2].flops == found["stride", 2].flops
    yield same and better >= 0.005, f"2 channels at stride 1 have the same FLOPs, and read {better:.1%} more"
    lost = accuracy("stride", 1) - accuracy("stride", 4)
    yield lost >= 0.1, f"stride 4, wider than the kernel: {lost:.1%} lost"

    paddings = values["padding"]
    off = max(abs(accuracy("padding", padding) - accuracy("padding", 1)) for padding in paddings)
    yield off <= 0.03, f"padding {paddings[0]} to {paddings[-1]} changes the accuracy by {off:.1%} at most"
    grown = found["padding", paddings[-1]].dense / found["padding", paddings[0]].dense
    yield grown >= 1.7, f"and the dense layer {grown:.1f}-fold"

    few, some, many = values["channels"][0], values["channels"][-3], values["channels"][-1]
    power = slope(values["channels"], [found["channels", o].flops for o in values["channels"]])
    yield abs(power - 1) <= 0.01, f"FLOPs grow as o^{power:.2f}"
    first, last = (accuracy("channels", b) - accuracy("channels", a) for a, b in ((few, some), (some, many)))
    yield first >= 0.03, f"{few} to {some} channels: {first:+.1%} of the digits"
    yield last <= 0.6 * first, f"{some} to {many} channels: {last:+.1%}, less for four times the price"


def table(found: dict[tuple[str, int], Found]) -> Table:
    header = ("setting", "", "e", "parameters", "dense layer's", "FLOPs", "read right", "least")
    return Table(
        header,
        [
            (*key, f.size, f.convolution, f.dense, f.flops, f"{f.accuracy.mean():.1%}", f"{f.accuracy.min():.1%}")
            for key, f in found.items()
        ],
    )


def picture(found: dict[tuple[str, int], Found]) -> Figure:
    figure = Figure(figsize=(6.5, 3.8), layout="constrained")
    axes = figure.subplots()
    for name, color in COLORS.items():
        values = [value for each, value in found if each == name]
        flops = [found[name, value].flops for value in values]
        right = [found[name, value].accuracy.mean() * 100 for value in values]
        axes.plot(flops, right, color=color, marker="o", markersize=4, linewidth=1, label=name)
        for value, x, y in zip(values, flops, right, strict=True):
            if value != BASE[name]:
                axes.annotate(str(value), (x, y), (0, -12), textcoords="offset points", ha="center", fontsize=8)
    logarithmic(axes)
    axes.set(yscale="linear", xlabel="FLOPs of the convolution, an example", ylabel="read right, %", ylim=(58, 95))
    axes.set_xticks([500, 1000, 2000, 5000, 10000, 20000], ["500", "1000", "2000", "5000", "10 000", "20 000"])
    axes.set_title("digits: one setting at a time, from stride 1, padding 1, 8 channels", loc="left", fontsize=10)
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
