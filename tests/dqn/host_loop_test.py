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
    """While it warms up, where θ⁻ moves and where not, and past the blocks that are drawn for at once.

    With what it learned it acts at what is seen then, which is where that changes the action, if it does anywhere.
    """
    agent = small(path="gymnasium", **settings)
    path, rules, expected = agent.new_path(1), agent.rules, agent.fresh()
    path.begin([expected])
    (loop,), rng = path.loops, np.random.default_rng(0)
    compiled, play = jax.jit(study, static_argnums=(0, 1)), loop.begin()
    for block in range(MOST + 2):
        size = rules.rows, rules.environments
        x, reward = rng.normal(size=(*size, 4)).astype(np.float32), rng.normal(size=size).astype(np.float32)
        rows = Rows(x, rng.integers(0, 2, size, np.int32), reward, rng.integers(0, 2, size, np.uint8))
        drawn = of_learning(rules, expected.state, (block + 1) * rules.every)
        before = expected
        expected, told = compiled(agent.step.structure(), rules.structure(), before, rows, drawn)
        seen, actions = contested(agent, before, expected, rng)
        got = loop.study(rows, play._replace(seen=seen))
        jax.tree.map(lambda got, e: np.testing.assert_allclose(got, e, 1e-4, 1e-6), got, told)
        np.testing.assert_array_equal(loop.acted[0], actions)
    path.close()
    jax.tree.map(lambda got, e: np.testing.assert_allclose(got, e, 1e-3, 1e-5), loop.agent, expected)


def contested(agent, before, after, rng):
    """Observations (e, 4) at which an agent acts otherwise than before, most clearly, and its actions there."""
    x = rng.normal(size=(10_000, 4)).astype(np.float32)
    q, old = (np.asarray(agent.net.predict(one.state.params, x, one.state.memory)) for one in (after, before))
    clear = np.abs(np.diff(q)[:, 0]) * np.where(q.argmax(-1) != old.argmax(-1), 1e3, 1)
    chosen = clear.argsort()[-agent.rules.environments :]
    return x[chosen], q[chosen].argmax(-1)
