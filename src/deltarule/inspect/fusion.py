"""Which arrays of a program the compiler makes, and which it computes inside whatever reads them.

XLA fuses: what maps number by number is computed inside whatever reads it, as often as it is read, and its
array never exists. An array exists where

- a product, a convolution, a loop or a native kernel makes or reads it,
- a kernel of sums reads it from outside, or makes it,
- the program returns it,
- it is dear to make (exp, tanh, ...) and several operations compute it,
- or it has several inputs and is read by operations of which some need it as an array anyhow.

These are the rules of XLA's `InstructionFusion` for a CPU; the last keeps it from reading two arrays where it
could read one. A long sum is a kernel of YNNPACK's, which takes in what lies before and after it as long as that
is long too and read nowhere else (`LibraryRewriter`).
"""

from math import prod

from deltarule.inspect.operation import (
    BY_NUMBER,
    CHEAP,
    DEAR,
    FUSED,
    SPREAD,
    SPREADS,
    SUMS,
    WITH_VECTOR,
    Operation,
    Program,
)
from deltarule.inspect.simplified import LONG, wide_axes

REPEATED = SPREADS | {SPREAD}
INSIDE = FUSED | SUMS | REPEATED  # what may be computed inside what reads it
OF_ANY_LENGTH = REPEATED | {"transpose", "reshape", "dot_general"}
IN_LONG_SUMS = {
    *("abs", "ceil", "convert_element_type", "erf", "exp", "expm1", "floor", "log", "log1p", "logistic", "neg"),
    *("round", "rsqrt", "sign", "sqrt", "tanh", "add", "add_any", "div", "max", "min", "mul", "pow", "sub"),
    *("square", "integer_pow", "reduce_sum", "reduce_max", "reduce_min"),
}


def arrays(program: Program) -> tuple[list[bool], list[dict[int, bool]]]:
    """(exists, sources): whether each operation's array exists, and which existing arrays each reads in the end.

    A source has the truth of whether each of its numbers is read only where one is written.
    """
    operations = program.operations
    readers = readers_of(program)
    kernel = kernels_of_sums(program, readers)

    def computes(reader: int, place: int) -> bool:
        """Whether the reader computes the operation inside itself."""
        if kernel[reader] is not None or kernel[place] is not None:
            return kernel[reader] == kernel[place]
        with_vector = operations[reader].name == WITH_VECTOR and operations[reader].reads[0] == place
        return operations[place].name in INSIDE and (with_vector or operations[reader].name in INSIDE)

    exists = [False] * len(operations)
    again = [False] * len(operations)  # whether it is computed inside its readers, be there an array or not
    homes: list[set[int]] = [set() for _ in operations]  # the existing operations inside which each is computed
    for place in reversed(range(len(operations))):
        operation, returned = operations[place], place in program.returned
        takers = [reader for reader in readers[place] if computes(reader, place)]
        inside = set().union(*(homes[reader] for reader in takers))
        if not (readers[place] or returned):
            exists[place] = operation.name in ("input", "part")  # a kernel makes all its arrays
        elif kernel[place] is not None:
            exists[place] = kernel[place] == place
        elif operation.name in REPEATED | {"constant"}:
            apart = set(readers[place]).difference(takers)
            exists[place] = returned or any(operations[reader].name not in ("scan", "part") for reader in apart)
        else:
            exists[place] = (
                operation.name not in INSIDE
                or returned
                or len(takers) < len(readers[place])
                or blocked(place, program, readers, exists, kernel)
                or (operation.name in DEAR | SUMS and (len(inside) > 1 or spread(place, readers, operations)))
            )
        again[place] = not exists[place] or (
            operation.name in CHEAP | REPEATED and repeatable(place, operations, kernel)
        )
        homes[place] = (inside if again[place] else set()) | ({place} if exists[place] else set())
    for place, operation in enumerate(operations):
        if operation.name == "reshape" and exists[place] and not again[operation.reads[0]]:
            exists[place], again[place] = False, True  # the array is there, and needs no other for its new shape
    sources: list[dict[int, bool]] = [{} for _ in operations]
    for place, operation in enumerate(operations):
        for read in operation.reads:
            through = again[read] and (not exists[read] or computes(place, read))
            in_place = (
                kernel[place] is None and operation.name in BY_NUMBER and operations[read].shape == operation.shape
            )
            for source, so_far in sources[read].items() if through else [(read, True)]:
                sources[place][source] = so_far and in_place and sources[place].get(source, True)
    return exists, sources


def readers_of(program: Program) -> list[list[int]]:
    """The operations that read each, but for those whose own array nobody reads."""
    readers: list[list[int]] = [[] for _ in program.operations]
    for place in reversed(range(len(readers))):
        if readers[place] or place in program.returned:
            for read in set(program.operations[place].reads):
                readers[read].append(place)
    return readers


def kernels_of_sums(program: Program, readers: list[list[int]]) -> list[int | None]:
    """The last operation of the kernel of sums to which each operation belongs, or None."""
    operations = program.operations
    kernel: list[int | None] = [None] * len(operations)

    def joins(place: int) -> bool:
        operation = operations[place]
        largest = max(prod(each.shape) for each in (operation, *(operations[read] for read in operation.reads)))
        return operation.name in OF_ANY_LENGTH or (operation.name in IN_LONG_SUMS and largest >= LONG)

    for place in reversed(range(len(operations))):
        operation = operations[place]
        if operation.name not in SUMS & IN_LONG_SUMS or kernel[place] is not None:
            continue
        if prod(operations[operation.reads[0]].shape) < LONG:
            continue
        inside, last, before = {place}, place, 0
        while len(inside) > before:
            before = len(inside)
            for read in {read for member in inside for read in operations[member].reads} - inside:
                if joins(read) and inside.issuperset(readers[read]) and read not in program.returned:
                    inside.add(read)
            after = set(readers[last]) - inside
            if len(after) == 1 and joins(*after) and last not in program.returned and kernel[min(after)] is None:
                last = after.pop()
                inside.add(last)
        for member in inside:
            kernel[member] = last
    return kernel


def spread(place: int, readers: list[list[int]], operations: list[Operation]) -> bool:
    """Whether a reader repeats the numbers."""
    return any(operations[reader].name in REPEATED for reader in readers[place])


def blocked(
    place: int, program: Program, readers: list[list[int]], exists: list[bool], kernel: list[int | None]
) -> bool:
    """Whether a reader also reads what came of this by another array, and making it twice reads more."""
    operations = program.operations
    if len(readers[place]) < 2 or repeatable(place, operations, kernel):
        return False
    made = {place: False}  # what comes of this one, and whether by another array
    for at in range(place + 1, max(readers[place]) + 1):
        ways = [made[read] or (exists[read] and read != place) for read in operations[at].reads if read in made]
        if ways:
            made[at] = any(ways)
    return any(made[reader] for reader in readers[place])


def repeatable(place: int, operations: list[Operation], kernel: list[int | None]) -> bool:
    """Whether computing it once more reads no more than reading it does: one input with all its axes at most."""
    large = [
        read
        for read in set(operations[place].reads)
        if (operations[read].name not in REPEATED | {"constant"} or kernel[read] is not None)
        and len(wide_axes(operations[read].shape)) >= len(wide_axes(operations[place].shape))
    ]
    return len(large) <= 1
