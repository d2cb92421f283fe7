"""Handwritten digits as 8×8 images: how many unseen ones a small convolutional network recognises."""

import time

import numpy as np

import deltarule as dr
from digits import digits
from measure import Row, short

TARGET = 0.985
EPOCHS, BATCH, RATE = 20, 64, 3e-3


def network() -> dr.Chain:
    """Three convolutions, the second with stride 2, on images moved by up to a pixel."""
    return dr.Chain(
        dr.RandomShift(1),
        dr.Convolution(32, 3, bias=False),
        dr.BatchNorm(),
        dr.ReLU(),
        dr.Convolution(64, 3, stride=2, bias=False),
        dr.BatchNorm(),
        dr.ReLU(),
        dr.Convolution(64, 3, bias=False),
        dr.BatchNorm(),
        dr.ReLU(),
        dr.Flatten(),
        dr.Dropout(0.3),
        dr.Dense(10),
    )


def accuracy_row(seeds: int) -> Row:
    """(e): mean accuracy over seeds, each with its own fifth held out, and how long a fit takes."""
    accuracies, seconds = [], []
    for seed in range(seeds):
        data = digits(seed)
        x, x_test = (data[name].reshape(-1, 8, 8, 1) for name in ("x", "x_test"))
        rate = dr.CosineDecay(RATE, steps=EPOCHS * -(-len(x) // BATCH))
        model = dr.Model(network(), loss=dr.SoftmaxCrossEntropy(), optimizer=dr.Adam(rate), seed=seed)
        start = time.perf_counter()
        model.fit(x, data["y"], epochs=EPOCHS, batch_size=BATCH)
        seconds.append(time.perf_counter() - start)
        accuracies.append(model.evaluate(x_test, data["y_test"])["accuracy"])
    mean = float(np.mean(accuracies))
    note = f"{seeds} seeds {min(accuracies):.4f} to {max(accuracies):.4f}, fit {np.median(seconds):.1f} s"
    ratio = mean / TARGET
    name = f"(e) digits 8×8, held-out accuracy, {EPOCHS} epochs"
    return Row(
        name, "target", short(mean), TARGET, "accuracy", short(ratio), target=1, met=mean >= TARGET, note=note
    )
