"""Gymnasium's environments, one or several side by side; after an episode's last step comes one that begins anew.

That is `AutoresetMode.NEXT_STEP`: the observation that a step gives is the one it led to, the last of an episode
included, which SAME_STEP hides in `info["final_obs"]`. A single environment is played so, too, without the
vector's wrapping, which takes longer than most games.
"""

import math
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.dqn.environments.spaces import seen_of
from deltarule.dqn.game import Game
from deltarule.dqn.replay import LAST, RUNS, TERMINAL, TRUNCATED
from deltarule.errors import DataError, SettingError

Make = Callable[[], Any]
SOON = 5.0  # seconds that a process has to end
Outcome = tuple[np.ndarray, Any, Any]  # x (e, ...), reward and a replay's `ends` (e,), of one game a number each


@dataclass(frozen=True)
class Deaf:
    """A function that makes an environment, which in a process of its own hears no Ctrl-C.

    That goes to all processes of a terminal; the one that trains ends its block, and then the others.

    Args:
        parent: the process that trains, which makes an environment, too, to see what it is like.
    """

    make: Make
    parent: int

    def __call__(self) -> Any:
        if os.getpid() != self.parent:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        return self.make()


def in_processes(makes: Sequence[Make], **settings: Any) -> Any:
    """Environments in a process each, forked from one in which JAX, which has threads, has not started."""
    import gymnasium

    how = "spawn"
    if "forkserver" in multiprocessing.get_all_start_methods():
        how = "forkserver"
        multiprocessing.set_forkserver_preload([__name__])
    try:
        deaf = [Deaf(make, os.getpid()) for make in makes]
        return gymnasium.vector.AsyncVectorEnv(deaf, context=how, **settings)
    except (EOFError, OSError) as error:
        raise SettingError(
            'dqn: vector="async" starts processes, which import your script, and one ended before it was asked '
            f'({type(error).__name__}); put what your script does under if __name__ == "__main__":'
        ) from None


class Games:
    """e games, and what they are like.

    Args:
        make: gives one `gymnasium.Env`.
        vector: "sync" plays several in this process one after the other, "async" each in a process of its own.

    Raises:
        SettingError: an environment whose actions or observations an agent cannot use.
    """

    def __init__(self, name: str, make: Make, count: int = 1, vector: str = "sync"):
        import gymnasium

        if vector not in ("sync", "async"):
            raise SettingError(f"dqn: vector must be 'sync' or 'async', got {vector!r}")
        self.name, self.count = name, count
        self.anew: Any = False  # which games begin anew in the next step
        self.answers = True  # whether what was asked of all of them has been answered
        self.single: Any = make() if count == 1 else None
        self.several: Any = None
        if self.single is None:
            kind: Any = gymnasium.vector.SyncVectorEnv if vector == "sync" else in_processes
            self.several = kind([make] * count, autoreset_mode=gymnasium.vector.AutoresetMode.NEXT_STEP)
        inner = self.single or self.several
        spaces = (
            (inner.observation_space, inner.action_space)
            if self.single is not None
            else (inner.single_observation_space, inner.single_action_space)
        )
        limit = getattr(inner.spec, "max_episode_steps", None) if inner.spec is not None else None
        try:
            self.game: Game = seen_of(name, *spaces, limit)
        except SettingError:
            self.close()
            raise

    def reset(self, seed: int) -> np.ndarray:
        """First observations (e, ...)."""
        self.anew = self.answers = False
        try:
            x = (self.single or self.several).reset(seed=seed)[0]
            self.answers = True
            return self.array(x)
        except Exception as error:
            raise self.failed(error) from error

    def step(self, action: np.ndarray) -> Outcome:
        """What these actions (e,) led to; where an episode had ended, the first observation of the next one."""
        try:
            if self.single is None:
                self.answers = False
                x, reward, terminal, truncated, _ = self.several.step(action)
                self.answers = True
                ends = np.where(terminal, TERMINAL, np.where(truncated, TRUNCATED, RUNS))
                ends = np.where(self.anew, LAST, ends)
                self.anew = terminal | truncated
            elif self.anew:
                self.anew = False
                x, reward, ends = self.single.reset()[0], 0.0, LAST
            else:
                x, reward, terminal, truncated, _ = self.single.step(int(action[0]))
                self.anew = bool(terminal or truncated)
                ends = TERMINAL if terminal else TRUNCATED if truncated else RUNS
            return self.array(x), reward, ends
        except Exception as error:
            raise self.failed(error) from error

    def array(self, x: Any) -> np.ndarray:
        """Observations as the replay holds them."""
        return np.asarray(x, self.game.kind).reshape(self.count, *self.game.observation)

    def require_finite(self, reward: Any, *observed: np.ndarray) -> None:
        """Raises DataError where rewards or observations that the games gave are not finite."""
        require_finite(self.name, reward, *observed)

    def failed(self, error: Exception) -> DataError:
        """The error for an environment that raised one."""
        if isinstance(error, (EOFError, ConnectionError)):
            for number, process in enumerate(self.processes):
                process.join(SOON)  # it has closed its end, and is about to end
                if process.exitcode is not None:
                    return DataError(
                        f"dqn: the environment {self.name} failed: the process of game {number} ended by itself, "
                        f'with exit code {process.exitcode}; vector="sync" plays in this one, which shows where'
                    )
        return DataError(f"dqn: the environment {self.name} failed: {type(error).__name__}: {error}")

    @property
    def processes(self) -> list[Any]:
        """Those of the games, where they are in processes of their own."""
        return getattr(self.several, "processes", [])

    def close(self) -> None:
        """Ends the environments, and processes that have yet to answer; warns of one that fails, and goes on."""
        parts = [self.single] if self.several is None else getattr(self.several, "envs", [self.several])
        for part in parts if self.answers or not self.processes else ():
            try:
                part.close()
            except Exception as error:
                told = f"dqn: the environment {self.name} failed as it was closed: {type(error).__name__}: {error}"
                warnings.warn(told, RuntimeWarning, stacklevel=2)
        if self.several is not None:
            end(self.processes, getattr(self.several, "parent_pipes", ()))
            self.several.closed = True


def end(processes: Sequence[Any], pipes: Sequence[Any]) -> None:
    """Ends processes whatever they do, and those that have ended."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(SOON)
        process.kill()
        process.join()
    for pipe in pipes:
        if pipe is not None:
            pipe.close()


def require_finite(name: str, reward: Any, *observed: np.ndarray) -> None:
    """Raises DataError where rewards or observations that an environment gave are not finite."""
    if not finite(reward):
        values = np.unique(reward[~np.isfinite(reward)]).tolist()
        raise DataError(f"dqn: the environment {name} gave a reward that is not finite, {values}")
    if not all(x.dtype != np.float32 or finite(x) for x in observed):
        raise DataError(f"dqn: the environment {name} gave an observation that is NaN or infinite")


def finite(numbers: np.ndarray) -> bool:
    """Whether all of them are: their sum of squares says so in one pass, unless it overflows."""
    flat = numbers.ravel()
    return math.isfinite(flat.dot(flat)) or bool(np.isfinite(flat).all())
