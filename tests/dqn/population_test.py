"""A population: each agent is its run alone, bit for bit, and what is told of them is what they came to."""

import copy
import itertools
import logging
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
import pytest
from scipy.stats import trim_mean

import deltarule as dr
from deltarule.dqn import checkpoint, replay
from deltarule.dqn.population import alike
from dqn.small import equal

RULES = {"hidden": (8,), "batch_size": 16, "capacity": 512, "warm_up": 32, "every": 32, "gradient_steps": 8,
         "target_every": 32, "epsilon": 0.3, "learning_rate": 1e-3, "gamma": 0.99}  # fmt: skip
RUN: dict[str, Any] = {
    "steps": 960,
    "evaluate_every": 320,
    "episodes": 100,
}  # measured by the program that measures in the end
NUMBERS = {"seed": range(4), "learning_rate": [1e-3, 1e-2], "gamma": [0.9, 0.99]}
STRUCTURES = {"double": [False, True]}
BOTH = {"seed": NUMBERS["seed"], **STRUCTURES, **NUMBERS}


def several(space, **settings):
    """A population that varies what is in `space`."""
    given = {name: value for name, value in (RULES | settings).items() if name not in space}
    return dr.DQNPopulation("CartPole-v1", space, **given)


def alone(configuration, run, **settings):
    """The agent of a configuration after a run of its own."""
    agent = dr.DQN("CartPole-v1", **RULES | settings | configuration)
    agent.fit(**run)
    return agent


def combinations(space):
    """Every combination, the last of what is varied changing quickest."""
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


@contextmanager
def programs_compiled():
    """A list of the programs over agents that are compiled meanwhile."""
    found, handler, logger = [], logging.Handler(), logging.getLogger("jax")

    def emit(record):
        if "Finished XLA compilation of jit(share)" in record.getMessage():
            found.append(record)

    handler.emit = emit
    logger.addHandler(handler)
    try:
        with jax.log_compiles():
            yield found
    finally:
        logger.removeHandler(handler)


@pytest.fixture(scope="module")
def trained():
    """(population, result, programs compiled) of agents that differ in numbers."""
    population = several(NUMBERS)
    with programs_compiled() as compiled:
        result = population.fit(**RUN)
    return population, result, len(compiled)


@pytest.fixture(scope="module")
def of_structures(trained):
    """The same, of agents of two structures, the first of which has its programs by now."""
    population = several(BOTH)
    with programs_compiled() as compiled:
        result = population.fit(**RUN)
    return population, result, len(compiled)


def test_agents_that_differ_in_numbers_train_in_one_program(trained):
    _, result, compiled = trained
    assert result.programs == 1
    assert compiled == 2  # it, and the one that measures


def test_each_agent_is_its_run_alone_bit_for_bit(trained):
    population = trained[0]
    assert population.configurations == combinations(NUMBERS)
    for configuration, agent in zip(population.configurations, population.agents, strict=True):
        equal(agent, alone(configuration, RUN))
    weights = {agent.best[2][0][0]["W"].tobytes() for agent in population.agents}
    assert len(weights) == len(population.agents)  # each number tells


def test_a_setting_that_is_no_number_makes_a_program_more(of_structures, trained):
    population, result, compiled = of_structures
    assert result.programs == 2
    assert compiled == 2
    assert population.configurations == combinations(BOTH)
    for configuration, agent in zip(population.configurations, population.agents, strict=True):
        assert {name: value for name, value in configuration.items() if name != "learning_rate"} == {
            "seed": agent.seed, "double": agent.rules.double, "gamma": agent.rules.gamma
        }  # fmt: skip
    for agent, expected in zip(
        (a for a in population.agents if not a.rules.double), trained[0].agents, strict=True
    ):
        equal(agent, expected)


@pytest.mark.parametrize(("which", "space"), [("trained", NUMBERS), ("of_structures", BOTH)])
def test_a_row_has_what_was_varied_and_the_return_in_the_order_of_the_configurations(which, space, request):
    """Agents of two structures take turns there, though those of one are trained and measured together."""
    population, result, _ = request.getfixturevalue(which)
    assert [{**row, "return": None} for row in result.rows] == [
        {**configuration, "return": None} for configuration in combinations(space)
    ]
    returns = [float(np.mean(agent.evaluate(100).gained)) for agent in population.agents]
    assert [row["return"] for row in result.rows] == returns
    assert len(set(returns)) > 2


def test_what_no_program_can_share_is_trained_apart():
    """Besides the rules and the network: where and how the games are played."""
    for space, settings in (({"path": ["compiled", "gymnasium"]}, {}), ({"vector": ["sync", "async"]}, {}),
                            ({"vector": ["sync", "async"]}, {"path": "gymnasium"})):  # fmt: skip
        population = several({**space, "seed": range(2)}, **settings)
        groups = alike(population.agents)
        assert groups == [population.agents[:2], population.agents[2:]]
    assert alike(several(NUMBERS).agents)[1:] == []


def test_a_run_of_two_programs_goes_on_from_its_checkpoints(of_structures, tmp_path, monkeypatch):
    """It was killed in the second of them."""
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    seen = []

    def kill(rows):
        seen.append(rows)
        if len(seen) > 40:
            raise ZeroDivisionError

    population, again = several(BOTH), several(BOTH)
    with pytest.raises(ZeroDivisionError):
        population.fit(**RUN, checkpoint=tmp_path, callbacks=[kill])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["program-1", "program-2"]
    result = again.fit(**RUN, checkpoint=tmp_path, resume=True)
    for agent, expected in zip(again.agents, of_structures[0].agents, strict=True):
        equal(agent, expected)
    assert result.rows == of_structures[1].rows


def test_the_ranking_tells_each_settings_figures_over_its_seeds(trained):
    result, ranking = trained[1], trained[1].ranking()
    settings = combinations({name: values for name, values in NUMBERS.items() if name != "seed"})
    told = [{name: row[name] for name in settings[0]} for row in ranking]
    assert sorted(map(settings.index, told)) == [0, 1, 2, 3]
    for row in ranking:
        of_seeds = [each for each in result.rows if all(each[name] == row[name] for name in settings[0])]
        returns = np.array([each["return"] for each in of_seeds])
        assert row["seeds"] == len(returns) == 4
        np.testing.assert_allclose(row["mean"], returns.sum() / 4, rtol=1e-12)
        np.testing.assert_allclose(row["interquartile_mean"], trim_mean(returns, 0.25), rtol=1e-12)
        assert row["low"] <= row["interquartile_mean"] <= row["high"]
        bootstrap = np.array([trim_mean(drawn, 0.25) for drawn in itertools.product(returns, repeat=4)])
        for end, share in ((row["low"], 0.025), (row["high"], 0.975)):  # every resample there is, not some of them
            assert (bootstrap < end - 1e-9).mean() - 0.015 <= share <= (bootstrap <= end + 1e-9).mean() + 0.015
    assert any(row["low"] < row["interquartile_mean"] < row["high"] for row in ranking)


def test_the_ranking_is_by_the_interquartile_mean_the_best_first(trained):
    """One lucky seed gives the middle setting the highest mean."""
    ranking = trained[1].ranking()
    came_to = [row["interquartile_mean"] for row in ranking]
    assert came_to == sorted(came_to, reverse=True)
    assert len(set(came_to)) > 1
    result, returns = copy.copy(trained[1]), {0.9: [1, 2, 3, 4], 0.99: [5, 6, 7, 400], 0.999: [20, 8, 11, 9]}
    result.rows = [
        {"gamma": gamma, "seed": seed, "return": float(gained[seed])}
        for seed in range(4)
        for gamma, gained in returns.items()
    ]
    told = [(row["gamma"], row["interquartile_mean"], row["mean"]) for row in result.ranking()]
    assert told == [(0.999, 10.0, 12.0), (0.99, 6.5, 104.5), (0.9, 2.5, 2.5)]
    assert repr(result).index("0.999") < repr(result).index("0.99 ") < repr(result).index("0.9 ")


def test_the_summary_is_of_all_agents_or_of_the_rows_that_are_given(trained):
    result = trained[1]
    returns = np.array([row["return"] for row in result.rows])
    for told, of in ((result.summary(), returns), (result.summary(result.rows[:8]), returns[:8])):
        np.testing.assert_allclose(told.mean, of.mean(), rtol=1e-12)
        np.testing.assert_allclose(told.interquartile_mean, trim_mean(of, 0.25), rtol=1e-12)
        assert told.low < told.interquartile_mean < told.high


def test_the_best_agent_is_the_one_of_the_highest_return(trained):
    population, result, _ = trained
    returns = [agent.evaluate(100).gained.mean() for agent in population.agents]
    best = result.best()
    assert best.evaluate(100).gained.mean() == max(returns) > min(returns)
    assert any(best is agent for agent in population.agents)


def test_in_gymnasium_each_agent_is_its_run_alone():
    run: dict[str, Any] = {"steps": 128, "evaluate_every": 64, "episodes": 2}
    population = several({"seed": [3, 5]}, path="gymnasium")
    result = population.fit(**run)
    assert result.programs == 1
    for row, agent in zip(result.rows, population.agents, strict=True):
        equal(agent, alone({"seed": row["seed"]}, run, path="gymnasium"))
        assert row["return"] == np.mean(agent.evaluate(100).gained)
    assert [(row["seeds"], row["mean"]) for row in result.ranking()] == [(2, result.summary().mean)]


@pytest.mark.parametrize(
    ("space", "settings", "words"),
    [
        (
            {"seed": [0, 1], "gamma": [0.9]},
            {"gamma": 0.8, "hidden": (3,)},
            "gamma is both varied and given; leave",
        ),
        ({"environment": ["Acrobot-v1"]}, {}, "environment is both varied and given; leave one of them out"),
        ({}, {}, "nothing is varied; say what"),
        ({"gamma": []}, {}, "the list of values for gamma is empty"),
        ({"gama": [0.9, 0.99]}, {}, "unknown setting gama; expected some of .*gamma"),
        ({"seed": [0, 1]}, {"gama": 0.9}, "unknown setting gama; expected some of .*gamma"),
        ({"gamma": [0.9, 1.5]}, {}, "gamma must be from 0 to 1, got 1.5"),
        ({"gamma": dr.uniform(0.9, 0.99)}, {}, "gamma is drawn at random"),
    ],
    ids=str,
)
def test_a_population_that_cannot_be_is_refused(space, settings, words):
    with pytest.raises(dr.SettingError, match=words):
        dr.DQNPopulation("CartPole-v1", space, **settings)


def test_replays_that_fit_alone_but_not_together_are_refused_whatever_their_program(monkeypatch):
    """Those of one program stay while the next one trains."""
    monkeypatch.setattr(replay, "available_memory", lambda: 30_000)
    assert all(several({"seed": [seed]}).agents[0].replay_bytes == 512 * 25 for seed in range(3))
    assert len(several(STRUCTURES).agents) == 2
    for space, words in (({"seed": range(3)}, "38.4 kB"), ({"gamma": [0.9, 0.99], **STRUCTURES}, "51.2 kB")):
        with pytest.raises(dr.SettingError, match=f"replay memory takes {words}, and 30 kB are free"):
            several(space)
