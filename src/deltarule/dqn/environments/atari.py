"""The Atari games as the published agents see them: grey pictures of 84×84, one in four frames, flicker removed.

    x = resize(max(frame_3, frame_4)),   r = sign(Σ r_frame) in training

`gymnasium.wrappers.AtariPreprocessing` does the pictures, the skipping, and up to 30 frames without an action at a
game's start. It gives one picture; the agent puts the last four side by side (`stack=4`): each is kept once.

Training and measuring differ, as published. In training a reward counts by its sign, and a lost life is terminal,
though the game goes on from there. A measurement plays whole games of at most 18,000 frames (five minutes), counts
all of their points, and takes one action in twenty at random: a policy that waits would else wait for ever.

Gymnasium's own `ALE/...-v5` repeat the last action with a probability of 0.25 (sticky actions, Machado et al.
2018), and a lost life ends nothing there; `Atari(name, sticky=0.25, lives_end=False)` is so, too.

Source: Mnih et al. 2015, Human-level control through deep reinforcement learning, Methods.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.errors import SettingError

FRAMES, MINUTES_5 = 4, 18_000  # frames a step, frames of a game that is measured


@dataclass(frozen=True)
class Atari:
    """A function that makes an Atari game; `DQN` takes it as an environment.

    Args:
        name: such as "ALE/Pong-v5".
        sticky: the probability that the last action is repeated instead of the new one.
        lives_end: whether a lost life is terminal.
        signs: whether a reward is its sign.
        noops: steps without an action at a game's start, at most.
        random: the probability that an action is replaced by one at random.
        frames: of a game at most; None leaves it to the game (108,000).
    """

    name: str
    sticky: float = 0.0
    lives_end: bool = True
    signs: bool = True
    noops: int = 30
    random: float = 0.0
    frames: int | None = None

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def measured(self) -> "Atari":
        """The same game as a policy is measured in it."""
        return replace(self, lives_end=False, signs=False, random=0.05, frames=MINUTES_5)

    def __call__(self, render_mode: str | None = None) -> Any:
        """One `gymnasium.Env`; raises SettingError where the games are not installed, or not this one."""
        gymnasium = installed(self.name)
        more: dict[str, Any] = {} if self.frames is None else {"max_num_frames_per_episode": self.frames}
        more |= {"obs_type": "grayscale", "frameskip": 1, "repeat_action_probability": self.sticky}
        try:
            game = gymnasium.make(self.name, render_mode=render_mode, **more)
            game = gymnasium.wrappers.AtariPreprocessing(
                game, noop_max=self.noops, frame_skip=FRAMES, grayscale_newaxis=True
            )
        except gymnasium.error.DependencyNotInstalled as error:
            raise SettingError(f"dqn: {self.name} needs what is not installed: {error}") from None
        except (gymnasium.error.Error, ImportError, TypeError) as error:
            raise SettingError(f"dqn: there is no Atari game {self.name!r} here: {error}") from None
        return played_as(game, self.lives_end, self.signs, self.random)


def installed(name: str) -> Any:
    """gymnasium, with the Atari games; raises SettingError where they are not installed."""
    try:
        import ale_py
        import cv2  # noqa: F401  # what makes the pictures small
        import gymnasium
    except ImportError:
        raise SettingError(f"dqn: {name} is an Atari game; pip install 'deltarule[atari]' brings them") from None
    gymnasium.register_envs(ale_py)
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # it greets on standard error
    return gymnasium


def played_as(game: Any, lives_end: bool, signs: bool, random: float) -> Any:
    """A game in which lives end an episode, rewards are signs, and some actions are at random."""
    import gymnasium

    machine, actions = game.unwrapped, game.action_space.n

    class Played(gymnasium.Wrapper):
        """The game goes on where a life was lost: there `reset` gives what was seen last."""

        lives, over = 0, True
        last: Any = None

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
            if self.over or seed is not None:
                self.last = self.env.reset(seed=seed, options=options)
                self.over, self.lives = False, machine.ale.lives()
            return self.last

        def step(self, action: Any) -> Any:
            reward: Any
            if random and machine.np_random.random() < random:
                action = machine.np_random.integers(actions)
            x, reward, terminal, truncated, info = self.env.step(action)
            self.last, self.over = (x, info), terminal or truncated
            if lives_end:
                lives = machine.ale.lives()
                terminal, self.lives = terminal or 0 < lives < self.lives, lives
            return x, float(np.sign(reward)) if signs else reward, terminal, truncated, info

    return Played(game)
