"""Games: how their rows end, and what is said where those in processes of their own cannot start."""

import subprocess
import sys

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from deltarule.dqn.environments.games import Games
from deltarule.dqn.replay import LAST, RUNS, TERMINAL, TRUNCATED
from dqn.games import Failing


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
    lines = ["import deltarule as dr", 'dr.DQN("CartPole-v1", path="gymnasium", environments=2, vector="async")']
    script.write_text("\n".join(lines))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    told = 'SettingError: dqn: vector="async" starts processes, which import your script'
    said = [line for line in done.stderr.splitlines() if told in line]  # processes that end may speak after it
    assert len(said) == 1, done.stderr
    assert said[0].endswith('put what your script does under if __name__ == "__main__":')
