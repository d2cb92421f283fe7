"""DQN: what a person holds. A game in, a policy out; everything between is compiled."""

import dataclasses
import os
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from numpy.typing import ArrayLike

from deltarule.cache import use_compilation_cache
from deltarule.displayed import Displayed
from deltarule.dqn.agent_state import Agent, batch_shape, new_agent, seen_shape
from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.environments.opening import Path as Way
from deltarule.dqn.environments.opening import opened
from deltarule.dqn.file_replay import FilePath, file_bytes, numbered, require_uniform
from deltarule.dqn.game import Game
from deltarule.dqn.greedy import Played
from deltarule.dqn.input import as_input
from deltarule.dqn.paths import CompiledPath, HostPath
from deltarule.dqn.replay import bytes_of
from deltarule.dqn.rules import Rules
from deltarule.dqn.run import Best
from deltarule.dqn.tuned import network_for, tuned
from deltarule.errors import SettingError, ShapeError
from deltarule.layers.layer import Layer
from deltarule.losses.huber import Huber
from deltarule.losses.loss import Loss
from deltarule.optimizers.adam import Adam
from deltarule.optimizers.optimizer import Optimizer
from deltarule.training.history import History
from deltarule.training.step import Step

RULES = {field.name for field in dataclasses.fields(Rules)}


class DQN(Displayed):
    """Deep Q-learning on one environment (Mnih et al. 2015).

    Args:
        environment: a name, such as "CartPole-v1"; an environment in JAX (`deltarule.dqn.environments`, gymnax, or
            a functional one of Gymnasium); or a function that makes a `gymnasium.Env`.
        net: from what the agent sees to a number for each action; by default dense layers of the widths `hidden`,
            of which the last is a GRU where it learns from sequences.
        optimizer: one with a rate of its own, or a class such as `RMSProp`, which is given `learning_rate`.
        loss: of Q(X, A) against Y, by default Huber's.
        clip_norm: the largest global norm of a gradient, or None.
        path: "compiled" for one loop with an environment in JAX, "gymnasium" for Gymnasium's; "auto" takes the
            first where there is one.
        vector: how several of Gymnasium's environments are played, "sync" or "async".
        replay: "device" keeps the replay memory beside the network; "file" keeps its observations on disk, in
            `replay_folder`, for one that is larger than memory, on the path "gymnasium".
        rules: those of `deltarule.dqn.rules.Rules`, such as gamma, double or n_step. What is not given is what is
            known to work on this environment, or else a default.

    Raises:
        SettingError: a setting that cannot be; an environment that is not installed, that has continuous actions
            or observations that are no array; or a network that does not fit it.

    >>> agent = DQN("CartPole-v1", hidden=(16,), seed=1)
    >>> agent.path, agent.game.actions
    ('compiled', 2)
    """

    shown_by = "dqn.display.of_agent"

    def __init__(
        self,
        environment: Any,
        net: Layer | None = None,
        optimizer: Optimizer | Callable[[Any], Optimizer] = Adam,
        loss: Loss | None = None,
        *,
        hidden: tuple[int, ...] | None = None,
        learning_rate: Any = None,
        clip_norm: float | None = 10.0,
        seed: int = 0,
        path: Way = "auto",
        vector: str = "sync",
        replay: Literal["device", "file"] = "device",
        replay_folder: str | os.PathLike[str] | None = None,
        **rules: Any,
    ):
        if unknown := set(rules) - RULES:
            raise SettingError(
                f"dqn: unknown setting {', '.join(sorted(unknown))}; expected some of {', '.join(sorted(RULES))}"
            )
        self.replay_folder = checked_folder(replay, replay_folder, path)
        self.name, self.environment = opened(environment, path if self.replay_folder is None else "gymnasium")
        known = tuned(self.name)
        given = {"hidden": hidden, "learning_rate": learning_rate}
        known |= {name: value for name, value in given.items() if value is not None}
        widths, rate = known.pop("hidden", (256, 256)), known.pop("learning_rate", 1e-3)
        self.rules = Rules(**{**known, **rules})
        if not (isinstance(seed, Integral) and 0 <= int(seed) < 2**64):
            raise SettingError(f"dqn: seed must be a whole number from 0 to 2^64 - 1, got {seed!r}")
        self.seed, self.vector = int(seed), vector
        self.path = "compiled" if isinstance(self.environment, Environment) else "gymnasium"
        self.host = None if self.path == "compiled" else self.host_path()
        self.game = self.host.game if self.host else game_of(self.environment)
        if net is None:
            net = network_for(self.game, tuple(widths), self.rules.dueling, bool(self.rules.sequence))
        self.net = net
        optimizer = optimizer if isinstance(optimizer, Optimizer) else optimizer(rate)
        self.step = Step(self.net, loss or Huber(), optimizer, None, clip_norm)
        self.check()
        self.agent: Agent | None = None
        self.best: Best | None = None
        self.history = History()

    def check(self) -> None:
        """Raises SettingError where the network does not fit the game, or the rules a replay in a file."""
        shape = batch_shape(self.rules, self.game.observation, 1)
        try:
            found = self.net.shape(shape)
        except ShapeError as error:
            raise SettingError(
                f"dqn: the network does not take what {self.name} shows, {shape[1:]}: {error}"
            ) from None
        expected = (*shape[: 2 if self.rules.sequence else 1], self.game.actions)
        if found != expected:
            raise SettingError(
                f"dqn: {self.name} has {self.game.actions} actions, so the network must give {expected}, got "
                f"{found}; end it in Dense({self.game.actions})"
            )
        if self.rules.sequence and not jax.tree.leaves(self.net.memory(shape)):
            raise SettingError(
                "dqn: sequence is for a network that carries its state from step to step, and this one does not; "
                "put Recurrent(GRU(64), carry=True) into it"
            )
        if self.rules.sequence and self.net.mixes_examples:
            raise SettingError(
                "dqn: a recurrent network reads one step at a time in a game, and has no batch to take statistics "
                "of; put LayerNorm() where BatchNorm is"
            )
        if self.replay_folder is not None:
            require_uniform(self.rules)

    @property
    def replay_bytes(self) -> int:
        """Bytes that the replay memory takes, on the device and on disk together, known before it is made."""
        rules, game = self.rules, self.game
        if self.replay_folder is not None:
            return file_bytes(rules, game) + bytes_of(rules.ring, rules.environments, (1,), "int32")
        return bytes_of(rules.ring, rules.environments, game.observation, game.kind)

    def host_path(self) -> HostPath:
        """The loop around Gymnasium's environment."""
        given: Any = (self.__dict__.get("step"), self.rules, self.name, self.environment, self.vector)
        return HostPath(*given) if self.replay_folder is None else FilePath(*given, folder=self.replay_folder)

    def fit(self, steps: int, **settings: Any) -> History:
        """Trains for so many steps of the environment; returns the history, a row of figures now and then.

        Args:
            steps: rounded up to a multiple of `every`. A second call goes on.
            settings: report_every, evaluate_every, episodes, keep, callbacks, progress, checkpoint, resume, as
                `deltarule.dqn.fitting.fit` states.

        Raises:
            SettingError: a setting that cannot be, or a replay memory for which there is no room.
            DataError: the environment failed, or gave NaN; what was learned is kept.
            DivergedError: the loss was lost; the best parameters are kept.
        """
        from deltarule.dqn.fitting import fit

        fit([self], steps, **settings)
        return self.history

    def evaluate(self, episodes: int = 100, seed: int = 0) -> Played:
        """Episodes of the greedy policy, (episodes,) each: `gained` are their returns.

        Raises:
            SettingError: the agent has not been trained.
        """
        from deltarule.dqn.fitting import evaluate

        return evaluate([self], episodes, seed)[0]

    def q_values(self, x: ArrayLike) -> np.ndarray:
        """Q (n, actions) of observations (n, ...); a recurrent network's (n, t, actions) of sequences (n, t, ...).

        Raises:
            ShapeError: x is not of the shape that the agent sees.
        """
        agent = self.trained()
        array = np.asarray(x, self.game.kind)
        expected = seen_shape(self.rules, self.game.observation)
        if array.shape[2 if self.rules.sequence else 1 :] != expected:
            raise ShapeError(f"dqn: expected observations (n, ...) of {expected} each, got {array.shape}")
        state = agent.state
        memory = self.net.memory(array.shape) if self.rules.sequence else state.memory
        return np.asarray(self.net.predict(state.params, as_input(jax.numpy.asarray(array)), memory))

    def act(self, x: ArrayLike) -> np.ndarray:
        """The greedy actions (n,) for observations (n, ...)."""
        return self.q_values(x).argmax(-1)

    def fresh(self) -> Agent:
        """The agent before its first step."""
        if self.replay_folder is not None:
            return self.bare()._replace(replay=numbered(self.rules))
        environment: Any = self.environment if self.path == "compiled" else None
        return new_agent(self.step, self.rules, self.game.observation, self.game.kind, self.seed, environment)

    def bare(self) -> Agent:
        """The agent before its first step, without a replay and a game: it takes no more room than its network."""
        small = dataclasses.replace(self.rules, capacity=self.rules.needed)
        new = new_agent(self.step, small, self.game.observation, self.game.kind, self.seed, None)
        return new._replace(replay=None, priorities=None)  # type: ignore[arg-type]

    def restored(self, best: Best) -> Agent:
        """The agent with these parameters, after so many steps; its optimizer is new, and it has no replay."""
        new, (_, steps, (params, memory, target)) = self.bare(), best
        state = new.state._replace(params=params, memory=memory)
        return new._replace(state=state, target=target, steps=np.int32(steps))

    @property
    def has_replay(self) -> bool:
        """Whether it has a replay memory; where it has none `fit` makes one."""
        return self.agent is not None and self.agent.replay is not None

    def begun(self) -> Agent:
        """The agent as `fit` begins with it, with a replay, and at the start of its games where it had none."""
        if self.agent is not None and self.has_replay:
            return self.agent
        fresh = self.fresh()
        if self.agent is None:
            return fresh
        return self.agent._replace(replay=fresh.replay, priorities=fresh.priorities, play=fresh.play)

    def trained(self) -> Agent:
        """The agent with the parameters that are kept, without its replay."""
        if self.agent is None or self.best is None:
            raise SettingError("dqn: the agent has not been trained: call fit first, or load a saved one")
        use_compilation_cache()
        params, memory, target = self.best[2]
        light = self.agent._replace(replay=None, priorities=None, play=None)  # type: ignore[arg-type]
        return light._replace(state=light.state._replace(params=params, memory=memory), target=target)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the policy as one safetensors file, whole or not at all; raises FileError."""
        from deltarule.dqn.agent_file import save

        save(self, path)

    def new_path(self, room: int) -> CompiledPath | HostPath:
        """The loop to train in."""
        if isinstance(self.environment, Environment):
            return CompiledPath(self.step, self.rules, self.environment, room)
        host, self.host = self.host or self.host_path(), None
        host.step, host.game = self.step, self.game
        return host

    def __repr__(self) -> str:
        return f"DQN({self.name!r}, {self.net}, path={self.path!r}, seed={self.seed})"


def checked_folder(replay: str, folder: str | os.PathLike[str] | None, path: str) -> Path | None:
    """The folder of a replay in a file, or None; raises SettingError for settings that do not go together."""
    if replay not in ("device", "file"):
        raise SettingError(f"dqn: replay must be 'device' or 'file', got {replay!r}")
    if replay == "device" and folder is not None:
        raise SettingError('dqn: replay_folder is for replay="file"; say that, too')
    if replay == "file" and folder is None:
        raise SettingError('dqn: replay="file" needs replay_folder, a folder on a disk with room for it')
    if replay == "file" and path == "compiled":
        raise SettingError('dqn: a compiled loop reads no files; replay="file" goes with path="gymnasium"')
    return None if folder is None else Path(folder)


def game_of(environment: Any) -> Game:
    """What an environment in JAX is like."""
    name = environment.name or type(environment).__name__
    shown = environment.observation, environment.kind, environment.actions
    return Game(name, *shown, environment.limit, environment.values)
