"""The bytes that a step holds at once: an account of its arrays in the order in which they come and go.

    peak = inputs + outputs + temporaries

Operations run breadth first, each when its inputs are there, as XLA orders them for a CPU. An array lives from
the operation that makes it to the last that reads it. An operation that maps number by number writes over an input
that nobody reads later. A temporary array may lie where an output is not written yet.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax

from deltarule.inspect.fusion import arrays
from deltarule.inspect.operation import FUSED, Program
from deltarule.inspect.program import flat_program

POINTER = 8  # bytes that the table of several outputs takes for each
ALIGNED = 64  # an array begins at a multiple of so many bytes


@dataclass(frozen=True)
class Peak:
    """Bytes of a program: its inputs, its outputs, and the most that its temporary arrays take at once."""

    inputs: int
    outputs: int
    temporaries: int

    @property
    def total(self) -> int:
        return self.inputs + self.outputs + self.temporaries

    @classmethod
    def of(cls, program: Program) -> "Peak":
        operations = program.operations
        inputs = sum(operation.bytes for operation in operations if operation.name == "input")
        table = POINTER * len(program.returned) if len(program.returned) > 1 else 0
        outputs = table + sum(operations[place].bytes for place in program.returned)
        return cls(inputs, outputs, temporaries(program))


def peak_of(function: Any, *arguments: Any) -> Peak:
    """The bytes of `function(*arguments)` as compiled, from its trace alone.

    >>> import numpy as np
    >>> peak_of(lambda x, W: (x @ W).sum(), np.ones((2, 3), "float32"), np.ones((3, 4), "float32"))
    Peak(inputs=72, outputs=4, temporaries=32)
    """
    return Peak.of(flat_program(jax.make_jaxpr(function)(*arguments).jaxpr))


@dataclass(eq=False)
class Array:
    """An array, from the moment that it is made to the one in which it is read last.

    Attributes:
        over: the arrays that it may be written over, number by number.
    """

    bytes: int
    born: int
    dies: int
    over: "list[Array]" = field(default_factory=list)

    def meets(self, other: "Array") -> bool:
        """Whether the two are needed at one moment."""
        first, second = (self, other) if self.born <= other.born else (other, self)
        return first.dies > second.born or (first.dies == second.born and first not in second.over)


def temporaries(program: Program) -> int:
    """Bytes that the arrays between inputs and outputs take at once."""
    made, of_loops, end = lives(program)
    returned = [made.pop(place) for place in sorted(set(program.returned) & set(made))]
    for array in returned:
        array.dies = end
    blocks = written_over(outside_outputs([made[place] for place in sorted(made)] + of_loops, returned))
    return min(packed(blocks, largest_first), packed(blocks, longest_first))


def lives(program: Program, start: int = 0) -> tuple[dict[int, Array], list[Array], int]:
    """The arrays by the operations that make them, those of one round of each loop, and the moment of the end."""
    operations = program.operations
    exists, sources = arrays(program)
    made: dict[int, Array] = {}
    of_loops: list[Array] = []
    moment = start
    for place in breadth_first(program, exists, sources):
        operation, born = operations[place], moment
        if operation.loop:
            round_of, inner, moment = lives(operation.loop[1], moment + 1)
            given = set(operation.loop[1].returned)  # they lie in what the loop gives
            of_loops += inner + [array for at, array in round_of.items() if at not in given]
        for source in sources[place]:
            if source in made:
                made[source].dies = moment
        if operation.name == "part":
            born = made[operation.reads[0]].born
            if operations[operation.reads[0]].loop and len(sources[place]) == 1:
                born = start  # it begins as zeros, which wait for nothing
        if operation.name not in ("input", "constant"):
            made[place] = Array(operation.bytes, born, moment)
            if operation.name in FUSED:
                over = [made[source] for source, in_place in sources[place].items() if in_place and source in made]
                made[place].over = [array for array in over if array.bytes == operation.bytes]
        moment += 1
    return made, of_loops, moment


def outside_outputs(between: list[Array], returned: list[Array]) -> list[Array]:
    """The arrays that find no place in an output's memory before it is written.

    The largest choose first; each takes that of an array that it is written over, or else the smallest, the last
    of these.
    """
    returned = sorted(returned, key=lambda array: -array.bytes)[::-1]
    outputs = [(array.bytes, [array]) for array in returned]
    home = {taken[0]: (size, taken) for size, taken in outputs}
    rest = []
    for array in sorted(between, key=lambda array: -array.bytes):
        for size, taken in [home[source] for source in array.over if source in home] + outputs:
            if size >= array.bytes and not any(map(array.meets, taken)):
                taken.append(array)
                home[array] = size, taken
                break
        else:
            rest.append(array)
    return rest


def written_over(between: list[Array]) -> list[list[Array]]:
    """Each array with those that are written over it in turn, as one block."""
    blocks: dict[Array, list[Array]] = {}
    for array in sorted(between, key=lambda array: (array.born, array.dies)):
        ended = (blocks[source] for source in array.over if source in blocks and source.dies == array.born)
        block = next((block for block in ended if block[-1].dies == array.born), [])
        block.append(array)
        blocks[array] = block
    return list({id(block): block for block in blocks.values()}.values())


def largest_first(block: list[Array]) -> tuple[int, int]:
    """How a block is ranked: by its bytes, then by how long its first array lives."""
    return -block[0].bytes, block[0].born - block[0].dies


def longest_first(block: list[Array]) -> tuple[int, int]:
    """How a block is ranked: by how long it is needed, then by its bytes."""
    return block[0].born - block[-1].dies, -block[0].bytes


def packed(blocks: list[list[Array]], rank: Callable[[list[Array]], tuple[int, int]]) -> int:
    """Bytes of memory that holds the blocks: by rank, each in the smallest gap that it fits."""
    laid: list[tuple[int, list[Array]]] = []
    height = 0
    for block in sorted(blocks, key=rank):
        met = sorted(
            (at, at + other[0].bytes)
            for at, other in laid
            if other[0].born <= block[-1].dies and block[0].born <= other[-1].dies
        )
        best, end, least = None, 0, None
        for low, high in met:
            gap = low - end
            if gap >= block[0].bytes and (least is None or gap < least):
                best, least = end, gap
            end = max(end, -(-high // ALIGNED) * ALIGNED)
        at = end if best is None else best
        laid.append((at, block))
        height = max(height, at + block[0].bytes)
    return height


def breadth_first(program: Program, exists: list[bool], sources: list[dict[int, bool]]) -> list[int]:
    """The existing operations, each in line as soon as the last of its sources has run."""
    run = [place for place in depth_first(program) if exists[place]]
    readers: dict[int, list[int]] = {place: [] for place in run}
    missing = {}
    for place in run:
        missing[place] = len(sources[place])
        for source in sources[place]:
            readers[source].append(place)
    line = deque(place for place in run if not missing[place])
    order = []
    while line:
        place = line.popleft()
        order.append(place)
        for reader in readers[place]:
            missing[reader] -= 1
            if not missing[reader]:
                line.append(reader)
    return order


def depth_first(program: Program) -> list[int]:
    """All operations, what the first result needs before what only the next one needs."""
    operations = program.operations
    order: list[int] = []
    seen: set[int] = set()
    stack = [(place, False) for place in reversed([*program.returned, *range(len(operations))])]
    while stack:
        place, ready = stack.pop()
        if ready:
            order.append(place)
        elif place not in seen:
            seen.add(place)
            stack.append((place, True))
            stack += [(read, False) for read in reversed(operations[place].reads)]
    return order
