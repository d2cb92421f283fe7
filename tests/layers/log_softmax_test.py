import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import LogSoftmax
from layers.reference import agree_with_torch

AXES = [(-1, (5, 3)), (1, (5, 3)), (1, (2, 3, 4)), (-2, (2, 3, 4)), (-1, (2, 3, 4))]


@pytest.mark.torch
@pytest.mark.parametrize(("axis", "shape"), AXES)
def test_log_softmax_is_that_of_torch(torch, axis, shape):
    agree_with_torch(LogSoftmax(axis), torch.nn.LogSoftmax(axis), shape)


def test_logits_of_ten_thousand_do_not_overflow_and_keep_their_logarithms():
    y, saved = LogSoftmax().forward({}, jnp.array([[-1e4, 0.0, 1e4]]), None)
    np.testing.assert_array_equal(y, [[-2e4, -1e4, 0.0]])
    dx, _ = LogSoftmax().backward({}, saved, jnp.array([[2.0, 5.0, 9.0]]))
    np.testing.assert_array_equal(dx, [[2.0, 5.0, -7.0]])


@pytest.mark.parametrize(("axis", "shape"), [(0, (5, 3)), (-2, (5, 3)), (2, (5, 3)), (-1, (5,))])
def test_an_axis_that_is_missing_or_mixes_examples_is_refused(axis, shape):
    with pytest.raises(ShapeError, match=rf"^LogSoftmax: .*got axis {axis} of \({shape[0]},"):
        LogSoftmax(axis).shape(shape)
