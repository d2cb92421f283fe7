import numpy as np
import pytest

from deltarule.layers import GELU, GELUTanh
from layers.reference import agree_with_torch, forward


@pytest.mark.torch
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-800.0, 0.0, 800.0]]], ids=str)
def test_gelu_tanh_is_that_of_torch_far_out_too(torch, x):
    agree_with_torch(GELUTanh(), torch.nn.GELU(approximate="tanh"), x)


def test_the_tanh_form_is_within_5e_4_of_the_exact_one(float64):
    x = np.linspace(-9, 9, 100_001)[:, None]
    assert 4e-4 < np.abs(forward(GELUTanh(), x) - forward(GELU(), x)).max() < 5e-4
