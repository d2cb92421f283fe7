"""A job under many settings: trained together, compared, and the best of them left as a run."""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.data.stream import Stream
from deltarule.data.text import TextStream
from deltarule.errors import SettingError
from deltarule.experiment.network import network_of
from deltarule.experiment.report.sweep import page
from deltarule.experiment.run import Result, finish, model_of, prepare, resolved
from deltarule.experiment.run_folder import CHECKPOINTS, MODEL, SETTINGS, SWEEP, new_folder
from deltarule.experiment.vary import read_space
from deltarule.files import write_whole
from deltarule.job import Job, refuse_settings, write_settings
from deltarule.model import Model
from deltarule.populations.result import Result as Found
from deltarule.populations.sweep import sweep as over
from deltarule.training.signals import Interrupted

RESULT, PAGE = "sweep.json", "sweep.html"


@dataclass(frozen=True)
class Plan:
    """How a sweep goes about it.

    Attributes:
        vary: What varies, each NAME=VALUES: a list, such as l2=0,1e-4 or hidden=32,64x64, of which every
            combination is taken; or a range, such as learning_rate=1e-4..1e-1, from which samples are drawn.
        samples: How many draws from the ranges, each with every combination of the lists.
        folds: Compare by cross-validation on the training examples, in so many folds; the held-out ones then
            measure the best alone.
        halving: Above 1: again and again in the run only the best 1/halving go on.
        ray: The address of a Ray cluster that trains the models: auto, the one that this machine is of; HOST:PORT;
            or local, workers on this machine.
    """

    vary: tuple[str, ...] = ()
    samples: int | None = None
    folds: int | None = None
    halving: float | None = None
    ray: str | None = None


@dataclass(frozen=True)
class Planned(Plan, Job):
    """A job, and how its sweep goes about it."""


def sweep(
    job: Job,
    plan: Plan,
    progress: bool | None = None,
    tell: Callable[[Sequence[str]], None] | None = None,
    begun: Path | None = None,
) -> tuple[Result, Found]:
    """Trains the job under every configuration; writes the best as a run, with the table and its page beside it.

    Job and plan are in the run folder from the start, and checkpoints of all models while they train: whatever
    stops the sweep, it goes on in that folder, `begun`.

    Raises:
        FileError, DataError, SettingError: what is wrong with the files, the data, the settings or the plan.
        Interrupted: SIGINT or SIGTERM came while it trained; the message says how to go on.
    """
    start = time.perf_counter()
    space = read_space(plan.vary)
    refuse_settings(job, ("log",), "is for a single run, and a sweep trains many")
    prepared = prepare(job, progress)
    if isinstance(prepared.training, (Stream, TextStream)):
        raise SettingError("sweep: a stream is for one model, and a sweep trains many; use deltarule train")
    if tell is not None:
        tell(prepared.notes)

    def build(**settings: Any) -> Model:
        varied = dataclasses.replace(job, **settings)
        return model_of(varied, prepared, network_of(prepared.preprocessing, varied))

    settings, (x, y, weight) = resolved(job, prepared), prepared.training
    models = over(build, space, samples=plan.samples, seed=job.seed)
    folder = begun or new_folder(job.runs, f"{Path(os.path.abspath(job.data)).stem}-sweep")
    try:
        if begun is None:
            write_settings(folder / SWEEP, dataclasses.asdict(job) | dataclasses.asdict(plan))
        found = models.fit(
            x,
            y,
            sample_weight=weight,
            epochs=settings["epochs"],
            batch_size=settings["batch_size"],
            patience=settings["patience"] or None,
            validation=None if plan.folds else prepared.held_out,
            folds=plan.folds,
            halving=plan.halving,
            ray=plan.ray,
            progress=progress,
            checkpoint=folder / CHECKPOINTS,
            resume=begun is not None,
        )
    except BaseException as error:
        if begun is None and not any((folder / CHECKPOINTS).glob("*.safetensors")):
            shutil.rmtree(folder)  # nothing was learned
        if isinstance(error, Interrupted):
            raise error.but(f"deltarule sweep --resume {folder} goes on with it") from None
        raise
    best = found.best()
    chosen = dataclasses.replace(job, **{n: v for n, v in found.best_row.items() if n in found.names})
    best.save(folder / MODEL)
    write_settings(folder / SETTINGS, dataclasses.asdict(chosen))
    write_whole(folder / RESULT, json.dumps(found.to_json(), indent=1).encode())
    write_whole(folder / PAGE, page(found, job.data))
    more = {
        "configurations": len(found.ranking),
        "models": len(found.rows),
        "programs": found.programs,
        "best": {name: found.best_row[name] for name in found.names},
        "ranking": found.ranking[:10],
        "effects": found.effects(),
        "sweep": str(folder / PAGE),
    }
    return finish(chosen, prepared, best, folder, start, more), found
