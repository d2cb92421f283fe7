import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, RMSNorm
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5)], ids=str)
def test_rms_norm_is_that_of_torch(torch, shape, scale):
    def rms_norm(x, params=None):
        return torch.nn.functional.rms_norm(x, shape[-1:], params and params["gamma"], eps=0.01)

    agree_with_torch(RMSNorm(0.01, scale), rms_norm, shape)


def test_fresh_gamma_is_one():
    params = RMSNorm().init(np.random.default_rng(0), (7, 5))
    assert {name: (a.dtype, a.tolist()) for name, a in params.items()} == {"gamma": (np.float32, [1.0] * 5)}


def test_an_input_without_features_and_a_negative_epsilon_are_refused():
    with pytest.raises(ShapeError, match=r"^layer 0, RMSNorm: expected .* got \(7,\); reshape it to \(n, 1\)"):
        Chain(RMSNorm()).shape((7,))
    with pytest.raises(SettingError, match=r"RMSNorm: epsilon must be a positive number, got -1\.0"):
        RMSNorm(-1.0)
