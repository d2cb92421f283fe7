"""Many models at once against PyTorch in a loop, torch.func.vmap, Flax under vmap, and scikit-learn's grid search.

    python benchmarks/population.py [--json] [--quick] [--only a,b,sweep]

(a) and (b): 64 networks, µs a training step of one of them. Each of ours has its own order of examples; the mapped
peers share their minibatches, which is faster. Prints a table, and with --json one JSON object as the last line.
"""

import argparse
import os
import sys
import time
from typing import Any

import jax
import numpy as np

import deltarule as dr
from deltarule.training.population import Population, begun
from deltarule.training.run import Settings
from deltarule.training.step import Batch, Step
from measure import Row, compare, fastest, interleave, machine, report
from ours_dense import OPTIMIZERS, Task, network

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy", "torch", "flax", "optax", "scikit-learn")
MODELS = 64
TASKS = {
    "a": Task("a", (4, 64, 64, 2), 64, "RMSProp", 1e-3),
    "b": Task("b", (784, 256, 256, 10), 64, "RMSProp", 1e-4, examples=1280),
}
TARGETS = {
    "a": {"PyTorch eager": 15, "torch.func.vmap": 2.5, "Flax, vmap": 3, "one core": 1.8},
    "b": {"torch.func.vmap": 2.2, "rate of a large product": 0.8},
}
PARTS = (*TASKS, "sweep")


class Deltarule:
    """Ours: an epoch of all members."""

    note = ""

    def __init__(self, task: Task, devices: list[Any] | None = None):
        self.name = "deltarule" if devices is None else "one core"
        self.task, self.devices = task, devices
        self.step = Step(network(task.sizes), dr.SoftmaxCrossEntropy(), OPTIMIZERS[task.optimizer](task.rate))
        x, target = task.data
        self.data = Batch(x, target, np.ones(len(x), np.float32))

    def fresh(self):
        states = [self.step.init((self.task.batch, self.task.sizes[0]), seed) for seed in range(MODELS)]
        start = iter(self.task.start)
        params = tuple(dict(zip(("W", "b"), next(start), strict=True)) if p else p for p in states[0].params)
        states[0] = states[0]._replace(params=params)
        settings = Settings(epochs=1000, batch_size=self.task.batch)
        members = begun(states, settings)
        self.population = Population(self.step, members, self.data, None, settings, devices=self.devices)

    def run(self):
        self.population.advance(self.population.epoch + 1)
        jax.block_until_ready(self.population.members.figures)

    def weights(self):
        params = jax.tree.map(lambda a: self.population.of_members(a)[0], self.population.members.state.params)
        return [(layer["W"], layer["b"]) for layer in params if layer]


class LargeProduct:
    """The rate of a large matrix product on all cores: the seconds that an epoch's FLOPs would take at it."""

    name, note = "rate of a large product", ""
    SIDE = 2048

    def __init__(self, task: Task):
        self.a = jax.device_put(np.random.default_rng(0).normal(size=(self.SIDE, self.SIDE)).astype(np.float32))
        self.product = jax.jit(lambda a: a @ a)
        plan = dr.plan(network(task.sizes), x=(task.batch, task.sizes[0]), loss=dr.SoftmaxCrossEntropy())
        self.epochs = plan.total.flops * task.steps * MODELS / (2 * self.SIDE**3)

    def fresh(self): ...

    def run(self):
        jax.block_until_ready(self.product(self.a))


def step_rows(task: Task, rounds: int) -> list[Row]:
    """µs a step of one network, of 64 that train at once."""
    from peers_dense import torch_eager
    from peers_population import FlaxVmap, TorchVmap, torch_compiled_vmap

    ours, one, eager = Deltarule(task), Deltarule(task, jax.devices()[:1]), torch_eager(task)
    mapped = fastest([TorchVmap(task, shared) for shared in (True, False)])
    compiled, said = torch_compiled_vmap(task, mapped.shared)
    print(f"{task.name}: torch.compile of the mapped step, {said}")
    peers = [peer for peer in (mapped, compiled, FlaxVmap(task)) if peer is not None]
    check_same_job(task, [ours, eager, *peers])
    rate = LargeProduct(task)
    times = interleave([ours, one, eager, rate, *peers], rounds)

    name, targets, unit = f"{MODELS} × {task.name}", TARGETS[task.key], "µs/step"
    scale = 1e6 / task.steps
    middle = times["deltarule"] * scale / MODELS
    rows = [
        compare(name, eager.name, middle, times[eager.name] * scale, unit, targets.get(eager.name), eager.note)
    ]
    for peer in [*peers, one]:
        theirs = times[peer.name] * scale / MODELS
        rows.append(compare(name, peer.name, middle, theirs, unit, targets.get(peer.name), peer.note))
    at_rate = times[rate.name] * rate.epochs * scale / MODELS
    gflops = 2 * LargeProduct.SIDE**3 / np.median(times[rate.name]) / 1e9
    said = f"{gflops:.0f} GFLOP/s"
    rows.append(compare(name, rate.name, middle, at_rate, unit, targets.get(rate.name), said))
    return rows


def check_same_job(task: Task, contenders: list[Any]) -> None:
    """The first network of everybody starts from the same weights and must learn alike."""
    losses = {}
    for contender in contenders:
        contender.fresh()
        for _ in range(3):
            contender.run()
        losses[contender.name] = task.loss(contender.weights())
    said = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
    print(f"{task.name}: loss {task.loss(task.start):.4f} at first, after 3 epochs {said}")
    if any(abs(loss - losses["deltarule"]) > 0.05 * losses["deltarule"] for loss in losses.values()):
        raise AssertionError(f"{task.name}: the contenders do not do the same job: {said}")


def sweep_rows(rounds: int) -> list[Row]:
    """256 configurations of a network on handwritten digits, whole time, compiling included."""
    from grid import CONFIGURATIONS, Deltarule, ScikitLearn, TorchLoop

    contenders: list[Any] = [Deltarule(), ScikitLearn(), TorchLoop()]
    times = interleave(contenders, rounds, least=0, warm=False)
    said = ", ".join(f"{contender.name} {contender.best:.4f}" for contender in contenders)
    print(f"sweep: the best accuracy held out: {said}")
    name, ours = f"{CONFIGURATIONS} configurations, digits 64-64-10, 20 epochs, Adam", times["deltarule"]
    search, loop = (times[contender.name] for contender in contenders[1:])
    return [
        compare(name, "scikit-learn", ours, search, "s", 6, ScikitLearn.note),
        compare(name, "PyTorch eager", ours, loop * TorchLoop.part, "s", 15, TorchLoop.note),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 7, to see that it runs")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    chosen = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    os.environ.setdefault("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")
    started, rounds, rows, begun = machine(), 3 if chosen.quick else 7, [], time.perf_counter()
    for part in chosen.only.split(","):
        rows += sweep_rows(1 if chosen.quick else 3) if part == "sweep" else step_rows(TASKS[part], rounds)
    print(f"measured in {time.perf_counter() - begun:.0f} s")
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
