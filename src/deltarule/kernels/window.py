"""Windows that slide over space: where a kernel of size k meets an input of size d, o = ⌊(d − k + 2P)/s⌋ + 1.

Images are (n, h, w, i), series (n, t, i), volumes (n, d, h, w, i): everything between the examples and the
features is space. Output position i and tap m of the kernel meet the input at i s + m r − P, with stride s,
dilation r, and padding P in front.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

from deltarule.errors import SettingError, ShapeError
from deltarule.settings import is_whole

Sizes = int | tuple[int, ...]
OF_AXES = ("kernel_size", "pool_size", "stride", "dilation")  # settings with a number for each axis of space
Padding = int | tuple[int, ...] | tuple[tuple[int, int], ...] | Literal["same", "valid"]


@dataclass(frozen=True)
class Window:
    """A kernel's size, stride, padding (in front, behind) and dilation, for every axis of space.

    >>> Window((3,), (1,), ((0, 0),), (1,)).output((30,))
    (28,)
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]

    @property
    def extent(self) -> tuple[int, ...]:
        """How far the taps of a dilated kernel reach, r (k − 1) + 1."""
        return tuple(r * (k - 1) + 1 for k, r in zip(self.size, self.dilation, strict=True))

    def output(self, space: tuple[Any, ...]) -> tuple[Any, ...]:
        """⌊(d − k + 2P)/s⌋ + 1 for each axis, with the kernel's extent for k."""
        axes = zip(space, self.extent, self.stride, self.padding, strict=True)
        return tuple((d - k + front + behind) // s + 1 for d, k, s, (front, behind) in axes)

    def taps(self, space: tuple[Any, ...]) -> tuple[list[Any], ...]:
        """For each axis and tap, at how many output positions the tap meets the input and not its padding."""
        return tuple(list(self.meetings(axis, d)) for axis, d in enumerate(space))

    def meetings(self, axis: int, d: Any) -> Iterator[Any]:
        k, s, (front, behind), r = self.size[axis], self.stride[axis], self.padding[axis], self.dilation[axis]
        for m in range(k):
            first = max(0, -((m * r - front) // s))  # i s + m r − P ≥ 0
            last = (d - 1 + front + min(-m * r, behind - r * (k - 1))) // s  # ≤ d − 1, and i < o
            met = last - first + 1
            yield max(0, met) if isinstance(met, int) else met


def window(
    layer: str, x: tuple[Any, ...], kernel_size: Sizes, stride: Sizes, padding: Padding, dilation: Sizes = 1
) -> Window:
    """The window of `layer` over an input of shape x (n, ..., i).

    Raises:
        ShapeError: x has no space, or the settings another number of axes, or the kernel is larger than the
            padded input.
    """
    if len(x) < 3:
        raise ShapeError(
            f"{layer}: expected an input with axes of space between examples and features, such as images "
            f"(n, h, w, i), got {x}; a single channel is an axis of 1"
        )
    axes, space = len(x) - 2, x[1:-1]
    size = each(layer, "kernel_size", kernel_size, axes)
    strides = each(layer, "stride", stride, axes)
    dilations = each(layer, "dilation", dilation, axes)
    found = Window(size, strides, ((0, 0),) * axes, dilations)
    found = Window(size, strides, sides(layer, padding, space, found), dilations)
    for axis, (d, k, o) in enumerate(zip(space, found.extent, found.output(space), strict=True)):
        if isinstance(o, int) and o < 1:
            (front, behind), s, r = found.padding[axis], found.stride[axis], found.dilation[axis]
            pads = f"2·{front}" if front == behind else f"{front} + {behind}"
            reach = f", its reach with dilation {r}" if r > 1 else ""
            raise ShapeError(
                f"{layer}: a kernel of {k}{reach}, is larger than the padded input along axis {axis + 1} of {x}: "
                f"⌊(d − k + 2P)/s⌋ + 1 = ⌊({d} − {k} + {pads})/{s}⌋ + 1 = {o}; "
                "take a smaller kernel or more padding"
            )
    return found


def check_window(layer: str, **sizes: Any) -> None:
    """Raises SettingError for a kernel size, stride or dilation below 1, or a padding that is none."""
    padding = sizes.pop("padding", 0)
    for name, value in sizes.items():
        if name not in OF_AXES and not is_whole(value, 1):
            raise SettingError(f"{layer}: {name} must be a whole number of at least 1, got {value!r}")
        if not all(is_whole(number, 1) for number in (value if isinstance(value, tuple) else (value,))):
            raise SettingError(f"{layer}: {name} must be whole numbers of at least 1, got {value!r}")
    if padding not in ("same", "valid"):
        flat = padding if isinstance(padding, tuple) else (padding,)
        numbers = [n for pair in flat for n in (pair if isinstance(pair, tuple) else (pair,))]
        if not all(is_whole(n, 0) for n in numbers):
            raise SettingError(
                f"{layer}: padding must be 'same', 'valid', a number, a number for each axis, or a pair "
                f"(in front, behind) for each axis, none below 0; got {padding!r}"
            )


def each(layer: str, name: str, value: Any, axes: int) -> tuple:
    """One value for each axis of space, NumPy's whole numbers as Python's."""
    values = value if isinstance(value, tuple) else (value,) * axes
    if len(values) != axes:
        raise ShapeError(
            f"{layer}: {name} {value} is for {len(values)} axes of space, but the input has {axes}; "
            "give one number for all axes, or one for each"
        )
    return tuple(int(each) if isinstance(each, Integral) else each for each in values)


def sides(layer: str, padding: Padding, space: tuple[Any, ...], bare: Window) -> tuple[tuple[int, int], ...]:
    """The padding in front and behind for each axis; `same` makes ⌈d/s⌉ positions, the odd one behind."""
    if padding == "valid":
        padding = 0
    if padding == "same":
        pairs = zip(space, bare.extent, bare.stride, strict=True)
        totals = [k - ((d % s if isinstance(d, int) else 0) or s) for d, k, s in pairs]  # s divides a symbol
        return tuple((max(0, t) // 2, max(0, t) - max(0, t) // 2) for t in totals)
    values = each(layer, "padding", padding, len(space))
    return tuple(value if isinstance(value, tuple) else (value, value) for value in values)
