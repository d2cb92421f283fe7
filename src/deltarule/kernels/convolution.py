"""The three products of a convolution, y = K ∗ x: the output, the input's gradient, and the kernel's.

    y_{n,j,o}  = Σ_{m,i} K_{m,i,o} x_{n, js + mr − P, i}
    dx_{n,q,i} = Σ_{j,m : js + mr − P = q} Σ_o K_{m,i,o} dy_{n,j,o}
    dK_{m,i,o} = Σ_{n,j} x_{n, js + mr − P, i} dy_{n,j,o}

j is a position of the output, m a tap of the kernel, both with an index for each axis of space; s is the stride, r
the dilation, P the padding in front. x (n, d.., i), K (k.., i/g, o), y (n, e.., o): with g groups, output group by
group sees its own part of the input's features.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.kernels import native
from deltarule.kernels.rectified import finished, masked
from deltarule.kernels.shares import EXAMPLES, WHOLE, apart
from deltarule.kernels.unrolled import convolve_dK_unrolled, convolve_dx_unrolled, convolve_unrolled
from deltarule.kernels.window import Window


def convolve(
    x: jax.Array,
    K: jax.Array,
    window: Window,
    groups: int = 1,
    b: jax.Array | None = None,
    rectified: bool = False,
) -> jax.Array:
    """y (n, e.., o) from x (n, d.., i) and K (k.., i/g, o), plus b (o,); max(0, y) where rectified."""
    beside = () if b is None else (b,)
    if (beside or rectified) and K.dtype != np.float32:
        return finished(convolve(x, K, window, groups), *beside, rectified=rectified)

    def form(product, x, K, *b):
        y = product(x, K, window=window, groups=groups)
        return None if y is None else finished(y, *b, rectified=rectified)

    forms = partial(form, _convolve), partial(form, convolve_unrolled)
    computed = partial(native.choose, "deltarule_convolution_y", *forms, **numbers(window, groups, rectified))
    return apart(computed, (x, K, *beside), (EXAMPLES, WHOLE, *(WHOLE for _ in beside)), EXAMPLES)


def convolve_dx(
    dy: jax.Array,
    K: jax.Array,
    window: Window,
    space: tuple[int, ...],
    groups: int = 1,
    y: jax.Array | None = None,
) -> jax.Array:
    """dx (n, d.., i) from dy (n, e.., o) and K (k.., i/g, o); `space` is d.., y is given where rectified."""
    dy, beside = rectifying(dy, y)

    def form(product, dy, K, *y):
        return product(masked(dy, *y), K, window=window, space=space, groups=groups)

    forms = partial(form, _convolve_dx), partial(form, convolve_dx_unrolled)
    computed = partial(native.choose, "deltarule_convolution_dx", *forms, **numbers(window, groups))
    return apart(computed, (dy, K, *beside), (EXAMPLES, WHOLE, *(EXAMPLES for _ in beside)), EXAMPLES)


def convolve_dK(x: jax.Array, dy: jax.Array, window: Window, groups: int = 1) -> jax.Array:
    """dK (k.., i/g, o) from x (n, d.., i) and dy (n, e.., o)."""
    return convolve_dparams(x, dy, window, groups)["K"]


def convolve_dparams(
    x: jax.Array,
    dy: jax.Array,
    window: Window,
    groups: int = 1,
    bias: bool = False,
    y: jax.Array | None = None,
) -> dict[str, jax.Array]:
    """K: dK (k.., i/g, o), and where there is a bias b: db (o,); y is given where rectified."""
    dy, beside = rectifying(dy, y)
    if bias and dy.dtype != np.float32:
        return convolve_dparams(x, dy, window, groups) | {"b": dy.sum(range(dy.ndim - 1))}

    def form(product, x, dy, *y):
        g = masked(dy, *y)
        dparams = {"K": product(x, g, window=window, groups=groups)}
        return dparams | {"b": g.sum(range(g.ndim - 1))} if bias else dparams

    forms = partial(form, _convolve_dK), partial(form, convolve_dK_unrolled)
    computed = partial(native.choose, "deltarule_convolution_dK", *forms, **numbers(window, groups))
    return apart(computed, (x, dy, *beside), (EXAMPLES, EXAMPLES, *(EXAMPLES for _ in beside)), WHOLE)


def rectifying(dy: jax.Array, y: jax.Array | None) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """dy, and y where a native product takes it along, or else the masked dy alone."""
    if y is None or dy.dtype != np.float32:
        return masked(dy, y), ()
    return dy, (y,)


def numbers(window: Window, groups: int, rectified: bool = False) -> dict:
    """A window as the native kernels take it."""
    front, behind = zip(*window.padding, strict=True)
    return {
        "stride": window.stride,
        "dilation": window.dilation,
        "front": front,
        "behind": behind,
        "groups": groups,
        "relu": rectified,
    }


def axes(lhs: str, rhs: str, out: str, space: int) -> jax.lax.ConvDimensionNumbers:
    """XLA's dimension numbers from words such as `n_i`, where `_` stands for the axes of space."""
    words = [word.replace("_", "0123456789"[:space]) for word in (lhs, rhs, out)]
    shape = (1,) * (space + 2)
    return jax.lax.conv_dimension_numbers(shape, shape, tuple(words))


def _convolve(x, K, window: Window, groups: int):
    layout = axes("N_C", "_IO", "N_C", len(window.size))
    return jax.lax.conv_general_dilated(
        x, K, window.stride, window.padding, None, window.dilation, layout, feature_group_count=groups
    )  # (n, e.., o)


def _convolve_dx(dy, K, window: Window, space: tuple[int, ...], groups: int):
    """K mirrored in space, with its features' roles exchanged, over dy spread out by the stride."""
    *k, i, o = K.shape
    mirrored = jnp.flip(K, range(len(k))).reshape(*k, i, groups, o // groups)
    exchanged = jnp.swapaxes(mirrored, -1, -3).reshape(*k, o // groups, groups * i)  # (k.., o/g, i)
    padding = [
        (reach - 1 - front, d - (e - 1) * s - 1 + front)
        for d, e, s, reach, (front, _) in zip(
            space, dy.shape[1:-1], window.stride, window.extent, window.padding, strict=True
        )
    ]
    layout = axes("N_C", "_IO", "N_C", len(k))
    return jax.lax.conv_general_dilated(
        dy, exchanged, (1,) * len(k), padding, window.stride, window.dilation, layout, feature_group_count=groups
    )  # (n, d.., i)


def _convolve_dK(x, dy, window: Window, groups: int):
    """x over dy, with stride and dilation exchanged, the examples in the features' place."""
    padding = [
        (front, reach + (e - 1) * s - d - front)
        for d, e, s, reach, (front, _) in zip(
            x.shape[1:-1], dy.shape[1:-1], window.stride, window.extent, window.padding, strict=True
        )
    ]
    layout = axes("C_N", "I_O", "_NC", len(window.size))
    return jax.lax.conv_general_dilated(
        x, dy, window.dilation, padding, None, window.stride, layout, batch_group_count=groups
    )  # (k.., i/g, o)
