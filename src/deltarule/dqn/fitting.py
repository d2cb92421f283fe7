"""Training one agent, or many of one structure at once, and measuring them."""

import os
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from deltarule.cache import use_compilation_cache
from deltarule.dqn.agent_state import Agent
from deltarule.dqn.checkpoint import Keeper
from deltarule.dqn.greedy import Played
from deltarule.dqn.paths import CompiledPath, HostPath
from deltarule.dqn.replay import require_memory
from deltarule.dqn.run import Plan, Standing, require_returns, run
from deltarule.dqn.show import Progress
from deltarule.errors import DataError, SettingError
from deltarule.training.devices import set_up_cpus
from deltarule.training.history import History, Row

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN

REPORTS, MEASUREMENTS, EPISODES = 50, 20, 32  # in a run; in a measurement; where nothing else is said


def fit(
    agents: Sequence["DQN"],
    steps: int,
    *,
    report_every: int | None = None,
    evaluate_every: int | None = None,
    episodes: int = EPISODES,
    keep: str = "best",
    callbacks: Sequence[Callable[[list[Row]], bool | None]] = (),
    progress: bool | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Standing:
    """Trains agents that differ in numbers alone, all in one program where their environment is in JAX.

    Args:
        steps: of the environment, for each agent.
        report_every: steps between two rows of figures, by default a fiftieth of all.
        evaluate_every: steps between two measurements of the greedy policy, by default a twentieth of all.
        episodes: of a measurement.
        keep: "best" keeps the parameters that measured best, "last" those at the end.
        callbacks: functions of the agents' newest rows; one that returns True stops the run.
        progress: True or False; None shows a live line in a notebook or a terminal.
        checkpoint: a folder in which the run is written down, the replay memory included.
        resume: whether the run goes on from the newest whole checkpoint there. With an environment in JAX it ends
            bit for bit as if it had never stopped; Gymnasium's begin new episodes.

    Raises:
        SettingError, DataError, DivergedError, FileError: as `DQN.fit` states.
    """
    first = agents[0]
    rules = first.rules
    before = 0 if first.agent is None else int(first.agent.steps)
    plan = plan_of(rules.every, steps, report_every, evaluate_every, episodes, keep, before)
    require_alike(agents)
    use_compilation_cache()
    if len(agents) > 1:
        set_up_cpus(None)  # a core for each share of them
    if resume and checkpoint is None:
        raise SettingError("dqn: resume goes on from a checkpoint; say checkpoint, the folder that has it")
    require_room(agents)
    path = first.new_path(plan.every)
    begun = [agent.begun() for agent in agents]
    rows = [list(agent.history.rows) for agent in agents]
    at = Standing(rows, [agent.best for agent in agents], before // rules.every)
    at.schedules = [agent.rules.schedule() for agent in agents]
    shown = Progress(before, plan.blocks * rules.every, path.name, progress)

    def show(rows: list[Row]) -> bool:
        shown.show(rows, at)
        answers = [callback(rows) for callback in callbacks]
        return any(answers)

    try:
        with NOTHING if checkpoint is None else Keeper(checkpoint, agents, plan, at) as keeper:
            if keeper is not None:
                begun = keeper.find(begun) if resume else keeper.require_empty(begun)
            path.begin(begun)
            try:
                with shown:
                    run(path, plan, at, show, NOTHING if keeper is None else lambda: keeper.between(path))
                if keeper is not None:
                    keeper.write(path)
            except BaseException as error:
                at.ended = f"{type(error).__name__}: {error}"
                if keeper is not None and isinstance(error, DataError):
                    keeper.after_failure(path)
                raise
            finally:
                keep_learned(agents, path, at)
    finally:
        path.close()
    return at


def keep_learned(agents: Sequence["DQN"], path: CompiledPath | HostPath, at: Standing) -> None:
    """Gives agents what a run came to, whatever ended it: where arrays were lost, the best that there was."""
    states = path.members() if path.is_whole else [None] * len(agents)
    for agent, state, rows, best in zip(agents, states, at.rows, at.best, strict=True):
        agent.history = History(rows, ended=at.ended, notes=at.notes)
        if state is not None:
            kept = (state.state.params, state.state.memory, state.target)
            agent.agent = state
            agent.best = best if best is not None else (float("nan"), int(state.steps), kept)
        elif best is not None:
            agent.agent, agent.best = agent.restored(best), best


class Nothing:
    """Does nothing, where something may be done."""

    def __call__(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *error: Any) -> None: ...


NOTHING = Nothing()


def plan_of(
    every: int,
    steps: int,
    report_every: int | None,
    evaluate_every: int | None,
    episodes: int,
    keep: str,
    before: int = 0,
) -> Plan:
    """The run in blocks, after so many steps `before` it; raises SettingError for a setting that cannot be."""
    require_counts(steps=steps, report_every=report_every, evaluate_every=evaluate_every, episodes=episodes)
    require_keep(keep)
    blocks = -(-steps // every)
    rows = max(1, (report_every or -(-steps // REPORTS)) // every)
    measured = evaluate_every or -(-steps // MEASUREMENTS)
    return Plan(
        before // every + blocks, min(rows, blocks), max(1, round(measured / (rows * every))), episodes, keep
    )


def require_counts(**given: int | None) -> None:
    """Raises SettingError for a setting that is given, and is no whole number of at least 1."""
    for name, value in given.items():
        if value is not None and not (isinstance(value, Integral) and int(value) >= 1):
            raise SettingError(f"dqn: {name} must be a whole number of at least 1, got {value!r}")


def require_keep(keep: str) -> None:
    """Raises SettingError for what cannot be kept."""
    if keep not in ("best", "last"):
        raise SettingError(f"dqn: keep must be 'best' or 'last', got {keep!r}")


def require_room(agents: Sequence["DQN"]) -> None:
    """Raises SettingError where the replay memories that agents have yet to make do not fit beside each other."""
    begins = [agent for agent in agents if not agent.has_replay and agent.replay_folder is None]
    require_memory(sum(agent.replay_bytes for agent in begins))


def require_alike(agents: Sequence["DQN"]) -> None:
    """Raises SettingError where agents differ in more than numbers, so that one program cannot train them."""
    first = agents[0]
    for agent in agents[1:]:
        if (agent.agent is None) != (first.agent is None):
            raise SettingError("dqn: of agents that train together all have been trained before, or none")
        same = (
            agent.step.structure() == first.step.structure()
            and agent.rules.structure() == first.rules.structure()
            and agent.environment == first.environment
        )
        if not same:
            raise SettingError(
                "dqn: agents that train together may differ in seeds and numbers alone (learning_rate, gamma, "
                f"tau, epsilon, alpha, beta, eta); {agent} differs from {first} in more: train them one after "
                "the other"
            )


def evaluate(agents: Sequence["DQN"], episodes: int, seed: int = 0) -> list[Played]:
    """Episodes of each agent's greedy policy, with the parameters that it keeps."""
    require_counts(episodes=episodes)
    trained: list[Agent] = [agent.trained() for agent in agents]
    path = agents[0].new_path(1)
    try:
        path.begin(trained)
        played = path.evaluate(episodes, 2**20 + seed)
        require_returns(path, played)
    finally:
        path.close()
    return [jax.tree.map(lambda a, m=m: np.asarray(a)[m], played) for m in range(len(agents))]
