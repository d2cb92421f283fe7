"""The temporal difference's δ is autodiff's, in float64, at the action taken and nowhere else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.dqn.delta import UNROLLED, best_action, delta
from deltarule.losses import Huber, SquaredError

RNG = np.random.default_rng(0)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    ("loss", "shape"),
    [(Huber(), (5, 3)), (Huber(0.3), (7,)), (SquaredError(), (7,)), (SquaredError(), (5, 3))],
    ids=str,
)
def test_delta_is_the_derivative_of_the_loss_at_the_action(loss, shape):
    q = 2 * RNG.normal(size=(*shape, 4))
    action, y, weight = RNG.integers(0, 4, shape), 2 * RNG.normal(size=shape), RNG.uniform(0.1, 2, shape)
    weight[0] = 0
    one_hot = np.eye(4)[action]

    def formula(q):
        error = (q * one_hot).sum(-1) - y
        if isinstance(loss, SquaredError):
            return (weight * error**2).sum()
        c = loss.threshold
        far = jnp.abs(error) > c
        return (weight * jnp.where(far, c * (jnp.abs(error) - c / 2), error**2 / 2)).sum()

    value, dq, error = jax.jit(lambda *given: delta(loss, *given))(q, action, y, weight)
    expected, expected_dq = jax.jit(jax.value_and_grad(formula))(q)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(dq, expected_dq, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(error, (q * one_hot).sum(-1) - y, rtol=1e-12)
    assert (np.asarray(dq) != 0).sum() == (weight != 0).sum()


@pytest.mark.parametrize("actions", [1, 2, 7, UNROLLED, UNROLLED + 1])
def test_the_best_action_is_the_first_of_equals(actions):
    q = np.random.default_rng(actions).integers(-2, 3, (50, 3, actions)).astype(np.float32)
    q[0] = -np.inf
    got = best_action(jnp.asarray(q))
    np.testing.assert_array_equal(got, q.argmax(-1))
    assert got.dtype == jnp.int32
