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

from deltarule.kernels import native
from deltarule.kernels.shares import EXAMPLES, WHOLE, apart
from deltarule.kernels.unrolled import convolve_dK_unrolled, convolve_dx_unrolled, convolve_unrolled
from deltarule.kernels.window import Window


def convolve(x: jax.Array, K: jax.Array, window: Window, groups: int = 1) -> jax.Array:
    """y (n, e.., o) from x (n, d.., i) and K (k.., i/g, o)."""
    settings = {"window": window, "groups": groups}
    forms = partial(_convolve, **settings), partial(convolve_unrolled, **settings)
    computed = partial(native.choose, "deltarule_convolution_y", *forms, **numbers(**settings))
    return apart(computed, (x, K), (EXAMPLES, WHOLE), EXAMPLES)


def convolve_dx(dy: jax.Array, K: jax.Array, window: Window, space: tuple[int, ...], groups: int = 1) -> jax.Array:
    """dx (n, d.., i) from dy (n, e.., o) and K (k.., i/g, o); `space` is d.."""
    settings = {"window": window, "groups": groups}
    forms = partial(_convolve_dx, space=space, **settings), partial(convolve_dx_unrolled, space=space, **settings)
    computed = partial(native.choose, "deltarule_convolution_dx", *forms, **numbers(**settings))
    return apart(computed, (dy, K), (EXAMPLES, WHOLE), EXAMPLES)


def convolve_dK(x: jax.Array, dy: jax.Array, window: Window, groups: int = 1) -> jax.Array:
    """dK (k.., i/g, o) from x (n, d.., i) and dy (n, e.., o)."""
    settings = {"window": window, "groups": groups}
    forms = partial(_convolve_dK, **settings), partial(convolve_dK_unrolled, **settings)
    computed = partial(native.choose, "deltarule_convolution_dK", *forms, **numbers(**settings))
    return apart(computed, (x, dy), (EXAMPLES, EXAMPLES), WHOLE)


def numbers(window: Window, groups: int) -> dict:
    """A window as the native kernels take it."""
    front, behind = zip(*window.padding, strict=True)
    return {
        "stride": window.stride,
        "dilation": window.dilation,
        "front": front,
        "behind": behind,
        "groups": groups,
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
