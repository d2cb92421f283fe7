"""Windows read tap by tap and written back, against NumPy's loops."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.kernels.taps import groups, pool_window, read_taps, tap_count, write_back, write_back_flops

SETTINGS = [  # space, size, stride, padding, dilation
    ((9,), 3, 1, 1, 1),
    ((9,), 2, 4, 1, 1),
    ((8,), 3, 2, ((1, 4),), 2),
    ((7, 8), (2, 3), (1, 2), ((0, 1), (2, 0)), (3, 1)),
    ((4, 3, 5), (1, 2, 3), (3, 1, 2), "same", 1),
]
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=str)


def positions(found, space):
    """For each window, in order, and each of its taps in order: the position that it meets, or None."""
    for window in product(*map(range, found.output(space))):
        taps = []
        for tap in product(*map(range, found.size)):
            axes = zip(window, tap, found.stride, found.dilation, found.padding, strict=True)
            at = tuple(j * s + m * r - front for j, m, s, r, (front, _) in axes)
            taps.append(at if all(0 <= a < d for a, d in zip(at, space, strict=True)) else None)
        yield window, taps


@every_setting
def test_taps_are_read_where_the_formula_says(setting):
    space, *rest = setting
    x = np.random.default_rng(0).normal(size=(2, *space, 3)).astype(np.float32)
    found = pool_window("w", x.shape, *rest)
    read = jax.jit(lambda x: list(read_taps(found, x, 7)))(x)
    for window, taps in positions(found, space):
        for got, at in zip(read, taps, strict=True):
            expected = np.full((2, 3), 7) if at is None else x[:, *at]
            np.testing.assert_array_equal(got[:, *window], expected)


@every_setting
def test_every_position_takes_from_all_windows_that_it_lies_in(setting):
    """Each share is a window's number times that of the tap: no other window and no other tap gives it."""
    space, *rest = setting
    found = pool_window("w", (2, *space, 3), *rest)
    rng = np.random.default_rng(0)
    dy = rng.normal(size=(2, *found.output(space), 3)).astype(np.float32)
    expected = np.zeros((2, *space, 3))
    for window, taps in positions(found, space):
        for m, at in enumerate(taps):
            if at is not None:
                expected[:, *at] += dy[:, *window] * (m + 1)

    def share(m, dy):
        return jnp.where(m < tap_count(found), dy * (m + 1), 0)

    dx = jax.jit(lambda dy: write_back(found, space, share, dy))(dy)
    np.testing.assert_allclose(dx, expected, rtol=1e-5, atol=1e-6)


def test_windows_that_do_not_overlap_are_written_back_without_an_addition():
    for size, stride in ((2, 2), (3, 5)):
        assert write_back_flops(pool_window("w", (4, 9, 8, 3), size, stride, 1, 1), (4, 9, 8, 3)) == 0
    assert groups(pool_window("w", (4, 9, 3), 2, 1, 0, 3)) == [(0,), (3,)]  # between them are gaps of dilation
