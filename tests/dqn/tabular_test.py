"""Where Q is a table, deep Q-learning is Q-learning: it finds what value iteration finds."""

import numpy as np

import deltarule as dr
from dqn.games import Grid

GAMMA, ENDS, MOVES = 0.9, {3: 1.0, 7: -1.0}, [(-1, 0), (0, 1), (1, 0), (0, -1)]


def value_iteration():
    """Q (12, 4) of the grid, by Bellman's equation over all moves and slips."""
    q = np.zeros((12, 4))
    for _ in range(300):
        old = q.copy()
        for field in range(12):
            for action in range(4):
                q[field, action] = 0
                for turn, p in ((0, 0.8), (1, 0.1), (-1, 0.1)):
                    down, right = MOVES[(action + turn) % 4]
                    row, column = min(max(field // 4 + down, 0), 2), min(max(field % 4 + right, 0), 3)
                    after = 4 * row + column
                    q[field, action] += p * ENDS.get(after, -0.04 + GAMMA * old[after].max())
    return q


def test_the_table_is_that_of_value_iteration():
    table = dr.Chain(dr.Embedding(12, 4, W_init=dr.Constant(0.0)), dr.Flatten())
    agent = dr.DQN(
        Grid(), table, dr.SGD(dr.LinearDecay(4.0, 1150)), dr.SquaredError(), gamma=GAMMA, epsilon=1.0,
        capacity=60_000, warm_up=2000, every=160, environments=40, gradient_steps=4, batch_size=256,
        target_every=160,
    )  # fmt: skip
    agent.fit(48_000, report_every=48_000, evaluate_every=48_000, episodes=1, keep="last")
    inside = [field for field in range(12) if field not in ENDS]
    q, expected = agent.q_values(np.array(inside)[:, None]), value_iteration()[inside]
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(q, expected, atol=0.06)
    assert (np.take_along_axis(expected, q.argmax(1)[:, None], 1)[:, 0] > expected.max(1) - 0.06).all()
    np.testing.assert_array_equal(agent.act(np.array(inside)[:, None]), q.argmax(1))
