import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Chain, Dense, Dueling
from layers.reference import agree_with_torch, forward


@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 4)], ids=str)
def test_dueling_is_the_papers_equation_9(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = np.empty((*shape[:-1], shape[-1] - 1))
    for at in np.ndindex(shape[:-1]):
        value, *advantages = x[at].tolist()
        y[at] = [value + a - sum(advantages) / len(advantages) for a in advantages]
    np.testing.assert_allclose(forward(Dueling(), x), y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y.mean(-1), x[..., 0], rtol=1e-5)  # so that V is the mean of Q


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 4)], ids=str)
def test_dueling_is_that_of_torch(torch, shape):
    agree_with_torch(Dueling(), lambda x: x[..., :1] + x[..., 1:] - x[..., 1:].mean(-1, keepdim=True), shape)


@pytest.mark.parametrize("shape", [(7, 1), (5,)], ids=str)
def test_fewer_than_a_value_and_an_advantage_are_refused(shape):
    with pytest.raises(ShapeError, match=r"^Dueling: expected a value and an advantage .* got \(.*; put Dense"):
        Dueling().shape(shape)
    with pytest.raises(ShapeError, match=r"^layer 1, Dueling: "):
        Chain(Dense(1), Dueling()).shape((7, 4))
