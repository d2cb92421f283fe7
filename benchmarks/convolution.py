"""Convolutions and convolutional networks against PyTorch, Flax with Optax, and the floor of a matrix product.

    python benchmarks/convolution.py [--json] [--rounds 9] [--only a,b,c,d,e] [--activation pre]

Prints a table, and with --json one JSON object as the last line, where a ratio above 1 means that ours is better.

(a) the three products of single convolutions, batch 32; (b) a training step of a network of three convolutions;
(c) that of a residual network of depth 20, width 16, pre- or post-activation; (d) the bytes that forward keeps
for backward; (e) the accuracy of a small convolutional network on handwritten digits that it has not seen.
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.kernels.native import described
from measure import Row, compare, compare_floor, fastest, interleave, machine, report
from ours_convolution import CLASSES, IMAGE, NETWORKS, Deltarule, MatrixProduct, Task
from ours_dense import kept_bytes

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy", "torch", "flax", "optax", "scikit-learn")
GRADIENT_TOLERANCE = 0.05  # a ReLU whose input rounds to the other side of 0 moves a float32 gradient by 0.01


def step_rows(task: Task, rounds: int, target: float | None = None) -> list[Row]:
    """(b), (c): ms a training step, of an epoch with its shuffle, its minibatches and its updates."""
    from peers_convolution import Flax, TorchMatrixProduct, flax_optax, torch_compiled, torch_eager
    from peers_dense import PLAIN_FLAX

    choosing = min(rounds, 3)
    ours, floor = Deltarule(task), fastest([MatrixProduct(), TorchMatrixProduct()], choosing)
    eager, flax = torch_eager(task, choosing), flax_optax(task, choosing)
    compiled, said = torch_compiled(task, eager, choosing)
    print(f"{task.name}: torch.compile, {said}")
    others = (eager, compiled, flax, Flax(task, "nnx.jit", PLAIN_FLAX))
    peers = [peer for peer in others if peer is not None]
    require_same_step(task, [ours, *peers])

    seconds: list[Any] = [ours, floor, *peers]
    times = interleave(seconds, rounds)
    ms = {peer.name: times[peer.name] / task.steps * 1e3 for peer in (ours, *peers)}
    rows = [
        compare(task.name, p.name, ms["deltarule"], ms[p.name], "ms/step", target if p is eager else None, p.note)
        for p in peers
    ]
    if compiled is None:
        rows.append(replace(rows[1], peer="torch.compile", theirs=None, ratio=None, spread=None, note=said))
    floors = times["floor"] * task.flops / MatrixProduct.FLOPS * 1e3
    rate = MatrixProduct.FLOPS / np.median(times["floor"]) / 1e9
    note = f"{task.flops / 1e9:.2f} GFLOP at {rate:.0f} GFLOP/s, {floor.note}"
    rows.append(compare_floor(task.name, ms["deltarule"], floors, "ms/step", note=note))
    return rows


def require_same_step(task: Task, contenders: list[Any]) -> None:
    """Raises AssertionError unless one step on the same minibatch moves everybody's parameters alike."""
    moves = {}
    for contender in contenders:
        one = contender.on_one_batch()
        one.fresh()
        one.run()
        moves[contender.name] = [after - before for after, before in zip(one.weights(), task.start, strict=True)]
    ours, count = moves.pop("deltarule"), sum(array.size for array in task.start)
    for name, theirs in moves.items():
        pairs = zip(ours, theirs, strict=True)
        apart = max(np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in pairs)
        print(f"{task.name}: {count:,} parameters, gradients of {name} at most {apart:.1e} apart")
        if not apart <= GRADIENT_TOLERANCE:
            raise AssertionError(f"{task.name}: {name} takes another step than ours, {apart:.1e} apart")


def byte_rows() -> list[Row]:
    """(d): what is kept from forward for backward at batch 32."""
    from peers_convolution import TORCH
    from peers_dense import torch_kept_bytes

    rows, (h, w, i) = [], IMAGE
    for name, network in NETWORKS.items():
        ours = kept_bytes(network(), (32, h, w, i), CLASSES)
        theirs = torch_kept_bytes(TORCH[name](), (32, i, h, w), CLASSES)
        target = None if name == "three convolutions" else 1 / 0.75
        rows.append(compare(f"(d) saved bytes, {name}, batch 32", "PyTorch eager", ours, theirs, "bytes", target))
    return rows


def accuracy_rows(rounds: int) -> list[Row]:
    """(e): held-out accuracy on digits, over as many seeds as rounds, but 5 at most."""
    from digit_images import accuracy_row

    return [accuracy_row(seeds=min(rounds, 5))]


def product_rows(rounds: int) -> list[Row]:
    """(a): the three products of single convolutions."""
    from products import product_rows

    return product_rows(rounds)


def parts(text: str) -> list[str]:
    """The parts named in a list with commas."""
    chosen = text.split(",")
    unknown = [part for part in chosen if part not in "abcde"]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are a, b, c, d, e")
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--rounds", type=int, default=9, help="1 to see that it runs")
    parser.add_argument("--only", type=parts, default=list("abcde"), help="some of a,b,c,d,e")
    parser.add_argument("--activation", choices=("pre", "post"), default="pre", help="of (c)")
    chosen = parser.parse_args()
    missing = [name for name in ("torch", "flax", "optax", "sklearn") if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"the benchmark compares with {', '.join(missing)}, not installed here; run: "
            "pip install 'deltarule[peers]' scikit-learn",
            file=sys.stderr,
        )
        return 2
    os.environ.setdefault("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")  # so that compiling takes what it takes
    import torch

    started, rounds = machine(), chosen.rounds
    torch.set_num_threads(started["cores"])
    if started["load"] is not None and started["load"] > 0.5:
        print(f"this machine is busy (load {started['load']:.1f}): the figures will be noisy", file=sys.stderr)
    print(f"our kernels: {described()}")
    resnet = f"{chosen.activation}-activation ResNet-20"
    measured: dict[str, Callable[[], list[Row]]] = {
        "a": lambda: product_rows(rounds),
        "b": lambda: [
            *step_rows(Task("b", "three convolutions", batch=32, steps=16), rounds, 1.3),
            *step_rows(Task("b", "three convolutions", batch=128, steps=16), rounds),
        ],
        "c": lambda: [
            *step_rows(Task("c", resnet, batch=32, steps=16), rounds, 1.2),
            *step_rows(Task("c", resnet, batch=128, steps=16), rounds, 1.2),
        ],
        "d": byte_rows,
        "e": lambda: accuracy_rows(rounds),
    }
    rows = [row for part in chosen.only for row in measured[part]()]
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
