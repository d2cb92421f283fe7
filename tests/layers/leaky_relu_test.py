import pytest

from deltarule.errors import SettingError
from deltarule.layers import LeakyReLU
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.7])
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-1.0, 0.0, -0.0, 2.0]]], ids=str)
def test_leaky_relu_is_that_of_torch_at_zero_too(torch, slope, x):
    agree_with_torch(LeakyReLU(slope), torch.nn.LeakyReLU(slope), x)


def test_the_default_slope_is_that_of_onnx_and_torch():
    assert LeakyReLU() == LeakyReLU(0.01)


def test_a_negative_slope_is_refused():
    with pytest.raises(SettingError, match=r"LeakyReLU: slope must be a number of at least 0, got -0\.1"):
        LeakyReLU(-0.1)
