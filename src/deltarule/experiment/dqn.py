"""Deep Q-learning as a job: agents of several seeds trained together, measured, filmed, and left in a folder."""

import dataclasses
import itertools
import json
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deltarule.dqn.agent import DQN
from deltarule.dqn.file_replay import remove_files
from deltarule.dqn.film import filmed
from deltarule.dqn.fitting import EPISODES, evaluate, fit, require_counts, require_keep
from deltarule.dqn.greedy import Played
from deltarule.dqn.returns import summary as over_seeds
from deltarule.dqn.run import Standing
from deltarule.errors import DataError, DeltaruleError, DivergedError, FileError
from deltarule.experiment.dqn_job import DqnJob, agents_of, in_words
from deltarule.experiment.report.dqn import AGENT, FILM, read_rows, report
from deltarule.experiment.run_folder import (
    CHECKPOINTS,
    METRICS,
    RECORD,
    REPORT,
    SETTINGS,
    lines,
    new_folder,
    read_record,
)
from deltarule.files import write_whole
from deltarule.inspect.environment import environment
from deltarule.job import write_settings
from deltarule.training.history import Row
from deltarule.training.signals import Interrupted

ROWS, APART = 50, 5_000  # rows of figures in a run, or more where they would be further apart than so many steps


@dataclass(frozen=True)
class Result:
    """What a job gave.

    Attributes:
        summary: what `deltarule dqn --json` prints.
        seeds: a row for each agent.
    """

    agents: list[DQN]
    folder: Path
    summary: dict[str, Any]
    seeds: list[dict[str, Any]]
    notes: list[str]


def train(
    job: DqnJob,
    progress: bool | None = None,
    tell: Callable[[Sequence[str]], None] | None = None,
    begun: Path | None = None,
) -> Result:
    """Trains, measures and films the job's agents, and writes the run folder; a run that was begun goes on.

    Raises:
        SettingError: what is wrong with the settings, or with the environment.
        DataError, DivergedError: the environment failed, or the loss was lost; the folder keeps what was learned.
        FileError: the folder cannot be written, or its checkpoint is of another run.
        Interrupted: SIGINT or SIGTERM came while it trained; the message says how to go on.
    """
    require_counts(steps=job.steps, evaluate_every=job.evaluate_every, episodes=job.episodes)
    require_keep(job.keep)
    agents = agents_of(job)
    folder = begun or new_folder(job.runs, re.sub(r"[^\w.-]+", "-", job.environment.split("/")[-1]))
    if begun is None:
        write_settings(folder / SETTINGS, dataclasses.asdict(job))
    how = f"deltarule dqn --resume {folder} goes on with it"
    try:
        at = fit(
            agents,
            job.steps,
            report_every=min(-(-job.steps // ROWS), APART),
            evaluate_every=job.evaluate_every,
            keep=job.keep,
            callbacks=[metrics_writer(folder / METRICS, job)],
            progress=progress,
            checkpoint=folder / CHECKPOINTS,
            resume=begun is not None,
        )
        if tell is not None and agents[0].path == "gymnasium":
            tell([f"Gymnasium plays {job.episodes} episodes with each agent, one step at a time, to measure it"])
        result = finish(job, agents, folder, at)
    except Interrupted as stopped:
        raise stopped.but(how) from None
    except KeyboardInterrupt:
        raise Interrupted(signal.SIGINT, how) from None
    except (DataError, DivergedError) as error:
        keep_what_was_learned(job, agents, folder, error)
        raise type(error)(f"{error}. {folder} keeps what was learned") from error
    except DeltaruleError:
        if begun is None and agents[0].agent is None:
            shutil.rmtree(folder)  # nothing was learned
        raise
    if tell is not None:
        tell(result.notes)
    return result


def finish(job: DqnJob, agents: list[DQN], folder: Path, at: Standing) -> Result:
    """Measures and films trained agents, and writes what they left into the folder."""
    played = evaluate(agents, job.episodes)
    returns = [float(each.gained.mean()) for each in played]
    best = int(np.argmax(returns))
    save(job, agents, folder, best)
    write_whole(folder / METRICS, lines(row for rows in zip(*at.rows, strict=True) for row in of_seeds(job, rows)))
    _, film = filmed(agents[best])
    if film.note is None:
        write_whole(folder / FILM, film.gif())
    told, seeds = over_seeds(returns), seed_rows(job, agents, played)
    summary = {
        "returns": returns,
        "mean": told.mean,
        "interquartile_mean": told.interquartile_mean,
        "interval": [told.low, told.high] if job.seeds > 1 else None,
        "best_seed": job.seed + best,
        **said_of(job, agents, at),
        "run": str(folder),
        "report": str(folder / REPORT),
        "film": str(folder / FILM) if film.note is None else None,
    }
    notes = [*at.notes, *([f"there is no film: {film.note}"] if film.note else [])]
    conclude(folder, agents, {"summary": summary, "seeds": seeds, "film": film.note, "notes": notes})
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    if job.replay_folder is not None:
        remove_files(Path(job.replay_folder), job.seeds)
    return Result(agents, folder, summary, seeds, notes)


def said_of(job: DqnJob, agents: list[DQN], at: Standing) -> dict[str, Any]:
    """What was done, and how fast: steps of the environments over seconds, compiling and measuring included.

    `steps_per_second_training` is the median over stretches without either; None where there was none.
    """
    rows = at.rows[0]
    made = at.moves / max(
        1, job.seeds * (rows[-1]["steps"] if rows else 0)
    )  # but for the rows of last observations
    rates = [
        made * job.seeds * (after["steps"] - before["steps"]) / max(after["seconds"] - before["seconds"], 1e-9)
        for before, after in itertools.pairwise(rows)
        if "evaluated" not in after
    ]
    return {
        "environment": agents[0].name,
        "seeds": job.seeds,
        "episodes": job.episodes,
        "steps": rows[-1]["steps"] if rows else 0,
        "steps_per_second": at.moves / at.seconds if at.seconds else None,
        "steps_per_second_training": float(np.median(rates)) if rates else None,
        "seconds": round(at.seconds, 3),
        "path": agents[0].path,
    }


def seed_rows(job: DqnJob, agents: list[DQN], played: Sequence[Played | None]) -> list[dict[str, Any]]:
    """A row for each agent: what its greedy policy came to, and from which step its parameters are."""
    found = []
    for number, (agent, each) in enumerate(zip(agents, played, strict=True)):
        measured, step, _ = agent.best or (None, None, None)
        row = {"seed": job.seed + number, "measured": measured, "step": step}
        if each is not None:
            row |= {
                "return": float(each.gained.mean()),
                "deviation": float(each.gained.std()),
                "length": float(each.length.mean()),
            }
        found.append(row)
    return found


def save(job: DqnJob, agents: list[DQN], folder: Path, best: int) -> None:
    """Writes each agent, and the best one beside them, but for those whose parameters were lost."""
    for number, agent in enumerate(agents):
        if is_whole(agent):
            agent.save(folder / f"agent-{job.seed + number}.safetensors")
            if number == best:
                agent.save(folder / AGENT)


def is_whole(agent: DQN) -> bool:
    """Whether an agent has parameters, and all of them are numbers."""
    return agent.best is not None and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(agent.best[2]))


def keep_what_was_learned(job: DqnJob, agents: list[DQN], folder: Path, error: Exception) -> None:
    """Leaves the agents and the page of a run that broke off, with the error named."""
    measured = [agent.best[0] if agent.best is not None and is_whole(agent) else np.nan for agent in agents]
    best = int(np.argmax(np.nan_to_num(measured, nan=-np.inf)))
    save(job, agents, folder, best)
    (folder / METRICS).touch()
    rows = [agent.history.rows for agent in agents]
    steps = sum(each[-1]["steps"] if each else 0 for each in rows)
    at = Standing(rows, [], seconds=rows[0][-1]["seconds"] if rows[0] else 0.0, moves=steps)
    summary = {**said_of(job, agents, at), "best_seed": job.seed + best, "run": str(folder)}
    record = {"summary": summary, "seeds": seed_rows(job, agents, [None] * len(agents)), "error": str(error)}
    conclude(folder, agents, record)


def conclude(folder: Path, agents: list[DQN], record: dict[str, Any]) -> None:
    """Writes the record of a run and its page."""
    more = {
        "settings": in_words(agents[0]),
        "limit": agents[0].game.limit,
        "measured_by": EPISODES,
        "environment": environment(),
    }
    write_whole(folder / RECORD, json.dumps(record | more, indent=1).encode())
    write_whole(folder / REPORT, report(folder))


def of_seeds(job: DqnJob, rows: Sequence[Row]) -> list[Row]:
    """The agents' rows, each with its seed in front."""
    return [{"seed": job.seed + number, **row} for number, row in enumerate(rows)]


def metrics_writer(path: Path, job: DqnJob) -> Callable[[list[Row]], None]:
    """A callback that adds the agents' rows to a file of JSON lines as the run goes on.

    Where a run goes on from a checkpoint, rows of the first row's step and of later ones are dropped before it.
    """
    fresh = True

    def write(rows: list[Row]) -> None:
        nonlocal fresh
        try:
            if fresh and path.exists():
                write_whole(path, lines(row for row in read_rows(path) if row["steps"] < rows[0]["steps"]))
            fresh = False
            with path.open("a") as file:
                file.write(lines(of_seeds(job, rows)).decode())
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror or error}") from None

    return write


def finished(run: str) -> dict[str, Any] | None:
    """The summary of a run that has come to its end; None of one that goes on, was stopped, or broke off."""
    folder = Path(run)
    record = read_record(folder / RECORD)
    return (
        record["summary"] if "summary" in record and "error" not in record and (folder / REPORT).exists() else None
    )
