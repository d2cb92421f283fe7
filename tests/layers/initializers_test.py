import numpy as np
import pytest
from scipy import stats

from deltarule.layers.initializers import Constant, Glorot, He, LeCun, Normal, Orthogonal

D_IN, D_OUT = 300, 500
SHAPE = (D_IN, D_OUT)
VARIANCES = {LeCun: 1 / D_IN, Glorot: 2 / (D_IN + D_OUT), He: 2 / D_IN}
RULES = [rule(shape) for rule in VARIANCES for shape in ("uniform", "normal")]
RULES += [Normal(0.3), Orthogonal(), Orthogonal(2.0), Constant(0.5)]


def draw(rule, seed=0, shape=SHAPE, d_in=D_IN, d_out=D_OUT):
    return rule(np.random.default_rng(seed), shape, d_in, d_out)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("rule", VARIANCES)
def test_mean_variance_and_distribution_are_those_of_the_rule(rule, distribution):
    """Within four standard errors: √(σ²/N) for the mean, σ² √((κ − 1)/N) for the variance, κ the kurtosis."""
    W, variance = draw(rule(distribution)).astype(np.float64), VARIANCES[rule]
    kurtosis = {"uniform": 9 / 5, "normal": 3}[distribution]
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)
    assert abs(W.var() / variance - 1) < 4 * np.sqrt((kurtosis - 1) / W.size)
    limit = np.sqrt(3 * variance)
    shape = {"uniform": stats.uniform(-limit, 2 * limit), "normal": stats.norm(0, np.sqrt(variance))}
    assert stats.kstest(W.ravel(), shape[distribution].cdf).pvalue > 1e-3


def test_the_defaults():
    assert (LeCun(), Glorot(), He()) == (LeCun("uniform"), Glorot("uniform"), He("normal"))


def test_normal_has_its_deviation_whatever_the_size():
    assert draw(Normal(0.3)).std() == pytest.approx(0.3, rel=0.01)
    assert draw(Normal(0.3), d_in=2, d_out=1).std() == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (5, 5), (2, 3, 4), (2, 2, 7)], ids=str)
@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_orthogonal_has_orthonormal_rows_or_columns_whichever_are_fewer(shape, gain):
    W = draw(Orthogonal(gain), shape=shape)
    assert W.shape == shape
    W = W.reshape(-1, shape[-1]) / gain
    product = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
    np.testing.assert_allclose(product, np.eye(min(W.shape)), atol=1e-6)


def test_orthogonal_is_uniform_over_rotations_and_reflections():
    """For 2 × 2, the angle of the first column is uniform, and half of the determinants are negative."""
    rng = np.random.default_rng(0)
    Q = np.stack([Orthogonal()(rng, (2, 2), 2, 2) for _ in range(2000)])
    angle = np.arctan2(Q[:, 1, 0], Q[:, 0, 0])
    assert stats.kstest(angle, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    assert stats.binomtest(int((np.linalg.det(Q) < 0).sum()), 2000).pvalue > 1e-3


def test_constant_is_its_value_everywhere():
    np.testing.assert_array_equal(draw(Constant(0.5)), np.full(SHAPE, 0.5))
    assert not draw(Constant()).any()


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_draws_are_float32_of_the_shape_and_follow_the_seed(rule):
    first, again, other = (draw(rule, seed, shape=(30, 50)) for seed in (0, 0, 1))
    assert (first.dtype, first.shape) == (np.float32, (30, 50))
    np.testing.assert_array_equal(first, again)
    assert isinstance(rule, Constant) or (first != other).any()
