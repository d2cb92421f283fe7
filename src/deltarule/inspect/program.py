"""A traced program as the operations that the compiler makes of it, and the arrays that lie between them.

XLA fuses: what maps number by number is computed inside whatever reads it, as often as it is read, and its
array never exists. An array exists where

- a product, a convolution, a loop or a native kernel makes or reads it,
- a sum over another axis than the last reads it,
- the program returns it,
- it is dear to make (exp, tanh, ...) and several operations read it,
- or it has several inputs and is read by operations of which some need it as an array anyhow.

These are the rules of XLA's `InstructionFusion` for a CPU; the last keeps it from reading two arrays where it
could read one.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

from deltarule.inspect.count import INNER, count_equation, count_jaxpr

MOVES = {"reshape", "squeeze", "expand_dims", "copy", "copy_p", "stop_gradient", "optimization_barrier"}
SPREADS = {"broadcast_in_dim", "iota", "full"}
SUMS = {"reduce_sum", "reduce_max", "reduce_min", "reduce_and", "reduce_or", "argmax", "argmin"}
CHEAP = {
    *(
        "add",
        "add_any",
        "sub",
        "mul",
        "div",
        "max",
        "min",
        "neg",
        "abs",
        "sign",
        "floor",
        "ceil",
        "round",
        "square",
    ),
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "xor", "select_n", "clamp", "is_finite"),
    *("shift_left", "shift_right_logical", "shift_right_arithmetic", "convert_element_type", "integer_pow"),
    *("transpose", "slice", "rev", "pad", "concatenate", "bitcast_convert_type", "split", "population_count"),
    *("dynamic_slice", "random_wrap", "random_unwrap", "zero_or_one"),
}
DEAR = {
    *("exp", "exp2", "expm1", "log", "log1p", "tanh", "logistic", "sqrt", "rsqrt", "cbrt", "pow", "rem"),
    *("erf", "erfc", "erf_inv", "sin", "cos", "tan"),
}
LONG = 4096  # numbers from which on a kernel of its own sums them
RESHAPES = {"transpose", "slice", "rev", "pad", "concatenate", "split", "dynamic_slice", "bitcast_convert_type"}
IN_SUMS = {"mul", "square", "integer_pow", "exp"}  # what a kernel of sums computes besides
BY_NUMBER = (CHEAP | DEAR) - RESHAPES
FUSED = SPREADS | CHEAP | DEAR


@dataclass
class Operation:
    """One step of a flat program that makes one array (or several, told as their bytes together).

    Attributes:
        name: of the primitive, or "input".
        reads: the operations whose arrays it reads, by their places.
        shape, bytes: of what it makes.
        inside: bytes that live only while it runs, such as a loop's.
        whole: whether it reads arrays alone, and computes nothing inside itself but a product that it sums.
        flops: of a product, a convolution, a native kernel or a loop.
        kernel: the native kernel's name.
        loop: of a loop, how often it runs and what.
    """

    name: str
    reads: list[int]
    shape: tuple[int, ...]
    bytes: int
    inside: int = 0
    whole: bool = False
    flops: int = 0
    kernel: str = ""
    loop: "tuple[int, Program] | None" = None


@dataclass
class Program:
    """Operations in program order, and the places of those that it returns."""

    operations: list[Operation] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    known: dict[Any, int] = field(default_factory=dict)

    def add(self, operation: Operation, key: Any = None) -> int:
        """The place of an operation; one that is there already under the same key is not made twice."""
        if key is not None and key in self.known:
            return self.known[key]
        self.operations.append(operation)
        place = len(self.operations) - 1
        if key is not None:
            self.known[key] = place
        return place


def flat_program(jaxpr: Any) -> Program:
    """The program of a jaxpr: what no result needs left out, inner programs in place, a repeated step once."""
    jaxpr, _ = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=True)
    program = Program()
    inputs = [program.add(Operation("input", [], v.aval.shape, bytes_of(v.aval))) for v in jaxpr.invars]
    constants = [program.add(Operation("constant", [], v.aval.shape, 0)) for v in jaxpr.constvars]
    program.returned = inline(jaxpr, inputs, constants, program)
    return program


def inline(jaxpr: Any, inputs: list[int], constants: list[int], program: Program) -> list[int]:
    """Adds the equations of a jaxpr to the program; the places of its results."""
    place = dict(zip(jaxpr.invars, inputs, strict=True)) | dict(zip(jaxpr.constvars, constants, strict=True))

    def of(variable: Any) -> int:
        if hasattr(variable, "val"):
            return program.add(Operation("constant", [], (), 0), ("constant", repr(variable)))
        return place[variable]

    for equation in jaxpr.eqns:
        made = add_equation(equation, [of(v) for v in equation.invars], program)
        place.update(zip(equation.outvars, made, strict=True))
    return [of(v) for v in jaxpr.outvars]


def add_equation(equation: Any, reads: list[int], program: Program) -> list[int]:
    """Adds one equation; the place of each of its results."""
    name, params = equation.primitive.name, equation.params
    outs = [v.aval for v in equation.outvars]
    if name == "cond" and params.get("branches_platforms"):
        platforms = params["branches_platforms"]
        here = jax.default_backend()
        chosen = next(i for i, p in enumerate(platforms) if p is None or here in p)
        first = len(program.operations)
        made = inline_closed(params["branches"][chosen], reads[1:], program)
        for operation in program.operations[first:]:
            if operation.kernel:  # it does what is written out for every other platform
                operation.flops = count_jaxpr(params["branches"][-1].jaxpr)
        return made
    if name not in ("scan", "while", "cond"):
        for key in INNER:
            if key in params:
                return inline_closed(params[key], reads, program)
    if name in MOVES:
        return reads[:1]
    if name == "dot_general":  # it reads a matrix either way
        reads = [transposed(program.operations[read]) or read for read in reads]
    if name == "erfc":  # three parts of it are dear, and a choice between them is not
        shape, size = outs[0].shape, bytes_of(outs[0])
        parts = [program.add(Operation("exp", reads, shape, size), (name, part, *reads)) for part in range(3)]
        return [program.add(Operation("select_n", [*parts, *reads], shape, size), (name, *reads))]
    if name == "mul" and any(program.operations[read].name == "zero_or_one" for read in reads):
        name = "select_n"
    if name == "convert_element_type" and equation.invars[0].aval.dtype == bool:
        name = "zero_or_one"
    if name in FUSED | SUMS and len(outs) == 1:
        whole = name == "reduce_sum" and equation.invars[0].aval.size >= LONG
        operation = Operation(name, reads, outs[0].shape, bytes_of(outs[0]), whole=whole)
        return [program.add(operation, (name, tuple(reads), outs[0].str_short(), repr(params)))]
    operation = Operation(name, reads, outs[0].shape, sum(map(bytes_of, outs)), flops=count_equation(equation))
    operation.kernel = params.get("target_name", "")
    if name == "scan":
        operation.loop = params["length"], flat_program(params["jaxpr"].jaxpr)
        operation.inside = loop_bytes(operation.loop[1])
    first = program.add(operation)
    if len(outs) == 1:
        return [first]
    program.operations[first].bytes = 0  # each of its arrays lives as long as it is read
    return [program.add(Operation("part", [first], out.shape, bytes_of(out))) for out in outs]


def transposed(operation: Operation) -> int | None:
    """What an operation transposes, or None."""
    return operation.reads[0] if operation.name == "transpose" else None


def inline_closed(inner: Any, reads: list[int], program: Program) -> list[int]:
    """Adds an inner program, with its constants."""
    jaxpr = getattr(inner, "jaxpr", inner)
    constants = [program.add(Operation("constant", [], v.aval.shape, 0)) for v in jaxpr.constvars]
    return inline(jaxpr, reads, constants, program)


def loop_bytes(program: Program) -> int:
    """Bytes that one round of a loop holds besides what it is given and gives."""
    from deltarule.inspect.peak import Peak

    return Peak.of(program).temporaries


def bytes_of(aval: Any) -> int:
    """Bytes of an abstract array; a random key is its words."""
    if jax.numpy.issubdtype(aval.dtype, jax.dtypes.prng_key):
        return 8 * aval.size
    return aval.size * np.dtype(aval.dtype).itemsize


def arrays(program: Program) -> tuple[list[bool], list[dict[int, bool]]]:
    """(exists, sources): whether each operation's array exists, and which existing arrays each reads in the end.

    A source has the truth of whether each of its numbers is read only where one is written.
    """
    operations = program.operations
    readers: list[list[int]] = [[] for _ in operations]
    for place, operation in enumerate(operations):
        for read in set(operation.reads):
            readers[read].append(place)
    exists = [False] * len(operations)
    runs: list[set[int]] = [set() for _ in operations]  # the existing operations inside which each is computed
    for place in reversed(range(len(operations))):
        operation, returned = operations[place], place in program.returned
        takes = [
            fuses(operations[reader], operation) and not inside_sum(reader, readers, operations)
            for reader in readers[place]
        ]
        inside = (
            set().union(*(({r} if exists[r] else runs[r]) for r in readers[place])) if readers[place] else set()
        )
        if operation.name in SPREADS or operation.name == "constant":
            exists[place] = returned
        elif (
            operation.name not in FUSED | SUMS
            or returned
            or (readers[place] and not any(takes))
            or ((operation.name in DEAR | SUMS) and (len(inside) > 1 or spread(place, readers, operations)))
        ):
            exists[place] = True
        else:
            exists[place] = not all(takes)
        runs[place] = inside
    sources: list[dict[int, bool]] = [{} for _ in operations]
    for place, operation in enumerate(operations):
        for read in operation.reads:
            through = not exists[read] or (
                operations[read].name in CHEAP
                and not operation.whole
                and not inside_sum(place, readers, operations)
                and fuses(operation, operations[read])
                and repeatable(operations[read], operations)
            )
            in_place = operation.name in BY_NUMBER and operations[read].shape == operation.shape
            for source, so_far in sources[read].items() if through else [(read, True)]:
                sources[place][source] = so_far and in_place and sources[place].get(source, True)
    return exists, sources


def fuses(reader: Operation, operation: Operation) -> bool:
    """Whether the reader computes the operation inside itself."""
    if reader.whole:
        return operation.name in IN_SUMS
    return operation.name in FUSED | SUMS and reader.name in FUSED | SUMS


def inside_sum(place: int, readers: list[list[int]], operations: list[Operation]) -> bool:
    """Whether an operation is computed by a kernel of sums, which reads arrays."""
    return len(readers[place]) == 1 and operations[readers[place][0]].whole and operations[place].name in IN_SUMS


def spread(place: int, readers: list[list[int]], operations: list[Operation]) -> bool:
    """Whether a reader repeats the numbers."""
    return any(operations[r].name in SPREADS for r in readers[place])


def repeatable(operation: Operation, operations: list[Operation]) -> bool:
    """Whether computing it once more reads no more than reading it does: one input with all its axes at most.

    What lies under its own maximum is a kernel's of its own.
    """
    if any(
        "reduce_max" in (operations[r].name, *(operations[s].name for s in operations[r].reads))
        for r in operation.reads
    ):
        return False
    large = {
        r
        for r in operation.reads
        if operations[r].name not in SPREADS
        and operations[r].name != "constant"
        and axes(operations[r].shape) >= axes(operation.shape)
    }
    return len(large) <= 1


def axes(shape: tuple[int, ...]) -> int:
    """How many axes are longer than 1."""
    return sum(length > 1 for length in shape)
