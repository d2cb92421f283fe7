import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Softmax
from layers.reference import agree_with_torch

AXES = [(-1, (5, 3)), (1, (5, 3)), (1, (2, 3, 4)), (-2, (2, 3, 4)), (-1, (2, 3, 4))]


@pytest.mark.torch
@pytest.mark.parametrize(("axis", "shape"), AXES)
def test_softmax_is_that_of_torch(torch, axis, shape):
    agree_with_torch(Softmax(axis), torch.nn.Softmax(axis), shape)


def test_logits_of_ten_thousand_do_not_overflow():
    y, saved = Softmax().forward({}, jnp.array([[1e4, 1e4, -1e4], [-1e4, 0.0, 1e4]]), None)
    np.testing.assert_array_equal(y, [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    dx, _ = Softmax().backward({}, saved, jnp.array([[1.0, 3.0, 7.0], [2.0, 5.0, 9.0]]))
    np.testing.assert_array_equal(dx, [[-0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])


@pytest.mark.parametrize(("axis", "shape"), [(0, (5, 3)), (-2, (5, 3)), (2, (5, 3)), (-1, (5,))])
def test_an_axis_that_is_missing_or_mixes_examples_is_refused(axis, shape):
    with pytest.raises(ShapeError, match=rf"^Softmax: .*got axis {axis} of \({shape[0]},"):
        Softmax(axis).shape(shape)
