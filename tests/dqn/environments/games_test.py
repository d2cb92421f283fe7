"""Games in processes of their own: what is said where they cannot start."""

import subprocess
import sys


def test_a_script_that_the_processes_would_run_again_is_told(tmp_path):
    """They are started for each environment, and import the script that asks for them."""
    script = tmp_path / "script.py"
    lines = ["import deltarule as dr", 'dr.DQN("CartPole-v1", path="gymnasium", environments=2, vector="async")']
    script.write_text("\n".join(lines))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    told = 'SettingError: dqn: vector="async" starts processes, which import your script'
    (said,) = [line for line in done.stderr.splitlines() if told in line]  # processes that end may speak after it
    assert said.endswith('put what your script does under if __name__ == "__main__":')
