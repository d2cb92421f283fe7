"""An agent's file: what comes back is what was saved, to the last bit; what is no whole file says so."""

import gymnasium
import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.agent_file import FORMAT, require_same
from deltarule.dqn.environments.cart_pole import CartPole
from deltarule.dqn.exploration import AtLeast
from deltarule.dqn.game import Game
from deltarule.model_file import read_model, write_model
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
    assert not np.array_equal(agent.best[2][0][0]["W"], agent.best[2][2].params[0]["W"])  # θ and θ⁻
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


def forged(path, change):
    """The file after a change of its arrays or its header, with a checksum that agrees."""
    arrays, header = read_model(path, FORMAT)
    change(arrays, header)
    write_model(path, arrays, header, FORMAT)


@pytest.mark.parametrize("path", ["compiled", "gymnasium"])
def test_an_agent_plays_without_the_room_that_its_replay_took(path, tmp_path):
    """This ring would take 250 TB."""
    file = tmp_path / "large.safetensors"
    agent = small(path=path)
    agent.fit(96, **RUN)
    agent.save(file)
    forged(file, lambda arrays, header: header["rules"]["Rules"].update(capacity=10**13))
    again = dr.load_agent(file)
    np.testing.assert_array_equal(again.evaluate(3).gained, agent.evaluate(3).gained)
    again.save(file)
    with pytest.raises(dr.SettingError, match=r"the replay memory takes .* choose a smaller capacity"):
        again.fit(96, **RUN)
    assert again.agent.replay is None


def test_a_loaded_agent_gets_its_replay_when_it_is_trained_on(agent, tmp_path):
    agent.save(tmp_path / "cart.safetensors")
    again = dr.load_agent(tmp_path / "cart.safetensors")
    assert again.agent.replay is None
    again.fit(96, **RUN)
    assert int(again.agent.steps) == agent.best[1] + 96
    assert int(again.agent.replay.filled) == 48


def test_a_loaded_agent_can_be_trained_on_with_its_replay_in_a_file(tmp_path):
    agent = small(prioritised=False)
    agent.fit(96, **RUN)
    agent.save(tmp_path / "cart.safetensors")
    again = dr.load_agent(tmp_path / "cart.safetensors", replay="file", replay_folder=tmp_path / "replay")
    assert (agent.path, again.path) == ("compiled", "gymnasium")
    assert not (tmp_path / "replay").exists()
    again.fit(96, **RUN)
    assert (tmp_path / "replay" / "observations-0.npy").exists()


def test_another_environment_than_the_one_that_was_learned_is_refused(tmp_path):
    """Both have three actions."""
    agent = small("MountainCar-v0")
    agent.fit(24, **RUN | {"episodes": 1})
    agent.save(tmp_path / "car.safetensors")
    words = r"learned, MountainCar-v0, got Acrobot-v1, which is another: observation \(2,\) there, \(6,\) here"
    with pytest.raises(dr.SettingError, match=words):
        dr.load_agent(tmp_path / "car.safetensors", environment="Acrobot-v1")


def test_another_limit_is_refused_unless_the_environment_is_given(tmp_path):
    agent = small(CartPole(limit=50))
    agent.fit(24, **RUN)
    agent.save(tmp_path / "short.safetensors")
    with pytest.raises(dr.SettingError, match=r"limit 50 there, 500 here; give that one, load_agent"):
        dr.load_agent(tmp_path / "short.safetensors")
    for given, limit in ((CartPole(limit=50), 50), ("CartPole-v1", 500)):
        assert dr.load_agent(tmp_path / "short.safetensors", environment=given).game.limit == limit


GAME = Game("Maze", (3, 2), "uint8", 4, 100, 16)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observation": (2, 3)}, r"observation \(3, 2\) there, \(2, 3\) here"),
        ({"kind": "float32"}, "kind uint8 there, float32 here"),
        ({"actions": 5}, "actions 4 there, 5 here"),
        ({"values": 25}, "number of states 16 there, 25 here"),
        ({"limit": 50}, "limit 100 there, 50 here"),
    ],
    ids=str,
)
def test_what_an_environment_differs_in_is_named(change, words):
    with pytest.raises(dr.SettingError, match=f"another: {words}"):
        require_same("maze.safetensors", GAME, GAME._replace(**change), named=True)


def test_what_is_not_known_of_an_environment_is_no_difference():
    require_same("maze.safetensors", GAME, GAME._replace(values=None, limit=None, name="Corn maze"), named=True)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("params.0.W", lambda a: a.T.copy(), r"expected float32 \(4, 5\) for the array params.0.W, .* \(5, 4\)"),
        ("target.0.b", lambda a: a.astype(np.float64), r"expected float32 \(5,\) for .* got float64 \(5,\)"),
    ],
)
def test_arrays_that_the_network_cannot_take_are_refused(agent, name, change, words, tmp_path):
    agent.save(tmp_path / "cart.safetensors")
    forged(tmp_path / "cart.safetensors", lambda arrays, header: arrays.update({name: change(arrays[name])}))
    with pytest.raises(dr.FileError, match=words):
        dr.load_agent(tmp_path / "cart.safetensors")
