"""What the compiler makes of an equation where it is another operation than the trace says.

These are the rules of XLA's `AlgebraicSimplifier` and `TreeReductionRewriter` that decide which arrays there are.
"""

from math import ceil, prod
from typing import Any

import jax
import numpy as np

from deltarule.inspect.operation import SPREAD, SPREADS, WINDOWS, WITH_VECTOR, Operation, Program

LONG = 4096  # numbers from which on a kernel of YNNPACK's sums them
WINDOW = 32  # numbers of an axis that are summed at once by any other
SHORT = 2**14  # bytes of a vector that a product reads again and again

Shape = tuple[int, ...]


def bytes_of(aval: Any) -> int:
    """Bytes of an abstract array; a random key is its words."""
    if jax.numpy.issubdtype(aval.dtype, jax.dtypes.prng_key):
        return 8 * aval.size
    return aval.size * np.dtype(aval.dtype).itemsize


def reshaped(program: Program, place: int, out: Any) -> int:
    """The place of an array in a new shape: its own where the shapes differ in axes of length 1 at most."""
    before = origin(program, place, "reshape")
    if wide_axes(program.operations[before].shape) == wide_axes(out.shape):
        return before
    return program.add(Operation("reshape", [before], out.shape, bytes_of(out)), ("reshape", before, out.shape))


def by_number(program: Program, name: str, reads: list[int], out: Any) -> tuple[str, list[int]]:
    """What maps number by number reads arrays of its own shape; a quotient by what is spread out is a product."""
    if name == "mul" and any(program.operations[read].name == "zero_or_one" for read in reads):
        name = "select_n"
    reads = [program.beside(read, out.shape, bytes_of(out)) for read in reads]
    if (
        name == "gt"
        and program.operations[reads[0]].name == "max"
        and reads[1] in program.operations[reads[0]].reads
    ):
        (reads[0],) = set(program.operations[reads[0]].reads) - {reads[1]}  # max(x, 0) > 0 where x > 0
    if name == "div":
        below = reads[1]
        while program.operations[below].name in SPREADS | {SPREAD} and program.operations[below].reads:
            (below,) = program.operations[below].reads
        divisor = program.operations[below]
        if divisor.name == "constant":
            return "mul", [reads[0], below]
        if below != reads[1]:
            over = program.add(Operation("div", [below], divisor.shape, divisor.bytes), ("one over", below))
            return "mul", [reads[0], program.beside(over, out.shape, bytes_of(out))]
    return name, reads


def erfc(program: Program, reads: list[int], out: Any) -> int:
    """Three parts of it are dear, and a choice between them is not."""
    size = bytes_of(out)
    parts = [program.add(Operation("exp", reads, out.shape, size), ("erfc", part, *reads)) for part in range(3)]
    return program.add(Operation("select_n", [*parts, *reads], out.shape, size), ("erfc", *reads))


def product(program: Program, equation: Any, reads: list[int]) -> tuple[str, list[int]]:
    """That of a column and a row maps number by number; any other reads its matrices either way round."""
    (contracted, _), _ = equation.params["dimension_numbers"]
    (a, b), out = (v.aval for v in equation.invars), equation.outvars[0].aval
    if prod(a.shape[axis] for axis in contracted) == 1:
        return by_number(program, "mul", reads, out)
    if out.shape == ():
        apart = [read for read in reads if program.operations[read].name not in SPREADS]  # the rest are ones
        both = (
            program.add(Operation("mul", reads, a.shape, bytes_of(a)), ("mul", *reads))
            if len(apart) > 1
            else apart[0]
        )
        return "reduce_sum", windows(program, "reduce_sum", [both], [a.size], out)
    straight = [origin(program, read, "transpose") for read in reads]
    if straight[0] != reads[0] and out.size == out.shape[0] and bytes_of(b) < SHORT:
        return WITH_VECTOR, straight
    return equation.primitive.name, straight


def summed(program: Program, equation: Any, reads: list[int]) -> list[int]:
    """What a sum reads: no reshape of the axes that it sums alone, and of a long axis the sums of its windows."""
    shape, axes, out = equation.invars[0].aval.shape, equation.params["axes"], equation.outvars[0].aval
    before = origin(program, reads[0], "reshape")
    old = program.operations[before].shape
    starts = {prod(old[:axis]): length for axis, length in enumerate(old) if length > 1}
    kept = {prod(shape[:axis]): shape[axis] for axis in range(len(shape)) if axis not in axes and shape[axis] > 1}
    lengths = [shape[axis] for axis in axes]
    if before != reads[0] and kept.items() <= starts.items():
        reads, lengths = [before], [length for start, length in starts.items() if start not in kept]
    return windows(program, equation.primitive.name, reads, lengths, out)


def windows(program: Program, name: str, reads: list[int], lengths: list[int], out: Any) -> list[int]:
    """What is left to sum of axes so long: the sums of their windows, where there are several."""
    parts = prod(ceil(length / WINDOW) for length in lengths)
    if parts == 1 or out.size * prod(lengths) >= LONG:
        return reads
    first = Operation(WINDOWS, reads, (*out.shape, parts), bytes_of(out) * parts)
    return [program.add(first, (WINDOWS, name, *reads, out.shape))]


def origin(program: Program, place: int, name: str) -> int:
    """What an operation of that name reads; of any other its own place."""
    operation = program.operations[place]
    return operation.reads[0] if operation.name == name else place


def wide_axes(shape: Shape) -> list[int]:
    """The axes longer than 1."""
    return [length for length in shape if length > 1]
