from math import e, erfc, pi, sqrt

import pytest

from deltarule.layers import SELU
from deltarule.layers.selu import ALPHA, SCALE
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("x", [(5, 3), (2, 3, 4), [[-800.0, 0.0, -0.0, 800.0]]], ids=str)
def test_selu_is_that_of_torch_at_zero_and_far_out_too(torch, x):
    agree_with_torch(SELU(), torch.selu, x)


def test_mean_0_and_variance_1_are_a_fixed_point():
    """E[y] = 0 and E[y²] = 1 for x ~ N(0, 1), by E[e^{kx}; x ≤ 0] = ½ e^{k²/2} erfc(k/√2)."""
    first, second = (0.5 * e ** (k * k / 2) * erfc(k / sqrt(2)) for k in (1, 2))
    mean = SCALE * (1 / sqrt(2 * pi) + ALPHA * (first - 0.5))
    variance = SCALE**2 * (0.5 + ALPHA**2 * (second - 2 * first + 0.5))
    assert mean == pytest.approx(0, abs=1e-14)
    assert variance == pytest.approx(1, rel=1e-14)
