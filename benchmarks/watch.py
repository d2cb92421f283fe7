"""What it costs to watch a training run: the step with each diagnostic, and with all, against the plain step.

    python benchmarks/watch.py [--json] [--quick]

Each figure is taken of every step, and of one step in so many as `fit` does where nothing is said. Prints a table,
and with --json one JSON object as the last line. A ratio is the plain step's time by the watched one's in the same
round: 1 costs nothing, 0.87 is 1.15 times the plain step.
"""

import argparse
import sys
from dataclasses import replace

import jax

import deltarule as dr
from deltarule.layers.layer import map_layers
from deltarule.training.epoch import epoch_program
from deltarule.training.run import Settings
from deltarule.training.watch import BY_EXAMPLE, WATCHES, Watch, why_not
from measure import Row, compare, interleave, machine, report, short
from ours_dense import Deltarule, Task

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy")
TASKS = [
    Task("a", (4, 64, 64, 2), 64, "RMSProp", 1e-4),
    Task("b", (784, 256, 256, 10), 64, "RMSProp", 1e-4),
]
FEW = "all but of examples"
CHOICES = {name: (name,) for name in WATCHES}
CHOICES |= {FEW: tuple(name for name in WATCHES if name not in BY_EXAMPLE), "all": WATCHES}
EVERY = {1: "every step", Settings.watch_every: f"one step in {Settings.watch_every}"}
TARGETS = {("b", "example_norms"): 1.25, ("b", "all"): 1.15}  # times the plain step, at most


class Watched(Deltarule):
    """The compiled epoch as `fit(..., watch=...)` runs it, and as it runs it without, where nothing is chosen."""

    def __init__(self, task: Task, name: str, choice: tuple[str, ...], tanh: bool = False, every: int = 1):
        super().__init__(task)
        self.name = name
        if tanh:
            net = map_layers(lambda layer: dr.Tanh() if isinstance(layer, dr.ReLU) else layer, self.step.net)
            self.step = replace(self.step, net=net)
        shape = (task.batch, task.sizes[0])
        state = self.step.init(shape, seed=0)
        choice = tuple(name for name in choice if why_not(name, self.step.net, state.params) is None)
        self.watch = Watch.of(self.step, choice, state, shape, every)
        step = self.watch.step if choice else self.step
        self.program = epoch_program(step.structure(), task.batch, "permutation")

    def run(self):
        zeros = self.watch.zeros if self.watch.layers else None
        self.state, *told = self.program(self.state._replace(watched=zeros), self.data)
        jax.device_get((told, self.watch.sums(self.state)))


def rows_of(task: Task, rounds: int) -> list[Row]:
    """µs a training step, plain and watched, of an epoch with its shuffle, its minibatches and its updates."""
    rows = []
    for tanh, names in ((False, [name for name in CHOICES if name != "saturated"]), (True, ["saturated"])):
        plain = Watched(task, "the plain step", (), tanh)
        choices = [(name, every) for every in EVERY for name in names]
        watched = [Watched(task, f"{name}, {EVERY[n]}", CHOICES[name], tanh, n) for name, n in choices]
        times = interleave([plain, *watched], rounds)
        times = {name: values / task.steps * 1e6 for name, values in times.items()}
        for (name, _), contender in zip(choices, watched, strict=True):
            most = TARGETS.get((task.key, name))
            target = None if most is None else short(1 / most)
            told = f"{task.name}: {contender.name}" + (", tanh for ReLU" if tanh else "")
            rows.append(compare(told, plain.name, times[contender.name], times[plain.name], "µs/step", target))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 11, to see that it runs")
    chosen = parser.parse_args()
    started, rounds = machine(), 3 if chosen.quick else 11
    report([row for task in TASKS for row in rows_of(task, rounds)], PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
