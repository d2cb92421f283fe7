"""Where a kernel meets its input: the output's size, the taps that meet no padding, and the errors."""

from itertools import product

import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.kernels.window import check_window, window


def test_output_size_is_the_floor_of_the_formula():
    assert window("w", (1, 30, 1), 3, 1, 0).output((30,)) == (28,)
    assert window("w", (1, 8, 1), 3, 2, 0).output((8,)) == (3,)  # a ceiling would promise a fourth position


@pytest.mark.parametrize(("d", "k", "s", "r"), [*product((5, 8, 9), (1, 2, 3, 4), (1, 2, 3), (1, 2))])
def test_same_padding_makes_one_position_for_each_stride(d, k, s, r):
    found = window("w", (1, d, 1), k, s, "same", r)
    ((front, behind),) = found.padding
    assert found.output((d,)) == (-(-d // s),)
    assert 0 <= behind - front <= 1


@pytest.mark.parametrize(
    ("d", "k", "s", "r", "padding"),
    [*product((1, 5, 8), (1, 3, 4), (1, 2, 3), (1, 2), (((5, 4),), ((4, 9),), "same"))],
)
def test_taps_count_the_positions_that_meet_the_input(d, k, s, r, padding):
    found = window("w", (1, d, 1), k, s, padding, r)
    (front, _), (o,) = found.padding[0], found.output((d,))
    at = np.arange(o)[:, None] * s + np.arange(k) * r - front
    assert found.taps((d,)) == (list(((at >= 0) & (at < d)).sum(0)),)


def test_taps_of_a_symbol_are_those_of_the_number():
    sympy = pytest.importorskip("sympy")
    d = sympy.Symbol("d", positive=True, integer=True)
    for padding, stride in product((0, 1, "same"), (1, 2)):
        symbolic = sum(window("w", (1, d, 1), 3, stride, padding).taps((d,))[0])
        assert symbolic.subs(d, 12) == sum(window("w", (1, 12, 1), 3, stride, padding).taps((12,))[0])


def test_a_kernel_larger_than_its_input_prints_the_formula_with_its_numbers():
    with pytest.raises(ShapeError, match=r"⌊\(3 − 5 \+ 2·0\)/2⌋ \+ 1 = 0; take a smaller kernel or more padding"):
        window("Convolution(8, 5)", (2, 3, 9, 1), 5, 2, 0)
    with pytest.raises(ShapeError, match=r"a kernel of 7, its reach with dilation 3, .*3 − 7 \+ 0 \+ 1\)/1⌋"):
        window("w", (2, 3, 1), 3, 1, ((0, 1),), 3)


def test_settings_for_another_number_of_axes_are_refused():
    with pytest.raises(ShapeError, match=r"stride .*3.* is for 3 axes of space, but the input has 2"):
        window("w", (2, 9, 9, 1), 3, (1, 2, 3), 0)
    with pytest.raises(ShapeError, match=r"axes of space between examples and features.*got \(2, 9\)"):
        window("w", (2, 9), 3, 1, 0)


@pytest.mark.parametrize(
    ("name", "value"), [("kernel_size", 0), ("stride", (1, -1)), ("dilation", 1.5), ("kernel_size", True)]
)
def test_sizes_below_one_are_refused(name, value):
    with pytest.raises(SettingError, match=f"w: {name} must be whole numbers of at least 1"):
        check_window("w", **{name: value})


def test_one_number_for_all_axes_is_asked_of_what_no_axis_has():
    with pytest.raises(SettingError, match=r"w: groups must be a whole number of at least 1, got \(1, 1\)"):
        check_window("w", groups=(1, 1))


def test_whole_numbers_of_numpy_are_taken():
    three, one = np.int64(3), np.uint8(1)
    check_window("w", kernel_size=three, stride=(one, one), padding=((one, one), (one, one)), groups=three)
    found = window("w", (2, 9, 9, 1), three, (one, one), one)
    assert repr(found) == repr(window("w", (2, 9, 9, 1), 3, 1, 1))
    with pytest.raises(ShapeError, match=r"= 0; take a smaller kernel"):
        window("w", (2, 2, 1), three, 1, 0)


@pytest.mark.parametrize("padding", [True, -1, "full", ((0, -1),), 1.5, None])
def test_a_padding_that_is_none_is_refused(padding):
    with pytest.raises(SettingError, match="w: padding must be 'same', 'valid'"):
        check_window("w", kernel_size=1, padding=padding)
