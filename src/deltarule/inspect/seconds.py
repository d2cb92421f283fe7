"""The seconds of a training step, from the operations of its trace and a machine's rates.

Each operation that the compiler makes takes what it takes besides, and the longer of its arithmetic and its bytes:

    t = Σ_k (t_0 + max(FLOPs_k / rate_k, bytes_k / bandwidth_k))
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import jax

from deltarule.inspect.fusion import arrays
from deltarule.inspect.memory import abstract_batch
from deltarule.inspect.operation import DEAR, FUSED, SUMS, Operation, Program
from deltarule.inspect.program import flat_program
from deltarule.inspect.rates import Rates, rate_at
from deltarule.layers.layer import Shape
from deltarule.training.step import Step

ROOTS = {"sqrt", "rsqrt", "cbrt"}


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
    read = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(batch))
    slowest = rates.memory[-1][1]  # a minibatch comes from beyond the caches
    return of_program(flat_program(jaxpr), rates) + Seconds(bytes=2 * read / slowest, besides=rates.round)


def of_program(program: Program, rates: Rates) -> Seconds:
    """Seconds of all operations that exist, with what is computed inside each."""
    operations = program.operations
    exists, sources = arrays(program)
    inside = work_inside(program, exists)
    total = Seconds()
    for place, operation in enumerate(operations):
        if (exists[place] or operation.flops) and operation.name not in ("input", "constant", "part"):
            read = [operations[source] for source in sources[place]]
            total += of_operation(operation, read, inside[place], rates)
    return total


def of_operation(operation: Operation, read: list[Operation], inside: dict[str, int], rates: Rates) -> Seconds:
    """Seconds of one operation, which reads what others made and computes so many numbers of each kind."""
    if operation.loop:
        rounds, program = operation.loop
        return Seconds(besides=rates.operation) + (
            of_program(program, rates) + Seconds(besides=rates.round)
        ).times(rounds)
    arithmetic = sum(numbers / rate_at(getattr(rates, kind), numbers) for kind, numbers in inside.items())
    if "batch_norm" in operation.kernel:
        numbers = prod(operation.shape)
        arithmetic += 2 * numbers / rate_at(rates.sums, numbers)  # it goes over them twice
    elif operation.flops and operation.name not in FUSED | SUMS:
        arithmetic += operation.flops / rate_at(*curve(operation, read, rates))
    moved = sum(each.bytes for each in (operation, *read))
    memory = moved / rate_at(rates.memory, moved) if moved else 0.0
    if arithmetic >= memory:
        return Seconds(arithmetic=arithmetic, besides=rates.operation)
    return Seconds(bytes=memory, besides=rates.operation)


def curve(operation: Operation, read: list[Operation], rates: Rates) -> tuple[Any, float]:
    """The rates of an operation's kind, and its size among them."""
    if operation.name == "conv_general_dilated" or "convolution" in operation.kernel:
        return rates.convolutions, operation.flops / positions(operation, read)
    if operation.kernel and "product" not in operation.kernel:
        steps = max(operation.shape[1] if len(operation.shape) == 3 else 1, 1)
        passes = 2 if "backward" in operation.kernel else 1  # δ and dθ take as much as the way forward, each
        return rates.recurrent, operation.flops / steps / passes
    return rates.products, operation.flops


def positions(convolution: Operation, read: list[Operation]) -> float:
    """At how many positions a convolution multiplies its weights: of x or of y, wherever there are more."""
    if all(prod(convolution.shape) < prod(each.shape) for each in read):  # it makes dK
        return convolution.flops / (2 * prod(convolution.shape))
    return max(prod(each.shape[:-1]) for each in (convolution, *read))


def work_inside(program: Program, exists: list[bool]) -> list[dict[str, int]]:
    """How many numbers of each kind each operation computes: its own, and those that never exist."""
    operations = program.operations
    found: list[dict[str, int]] = [{} for _ in operations]
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
            kind = kind_of(operation.name)
            found[home][kind] = found[home].get(kind, 0) + numbers
    return found


def kind_of(name: str) -> str:
    """The rate by which what is computed number by number, or summed up, is told."""
    return "sums" if name in SUMS else "roots" if name in ROOTS else "dear" if name in DEAR else "simple"
