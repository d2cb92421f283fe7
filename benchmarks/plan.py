"""What `plan` predicts of a training step against the compiled step: peak bytes, and seconds on this machine.

    python benchmarks/plan.py [--json] [--quick] [--only peak,time]

Prints a table, and with --json one JSON object as the last line. In a row of one network `ours` is predicted and
`theirs` is XLA's memory analysis or the measured time; the rows at the end hold the errors against their targets,
where a ratio above 1 means that the target is met.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import deltarule as dr
from deltarule.inspect.memory import abstract_batch, step_memory
from deltarule.inspect.rates import measured_rates
from deltarule.inspect.seconds import step_seconds
from deltarule.kernels.native import described
from deltarule.training.epoch import epoch_program
from deltarule.training.step import Batch, Step
from measure import Row, machine, report, short

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy")
BATCHES = (1, 4, 16, 64, 256, 1024)
TARGETS = {"peak": (2, 10), "time": (25, 100)}  # per cent: the median error, and the worst
TIMED = 64  # examples in a step whose time is measured
ROUNDS = 3
LEAST = 0.1  # seconds that an epoch takes at least, to be measured

CLASSES, NUMBERS = dr.SoftmaxCrossEntropy(), dr.SquaredError()


def dense(*sizes: int, activation: Callable[[], dr.Layer] = dr.ReLU) -> dr.Chain:
    """Dense layers with an activation between."""
    layers = [layer for size in sizes for layer in (dr.Dense(size), activation())]
    return dr.Chain(*layers[:-1])


NETWORKS: dict[str, tuple[dr.Layer, tuple[int, ...], Step]] = {}


def add(
    name: str, x: tuple[int, ...], net: dr.Layer, loss: dr.Loss, optimizer: dr.Optimizer, **settings: Any
) -> None:
    """A network under a name, with the shape of one example and its step."""
    NETWORKS[name] = (net, x, Step(net, loss, optimizer, **settings))


add("dense, SGD", (784,), dense(256, 256, 10), CLASSES, dr.SGD(0.1))
add("dense, RMSProp", (784,), dense(512, 512, 10), CLASSES, dr.RMSProp())
add(
    "dense, momentum, clipped",
    (100,),
    dense(64, 64, 10, activation=dr.SiLU),
    CLASSES,
    dr.SGD(0.1, 0.9),
    clip_norm=1.0,
)
add("dense, AdamW, L2", (64,), dense(96, 48, 3, activation=dr.ELU), NUMBERS, dr.AdamW(), l2=dr.L2(1e-3))
add("eight layers, AdaGrad", (32,), dense(*[48] * 8, 3, activation=dr.Sigmoid), NUMBERS, dr.AdaGrad())
add("GELU, Adam", (20,), dense(128, 64, 5, activation=dr.GELU), NUMBERS, dr.Adam())
add("four micro-batches", (784,), dense(256, 256, 10), CLASSES, dr.RMSProp(), micro_batches=4)
add(
    "batch normalisation",
    (50,),
    dr.Chain(dr.Dense(64), dr.BatchNorm(), dr.ReLU(), dr.Dense(64), dr.BatchNorm(), dr.ReLU(), dr.Dense(10)),
    CLASSES,
    dr.Adam(),
)
add(
    "layer normalisation, dropout",
    (50,),
    dr.Chain(
        dr.Dense(64), dr.LayerNorm(), dr.ReLU(), dr.Dropout(0.5), dr.Dense(32), dr.Dropout(0.2), dr.Dense(10)
    ),
    CLASSES,
    dr.RMSProp(),
)
add(
    "residual",
    (40,),
    dr.Chain(*(dr.Residual(dense(80, 40, activation=dr.Tanh)) for _ in range(3)), dr.Dense(7)),
    CLASSES,
    dr.SGD(0.1),
)
add(
    "branches",
    (30,),
    dr.Chain(dr.Branch(dr.Dense(40), dense(20, 20)), dr.Tanh(), dr.Dense(7)),
    NUMBERS,
    dr.SGD(0.1),
)
add("recomputed", (100,), dr.Chain(dr.Recompute(dr.Dense(64), dr.ReLU()), dr.Dense(10)), CLASSES, dr.SGD(0.1))
add(
    "images",
    (16, 16, 3),
    dr.Chain(
        dr.Convolution(8, 3),
        dr.ReLU(),
        dr.MaxPool(2),
        dr.Convolution(16, 3),
        dr.ReLU(),
        dr.Flatten(),
        dr.Dense(10),
    ),
    CLASSES,
    dr.Adam(),
)
add("LeNet", (32, 32, 1), dr.networks.lenet(), CLASSES, dr.Adam())
add("ResNet of 8 layers", (16, 16, 3), dr.networks.resnet(8, 8, block="basic"), CLASSES, dr.SGD(0.1, 0.9))
add(
    "transposed convolution",
    (16, 16, 3),
    dr.Chain(dr.Convolution(8, 3, stride=2), dr.ReLU(), dr.ConvolutionTranspose(3, 3, stride=2)),
    NUMBERS,
    dr.Adam(),
)
add("LSTM", (20, 6), dr.Chain(dr.Recurrent(dr.LSTM(32)), dr.Dense(8)), NUMBERS, dr.Adam())
add(
    "GRU, both directions",
    (20, 6),
    dr.Chain(dr.Bidirectional(dr.GRU(24), last=True), dr.Dense(8)),
    CLASSES,
    dr.Adam(),
)
add("simple RNN", (20, 6), dr.Chain(dr.Recurrent(dr.SimpleRNN(32)), dr.Dense(8)), NUMBERS, dr.SGD(0.1))
add(
    "embedding",
    (12,),
    dr.Chain(dr.Embedding(50, 16), dr.Recurrent(dr.LSTM(24), last=True), dr.Dense(50)),
    CLASSES,
    dr.Adam(),
)


def peak_rows(networks: list[str]) -> list[Row]:
    """Predicted and compiled peak bytes of each network, at two batches that move on from one to the next."""
    rows = []
    for number, name in enumerate(networks):
        net, example, step = NETWORKS[name]
        for n in (BATCHES[number % 3], BATCHES[3 + (number + 1) % 3]):
            if n < max(step.micro_batches, 1 + net.mixes_examples):
                n = 16
            x = (n, *example)
            ours = step_memory(step, x).total
            batch = abstract_batch(step.loss, x, net.shape(x))
            told = jax.jit(step).lower(step.init(x, 0), batch).compile().memory_analysis()
            assert told is not None
            theirs = told.argument_size_in_bytes + told.output_size_in_bytes + told.temp_size_in_bytes
            rows.append(beside(f"peak, {name}, batch {n}", "XLA", ours, theirs, "bytes"))
    return rows


def time_rows(networks: list[str]) -> list[Row]:
    """Predicted and measured microseconds of a step in a compiled epoch: of rounds, each with its own rates."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in networks}
    for _ in range(ROUNDS):
        rates = measured_rates(again=True)
        for name in networks:
            net, example, step = NETWORKS[name]
            ours = step_seconds(step, (TIMED, *example), rates).total
            found[name].append((ours * 1e6, measured(net, example, step) * 1e6))
    rows = []
    for name, pairs in found.items():
        ours, theirs = (short(value) for value in np.median(pairs, 0))
        ratio = short(np.median([told / predicted for predicted, told in pairs]))
        rows.append(Row(f"time, {name}, batch {TIMED}", "measured", ours, theirs, "µs", ratio))
    return rows


def measured(net: dr.Layer, example: tuple[int, ...], step: Step) -> float:
    """Seconds of a step, the median over epochs as `fit` runs them."""
    rng, steps = np.random.default_rng(0), 16
    program = epoch_program(step.structure(), TIMED, "permutation")
    while True:
        x = rng.integers(0, 50, (steps * TIMED, *example)).astype(np.float32)
        y = net.shape(x.shape)
        target = step.loss.prepare(rng.integers(0, y[-1], y[:-1] if step.loss == CLASSES else y), y)
        data = jax.device_put(Batch(x, target, np.ones(len(x), np.float32)))  # type: ignore[arg-type]
        state = jax.device_put(step.init((TIMED, *example), 0))
        times = []
        for _ in range(8):
            began = time.perf_counter()
            jax.block_until_ready(program(state, data))
            times.append(time.perf_counter() - began)
        middle = float(np.median(times[1:]))
        if middle > LEAST or steps >= 1024:
            return middle / steps
        steps = min(1024, int(steps * 1.2 * LEAST / middle) + 1)


def beside(name: str, peer: str, ours: float, theirs: float, unit: str) -> Row:
    """One prediction beside what it predicts."""
    return Row(name, peer, short(ours), short(theirs), unit, short(theirs / ours))


def error_rows(part: str, rows: list[Row]) -> list[Row]:
    """The median and the worst error of a part's rows in per cent, against what is allowed."""
    ratios = np.array([1 / row.ratio for row in rows if row.theirs])
    middle, worst = np.median(abs(ratios - 1)), np.maximum(ratios, 1 / ratios).max() - 1  # half is as bad as twice
    found = zip(("median", "worst"), (100 * float(middle), 100 * float(worst)), TARGETS[part], strict=True)
    return [
        Row(f"{part}, {which} error", "allowed", short(e), t, "%", short(t / max(e, 1e-3)), target=1, met=e <= t)
        for which, e, t in found
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="every fourth network, to see that it runs")
    parser.add_argument("--only", choices=("peak", "time"), help="one part alone")
    chosen = parser.parse_args()
    started, names = machine(), list(NETWORKS)[:: 4 if chosen.quick else 1]
    print(f"kernels: {described()}")
    found = {}
    for part, rows_of in (("peak", peak_rows), ("time", time_rows)):
        if chosen.only in (None, part):
            found[part] = rows_of(names)
    rows = [row for part in found.values() for row in part]
    rows += [row for part, those in found.items() for row in error_rows(part, those)]
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
