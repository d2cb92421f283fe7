"""The target network moves when it is due, by τ of the way; a network may drop and normalise by batches."""

import jax
import numpy as np
import pytest

from deltarule.dqn.agent_state import Target
from deltarule.dqn.fitting import fit
from deltarule.dqn.rules import Rules
from deltarule.dqn.study import is_due, nearer
from deltarule.layers import BatchNorm, Chain, Dense, Dropout, ReLU
from dqn.small import RUN, equal, small

NEW, OLD = (np.random.default_rng(0).normal(size=(2, 3, 4))).astype(np.float32)


@pytest.mark.parametrize("tau", [1.0, 0.25])
@pytest.mark.parametrize(
    ("every", "before", "moves"), [(4, 8, False), (4, 16, True), (4, 20, False), (48, 0, True), (20, 20, True)]
)
def test_the_target_moves_where_a_multiple_of_its_period_is_passed(tau, every, before, moves):
    """Every 20 steps; with 48 steps a block in every block."""
    rules = Rules(every=every, target_every=20)
    assert is_due(rules, before, before + every) is moves
    found = nearer(Target({"W": OLD}, {"mean": OLD}), Target({"W": NEW}, {"mean": NEW}), np.float32(tau))
    np.testing.assert_allclose(found.params["W"], tau * NEW + (1 - tau) * OLD, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.memory["mean"], NEW)


def of_layers(drop, **settings):
    net = Chain(Dense(6), BatchNorm(), ReLU(), Dropout(drop), Dense(2))
    return small(net=net, dueling=False, **settings)


@pytest.mark.parametrize("path", ["compiled", "gymnasium"])
def test_a_network_may_drop_and_normalise_by_batches(path):
    agent = of_layers(0.3, path=path)
    agent.fit(96, **RUN)
    now, then = agent.agent.state.memory[1], agent.agent.target.memory[1]
    assert (then["mean"] != 0).all()
    assert (now["mean"] != then["mean"]).all()


def test_agents_that_drop_at_other_rates_are_one_program_and_end_as_alone():
    together, alone = ([of_layers(drop) for drop in (0.2, 0.5)] for _ in range(2))
    fit(together, 96, **RUN)
    for got, expected in zip(together, alone, strict=True):
        expected.fit(96, **RUN)
        equal(got, expected)
    first, second = (jax.tree.leaves(each.agent.state.params)[0] for each in together)
    assert (first != second).any()
