"""Dense networks against PyTorch, Flax with Optax, scikit-learn, and the floor of their matrix products.

    python benchmarks/dense.py [--json] [--quick] [--only a,b,c,d,e,bytes]

Prints a table, and with --json one JSON object as the last line, where a ratio above 1 means that ours is better.
"""

import argparse
import importlib.util
import os
import sys
from typing import Any

from measure import Row, compare, compare_floor, fastest, interleave, machine, report
from ours_dense import Deltarule, Floor, Task, kept_bytes, network

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy", "torch", "flax", "optax", "scikit-learn")
TASKS = {
    "a": Task("a", (4, 64, 64, 2), 64, "SGD", 1e-2),
    "b": Task("b", (784, 256, 256, 10), 64, "RMSProp", 1e-4),
    "c": Task("c", (784, 512, 512, 10), 128, "Adam", 1e-4),
}
TARGETS = {  # ratios to reach, and how many floors at most
    "a": {"PyTorch eager": 10, "Flax+Optax": 12, "floor": 1.6},
    "b": {"PyTorch eager": 2, "floor": 1.3},
    "c": {"PyTorch eager": 1.6, "floor": 1.2},
}
PARTS = (*TASKS, "d", "e", "bytes")
LOSS_EPOCHS, LOSS_TOLERANCE = 3, 0.05


def step_rows(task: Task, rounds: int) -> list[Row]:
    """(a), (b), (c): µs a training step, of an epoch with its shuffle, its minibatches and its updates."""
    from peers_dense import PLAIN_FLAX, Flax, flax_optax, torch_compiled, torch_eager

    ours, floor = Deltarule(task), fastest([Floor(task, form) for form in Floor.FORMS])
    eager, flax = torch_eager(task), flax_optax(task)
    compiled, said = torch_compiled(task, eager)
    print(f"{task.name}: torch.compile, {said}")
    peers = [
        peer
        for peer in (eager, compiled, flax, Flax(task, "nnx.jit", flax.gather, PLAIN_FLAX))
        if peer is not None
    ]
    contenders: list[Any] = [ours, floor, *peers]
    check_same_job(task, [ours, *peers])

    times = {name: values / task.steps * 1e6 for name, values in interleave(contenders, rounds).items()}
    targets, unit = TARGETS[task.key], "µs/step"
    rows = [
        compare(task.name, p.name, times["deltarule"], times[p.name], unit, targets.get(p.name), p.note)
        for p in peers
    ]
    if compiled is None:
        middle = rows[0].ours
        rows.append(Row(task.name, "torch.compile", middle, None, unit, None, note=said))
    rows.append(compare_floor(task.name, times["deltarule"], times["floor"], unit, targets["floor"], floor.note))
    return rows


def check_same_job(task: Task, contenders: list[Any]) -> None:
    """Everybody starts from the same weights and must come to the same loss, up to the order of the examples."""
    losses = {}
    for contender in contenders:
        contender.fresh()
        for _ in range(LOSS_EPOCHS):
            contender.run()
        losses[contender.name] = task.loss(contender.weights())
    said = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    print(f"{task.name}: loss {task.loss(task.start):.4f} at first, after {LOSS_EPOCHS} epochs {said}")
    ours = losses["deltarule"]
    if any(abs(loss - ours) > LOSS_TOLERANCE * ours for loss in losses.values()):
        raise AssertionError(f"{task.name}: the contenders do not do the same job: {said}")


def byte_rows() -> list[Row]:
    """What is kept from forward for backward in (b)."""
    from peers_dense import torch_kept_bytes, torch_network

    task = TASKS["b"]
    shape, classes = (task.batch, task.sizes[0]), task.sizes[-1]
    ours = kept_bytes(network(task.sizes), shape, classes)
    theirs = torch_kept_bytes(torch_network(task.sizes), shape, classes)
    return [compare("saved bytes (b)", "PyTorch eager", ours, theirs, "bytes", target=1)]


def parts(text: str) -> list[str]:
    """The parts named in a list with commas."""
    chosen = text.split(",")
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 9, to see that it runs")
    parser.add_argument("--only", type=parts, default=list(PARTS), help=f"some of {','.join(PARTS)}")
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

    started, rounds, rows = machine(), 3 if chosen.quick else 9, []
    if started["load"] is not None and started["load"] > 0.5:
        print(f"this machine is busy (load {started['load']:.1f}): the figures will be noisy", file=sys.stderr)
    for part in chosen.only:
        if part in TASKS:
            rows += step_rows(TASKS[part], rounds)
        elif part == "bytes":
            rows += byte_rows()
        else:
            from digits import fit_rows, process_rows

            rows += fit_rows(rounds) if part == "d" else process_rows(rounds)
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
