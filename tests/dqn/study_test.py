"""The target network moves when it is due, by τ of the way, and stands still between."""

import numpy as np
import pytest

from deltarule.dqn.rules import Rules
from deltarule.dqn.study import is_due, nearer

NEW, OLD = (np.random.default_rng(0).normal(size=(2, 3, 4))).astype(np.float32)


@pytest.mark.parametrize("tau", [1.0, 0.25])
@pytest.mark.parametrize(
    ("every", "before", "moves"), [(4, 8, False), (4, 16, True), (4, 20, False), (48, 0, True), (20, 20, True)]
)
def test_the_target_moves_where_a_multiple_of_its_period_is_passed(tau, every, before, moves):
    """Every 20 steps; with 48 steps a block in every block."""
    rules = Rules(every=every, target_every=20)
    assert is_due(rules, before, before + every) is moves
    found = nearer({"W": OLD}, {"W": NEW}, np.float32(tau))["W"]
    np.testing.assert_allclose(found, tau * NEW + (1 - tau) * OLD, rtol=1e-5, atol=1e-6)
