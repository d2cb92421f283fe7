"""A run of m agents: blocks of the loop, measured now and then by the greedy policy, the best of them kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from deltarule.dqn.environments.games import require_finite
from deltarule.dqn.greedy import Played
from deltarule.dqn.loop import Block
from deltarule.dqn.paths import CompiledPath, HostPath
from deltarule.errors import DataError, DivergedError
from deltarule.schedules import Schedule
from deltarule.training.history import Row

Best = tuple[float, int, Any]  # the mean return, after how many steps, (params, memory, target)


@dataclass
class Standing:
    """Where a run stands: rows of figures of each agent, and the best that each has been."""

    rows: list[list[Row]]
    best: list[Best | None]
    blocks: int = 0
    seconds: float = 0.0
    moves: int = 0  # steps that environments made, of all agents; without the rows of last observations
    notes: list[str] = field(default_factory=list)
    ended: str = "all steps"
    schedules: list[Schedule] = field(default_factory=list)  # of each agent's ε


@dataclass(frozen=True)
class Plan:
    """How long a run is, in blocks, and when it is told and measured.

    Attributes:
        every: blocks between two rows of figures; `evaluate_every` rows between two measurements.
        keep: "best" of the measurements, or "last".
    """

    blocks: int
    every: int
    evaluate_every: int
    episodes: int
    keep: str


def run(
    path: CompiledPath | HostPath,
    plan: Plan,
    at: Standing,
    show: Callable[[list[Row]], bool | None],
    after: Callable[[], None] = lambda: None,
) -> None:
    """Goes on from where the run stands to its end, or until `show`, which is given every row, says stop.

    Args:
        after: called between two chunks, where a checkpoint may be written.

    Raises:
        DivergedError: the loss of an agent was lost. The best parameters so far are kept.
        DataError: an environment failed, or gave what is not finite.
    """
    start = time.perf_counter() - at.seconds
    while at.blocks < plan.blocks:
        count = min(plan.every, plan.blocks - at.blocks)
        told = path.blocks(count)
        at.blocks += count
        number = len(at.rows[0]) + 1
        last = at.blocks >= plan.blocks
        measured = None
        if number % plan.evaluate_every == 0 or last:
            measured = path.evaluate(plan.episodes, number)
            require_returns(path, measured)
        seconds = time.perf_counter() - start
        rows = [
            row_of(path.rules.every, at, m, jax.tree.map(lambda a, m=m: a[m], (told, measured)), seconds)
            for m in range(len(told.episodes))
        ]
        for m, row in enumerate(rows):
            if not np.isfinite(row["loss"] if row["loss"] is not None else 0):
                require_finite_replay(path, m)
                raise DivergedError(
                    f"dqn: the loss was lost before step {row['steps']}; the agent keeps the best that it was; "
                    "try a smaller learning rate, clip_norm=10, or a larger target_every"
                )
            at.rows[m].append(row)
        if measured is not None:
            keep_best(path, at, rows, plan.keep)
        at.seconds = seconds
        at.moves += path.rules.every * count * len(told.episodes) - int(told.lasts.sum())
        if show(rows):
            at.ended = "a callback stopped the run"
            break
        if not last:
            after()


def require_finite_replay(path: CompiledPath | HostPath, m: int) -> None:
    """Raises DataError where what agent m has in its replay is not finite, so that its loss is not either.

    Gymnasium's environments are asked in every block, before anything is learned of it.
    """
    if isinstance(path, CompiledPath):
        x, _, reward, _ = path.agents.replay.rows
        require_finite(name_of(path), np.asarray(reward)[m], np.asarray(x)[m])


def require_returns(path: CompiledPath | HostPath, played: Played) -> None:
    """Raises DataError where episodes have returns that are not finite."""
    if not np.isfinite(played.gained).all():
        values = np.unique(played.gained[~np.isfinite(played.gained)]).tolist()
        raise DataError(
            f"dqn: the environment {name_of(path)} gave a reward that is not finite: episodes of the greedy "
            f"policy came to {values}"
        )


def name_of(path: CompiledPath | HostPath) -> str:
    """The name of the environment."""
    if isinstance(path, HostPath):
        return path.title
    return path.environment.name or type(path.environment).__name__


def row_of(every: int, at: Standing, m: int, told: tuple[Block, Played | None], seconds: float) -> Row:
    """One agent's figures of a chunk: means over its episodes and gradient steps; None where there were none."""
    block, played = told
    steps, episodes, learned = at.blocks * every, int(block.episodes.sum()), block.studied.steps.sum()

    def over_learned(values: np.ndarray) -> float | None:
        return float((values * block.studied.steps).sum() / learned) if learned else None

    row: Row = {
        "steps": steps,
        "episodes": episodes,
        "return": float(block.gained.sum() / episodes) if episodes else None,
        "length": float(block.length.sum() / episodes) if episodes else None,
        "epsilon": float(np.clip(at.schedules[m](steps), 0, 1)),
        "loss": over_learned(block.studied.loss),
        "q": over_learned(block.studied.q),
        "seconds": seconds,
    }
    if played is not None:
        row |= {
            "evaluated": float(played.gained.mean()),
            "promised": float(played.promised.mean()),
            "promised_double": float(played.double.mean()),
            "came": float(played.discounted.mean()),
        }
    return row


def keep_best(path: Any, at: Standing, rows: list[Row], keep: str) -> None:
    """Keeps the parameters of the agents that have never been better, a later one before an equal one."""
    better = [
        keep == "last" or best is None or np.isnan(best[0]) or row["evaluated"] >= best[0]  # NaN: not measured
        for row, best in zip(rows, at.best, strict=True)
    ]
    if any(better):
        params = path.params()
        for m, (row, is_better) in enumerate(zip(rows, better, strict=True)):
            if is_better:
                at.best[m] = (row["evaluated"], row["steps"], params[m])
