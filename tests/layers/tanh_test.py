import pytest

from deltarule.layers import Tanh
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-800.0, 0.0, 800.0]]], ids=str)
def test_tanh_is_that_of_torch_far_out_too(torch, x):
    agree_with_torch(Tanh(), torch.tanh, x)
