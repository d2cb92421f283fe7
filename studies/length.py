"""What a training step costs against the length of the sequences, through all of time and truncated.

    python studies/length.py

Through all of time, time and memory grow with the length T. Truncated at τ = 32 a step costs the same at any T:
what is kept for δ is that of one window, and the state is carried on. Bytes are what the compiled program needs
besides its inputs, which hold the sequences themselves.
"""

import time
from typing import NamedTuple

import jax
import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.training.epoch import epoch_program
from deltarule.training.step import Batch, Step
from deltarule.training.windows import Window, windows_program
from study import BLUE, ORANGE, Claims, Table, logarithmic, main

LENGTHS = [64, 128, 256, 512, 1024, 2048, 4096]
BATCH, INPUTS, HIDDEN, TAU, ROUNDS = 32, 8, 64, 32, 5
NETWORK = dr.Chain(dr.Recurrent(dr.LSTM(HIDDEN)), dr.Dense(1))
STEP = Step(NETWORK, dr.SquaredError(), dr.SGD(0.01))


class Program:
    """The epoch of one batch of sequences of a length, in one step or in a step a window."""

    def __init__(self, steps: int, window: int | None):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(BATCH, steps, INPUTS)).astype(np.float32)
        data = Batch(x, x[..., :1], np.ones(BATCH, np.float32))  # type: ignore[arg-type]
        self.given = jax.device_put((STEP.init(x.shape, 0), data))
        self.updates = 1 if window is None else steps // window
        if window is None:
            program = epoch_program(STEP.structure(), BATCH, "none")
        else:
            program = windows_program(STEP.structure(), BATCH, "none", Window.of(window))
        self.compiled = program.lower(*self.given).compile()
        self.bytes = self.compiled.memory_analysis().temp_size_in_bytes

    def seconds(self) -> float:
        """Of one step."""
        start = time.perf_counter()
        jax.block_until_ready(self.compiled(*self.given))
        return (time.perf_counter() - start) / self.updates


class Found(NamedTuple):
    """Milliseconds and megabytes of a step at each length, in one step through all of time and truncated."""

    lengths: list[int]
    full: tuple[np.ndarray, np.ndarray]
    truncated: tuple[np.ndarray, np.ndarray]


def measured(lengths: list[int] = LENGTHS, rounds: int = ROUNDS) -> Found:
    """The programs take turns, and each is as fast as in its fastest turn: other work makes it slower only."""
    programs = [[Program(steps, window) for steps in lengths] for window in (None, TAU)]
    seconds = np.array([[[each.seconds() for each in row] for row in programs] for _ in range(rounds)]).min(0)
    megabytes = [np.array([each.bytes for each in row]) / 1e6 for row in programs]
    return Found(lengths, *zip(seconds * 1e3, megabytes, strict=True))


def claims(found: Found) -> Claims:
    last = found.lengths[-1]
    first = found.lengths.index(last // 32)
    for what, whole, short in zip(("time", "bytes"), found.full, found.truncated, strict=True):
        grows, flat = whole[-1] / whole[first], short[-1] / short[first]
        yield grows >= 16, f"through all of time: {what} at T = {last} is {grows:.1f} times that at {last // 32}"
        yield flat <= 1.1, f"truncated: {what} at T = {last} is {flat:.2f} times that at {last // 32}"


def table(found: Found) -> Table:
    header = ("T", "ms, all of time", "MB", f"ms, truncated at {TAU}", "MB")
    return Table(header, list(zip(found.lengths, *found.full, *found.truncated, strict=True)))


def picture(found: Found) -> Figure:
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    panels = zip(figure.subplots(1, 2), found.full, found.truncated, ("ms a step", "MB a step"), strict=True)
    for axes, whole, short, unit in panels:
        axes.plot(found.lengths, whole, marker="o", markersize=3, color=ORANGE, label="all of time")
        axes.plot(found.lengths, short, marker="o", markersize=3, color=BLUE, label=f"truncated, τ = {TAU}")
        logarithmic(axes)
        axes.set(xlabel="length T", ylabel=unit)
        axes.set_xticks(found.lengths[::2], map(str, found.lengths[::2]))
    axes.legend(frameon=False)
    return figure


if __name__ == "__main__":
    main()
