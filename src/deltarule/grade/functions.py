"""The functions that an answer may call, over float64 arrays of a limited size.

An activation and its derivative are the library's own layer, forward and backward.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.layers import ELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh
from deltarule.layers.layer import Context, Layer

ACTIVATIONS: dict[str, Layer] = {
    "tanh": Tanh(),
    "sigmoid": Sigmoid(),
    "relu": ReLU(),
    "leaky_relu": LeakyReLU(),
    "softplus": Softplus(),
    "silu": SiLU(),
    "elu": ELU(),
}
REDUCTIONS: dict[str, Callable[..., Any]] = {"sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min}
METHODS = ("sum", "mean", "max", "min", "reshape", "dot", "transpose", "flatten")
ALIASES = {"dot": "matmul", "absolute": "abs", "amax": "max", "logistic": "sigmoid", "flatten": "ravel"}
REWRITTEN = ("matmul", "transpose", "square", "power")  # other notations of @, .T and **
WIDTH = 64  # numbers that an activation computes at once: one compiled program, whatever the shape


@dataclass(frozen=True)
class Function:
    """A function of the list: (least, most) arguments, and whether it acts number by number."""

    arguments: tuple[int, int]
    elementwise: bool
    compute: Callable[..., Any]
    room: Callable[..., int] | None = (
        None  # how many numbers it makes, where that is no broadcast of its arguments
    )


def activation(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """σ, or with a d before its name σ′, by the layer."""
    layer = ACTIVATIONS[name] if name in ACTIVATIONS else ACTIVATIONS[name.removeprefix("d")]
    slope = name not in ACTIVATIONS

    def compute(z):
        flat = np.zeros(-(-z.size // WIDTH) * WIDTH)
        flat[: z.size] = z.ravel()
        rows = [np.frombuffer(by_layer(layer, slope, row.tobytes())) for row in flat.reshape(-1, WIDTH)]
        return np.concatenate([*rows, np.zeros(0)])[: z.size].reshape(z.shape)

    return compute


@lru_cache(4096)
def by_layer(layer: Layer, slope: bool, numbers: bytes) -> bytes:
    """The layer's output for a row of numbers, or its backward of ones, which is σ′."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.frombuffer(numbers)[None])
        y, saved = layer.forward({}, x, Context())
        return np.asarray(layer.backward({}, saved, jnp.ones_like(x))[0] if slope else y).tobytes()


def whole(number: Any) -> int:
    """An array of one whole number as that number; raises ValueError."""
    array = np.asarray(number)
    if array.size != 1 or not float(array.ravel()[0]).is_integer():
        raise ValueError(f"expected one whole number, got {array.ravel()[:3].tolist()} of shape {array.shape}")
    return int(array.ravel()[0])


def shape_of(*lengths: Any) -> tuple[int, ...]:
    """A shape from its lengths."""
    return tuple(map(whole, lengths))


def size_of(*lengths: Any) -> int:
    """How many numbers a shape holds, and more than any where it is none."""
    size = 1
    for length in shape_of(*lengths):
        size *= length if length >= 0 else 2**60
    return size


def reshape(x, *lengths):
    return np.reshape(x, shape_of(*lengths))


def diagonal(x):
    """The diagonal matrix of a vector or column; the diagonal of a square matrix."""
    return np.diag(x.ravel()) if 1 in x.shape or x.ndim == 1 else np.diag(x)


def pad(x, before, after=None):
    """Zeros in front of a series and behind it."""
    return np.pad(series(x), (whole(before), whole(before if after is None else after)))


def pad_room(x, before, after=None):
    front, behind = whole(before), whole(before if after is None else after)
    return x.size + max(front, 0) + max(behind, 0)


def dilate(x, stride):
    """Stride − 1 zeros between the numbers of a series."""
    s = positive(stride)
    wide = np.zeros(s * (len(series(x)) - 1) + 1)
    wide[::s] = x
    return wide


def correlate(x, kernel, stride=1, padding=0):
    """z_j = Σ_m K_m X̂_{js+m}, the kernel not mirrored, X padded by P on each side."""
    s, x, kernel = positive(stride), pad(x, padding), series(kernel)
    if not 1 <= len(kernel) <= len(x):
        raise ValueError(f"a kernel of {len(kernel)} does not fit into a series of {len(x)}")
    return np.lib.stride_tricks.sliding_window_view(x, len(kernel))[::s] @ kernel


def correlate_room(x, kernel, stride=1, padding=0):
    return pad_room(x, padding) * max(1, kernel.size)


def series(x):
    """A vector; raises ValueError."""
    if x.ndim != 1 or not x.size:
        raise ValueError(f"expected a series, of one axis, got the shape {x.shape}")
    return x


def positive(stride) -> int:
    s = whole(stride)
    if s < 1:
        raise ValueError(f"expected a stride of at least 1, got {s}")
    return s


def elementwise(compute: Callable[..., Any], arguments: int = 1) -> Function:
    return Function((arguments, arguments), True, compute)


FUNCTIONS: dict[str, Function] = {
    **{name: elementwise(getattr(np, name)) for name in ("exp", "log", "sqrt", "abs", "sign", "floor", "ceil")},
    **{name: elementwise(activation(name)) for sigma in ACTIVATIONS for name in (sigma, f"d{sigma}")},
    **{name: elementwise(np.positive) for name in ("sigma", "dsigma")},  # each exercise says which σ
    **{name: elementwise(getattr(np, name), 2) for name in ("maximum", "minimum", "multiply", "heaviside")},
    "where": elementwise(lambda mask, yes, no: np.where(mask != 0, yes, no), 3),
    "zeros_like": elementwise(np.zeros_like),
    "ones_like": elementwise(np.ones_like),
    **{name: Function((1, 1), False, compute) for name, compute in REDUCTIONS.items()},
    "outer": Function((2, 2), False, np.outer, lambda a, b: a.size * b.size),
    "diag": Function((1, 1), False, diagonal, lambda x: x.size**2),
    "ravel": Function((1, 1), False, np.ravel),
    "flip": Function((1, 1), False, np.flip),
    "reshape": Function((2, 4), False, reshape),
    "ones": Function((1, 3), False, lambda *lengths: np.ones(shape_of(*lengths)), size_of),
    "zeros": Function((1, 3), False, lambda *lengths: np.zeros(shape_of(*lengths)), size_of),
    "eye": Function((1, 1), False, lambda n: np.eye(whole(n)), lambda n: size_of(n, n)),
    "pad": Function((2, 3), False, pad, pad_room),
    "dilate": Function((2, 2), False, dilate, lambda x, s: x.size * positive(s)),
    "correlate": Function((2, 4), False, correlate, correlate_room),
}
