"""Operators that move arrays: Transpose, Flatten, Reshape, Squeeze; most undo a layout, and are no layer."""

import math
from dataclasses import replace

import numpy as np

from deltarule.interop.onnx.reading.folding import folded, unfolded
from deltarule.interop.onnx.reading.program import Op
from deltarule.interop.onnx.reading.registry import Piece, Read, reads, require
from deltarule.layers import Flatten, Reshape
from deltarule.layers.layer import size


@reads("Transpose")
def transpose(op: Op, x: Read, pieces: list[Piece]) -> Read:
    turn = op.attributes.get("perm", range(len(x.axes))[::-1])
    return replace(x, axes=tuple(x.axes[place] for place in turn))


@reads("Flatten")
def flatten(op: Op, x: Read, pieces: list[Piece]) -> Read:
    require(op.attributes.get("axis", 1) in (1, 1 - len(x.axes)), op, "expected axis=1, all numbers of an example")
    return in_one_row(op, x, pieces)


def in_one_row(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """A Flatten; where the file's axes lie in another order, the numbers behind it do too."""
    require(x.axes[0] == 0 and -1 not in x.axes, op, "expected the examples on the first axis")
    order = [axis - 1 for axis in x.axes[1:] if axis is not None]
    if len(x.shape) == 2:
        return replace(x, axes=(0, 1))
    places = np.arange(size(x.shape[1:])).reshape(x.shape[1:]).transpose(order).ravel()
    pieces.append(Piece(Flatten()))
    rows = None if (places == np.arange(len(places))).all() else places
    return replace(x.after(pieces[-1].layer), axes=(0, 1), rows=rows)


@reads("Reshape")
def reshape(op: Op, x: Read, pieces: list[Piece]) -> Read:
    if (y := unfolded(op, x, pieces)) is not None:
        return y
    sizes = sizes_of(op, x.batch)
    if (y := folded(op, x, pieces, sizes)) is not None:
        return y
    if -1 in x.axes:
        return directions(op, x, sizes)
    first, *rest = sizes
    numbers = size(x.shape[1:])
    copied = [size_at(x, place) if n == 0 else n for place, n in enumerate(rest, 1)]
    filled = [numbers // abs(math.prod(copied)) if n == -1 else n for n in copied]
    alone = x.axes[0] == 0 and first in (0, -1, x.batch) and math.prod(filled) == numbers
    require(alone, op, f"expected the {numbers} numbers of each example by themselves, got the sizes {sizes}")
    if len(filled) == 1:
        return in_one_row(op, x, pieces)
    require(x.lies("last"), op, "expected axes that lie as ours do, (n, d.., i), or all numbers in one row")
    pieces.append(Piece(Reshape(*filled)))
    y = x.after(pieces[-1].layer)
    return replace(y, axes=tuple(range(len(y.shape))))


def sizes_of(op: Op, batch: int | str | None) -> list[int]:
    """The sizes that an array gets; where they are computed 0 for n, and -1 for the one that is not known."""
    if 1 in op.weights:
        return op.weights[1].tolist()
    first, *rest = op.sizes or (None,)
    sizes = [n if isinstance(n, int) else -1 for n in rest]
    clear = first is not None and first == batch and sizes.count(-1) < 2 and sizes
    require(clear, op, f"expected sizes that are known but for that of the examples, got {op.sizes}")
    return [0, *sizes]


def size_at(x: Read, place: int) -> int:
    """The size of the file's array at a place."""
    axis = x.axes[place] if place < len(x.axes) else None
    return 1 if axis is None else x.shape[axis]


def directions(op: Op, x: Read, sizes: list[int]) -> Read:
    """(.., directions, o) to (.., directions · o), as our last axis has them already."""
    place = x.axes.index(-1)
    after = (*x.axes[:place], x.last)
    beside = x.axes[place:] == (-1, x.last)
    whole = len(sizes) == len(after) and sizes[-1] in (-1, x.shape[-1])
    require(beside and whole, op, "expected both directions of a recurrent operator side by side")
    return replace(x, axes=after)


@reads("Squeeze")
def squeeze(op: Op, x: Read, pieces: list[Piece]) -> Read:
    given = op.setting("axes", 1)
    empty = [place for place, axis in enumerate(x.axes) if axis is None]
    places = empty if given is None else [int(place) % len(x.axes) for place in np.ravel(given)]
    require(set(places) <= set(empty), op, "expected to take out axes that a layer of Deltarule does not have")
    return replace(x, axes=tuple(axis for place, axis in enumerate(x.axes) if place not in places))


@reads("Unsqueeze")
def unsqueeze(op: Op, x: Read, pieces: list[Piece]) -> Read:
    """A channel of an array that has none."""
    given = [int(place) for place in np.ravel(op.setting("axes", 1))]
    rank = len(x.axes) + len(given)
    places = {place % rank for place in given}
    kept = iter(x.shape)
    shape = [1 if place in places else next(kept) for place in range(rank)]
    require(x.axes == tuple(range(len(x.shape))) and 0 not in places, op, "expected axes that lie as ours do")
    pieces.append(Piece(Reshape(*shape[1:])))
    return replace(x, shape=tuple(shape), axes=tuple(range(rank)), rows=None)
