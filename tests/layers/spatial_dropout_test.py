import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Chain, SpatialDropout
from deltarule.layers.layer import Context


@pytest.mark.parametrize("shape", [(200, 3, 300), (200, 2, 3, 300)], ids=str)
def test_whole_channels_are_dropped_with_the_probability(shape):
    y, _ = SpatialDropout(0.3).forward({}, jnp.ones(shape), Context(jax.random.key(0)))
    y = np.asarray(y).reshape(200, -1, 300)
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert abs(np.mean(y == 0) - 0.3) < 5 * np.sqrt(0.3 * 0.7 / (200 * 300))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)


def test_prediction_is_the_identity():
    x = jnp.ones((2, 3, 5))
    assert SpatialDropout(0.3).predict({}, x, {}) is x


def test_an_input_without_time_or_space_is_refused():
    with pytest.raises(
        ShapeError, match=r"^layer 0, SpatialDropout\(0\.3\): .* got \(7, 5\); use Dropout\(0\.3\)"
    ):
        Chain(SpatialDropout(0.3)).shape((7, 5))
