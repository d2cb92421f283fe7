"""Two devices against one, and two processes against one: µs a training step, on networks where it pays and not.

    python benchmarks/devices.py [--json] [--quick]

Prints a table, and with --json one JSON object as the last line. A ratio is one device's time by that of the two
in the same round: above 1 the second one pays. On a CPU one device computes on all cores already, so that two of
them can but divide the same cores otherwise; two processes have a core each, and talk through gloo.
"""

import argparse
import socket
import subprocess
import sys
from contextlib import ExitStack

import jax
import numpy as np

from deltarule.training.devices import mesh_of, over, placed
from deltarule.training.processes import from_first, is_first
from measure import Row, compare, interleave, machine, report
from ours_dense import Deltarule, Task

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy")
TASKS = [
    Task("a", (4, 64, 64, 2), 64, "SGD", 1e-2),
    Task("b", (784, 256, 256, 10), 64, "RMSProp", 1e-4),
    Task("c", (784, 1024, 1024, 10), 512, "Adam", 1e-4),
]
EPOCHS = {"a": 10, "b": 2, "c": 1}  # of one run, which takes a tenth of a second and more
WAYS = {"one device": ("1", 1), "two devices": ("2", 1), "two processes": ("1", 2)}  # devices of each, processes


class Shared(Deltarule):
    """The compiled epoch as `fit(..., devices=...)` runs it, in each of the processes."""

    def __init__(self, task: Task, devices: str):
        mesh = mesh_of(devices)
        super().__init__(task)
        self.program = over(mesh, self.program)
        self.state, self.data = placed((self.step.init((task.batch, task.sizes[0]), seed=0), self.data), mesh)

    def run(self):
        for _ in range(EPOCHS[self.task.key]):
            self.state, loss = self.program(self.state, self.data)
        jax.device_get(loss)


def serve(port: int, key: str, devices: str) -> None:
    """Runs the task as often as it is told to; process 0 hears it, and the others from process 0."""
    task = next(task for task in TASKS if task.key == key)
    ours = Shared(task, devices)
    ours.run()
    with ExitStack() as stack:
        line = None
        if is_first():
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port))).makefile("rw")
            print("ready", file=line, flush=True)
        while int(from_first(np.array(int(line.readline() or 0) if line else 0))):
            ours.run()
            if line:
                print("done", file=line, flush=True)


class Worker:
    """A way to compute the task, in processes of its own that wait for the word."""

    note = ""

    def __init__(self, name: str, task: Task, stack: ExitStack):
        self.name, self.stack = name, stack
        devices, processes = WAYS[name]
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(120)
        launch = ["launch", "--processes", str(processes), "--", __file__]
        command = [sys.executable, "-m", "deltarule.cli.main", *launch]
        port = server.getsockname()[1]
        worker = subprocess.Popen([*command, "--serve", str(port), task.key, devices], stderr=subprocess.DEVNULL)
        stack.callback(worker.wait)
        self.line = stack.enter_context(server.accept()[0]).makefile("rw")
        stack.callback(lambda: print(0, file=self.line, flush=True))
        self.line.readline()

    def fresh(self):
        pass

    def run(self):
        print(1, file=self.line, flush=True)
        if self.line.readline() != "done\n":
            raise RuntimeError(f"{self.name}: the worker was lost")


def rows_of(task: Task, rounds: int) -> list[Row]:
    """µs a step of each way, in turn."""
    with ExitStack() as stack:
        workers = [Worker(name, task, stack) for name in WAYS]
        times = interleave(workers, rounds)
    times = {name: seconds / (task.steps * EPOCHS[task.key]) * 1e6 for name, seconds in times.items()}
    one, *others = WAYS
    return [compare(f"{task.name}: {name}", one, times[name], times[one], "µs/step") for name in others]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="3 rounds instead of 11, to see that it runs")
    parser.add_argument("--serve", nargs=3, metavar=("PORT", "TASK", "DEVICES"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        port, key, devices = chosen.serve
        serve(int(port), key, devices)
        return 0
    started, rounds = machine(), 3 if chosen.quick else 11
    report([row for task in TASKS for row in rows_of(task, rounds)], PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
