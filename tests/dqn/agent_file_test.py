"""An agent's file: what comes back is what was saved, to the last bit; what is no whole file says so."""

import gymnasium
import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.exploration import AtLeast
from dqn.games import OneStateOnHost
from dqn.small import RUN, small

SEEN = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def agent():
    agent = small(epsilon=AtLeast(dr.ExponentialDecay(1.0, 0.99), 0.1), dueling=True, path="gymnasium", seed=3)
    agent.fit(96, **RUN)
    return agent


def test_the_policy_comes_back_to_the_last_bit(agent, tmp_path):
    agent.save(tmp_path / "cart.safetensors")
    again = dr.load_agent(tmp_path / "cart.safetensors")
    np.testing.assert_array_equal(again.q_values(SEEN), agent.q_values(SEEN))
    np.testing.assert_array_equal(again.act(SEEN), agent.q_values(SEEN).argmax(1))
    for name in ("name", "path", "game", "net", "rules", "step", "seed"):
        assert getattr(again, name) == getattr(agent, name)
    assert again.history.rows == agent.history.rows
    assert again.best[:2] == agent.best[:2]
    found, expected = again.evaluate(3, seed=1), agent.evaluate(3, seed=1)
    np.testing.assert_array_equal(found.gained, expected.gained)
    np.testing.assert_array_equal(found.promised, expected.promised)
    assert not np.array_equal(agent.best[2][0][0]["W"], agent.best[2][2][0]["W"])  # θ and θ⁻
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "cart.safetensors").read_bytes()


def test_a_loaded_agent_can_be_trained_on(agent, tmp_path):
    agent.save(tmp_path / "cart.safetensors")
    again = dr.load_agent(tmp_path / "cart.safetensors")
    again.fit(96, **RUN)
    assert not np.array_equal(again.agent.state.params[0]["W"], agent.agent.state.params[0]["W"])


def test_an_environment_of_ones_own_is_given_again(tmp_path):
    table = dr.Chain(dr.Embedding(1, 2), dr.Flatten())
    agent = dr.DQN(limited, table, capacity=64, every=8, warm_up=8, gamma=0.5)
    agent.fit(64, report_every=64, episodes=1)
    agent.save(tmp_path / "own.safetensors")
    with pytest.raises(dr.SettingError, match="there is no environment 'limited' here"):
        dr.load_agent(tmp_path / "own.safetensors")
    again = dr.load_agent(tmp_path / "own.safetensors", environment=limited)
    np.testing.assert_array_equal(again.q_values([[0]]), agent.q_values([[0]]))
    with pytest.raises(dr.SettingError, match="MountainCar-v0 has 3 actions, so the network must give"):
        dr.load_agent(tmp_path / "own.safetensors", environment="MountainCar-v0")


def limited():
    return gymnasium.wrappers.TimeLimit(OneStateOnHost(), 5)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-5], "not a whole safetensors file"),
        (lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:], "its content was altered"),
        (lambda content: b"", "not a whole safetensors file"),
        (lambda content: content.replace(b"Dueling", b"Drawing"), "altered|unknown"),
    ],
)
def test_a_damaged_file_is_refused(agent, damage, words, tmp_path):
    path = tmp_path / "cart.safetensors"
    agent.save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(dr.FileError, match=words):
        dr.load_agent(path)


def test_files_of_another_kind_or_none_are_refused(tmp_path):
    model = dr.Model(dr.Dense(1), dr.SquaredError())
    model.fit(np.ones((4, 2)), np.ones(4), epochs=1)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(dr.FileError, match="expected the format 'deltarule dqn 1', got 'deltarule 1'"):
        dr.load_agent(tmp_path / "model.safetensors")
    with pytest.raises(dr.FileError, match=r"none\.safetensors"):
        dr.load_agent(tmp_path / "none.safetensors")


def test_a_file_that_lacks_an_array_is_refused(agent, tmp_path, monkeypatch):
    from deltarule.dqn import agent_file

    agent.save(tmp_path / "cart.safetensors")
    read = agent_file.read_model

    def lacking(path, form):
        arrays, header = read(path, form)
        arrays.pop(sorted(arrays)[0])
        return arrays, header

    monkeypatch.setattr(agent_file, "read_model", lacking)
    with pytest.raises(dr.FileError, match="the agent in it cannot be put together"):
        dr.load_agent(tmp_path / "cart.safetensors")
