"""Runs of agents so small that they take a moment, and how two of them compare."""

import jax
import numpy as np

import deltarule as dr

RULES = {"hidden": (5,), "batch_size": 6, "capacity": 216, "warm_up": 24, "every": 12, "gradient_steps": 2,
         "target_every": 24, "environments": 2, "double": True, "n_step": 2, "prioritised": True,
         "beta_steps": 300, "epsilon": dr.ExponentialDecay(1.0, 0.99)}  # fmt: skip
RUN = {"report_every": 24, "evaluate_every": 72, "episodes": 3}


def small(environment="CartPole-v1", **settings):
    """An agent of everything at once."""
    return dr.DQN(environment, **RULES | settings)


def without_seconds(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def equal(got, expected):
    """Two agents that ended alike, bit for bit, their replay included."""
    assert without_seconds(got.history.rows) == without_seconds(expected.history.rows)
    assert jax.tree.structure((got.agent, got.best)) == jax.tree.structure((expected.agent, expected.best))
    jax.tree.map(np.testing.assert_array_equal, (got.agent, got.best), (expected.agent, expected.best))
