"""Games: how their rows end, and what is said where those in processes of their own cannot start."""

import contextlib
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading

import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from deltarule.dqn.environments.games import Games
from deltarule.dqn.replay import LAST, RUNS, TERMINAL, TRUNCATED
from deltarule.errors import DataError, SettingError
from dqn.games import Counted, Dying, Failing

STEP = np.zeros(2, int)


def in_time(act):
    """What this gives or raises, which must not hang."""
    told = []

    def run():
        try:
            told.append(act())
        except BaseException as error:
            told.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it hangs"
    return told[0]


@pytest.mark.parametrize("count", [1, 2])
def test_a_row_says_how_an_episode_ends(count):
    """A terminal state is one whether the time is up with it or not."""
    games = Games("Fails", lambda: TimeLimit(Failing(74, "terminates at multiples of 7"), 4), count)
    games.reset(0)
    ends = [np.broadcast_to(games.step(np.zeros(count, int))[2], count) for _ in range(13)]
    expected = [RUNS, RUNS, RUNS, TERMINAL, LAST, RUNS, RUNS, RUNS, TRUNCATED, LAST, RUNS, RUNS, TERMINAL]
    np.testing.assert_array_equal(ends, np.repeat(expected, count).reshape(-1, count))


def test_a_script_that_the_processes_would_run_again_is_told(tmp_path):
    """They are started for each environment, and import the script that asks for them."""
    script = tmp_path / "script.py"
    asked = 'DQN("CartPole-v1", path="gymnasium", environments=2, vector="async").fit(16)'
    script.write_text(f"import deltarule as dr\ndr.{asked}")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    told = 'SettingError: dqn: vector="async" starts processes, which import your script'
    said = [line for line in done.stderr.splitlines() if told in line]  # processes that end may speak after it
    assert len(said) == 1, done.stderr
    assert said[0].endswith('put what your script does under if __name__ == "__main__":')


@pytest.mark.parametrize("which", [0, 1])
def test_a_process_that_ends_by_itself_is_told_of_and_ends_the_others(which):
    games = Games("Dies", functools.partial(Dying, which), 2, "async")
    games.reset(0)
    processes = games.processes
    error = in_time(lambda: games.step(STEP))
    assert isinstance(error, DataError)
    assert f"Dies failed: the process of game {which} ended by itself, with exit code 7; vector=" in str(error)
    assert in_time(games.close) is None
    assert not any(process.is_alive() for process in processes)


def test_a_process_that_ended_unasked_is_a_warning_as_the_games_are_closed():
    games = Games("Dies", functools.partial(Failing, 99, ""), 2, "async")
    processes = games.processes
    processes[1].kill()
    processes[1].join()
    with pytest.warns(RuntimeWarning, match="the environment Dies failed as it was closed: "):
        assert in_time(games.close) is None
    assert not any(process.is_alive() for process in processes)


def test_processes_that_have_yet_to_answer_are_ended(monkeypatch):
    """As where Ctrl-C comes while a step is waited for."""
    games = Games("Waits", functools.partial(Failing, 99, ""), 2, "async")
    games.reset(0)

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(games.several, "step_wait", interrupted)
    assert isinstance(in_time(lambda: games.step(STEP)), KeyboardInterrupt)
    processes = games.processes
    assert in_time(games.close) is None
    assert [process.exitcode for process in processes] == [-signal.SIGTERM] * 2


def test_the_processes_hear_no_interrupt_and_this_one_does():
    before = signal.getsignal(signal.SIGINT)
    games = Games("Fails", functools.partial(Failing, 99, ""), 2, "async")
    assert signal.getsignal(signal.SIGINT) is before is not signal.SIG_IGN
    games.reset(0)
    for process in games.processes:
        os.kill(process.pid, signal.SIGINT)
    for _ in range(3):
        assert games.step(STEP)[0].shape == (2, 3)
    games.close()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("count", [1, 2])
def test_an_environment_that_fails_to_close_hides_nothing(count):
    """The others are closed nevertheless."""
    closed = []

    class Clings(Failing):
        def close(self):
            closed.append(self)
            raise OSError("the window is gone")

    games = Games("Clings", lambda: Clings(1, "raises"), count)
    games.reset(0)

    def play():
        with contextlib.closing(games):
            games.step(STEP[:count])

    said = "Clings failed as it was closed: OSError: the window is gone"
    with pytest.warns(RuntimeWarning, match=said), pytest.raises(DataError, match="ZeroDivisionError: the cart"):
        play()
    assert len(closed) == count


@pytest.mark.parametrize("count", [1, 2])
def test_an_environment_that_is_refused_is_closed(count, monkeypatch):
    monkeypatch.setattr(Counted, "action_space", gymnasium.spaces.Box(-1, 1, (2,)))
    before = Counted.open
    with pytest.raises(SettingError, match="has continuous actions"):
        Games("Counted", Counted, count)
    assert Counted.open == before
