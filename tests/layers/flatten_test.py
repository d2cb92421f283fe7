import pytest

from deltarule.layers import Flatten
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 2, 3, 4), (5,)], ids=str)
def test_flatten_is_that_of_torch(torch, shape):
    agree_with_torch(Flatten(), lambda x: x.reshape(5, -1) if x.ndim == 1 else torch.flatten(x, 1), shape)
