"""In which order axes lie: ours is (n, d.., i); ONNX has (n, i, d..), and in recurrent operators (t, n, i).

`axes[k]` is the axis of ours that lies at place k.
"""

from collections.abc import Sequence
from typing import Literal

Layout = Literal["last", "first", "time"]  # channels last, channels first, time first


def axes_of(layout: Layout, rank: int) -> tuple[int, ...]:
    """The axes of ours in a layout's order.

    >>> axes_of("first", 4), axes_of("time", 3)
    ((0, 3, 1, 2), (1, 0, 2))
    """
    if layout == "first" and rank > 2:
        return (0, rank - 1, *range(1, rank - 1))
    if layout == "time" and rank > 2:
        return (1, 0, *range(2, rank))
    return tuple(range(rank))


def turn(before: Sequence[int], after: Sequence[int]) -> tuple[int, ...]:
    """The transposition that leads from one order of axes to another.

    >>> turn((0, 1, 2, 3), (0, 3, 1, 2))
    (0, 3, 1, 2)
    """
    return tuple(before.index(axis) for axis in after)
