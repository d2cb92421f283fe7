"""Games of Gymnasium's kind that fail, that cannot be learned, or that cannot be drawn; quick runs of agents."""

import json
from pathlib import Path

import gymnasium
import numpy as np

from deltarule.cli.main import main

QUICK = ["--hidden", "8", "--warm-up", "100", "--every", "16", "--gradient-steps", "2", "--episodes", "10"]


class Numbers(gymnasium.Env):
    """Random numbers for 20 steps; action 1 gives 1. After `good` steps it fails."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, good: int = 10**9, how: str = "nan", render_mode: str | None = None):
        self.good, self.how, self.made, self.render_mode = good, how, 0, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), {}

    def step(self, action):
        self.made, self.t = self.made + 1, self.t + 1
        x = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        if self.made > self.good:
            if self.how == "raise":
                raise RuntimeError("the robot fell over")
            x[0] = np.nan
        return x, float(action), self.t >= 20, False, {}


class Named(Numbers):
    """A game whose observations are a dict."""

    observation_space = gymnasium.spaces.Dict({"x": Numbers.observation_space})


class Continuous(Numbers):
    """A game whose actions are not a finite number."""

    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)


class Drawn(Numbers):
    """A game that says it can be drawn, and needs what is not installed for it."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012  # as Gymnasium has it

    def render(self):
        raise gymnasium.error.DependencyNotInstalled("pygame is not installed, run `pip install pygame`")


class Painted(Drawn):
    """A game that is drawn as a picture of its step's number."""

    def render(self):
        return np.full((30, 640, 3), self.t, np.uint8)


KINDS = {
    "Numbers-v0": (Numbers, {}),
    "NaN-v0": (Numbers, {"good": 236}),
    "Raises-v0": (Numbers, {"good": 236, "how": "raise"}),
    "Named-v0": (Named, {}),
    "Continuous-v0": (Continuous, {}),
    "Drawn-v0": (Drawn, {}),
    "Painted-v0": (Painted, {}),
}


def register() -> None:
    """Makes the games known to Gymnasium by their names."""
    for name, (kind, settings) in KINDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=kind, kwargs=settings, disable_env_checker=True)


def learned(folder: Path, capsys, *arguments: str) -> dict:
    """The summary of a run of `deltarule dqn` whose folder is made in this one."""
    status = main(["dqn", *arguments, *QUICK, "--runs", str(folder), "--json"])
    said = capsys.readouterr()
    assert status == 0, said.err
    return json.loads(said.out.splitlines()[-1])


def rows(folder: Path) -> list[dict]:
    """The rows of metrics.jsonl, but for their time."""
    read = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in read]
