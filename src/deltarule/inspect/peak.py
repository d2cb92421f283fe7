"""The bytes that a step holds at once: an account of its arrays in the order in which they come and go.

    peak = inputs + outputs + temporaries

Operations run breadth first, each when its inputs are there, as XLA orders them for a CPU. An array lives from
the operation that makes it to the last that reads it. An operation that maps number by number writes over an input
that nobody reads later. A temporary array may lie where an output is not written yet.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

import jax

from deltarule.inspect.program import FUSED, Program, arrays, flat_program

POINTER = 8  # bytes that the table of outputs takes for each


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
        outputs = sum(operations[place].bytes + POINTER for place in program.returned)
        return cls(inputs, outputs, temporaries(program))


def peak_of(function: Any, *arguments: Any) -> Peak:
    """The bytes of `function(*arguments)` as compiled, from its trace alone.

    >>> import numpy as np
    >>> peak_of(lambda x, W: (x @ W).sum(), np.ones((2, 3), "float32"), np.ones((3, 4), "float32"))
    Peak(inputs=72, outputs=12, temporaries=32)
    """
    return Peak.of(flat_program(jax.make_jaxpr(function)(*arguments).jaxpr))


@dataclass
class Array:
    """A buffer, from the moment that it is made to the one in which it is read last."""

    bytes: int
    born: int
    dies: int
    returned: bool


def temporaries(program: Program) -> int:
    """Bytes that the arrays between inputs and outputs take at once."""
    operations = program.operations
    exists, sources = arrays(program)
    order = breadth_first(program, exists, sources)
    when = {place: moment for moment, place in enumerate(order)}
    last = dict(when)
    for place in order:
        for source in sources[place]:
            last[source] = max(last[source], when[place])
    buffers: dict[int, Array] = {}
    inside = [0] * len(order)
    for place in order:
        operation = operations[place]
        inside[when[place]] = operation.inside
        if operation.name in ("input", "constant"):
            continue
        born = when[operation.reads[0]] if operation.name == "part" else when[place]
        buffer = Array(operation.bytes, born, last[place], place in program.returned)
        if operation.name in FUSED:
            buffer = taken_over(
                buffer, [source for source, in_place in sources[place].items() if in_place], buffers
            )
        buffers[place] = buffer
    unique = list({id(buffer): buffer for buffer in buffers.values()}.values())
    return packed(outside_outputs(unique)) + max(inside, default=0)


def packed(buffers: list[Array]) -> int:
    """Bytes of one block that holds the buffers: the largest first, each in the smallest gap that it fits."""
    laid: list[tuple[int, Array]] = []
    height = 0
    for buffer in sorted(buffers, key=lambda b: (-b.bytes, b.born - b.dies, b.born)):
        met = sorted((at, at + b.bytes) for at, b in laid if b.born <= buffer.dies and buffer.born <= b.dies)
        best, end, least = None, 0, None
        for low, high in met:
            gap = low - end
            if gap >= buffer.bytes and (least is None or gap < least):
                best, least = end, gap
            end = max(end, high)
        at = end if best is None else best
        laid.append((at, buffer))
        height = max(height, at + buffer.bytes)
    return height


def taken_over(buffer: Array, sources: list[int], buffers: dict[int, Array]) -> Array:
    """The buffer of a source that dies where this one is born, made to live on; or this one."""
    for source in sources:
        before = buffers.get(source)
        if before and before.dies == buffer.born and before.bytes == buffer.bytes and not before.returned:
            before.dies, before.returned = buffer.dies, buffer.returned
            return before
    return buffer


def outside_outputs(buffers: list[Array]) -> list[Array]:
    """The buffers that find no place in an output's memory before it is written; the largest choose first."""
    end = max((buffer.dies for buffer in buffers), default=0)
    places: list[tuple[int, list[Array]]] = []
    rest = []
    for buffer in sorted(buffers, key=lambda b: (-b.bytes, not b.returned, b.born)):
        if buffer.returned:
            buffer.dies = end
            places.append((buffer.bytes, [buffer]))
            continue
        for _, taken in reversed(places):
            if all(buffer.dies < other.born or other.dies < buffer.born for other in taken):
                taken.append(buffer)
                break
        else:
            rest.append(buffer)
    return rest


def breadth_first(program: Program, exists: list[bool], sources: list[dict[int, bool]]) -> list[int]:
    """The existing operations, each in line as soon as the last of its sources has run."""
    run = [place for place, there in enumerate(exists) if there]
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
