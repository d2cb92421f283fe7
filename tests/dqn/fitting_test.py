"""Many agents in one program: each is what its run alone makes of it, and they may differ in numbers alone.

What needs several devices runs in a process of its own, `several_devices.py`, since this one has started with one.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.fitting import evaluate, fit
from dqn.several_devices import VARIED, leaves, three
from dqn.small import RUN, equal, small


@pytest.fixture(scope="module")
def alone():
    """Each agent after a run of its own."""
    agents = three()
    for agent in agents:
        agent.fit(240, **RUN)
    return agents


def close(got, expected):
    """Arrays differ by no more than rounding: a program of several agents sums its products in another order."""
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())


def test_on_one_device_each_agent_is_its_run_alone(alone):
    together = three()
    fit(together, 240, **RUN)
    close(leaves(together), leaves(alone))
    assert len({float(agent.q_values([[0.1, 0.2, 0.3, 0.4]])[0, 0]) for agent in together}) == 3
    played = evaluate(together, 3, seed=2)
    for each, agent in zip(played, alone, strict=True):
        np.testing.assert_array_equal(each.gained, agent.evaluate(3, seed=2).gained)


def test_over_two_devices_each_agent_is_its_run_alone(alone, tmp_path):
    """Three agents, so that one device has an agent to fill it up."""
    program = [sys.executable, str(Path(__file__).parent / "several_devices.py"), str(tmp_path / "found.npz")]
    done = subprocess.run(program, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    close(np.load(tmp_path / "found.npz").values(), leaves(alone))


def test_in_gymnasium_each_agent_is_its_run_alone():
    together, alone = three(path="gymnasium"), three(path="gymnasium")
    at = fit(together, 96, **RUN)
    for one, other in zip(together, alone, strict=True):
        other.fit(96, **RUN)
        equal(one, other)
    assert [len(rows) for rows in at.rows] == [4, 4, 4]


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 7},
        {"double": False},
        {"hidden": (6,)},
        {"epsilon": dr.LinearDecay(1.0, 100)},
        {"environment": "Acrobot-v1"},
        {"loss": dr.SquaredError()},
        {"optimizer": dr.SGD(1e-3)},
        {"path": "gymnasium"},
    ],
    ids=str,
)
def test_agents_that_differ_in_more_than_numbers_are_refused(change):
    with pytest.raises(
        dr.SettingError, match=r"may differ in .*numbers.* alone .* train them one after the other"
    ):
        fit([small(), small(**change)], 96)


def test_agents_of_which_some_have_been_trained_before_are_refused(alone):
    with pytest.raises(dr.SettingError, match="all have been trained before, or none"):
        fit([alone[0], small()], 96)


def test_agents_that_differ_in_numbers_share_a_program():
    first, *others = three()
    assert len(VARIED) == 3
    for other in others:
        assert other.rules.structure() == first.rules.structure()
        assert other.step.structure() == first.step.structure()
        assert hash(other.rules.structure()) == hash(first.rules.structure())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"steps": 0}, "steps must be a whole number of at least 1, got 0"),
        ({"steps": 96, "report_every": 0}, "report_every must be a whole number of at least 1, got 0"),
        ({"steps": 96, "evaluate_every": 2.5}, "evaluate_every must be a whole number of at least 1, got 2.5"),
        ({"steps": 96, "episodes": -1}, "episodes must be a whole number of at least 1, got -1"),
        ({"steps": 96, "keep": "worst"}, "keep must be 'best' or 'last', got 'worst'"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_named(settings, words):
    with pytest.raises(dr.SettingError, match=f"dqn: {words}"):
        small().fit(**settings)


def test_a_wrong_number_of_episodes_is_named(alone):
    with pytest.raises(dr.SettingError, match="dqn: episodes must be a whole number of at least 1, got 0"):
        alone[0].evaluate(0)
