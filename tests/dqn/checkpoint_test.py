"""A run that goes on from a checkpoint ends bit for bit as if it had not stopped; a bad one is told."""

import os
import re
import shutil
import signal
import time

import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn import checkpoint
from deltarule.dqn.fitting import fit
from deltarule.files import lock
from deltarule.model_file import read_model, write_model
from deltarule.training.signals import Interrupted
from dqn.games import Failing
from dqn.small import RUN, equal, small

STEPS = 240


class Stop(Exception):
    """What a test ends a run with."""


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """A checkpoint after every row."""
    at_every_row(monkeypatch)


def at_every_row(patch):
    patch.setattr(checkpoint, "EVERY", 0.0)
    patch.setattr(checkpoint, "TIMES", 0)


@pytest.fixture(scope="module")
def plain():
    """The run that nothing stopped."""
    agent = small()
    agent.fit(STEPS, **RUN)
    return agent


def stopped(folder, at=120, **settings):
    """A run that was killed at its row after so many steps."""

    def kill(rows):
        if rows[0]["steps"] == at:
            raise Stop

    with pytest.raises(Stop):
        small(**settings).fit(STEPS, **RUN, checkpoint=folder, callbacks=[kill])


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A folder with two checkpoints of a run that was killed; what goes on from it takes a copy."""
    with pytest.MonkeyPatch.context() as patch:
        at_every_row(patch)
        folder = tmp_path_factory.mktemp("begun")
        stopped(folder)
    return folder


def resumed(folder, **settings):
    """(the agent, where its run stands) after the run went on."""
    agent = small(**settings)
    at = fit([agent], STEPS, **RUN, checkpoint=folder, resume=True)
    return agent, at


@pytest.fixture(scope="module")
def on_host(tmp_path_factory):
    """A run around Gymnasium's games that was stopped, and went on."""
    with pytest.MonkeyPatch.context() as patch:
        at_every_row(patch)
        folder = tmp_path_factory.mktemp("host")
        stopped(folder, path="gymnasium")
    return resumed(folder, path="gymnasium")[0]


def files(folder):
    return sorted(folder.glob("checkpoint-*"))


@pytest.mark.parametrize("at", [48, 216])
def test_a_stopped_run_that_goes_on_ends_as_if_it_had_not_stopped(at, plain, tmp_path):
    stopped(tmp_path, at)
    assert len(files(tmp_path)) == min(at // 24 - 1, 2)
    agent, standing = resumed(tmp_path)
    equal(agent, plain)
    assert standing.notes == []
    assert agent.history["seconds"] == sorted(agent.history["seconds"])


def test_checkpoints_change_nothing_and_a_finished_run_is_given_back(plain, tmp_path):
    agent = small()
    agent.fit(STEPS, **RUN, checkpoint=tmp_path)
    equal(agent, plain)
    equal(resumed(tmp_path)[0], plain)


def test_a_damaged_newest_checkpoint_is_passed_over_and_told(begun, plain, tmp_path):
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    before, newest = files(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-5])
    agent, standing = resumed(tmp_path)
    equal(agent, plain)
    (note,) = standing.notes
    assert newest.name in note
    assert note.endswith("It is passed over.")
    assert agent.history.notes == standing.notes
    assert before.name not in note


def test_no_whole_checkpoint_is_an_error_and_none_at_all_a_note(begun, tmp_path):
    shutil.copytree(begun, tmp_path / "damaged")
    for path in files(tmp_path / "damaged"):
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
    with pytest.raises(dr.FileError, match="none of its checkpoints is whole; delete them to train anew"):
        resumed(tmp_path / "damaged")
    _, standing = resumed(tmp_path / "new")
    assert "there is no checkpoint yet; the run begins at its start" in standing.notes[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"environment": "Acrobot-v1"}, "environment: 'CartPole-v1' there, 'Acrobot-v1' here"),
        ({"gamma": 0.5}, "rules Rules gamma: 0.99 there, 0.5 here"),
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"path": "gymnasium"}, "path: 'compiled' there, 'gymnasium' here"),
        ({"learning_rate": 0.5}, "optimizer Adam learning_rate: 0.0023 there, 0.5 here"),
    ],
    ids=str,
)
def test_a_checkpoint_of_another_run_is_refused(change, words, begun):
    with pytest.raises(dr.FileError, match=f"is of another run, which cannot go on from here.*{re.escape(words)}"):
        resumed(begun, **{"learning_rate": 2.3e-3} | change)
    lock(begun).close()  # it is free again


def test_a_new_run_does_not_mix_with_the_checkpoints_of_another(begun):
    with pytest.raises(dr.FileError, match="holds the checkpoints of a run; resume goes on with it"):
        small().fit(STEPS, **RUN, checkpoint=begun)


def test_a_folder_that_another_process_holds_is_refused(tmp_path):
    with lock(tmp_path), pytest.raises(dr.FileError, match="another process writes there"):
        small().fit(STEPS, **RUN, checkpoint=tmp_path)


def test_to_go_on_without_a_folder_is_refused():
    with pytest.raises(dr.SettingError, match="resume goes on from a checkpoint; say checkpoint"):
        small().fit(STEPS, resume=True)


def test_a_signal_ends_the_run_after_a_checkpoint(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 1e9)

    def send(rows):
        if rows[0]["steps"] == 72:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"SIGTERM stopped the run; .*resume=True\) goes on with it"):
        small().fit(STEPS, **RUN, checkpoint=tmp_path, callbacks=[send])
    assert len(files(tmp_path)) == 1
    equal(resumed(tmp_path)[0], plain)


@pytest.mark.parametrize("vector", ["sync", "async"])
def test_with_gymnasium_a_run_goes_on_with_its_replay_and_new_episodes(vector, on_host, tmp_path):
    """Games in processes of their own are the same ones, so that both end alike."""
    stopped(tmp_path, path="gymnasium", vector=vector)
    agent, _ = resumed(tmp_path, path="gymnasium", vector=vector)
    equal(agent, on_host)
    assert agent.history["steps"] == list(range(24, STEPS + 1, 24))
    assert int(agent.agent.steps) == STEPS
    ends = agent.agent.replay.rows.ends
    assert int(agent.agent.replay.filled) == 108
    np.testing.assert_array_equal(ends[47], [3, 3])  # the last row that was written before it stopped


def test_what_takes_long_to_write_is_written_more_seldom(monkeypatch, tmp_path):
    """The first takes 0.3 s, so that the next were due after 6 s, and the run is over by then."""
    monkeypatch.setattr(checkpoint, "TIMES", 20)
    written = []

    def slow(path, *given):
        time.sleep(0.3)
        write_model(path, *given)
        written.append(path)

    monkeypatch.setattr(checkpoint.model_file, "write_model", slow)
    small().fit(STEPS, **RUN, checkpoint=tmp_path)
    assert len(written) == 2  # and the end


def failing(after):
    return lambda: Failing(after, "raises")


def fails(agents, folder):
    """A run that an environment ends, and that wrote no checkpoint before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "EVERY", 1e9)
        with pytest.raises(dr.DataError, match="the cart left the track"):
            fit(agents, STEPS, report_every=48, evaluate_every=96, episodes=1, checkpoint=folder)


def test_where_an_environment_fails_the_last_block_is_in_a_checkpoint(tmp_path):
    """It fails in the tenth block of 12 steps, the second after a row."""
    agent = small(failing(100), environments=1)
    fails([agent], tmp_path)
    assert (agent.history["steps"], int(agent.agent.steps)) == ([48, 96], 108)
    (path,) = files(tmp_path)
    assert read_model(path, checkpoint.FORMAT)[1]["blocks"] == 9
    again = small(failing(10**9), environments=1)
    settings = {"report_every": 48, "evaluate_every": 96, "episodes": 1}
    again.fit(STEPS, **settings, checkpoint=tmp_path, resume=True)
    assert again.history["steps"] == [48, 96, 156, 204, 240]
    assert int(again.agent.steps) == STEPS
    assert int(again.agent.state.step) == 2 * (STEPS // 12 - 1)
    assert int(again.agent.replay.filled) == STEPS - 24  # the whole ring


def test_agents_of_which_one_is_ahead_are_in_no_checkpoint(tmp_path):
    make = failing(100)
    fails([small(make, environments=1, seed=seed) for seed in (0, 1)], tmp_path)
    assert files(tmp_path) == []


def test_an_environment_that_fails_at_once_leaves_no_checkpoint(tmp_path):
    fails([small(failing(3), environments=1)], tmp_path)
    assert files(tmp_path) == []


def test_a_disk_that_is_full_where_an_environment_fails_is_a_note(monkeypatch, tmp_path):
    def full(path, *given):
        raise dr.FileError(f"{path} cannot be written")

    monkeypatch.setattr(checkpoint.model_file, "write_model", full)
    agent = small(failing(100), environments=1)
    fails([agent], tmp_path)
    (note,) = agent.history.notes
    assert note.endswith("cannot be written. The run's end is in no checkpoint.")
