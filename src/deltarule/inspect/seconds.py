"""The seconds of a training step, from the operations of its trace and a machine's rates.

Each operation that the compiler makes takes what it takes besides, and the longer of its arithmetic and its bytes:

    t = Σ_k (t_0 + max(FLOPs_k / rate_k, bytes_k / bandwidth_k))
"""

from dataclasses import dataclass
from typing import Any

import jax

from deltarule.inspect.memory import abstract_batch
from deltarule.inspect.program import DEAR, FUSED, SUMS, Operation, Program, arrays, flat_program
from deltarule.inspect.rates import Rates, rate_at
from deltarule.layers.layer import Shape
from deltarule.training.step import Step


@dataclass(frozen=True)
class Seconds:
    """Seconds of a program: where arithmetic is the longer, where bytes are, and what operations take besides."""

    arithmetic: float = 0.0
    bytes: float = 0.0
    besides: float = 0.0

    @property
    def total(self) -> float:
        return self.arithmetic + self.bytes + self.besides

    @property
    def bound(self) -> str:
        """What takes most of the time: "arithmetic", "bytes" or "operations", many small ones."""
        parts = {"arithmetic": self.arithmetic, "bytes": self.bytes, "operations": self.besides}
        return max(parts, key=parts.__getitem__)

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.arithmetic + other.arithmetic, self.bytes + other.bytes, self.besides + other.besides)

    def times(self, rounds: int) -> "Seconds":
        """Those of so many rounds."""
        return Seconds(self.arithmetic * rounds, self.bytes * rounds, self.besides * rounds)


def step_seconds(step: Step, x: Shape, rates: Rates) -> Seconds:
    """Seconds of one step on inputs of shape x, in an epoch's compiled loop."""
    batch = abstract_batch(step.loss, x, step.net.shape(x))
    jaxpr = jax.make_jaxpr(step)(step.init(x, seed=0), batch).jaxpr
    return of_program(flat_program(jaxpr), rates) + Seconds(besides=rates.round)


def of_program(program: Program, rates: Rates) -> Seconds:
    """Seconds of all operations that exist, with what is computed inside each."""
    operations = program.operations
    exists, sources = arrays(program)
    inside = work_inside(program, exists)
    total = Seconds()
    for place, operation in enumerate(operations):
        if exists[place] and operation.name not in ("input", "constant", "part"):
            moved = operation.bytes + sum(operations[source].bytes for source in sources[place])
            total += of_operation(operation, inside[place], moved, rates)
    return total


def of_operation(operation: Operation, inside: tuple[int, int], moved: int, rates: Rates) -> Seconds:
    """Seconds of one operation, which computes (simple, dear) numbers and moves so many bytes."""
    if operation.loop:
        rounds, program = operation.loop
        return Seconds(besides=rates.operation) + (
            of_program(program, rates) + Seconds(besides=rates.round)
        ).times(rounds)
    simple, dear = inside
    arithmetic = simple / rates.simple + dear / rates.dear
    if operation.flops and operation.name not in FUSED | SUMS:
        arithmetic += operation.flops / rate_at(*curve(operation, rates))
    memory = moved / rate_at(rates.memory, moved) if moved else 0.0
    if arithmetic >= memory:
        return Seconds(arithmetic=arithmetic, besides=rates.operation)
    return Seconds(bytes=memory, besides=rates.operation)


def curve(operation: Operation, rates: Rates) -> tuple[Any, float]:
    """The rates of an operation's kind, and its size among them."""
    if operation.name == "conv_general_dilated" or "convolution" in operation.kernel:
        return rates.convolutions, operation.flops
    if operation.kernel and "product" not in operation.kernel:
        steps = max(operation.shape[1] if len(operation.shape) == 3 else 1, 1)
        return rates.recurrent, operation.flops / steps
    return rates.products, operation.flops


def work_inside(program: Program, exists: list[bool]) -> list[tuple[int, int]]:
    """The (simple, dear) numbers that are computed in each operation: its own, and those that never exist."""
    operations = program.operations
    simple, dear = [0] * len(operations), [0] * len(operations)
    homes: list[set[int]] = [set() for _ in operations]
    readers: list[set[int]] = [set() for _ in operations]
    for place, operation in enumerate(operations):
        for read in operation.reads:
            readers[read].add(place)
    for place in reversed(range(len(operations))):
        operation = operations[place]
        homes[place] = {place} if exists[place] else set().union(*(homes[r] for r in readers[place]), set())
        if operation.name not in FUSED | SUMS:
            continue
        numbers = operation.bytes // 4
        if operation.name in SUMS:
            numbers = max((operations[read].bytes // 4 for read in operation.reads), default=0)
        for home in homes[place]:
            if operation.name in DEAR:
                dear[home] += numbers
            else:
                simple[home] += numbers
    return list(zip(simple, dear, strict=True))
