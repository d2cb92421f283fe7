"""How operators hang together: a sequence, in which paths may part from one array and be joined again."""

from dataclasses import dataclass
from typing import Union

from deltarule.errors import FileError
from deltarule.interop.onnx.reading.program import Op, Program, needed

Sequence = tuple[Union[Op, "Join"], ...]


@dataclass(frozen=True)
class Join:
    """Paths from one array, and the operator that joins their ends."""

    op: Op
    paths: tuple[Sequence, ...]


def structure_of(program: Program) -> Sequence:
    """From the input to the output; raises FileError where paths cross, or do not come from the input.

    Paths part where all of them come from: at the nearest array that dominates the ends that are joined.
    """
    above = dominators(program)
    seen: set[str] = set()

    def between(start: str, end: str) -> Sequence:
        found: list[Op | Join] = []
        while end != start:
            op = program.ops[end]
            if op.output in seen and op.weights:
                raise FileError(
                    f"operator {op.name!r} ({op.kind}): its output goes into paths that cross, which chains, "
                    "residual blocks and branches cannot express; build the network of Deltarule's layers"
                )
            seen.add(op.output)
            if len(op.inputs) == 1:
                found.append(op)
            else:
                paths = tuple(between(above[end][0], each) for each in op.inputs)
                found.append(Join(op, paths))
            end = above[end][0]
        return tuple(reversed(found))

    return between(program.input, program.output)


def dominators(program: Program) -> dict[str, tuple[str, int]]:
    """For each array that through which every path to it leads, the nearest, and how many lie above."""
    above: dict[str, tuple[str, int]] = {program.input: ("", 0)}

    def common(one: str, two: str) -> str:
        while one != two:
            if above[one][1] >= above[two][1]:
                one = above[one][0]
            else:
                two = above[two][0]
        return one

    for op in needed(program):
        if not op.inputs or any(name not in above for name in op.inputs):
            raise FileError(f"operator {op.name!r} ({op.kind}): it does not depend on the input")
        nearest = op.inputs[0]
        for name in op.inputs[1:]:
            nearest = common(nearest, name)
        above[op.output] = nearest, above[nearest][1] + 1
    return above
