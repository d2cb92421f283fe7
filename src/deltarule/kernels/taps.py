"""Windows read tap by tap, x_{js + mr − P}, and written back: to position q what all js + mr − P = q bring.

XLA has `reduce_window` and `select_and_scatter` for this. On a CPU both walk number by number; these walk slices.
"""

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from deltarule.errors import ShapeError
from deltarule.kernels.window import Padding, Sizes, Window, each, window


def pool_window(
    layer: str, x: tuple[Any, ...], pool_size: Sizes, stride: Sizes | None, padding: Padding, dilation: Sizes
) -> Window:
    """The window of a pooling layer over an input of shape x; its stride is its size unless one is given.

    Raises:
        ShapeError: as `window` does, and where a window would hold nothing but padding.
    """
    if len(x) > 2:
        pool_size = each(layer, "pool_size", pool_size, len(x) - 2)
    found = window(layer, x, pool_size, pool_size if stride is None else stride, padding, dilation)
    for axis, met in enumerate(taps_met(found, x[1:-1])):
        if not met.all():
            (front, behind), k = found.padding[axis], found.size[axis]
            raise ShapeError(
                f"{layer}: expected every window to meet the input, but along axis {axis + 1} of {x} window "
                f"{met.argmin()} of {len(met)} holds nothing but padding ({front} in front, {behind} behind, for "
                f"{k} taps at stride {found.stride[axis]} and dilation {found.dilation[axis]}); take less padding"
            )
    return found


def taps_met(found: Window, space: tuple[int, ...]) -> list[np.ndarray]:
    """For each axis and output position, how many taps meet the input and not its padding: arrays (o,)."""
    met = []
    axes = zip(space, found.output(space), found.size, found.stride, found.padding, found.dilation, strict=True)
    for d, o, k, s, (front, _), r in axes:
        at = np.arange(o)[:, None] * s + np.arange(k) * r - front  # (o, k)
        met.append(((at >= 0) & (at < d)).sum(1))
    return met


def read_taps(found: Window, x: jax.Array, fill: float) -> Iterator[jax.Array]:
    """What every window holds at its first tap, its second, and so on in row-major order: arrays (n, o..., i)."""
    output = found.output(x.shape[1:-1])
    sides = [(0, 0, 0), *((front, behind, 0) for front, behind in found.padding), (0, 0, 0)]
    x = jax.lax.pad(x, np.asarray(fill, x.dtype), sides) if any(map(any, found.padding)) else x
    for taps in np.ndindex(*found.size):
        first = [m * r for m, r in zip(taps, found.dilation, strict=True)]
        last = [f + (o - 1) * s + 1 for f, o, s in zip(first, output, found.stride, strict=True)]
        yield jax.lax.slice(x, (0, *first, 0), (len(x), *last, x.shape[-1]), (1, *found.stride, 1))


def write_back(
    found: Window, space: tuple[int, ...], share: Callable[..., jax.Array], *arrays: jax.Array
) -> jax.Array:
    """dx (n, d..., i): at every position of the input, what it takes from all windows that it lies in.

    Space is laid out in blocks of one stride, (n, u, s, v, s, i), so that each block is the first of one window.
    dx is a sum over groups, as many as windows overlap: in each, a block takes from the window whose first block
    lies a fixed number of blocks before it. `share(numbers, *arrays)` says what is taken: `numbers` are the
    row-major numbers of the taps that lie on a block's positions, the count of taps where none does; `arrays`
    (n, o..., i) hold what belongs to each window.
    """
    counts, reach = block_counts(found, space), group_counts(found)
    output = found.output(space)
    sides = [(j - 1, u - o, 0) for j, u, o in zip(reach, counts, output, strict=True)]  # u < o cuts what is behind
    padded = [jax.lax.pad(a, np.zeros((), a.dtype), [(0, 0, 0), *sides, (0, 0, 0)]) for a in arrays]
    n, i = arrays[0].shape[0], arrays[0].shape[-1]
    blocks = (n, *itertools.chain(*((u, 1) for u in counts)), i)

    def group(behind):
        first = [j - 1 - g for j, g in zip(reach, behind, strict=True)]
        last = [f + u for f, u in zip(first, counts, strict=True)]
        here = [jax.lax.slice(a, (0, *first, 0), (n, *last, i)).reshape(blocks) for a in padded]
        return share(tap_numbers(found, behind), *here)  # (n, u, s, ..., i)

    dx = functools.reduce(operator.add, map(group, groups(found)))  # (n, u, s, ..., i)
    dx = dx.reshape(n, *(u * s for u, s in zip(counts, found.stride, strict=True)), i)  # (n, u s, ..., i)
    front = [front for front, _ in found.padding]
    behind = [front + d for front, d in zip(front, space, strict=True)]
    return jax.lax.slice(dx, (0, *front, 0), (n, *behind, i))  # (n, d..., i)


def write_back_flops(found: Window, x: tuple[Any, ...]) -> Any:
    """The additions of `write_back` to an input of shape x: one for each position and further group."""
    counts = block_counts(found, x[1:-1])
    positions = math.prod(u * s for u, s in zip(counts, found.stride, strict=True))
    return (len(groups(found)) - 1) * x[0] * positions * x[-1]


def block_counts(found: Window, space: tuple[int, ...]) -> list[int]:
    """For each axis, in how many blocks of one stride the padding in front and the input lie."""
    axes = zip(space, found.stride, found.padding, strict=True)
    return [-(-(d + front) // s) for d, s, (front, _) in axes]


def group_counts(found: Window) -> list[int]:
    """For each axis, over how many blocks of one stride a window reaches: ⌈extent/s⌉."""
    return [-(-k // s) for k, s in zip(found.extent, found.stride, strict=True)]


def groups(found: Window) -> list[tuple[int, ...]]:
    """For each group, how many blocks behind the window's first it lies; none that meets gaps of dilation only."""
    every = np.ndindex(*group_counts(found))
    return [behind for behind in every if (tap_numbers(found, behind) < tap_count(found)).any()]


def tap_count(found: Window) -> int:
    """How many taps a window has."""
    return math.prod(found.size)


def tap_numbers(found: Window, behind: tuple[int, ...]) -> np.ndarray:
    """The numbers of the taps in the block that lies `behind` a window's first, (1, 1, s, 1, s, 1)."""
    none = tap_count(found)
    numbers = np.zeros((), int)
    for g, k, s, r in zip(behind, found.size, found.stride, found.dilation, strict=True):
        offset = g * s + np.arange(s)  # (s,)
        tap = (offset % r == 0) & (offset < r * k)  # (s,)
        numbers = np.where(tap & (numbers[..., None] < none), numbers[..., None] * k + offset // r, none)
    shape = itertools.chain(*((1, s) for s in found.stride))
    return numbers.reshape(1, *shape, 1).astype(np.min_scalar_type(none))
