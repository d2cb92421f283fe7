"""A time limit is no end: where one state gives 1 a step, Q is 1 / (1 − γ), however short episodes are."""

import functools

import gymnasium
import numpy as np
import pytest

import deltarule as dr
from dqn.games import OneState, OneStateOnHost

LIMIT = 8


def cut_off():
    return gymnasium.wrappers.TimeLimit(OneStateOnHost(), LIMIT)


GAMES = {
    "compiled, two": (OneState(LIMIT), 2),
    "gymnasium": (cut_off, 1),
    "gymnasium, two": (cut_off, 2),
}


@functools.cache
def learned(game, **rules):
    """Q of the one state."""
    environment, count = GAMES[game]
    table = dr.Chain(dr.Embedding(1, 2, W_init=dr.Constant(0.0)), dr.Flatten())
    settings = {"gamma": 0.98, "epsilon": 1.0, "capacity": 512, "warm_up": 64, "every": 8, "target_every": 8}
    agent = dr.DQN(environment, table, dr.SGD(0.5), dr.SquaredError(), gradient_steps=4, batch_size=32,
                   environments=count, **settings | rules)  # fmt: skip
    agent.fit(8 * 400, report_every=800, evaluate_every=3200, episodes=1, keep="last")
    row = agent.history.rows[-1]
    assert (row["length"], row["return"], row["evaluated"]) == (LIMIT, LIMIT, LIMIT)
    return agent.q_values([[0]])[0]


@pytest.mark.parametrize("game", GAMES)
def test_something_follows_a_time_limit(game):
    np.testing.assert_allclose(learned(game), 50, atol=1)


@pytest.mark.parametrize("game", ["compiled, two", "gymnasium, two"])
def test_where_a_time_limit_is_taken_for_an_end_q_is_too_small(game):
    """Q = 1 + 7/8 γ Q, the last of 8 steps having nothing behind it."""
    q = learned(game, time_limits_end=True)
    assert (np.abs(q - 50) > 1).all()
    np.testing.assert_allclose(q, 1 / (1 - 0.98 * 7 / 8), atol=2.5)
