"""Recurrent layers against PyTorch and against JAX's own derivative of the same scan.

    python benchmarks/recurrent.py [--json] [--rounds 9] [--only a,b,c,d]

Prints a table, and with --json one JSON object as the last line, where a ratio above 1 means that ours is better.

(a) LSTM, GRU and simple RNN, 64 steps, batch 32, 32 inputs, forward and backward, by the size of the state;
(b) a cell of a user's own, against a Python loop over time; (c) a truncated step, τ = 32, at lengths of 128 and
4096, beside one through all of time; (d) a language model of characters on a mebibyte of text, against PyTorch's
and against n-grams.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable

import numpy as np

from deltarule.kernels.native import companion, described
from measure import Row, compare, interleave, machine, report
from ours_recurrent import LENGTHS, Sequences, Task, forms

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy", "torch")
TOLERANCE = 1e-4


def rows_of(task: Task, rounds: int, targets: dict[str, float]) -> list[Row]:
    """ours against each peer, and XLA's form against PyTorch and JAX's derivative."""
    from peers_recurrent import Torch

    eager, derived = Torch(task), ("JAX autodiff", "JAX autodiff, x W in the scan")
    contenders = [*forms(task), eager]
    require_same_result(task, contenders)
    times = interleave(contenders, rounds)
    ms = {name: values * 1e3 for name, values in times.items()}

    def row(mine: str, other: str, note: str = "") -> Row:
        name = task.name if mine == "ours" else f"{task.name}, {mine}"
        return compare(name, other, ms[mine], ms[other], "ms", targets.get(f"{mine}, {other}"), note)

    native = companion()[0] is not None and task.layer.cell.kernel is not None
    mine = ["ours", "XLA's form"] if native else ["ours"]
    return [
        made
        for one in mine
        for made in (row(one, eager.name, eager.note), *(row(one, other) for other in derived))
    ]


def require_same_result(task: Task, contenders: list) -> None:
    """Raises AssertionError where one of the contenders computes another output or gradient than the first."""
    (y, dx, dparams), *others = (contender.result() for contender in contenders)
    for contender, (other_y, other_dx, other_dparams) in zip(contenders[1:], others, strict=True):
        pairs = [(y, other_y), (dx, other_dx), *((dparams[name], d) for name, d in other_dparams.items())]
        apart = max(np.abs(a - b).max() / np.abs(a).max() for a, b in pairs)
        if not apart < TOLERANCE:
            raise AssertionError(f"{task.name}: {contender.name} computes something else, {apart:.1e} apart")


def library_rows(rounds: int) -> list[Row]:
    """(a)."""
    rows = []
    for cell in ("LSTM", "GRU", "simple RNN"):
        for hidden in (32, 128, 512):
            targets = {"ours, PyTorch eager": 1.0}
            if (cell, hidden) == ("LSTM", 128):
                targets = {"ours, PyTorch eager": 1.3}
                for derived in ("JAX autodiff", "JAX autodiff, x W in the scan"):
                    targets |= {f"ours, {derived}": 2.5, f"XLA's form, {derived}": 1.6}
            rows += rows_of(Task("a", cell, hidden), rounds, targets)
    return rows


def own_cell_rows(rounds: int) -> list[Row]:
    """(b)."""
    tasks = [Task("b", "minimal gated unit", hidden) for hidden in (32, 128)]
    return [row for task in tasks for row in rows_of(task, rounds, {"ours, PyTorch eager": 10.0})]


def length_rows(rounds: int) -> list[Row]:
    """(c): the ratio is that of the short sequence's figure to the long one's, 1 where it is flat."""
    rows = []
    for name, window in (("truncated, τ = 32", 32), ("all of time", None)):
        short, long = (Sequences(steps, window) for steps in LENGTHS)
        times = interleave([short, long], rounds)
        ms = [times[each.name] / each.updates * 1e3 for each in (long, short)]
        target = None if window is None else 1 / 1.1
        what = f"(c) {name}, {long.name}"
        rows.append(compare(f"{what}, step", short.name, *ms, "ms", target))
        rows.append(compare(f"{what}, peak", short.name, long.bytes, short.bytes, "bytes", target))
    return rows


def characters(rounds: int) -> list[Row]:
    """(d)."""
    from characters import character_rows

    return character_rows(rounds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--rounds", type=int, default=9, help="1 to see that it runs")
    parser.add_argument("--only", default="a,b,c,d", help="some of a,b,c,d")
    chosen = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        print("the benchmark compares with torch; run: pip install 'deltarule[peers]'", file=sys.stderr)
        return 2
    import torch

    started = machine()
    torch.set_num_threads(started["cores"])
    print(f"our kernels: {described()}")
    measured: dict[str, Callable[[int], list[Row]]] = {
        "a": library_rows,
        "b": own_cell_rows,
        "c": length_rows,
        "d": characters,
    }
    rows = [row for part in chosen.only.split(",") for row in measured[part](chosen.rounds)]
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
