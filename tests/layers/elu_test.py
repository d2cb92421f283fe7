import pytest

from deltarule.errors import SettingError
from deltarule.layers import ELU
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("alpha", [1.0, 0.7, 2.5])
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-800.0, 0.0, -0.0, 800.0]]], ids=str)
def test_elu_is_that_of_torch_at_zero_and_far_out_too(torch, alpha, x):
    agree_with_torch(ELU(alpha), torch.nn.ELU(alpha), x)


@pytest.mark.parametrize("alpha", [0, -0.5])
def test_an_alpha_that_is_not_positive_is_refused(alpha):
    with pytest.raises(SettingError, match=f"ELU: alpha must be a positive number, got {alpha}"):
        ELU(alpha)
