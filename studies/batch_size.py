"""What a training step costs against the batch size M: FLOPs, bytes and time all grow linearly.

    python studies/batch_size.py

For L hidden layers of width d_H between d inputs and K outputs, the layers' own `cost` gives the FLOPs of forward
and backward, equal to a count over the traced program, and the numbers that are kept for δ:

    M (6 (L − 1) d_H² + 4 d d_H + 6 d_H K + O(L d_H)),      M L d_H

A text states 2 M d_H numbers in place of M L d_H. That does not hold for back-propagation, which keeps the
activation of every layer: the bytes an example takes in the compiled program grow with L, by just 4 d_H a layer,
and there is one array more at work. Two layers' worth would do only if the others were made again.

Bytes are what the program needs besides inputs and outputs. As long as M < d_H the activations of a layer fit into
the memory of its new weights, which are outputs, and take none of their own: there XLA's figure is not linear.
"""

import time
from dataclasses import dataclass

import jax
import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.inspect.count import count_flops
from deltarule.layers.layer import Context
from deltarule.training.step import Batch, Step
from study import BLUE, GREY, ORANGE, PURPLE, Claims, Table, logarithmic, main, slope

SIZES, DEPTHS, ROUNDS = (256, 512, 1024, 2048, 4096, 8192), (2, 4, 8), 12
INPUTS, HIDDEN, OUTPUTS = 64, 128, 10
COLORS = (BLUE, PURPLE, ORANGE)


@dataclass(frozen=True)
class Found:
    """Of one depth, by batch size.

    Attributes:
        flops, counted: of forward and backward: in closed form, and in the traced program.
        bytes: what the compiled step needs besides its inputs and outputs; `kept` is an example's, in closed form.
        milliseconds: of a step.
    """

    sizes: np.ndarray
    flops: np.ndarray
    counted: np.ndarray
    bytes: np.ndarray
    milliseconds: np.ndarray
    kept: float

    @property
    def bytes_an_example(self) -> float:
        """The slope of the line through the bytes."""
        return float(np.polyfit(self.sizes, self.bytes, 1)[0])


class Program:
    """The compiled step of a batch size."""

    def __init__(self, depth: int, size: int):
        hidden = (layer for _ in range(depth) for layer in (dr.Dense(HIDDEN), dr.Tanh()))
        net = dr.Chain(*hidden, dr.Dense(OUTPUTS))
        step = Step(net, dr.SquaredError(), dr.SGD(0.01))
        rng = np.random.default_rng(0)
        x, y = (rng.normal(size=(size, features)).astype(np.float32) for features in (INPUTS, OUTPUTS))
        state = step.init(x.shape, 0)

        def both_ways(params, x, dy):
            y, saved = net.forward(params, x, Context())
            return y, net.backward(params, saved, dy)[1]

        self.counted = count_flops(both_ways, state.params, x, y)
        self.cost = net.cost(x.shape)
        self.given = jax.device_put((state, Batch(x, y, np.ones(size, np.float32))))  # type: ignore[arg-type]
        self.compiled = jax.jit(step).lower(*self.given).compile()

    def seconds(self) -> float:
        start = time.perf_counter()
        jax.block_until_ready(self.compiled(*self.given))
        return time.perf_counter() - start


def measured(sizes=SIZES, depths=DEPTHS, rounds: int = ROUNDS) -> dict[int, Found]:
    """By depth. The programs take turns, and each is as fast as in its fastest turn."""
    programs = {depth: [Program(depth, size) for size in sizes] for depth in depths}
    turns = [[[each.seconds() for each in row] for row in programs.values()] for _ in range(rounds)]
    found = {}
    for (depth, row), seconds in zip(programs.items(), np.min(turns, axis=0), strict=True):
        flops = [each.cost.forward + each.cost.backward - each.cost.input_gradient for each in row]
        needed = [each.compiled.memory_analysis().temp_size_in_bytes for each in row]
        columns = sizes, flops, [each.counted for each in row], needed, seconds * 1e3
        found[depth] = Found(*map(np.array, columns), kept=4 * row[0].cost.saved / sizes[0])
    return found


def claims(found: dict[int, Found]) -> Claims:
    for depth, f in found.items():
        at = f"L = {depth}"
        yield (f.flops == f.counted).all(), f"{at}: the closed form of the FLOPs is what the traced program has"
        power = slope(f.sizes, f.flops)
        yield abs(power - 1) <= 1e-3, f"{at}: FLOPs grow as M^{power:.4f}"
        power = slope(f.sizes, f.bytes)
        yield abs(power - 1) <= 0.05, f"{at}: bytes grow as M^{power:.3f}"
        arrays, kept = f.bytes_an_example / (4 * HIDDEN), f.kept / (4 * HIDDEN)
        text = f"{at}: {arrays:.2f} d_H numbers an example; {kept:.0f} are kept, in closed form"
        yield 0.9 <= arrays - kept <= 1.2, f"{text}, and a text says 2"
        power = slope(f.sizes, f.milliseconds)
        yield 0.6 <= power <= 1.3, f"{at}: time grows as M^{power:.2f}"
    depths = list(found)
    a_layer = (found[depths[-1]].bytes_an_example - found[depths[0]].bytes_an_example) / (depths[-1] - depths[0])
    off = a_layer / (4 * HIDDEN)
    yield abs(off - 1) <= 0.05, f"a layer more takes {a_layer:.0f} bytes an example, {off:.3f} times 4 d_H"


def table(found: dict[int, Found]) -> Table:
    header = ("L", "M", "MFLOP", "MB", "ms")
    return Table(
        header,
        [
            (depth, *row)
            for depth, f in found.items()
            for row in zip(f.sizes, f.flops / 1e6, f.bytes / 1e6, f.milliseconds, strict=True)
        ],
    )


def picture(found: dict[int, Found]) -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    panels = figure.subplots(1, 3)
    for (depth, f), color in zip(found.items(), COLORS, strict=False):
        for axes, y in zip(panels, (f.flops / 1e6, f.bytes / 1e6, f.milliseconds), strict=True):
            label = f"L = {depth}" if axes is panels[0] else None
            axes.plot(f.sizes, y, color=color, marker="o", markersize=3, linewidth=1, label=label)
    panels[1].plot(
        f.sizes, f.sizes * 2 * HIDDEN * 4 / 1e6, color=GREY, linestyle=":", label="2 M d_H, as a text says"
    )
    logarithmic(*panels)
    for axes, unit in zip(panels, ("MFLOP a step", "MB a step", "ms a step"), strict=True):
        axes.set(xlabel="batch size M")
        axes.set_xticks(f.sizes[::2], map(str, f.sizes[::2]))
        axes.set_title(unit, loc="left")
    for axes in panels[:2]:
        axes.legend(frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main()
