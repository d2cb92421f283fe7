"""A replay in a file: the same learning as from one on the device, and what can be wrong with a file."""

import shutil
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from deltarule.dqn.agent import DQN
from deltarule.dqn.fitting import fit
from deltarule.errors import FileError, SettingError
from deltarule.schedules import LinearDecay

RULES = {"hidden": (16,), "capacity": 300, "warm_up": 60, "every": 8, "gradient_steps": 2, "batch_size": 16}
QUIET = {"progress": False, "keep": "last", "episodes": 1, "evaluate_every": 1_000_000}
FALLS = LinearDecay(1.0, 500, 0.1)


def agent_with(folder=None, seed=1, **settings):
    of_file = {} if folder is None else {"replay": "file", "replay_folder": folder}
    return DQN("CartPole-v1", path="gymnasium", seed=seed, epsilon=FALLS, **of_file, **RULES | settings)


def same(one, other):
    """Whether two agents' states are the same, bit for bit."""
    equal = jax.tree.map(lambda a, b: np.array_equal(a, b), one.agent.state, other.agent.state)
    return all(jax.tree.leaves(equal))


@pytest.mark.parametrize(
    "settings",
    [{"stack": 3, "n_step": 2}, {"environments": 4, "double": True, "dueling": True}],
    ids=["stacked", "vector"],
)
def test_it_learns_the_same_as_from_the_device(tmp_path, settings):
    """Once around the ring and half again, and on in a second fit."""
    on_device, in_file = agent_with(**settings), agent_with(tmp_path, **settings)
    for steps in (464, 40):
        for agent in (on_device, in_file):
            agent.fit(steps, **QUIET)
        assert same(on_device, in_file)
    x = np.load(tmp_path / "observations-0.npy", mmap_mode="r")
    np.testing.assert_array_equal(x, on_device.agent.replay.rows.x)
    played = in_file.evaluate(2).gained
    np.testing.assert_array_equal(played, on_device.evaluate(2).gained)


def test_agents_that_train_together_have_a_file_each(tmp_path):
    agents = [agent_with(tmp_path, seed) for seed in (1, 2)]
    fit(agents, 80, **QUIET)
    alone = agent_with(seed=2)
    alone.fit(80, **QUIET)
    assert same(agents[1], alone)
    assert (tmp_path / "observations-1.npy").exists()


def test_its_size_is_told_before_it_is_made(tmp_path):
    agent = agent_with(tmp_path / "new", capacity=1_000)
    assert agent.replay_bytes == 1_000 * (16 + 13)
    assert not (tmp_path / "new").exists()
    agent.fit(8, **QUIET)
    sizes = [path.stat().st_size for path in (tmp_path / "new").glob("observations*")]
    assert sizes == [1_000 * 16 + 128]  # the header of a .npy file


def test_one_that_is_larger_than_the_disk_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=4_000))
    with pytest.raises(SettingError, match=r"takes 4.86 kB, and 4 kB are free in"):
        agent_with(tmp_path).fit(8, **QUIET)
    assert not list(tmp_path.glob("*.npy"))


def test_files_of_several_agents_that_do_not_fit_beside_each_other_are_refused(tmp_path, monkeypatch):
    """Files are sparse, so that the disk does not tell what those before will take."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=9_000))
    agent_with(tmp_path / "one").fit(8, **QUIET)
    with pytest.raises(SettingError, match=r"takes 9.73 kB, and 9 kB are free in"):
        fit([agent_with(tmp_path / "two", seed) for seed in (1, 2)], 8, **QUIET)


def test_a_run_goes_on_from_a_checkpoint(tmp_path):
    """A run that was ended goes on in another process with what the file holds, as one on the device does."""
    ends = {}
    for kind in ("device", "file"):
        folder = tmp_path / kind
        for stops in (True, False):
            agent = agent_with(None if kind == "device" else folder / "replay")
            callbacks = [lambda rows, stops=stops: stops and rows[0]["steps"] >= 200]
            agent.fit(
                400,
                report_every=40,
                callbacks=callbacks,
                checkpoint=folder / "run",
                resume=not stops,
                **QUIET,
            )
        ends[kind] = agent
    assert same(*ends.values())


def test_rows_that_a_longer_run_wrote_over_are_left_out(tmp_path):
    """The run went on for 64 steps after its last checkpoint; of a full ring, these took the oldest rows."""
    agent = agent_with(tmp_path)
    agent.fit(400, **QUIET)
    early = agent.agent
    agent.fit(64, **QUIET)
    agent.agent = early
    path = agent.new_path(1)
    path.begin([early])
    assert int(path.agents[0].replay.filled) == 304 - 64
    path.close()
    half = early._replace(replay=early.replay._replace(filled=np.int32(100)))
    path = agent.new_path(1)
    path.begin([half])
    assert int(path.agents[0].replay.filled) == 100  # they lie where there was room
    path.close()


def test_a_file_that_is_missing_or_of_another_agent_is_named(tmp_path):
    agent = agent_with(tmp_path)
    agent.fit(80, **QUIET)
    other = agent_with(tmp_path, seed=2)
    other.agent, other.best = agent.agent._replace(state=other.fresh().state), agent.best
    with pytest.raises(FileError, match="not this agent's observations"):
        other.fit(8, **QUIET)
    for path in tmp_path.glob("observations*"):
        path.unlink()
    with pytest.raises(FileError, match="cannot go on"):
        agent.fit(8, **QUIET)


def test_a_folder_is_held_by_one_run(tmp_path):
    first, second = agent_with(tmp_path), agent_with(tmp_path)
    path = first.new_path(1)
    path.begin([first.fresh()])
    with pytest.raises(FileError, match="another process writes there"):
        second.fit(8, **QUIET)
    path.close()
    second.fit(8, **QUIET)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"replay": "disk"}, "replay must be 'device' or 'file'"),
        ({"replay": "file"}, "needs replay_folder"),
        ({"replay_folder": "here"}, "say that, too"),
        ({"replay": "file", "replay_folder": "here", "path": "compiled"}, "reads no files"),
        ({"replay": "file", "replay_folder": "here", "prioritised": True}, "leave prioritised out"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        DQN("CartPole-v1", **settings)


def test_auto_takes_the_path_that_reads_files(tmp_path):
    agent = DQN("CartPole-v1", replay="file", replay_folder=tmp_path)
    agent.host.close()
    assert agent.path == "gymnasium"
