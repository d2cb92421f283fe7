"""The adding problem at T = 200: LSTM and GRU learn it, a simple RNN under the same budget does not.

    python studies/adding.py

Each step has a number from [0, 1] and a mark; two steps are marked, one in each half, and the answer is the sum
of their numbers (Hochreiter and Schmidhuber 1997, as Le, Jaitly and Hinton 2015 set it). To answer 1 always has a
mean squared error of 1/6 = 0.167; δ must come through up to 200 steps to do better. The seeds of a cell end as
soon as all of them have learned it.
"""

import numpy as np
from matplotlib.figure import Figure

import deltarule as dr
from deltarule.training.step import Step
from study import (
    BLUE,
    GREY,
    ORANGE,
    Claims,
    Table,
    examples,
    logarithmic,
    main,
    predictions,
    side_by_side,
    trained,
)

LENGTH, HIDDEN, BATCH, EXAMPLES, STEPS, SEEDS = 200, 32, 25, 2500, 2000, 5
CONSTANT, SOLVED = 1 / 6, 0.01
CELLS = {"LSTM": dr.LSTM, "GRU": dr.GRU, "simple RNN": dr.SimpleRNN}


def problem(n: int, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x (n, T, 2), numbers and marks; y (n, 1), the sum of the two marked numbers."""
    rng, half = np.random.default_rng(seed), length // 2
    x = np.stack([rng.uniform(size=(n, length)), np.zeros((n, length))], axis=-1)
    rows = np.arange(n)
    first, second = rng.integers(0, half, n), rng.integers(half, length, n)
    x[rows, first, 1] = x[rows, second, 1] = 1
    return x, (x[rows, first, 0] + x[rows, second, 0])[:, None]


def learning_curves(cell: dr.Cell, length: int, steps: int, seeds: int) -> np.ndarray:
    """The error (m, e) of each seed on problems not seen in training, after each 100 steps."""
    (x, y), (x_new, y_new) = problem(EXAMPLES, length, seed=1), problem(500, length, seed=2)
    net = dr.Chain(dr.Recurrent(cell, last=True), dr.Dense(1))
    step = Step(net, dr.SquaredError(), dr.Adam(1e-2), clip_norm=1.0)
    states, data = side_by_side(step.init(x.shape, seed) for seed in range(seeds)), examples(step, x, y)
    errors = []
    for _ in range(steps * BATCH // EXAMPLES):
        states, _ = trained(step, states, data, 1, BATCH)
        errors.append(((predictions(net, states, x_new) - y_new) ** 2).mean((1, 2)))
        if np.max(np.min(errors, axis=0)) <= 0.8 * SOLVED:
            break
    return np.stack(errors, axis=1)


def measured(length: int = LENGTH, steps: int = STEPS, seeds: int = SEEDS) -> dict[str, np.ndarray]:
    return {name: learning_curves(cell(HIDDEN), length, steps, seeds) for name, cell in CELLS.items()}


def claims(found: dict[str, np.ndarray]) -> Claims:
    steps = found["simple RNN"].shape[1] * EXAMPLES // BATCH
    for name in ("LSTM", "GRU"):
        worst = float(found[name].min(1).max())
        taken = found[name].shape[1] * EXAMPLES // BATCH
        yield (
            worst <= SOLVED,
            f"{name}: error {worst:.4f} at most within {taken} steps; a constant has {CONSTANT:.3f}",
        )
    best = float(found["simple RNN"].min())
    yield (
        best >= 0.5 * CONSTANT,
        f"simple RNN: error {best:.3f} at least in {steps} steps, near that of a constant",
    )


def table(found: dict[str, np.ndarray]) -> Table:
    header = ("cell", "steps", *(f"seed {seed}" for seed in range(len(found["LSTM"]))))
    return Table(header, [(name, e.shape[1] * EXAMPLES // BATCH, *e.min(1)) for name, e in found.items()])


def picture(found: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=(5.5, 3.2), layout="constrained")
    axes = figure.subplots()
    for (name, errors), color in zip(found.items(), (BLUE, ORANGE, GREY), strict=True):
        steps = np.arange(1, errors.shape[1] + 1) * EXAMPLES // BATCH
        axes.plot(steps, errors.T, color=color, linewidth=0.8, label=[name] + [None] * (len(errors) - 1))
    axes.axhline(CONSTANT, color="grey", linewidth=0.8, linestyle=":")
    logarithmic(axes)
    axes.set(xscale="linear", xlabel="steps", ylabel="squared error")
    axes.set_title(f"the adding problem, T = {LENGTH}, {len(errors)} seeds", loc="left")
    axes.set_xlim(0)
    axes.legend(frameon=False, loc="lower left")
    return figure


if __name__ == "__main__":
    main()
