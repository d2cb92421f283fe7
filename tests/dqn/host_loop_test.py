"""Around Gymnasium's games an agent learns what it learns in the compiled loop from the same rows."""

import jax
import numpy as np
import pytest

from deltarule.dqn.draws import MOST, of_learning
from deltarule.dqn.replay import Rows
from deltarule.dqn.study import study
from dqn.small import small


@pytest.mark.parametrize("settings", [{}, {"prioritised": False, "double": False, "tau": 0.25}])
def test_a_block_is_learned_from_as_in_the_compiled_loop(settings):
    """While it warms up, where θ⁻ moves and where not, and past the blocks that are drawn for at once."""
    agent = small(path="gymnasium", **settings)
    path, rules, expected = agent.new_path(1), agent.rules, agent.fresh()
    path.begin([expected])
    (loop,), rng = path.loops, np.random.default_rng(0)
    compiled = jax.jit(study, static_argnums=(0, 1))
    for block in range(MOST + 2):
        size = rules.rows, rules.environments
        x, reward = rng.normal(size=(*size, 4)).astype(np.float32), rng.normal(size=size).astype(np.float32)
        rows = Rows(x, rng.integers(0, 2, size, np.int32), reward, rng.integers(0, 2, size, np.uint8))
        drawn = of_learning(rules, expected.state, (block + 1) * rules.every)
        expected, told = compiled(agent.step.structure(), rules.structure(), expected, rows, drawn)
        jax.tree.map(lambda got, e: np.testing.assert_allclose(got, e, 1e-4, 1e-6), loop.study(rows), told)
    path.close()
    jax.tree.map(lambda got, e: np.testing.assert_allclose(got, e, 1e-3, 1e-5), loop.agent, expected)
