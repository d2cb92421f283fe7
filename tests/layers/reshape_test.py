import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Chain, Dense, Reshape
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize(("sizes", "shape"), [((3, 2), (5, 6)), ((-1, 4), (5, 2, 6)), ((), (5, 1)), ((-1,), (5,))])
def test_reshape_is_that_of_torch(torch, sizes, shape):
    agree_with_torch(Reshape(*sizes), lambda x: torch.reshape(x, (5, *sizes)), shape)


@pytest.mark.parametrize(("sizes", "numbers"), [((2, 3), 5), ((2, 3), 12), ((4, -1), 6)])
def test_numbers_that_do_not_fill_the_shape_are_refused(sizes, numbers):
    with pytest.raises(ShapeError, match=rf"^layer 1, Reshape\({sizes[0]}, {sizes[1]}\): .*, got {numbers},"):
        Chain(Dense(numbers), Reshape(*sizes)).shape((7, 5))


@pytest.mark.parametrize("sizes", [(-1, 2, -1), (0, 3), (2, -2)])
def test_sizes_that_no_array_has_are_refused(sizes):
    with pytest.raises(ValueError, match=r"sizes must be positive whole numbers, and at most one may be -1"):
        Reshape(*sizes)
