"""A job from its data to its run folder."""

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.series import SeriesPreprocessing
from deltarule.data.text import TextStream
from deltarule.experiment import images, language, series, table
from deltarule.experiment.conclude import conclude
from deltarule.experiment.outcome import outcome
from deltarule.experiment.prepared import Prepared
from deltarule.experiment.run_folder import metrics_writer, new_folder
from deltarule.inspect.environment import environment
from deltarule.job import ONLY_FOR, Job, write_settings
from deltarule.kernels.native import described
from deltarule.losses import SoftmaxCrossEntropy, SquaredError
from deltarule.model import Model
from deltarule.optimizers import SGD, AdaGrad, Adam, AdamW, RMSProp

OPTIMIZERS = {"adagrad": AdaGrad, "adam": Adam, "adamw": AdamW, "rmsprop": RMSProp, "sgd": SGD}
USUAL = {"epochs": 300, "patience": 30, "clip_norm": None}  # where a setting says nothing
USUAL_OF_TEXT = {"epochs": 20, "patience": 3, "clip_norm": 1.0}


@dataclass(frozen=True)
class Result:
    """What a job gave: `summary` is the JSON of the command, `notes` are sentences for a person."""

    model: Model
    folder: Path
    summary: dict[str, Any]
    notes: tuple[str, ...]


def train(job: Job, progress: bool | None = None, tell: Callable[[Sequence[str]], None] | None = None) -> Result:
    """Reads, prepares, trains, evaluates, and writes the run folder; `tell` gets the notes before training.

    A folder, or a .npz file with x of shape (n, h, w) or (n, h, w, i), holds images; a .txt file is a text; any
    other file is a table, whose rows are a series where the task is a forecast.

    Raises:
        FileError, DataError, SettingError: what is wrong with the files, the data or the settings.
        DivergedError: the loss was lost; the last good model is in the run folder.
    """
    start = time.perf_counter()
    prepared = prepare(job, progress)
    if tell is not None:
        tell(prepared.notes)
    goal, data, settings = prepared.preprocessing.goal, prepared.training, resolved(job, prepared)
    if isinstance(data, TextStream):
        training = {"x": data, "window": job.window}
    else:
        size = settings["batch_size"]
        training = {"x": data[0], "y": data[1], "sample_weight": data[2], "batch_size": size}
    model = Model(
        prepared.network,
        loss=SoftmaxCrossEntropy() if goal.task == "classification" else SquaredError(),
        optimizer=OPTIMIZERS[job.optimizer](job.learning_rate),
        l2=job.l2,
        clip_norm=settings["clip_norm"],
        seed=job.seed,
        precision=job.precision,
    )
    model.notes["preprocessing"] = prepared.preprocessing.to_json()
    folder = new_folder(job.runs, Path(os.path.abspath(job.data)).stem)
    try:
        model.fit(
            **training,
            epochs=settings["epochs"],
            validation=prepared.held_out,
            patience=settings["patience"] or None,
            callbacks=[metrics_writer(folder / "metrics.jsonl")],
            progress=progress,
            watch=job.watch,
        )
    finally:
        if model.state is not None:
            model.save(folder / "model.safetensors")
            write_settings(folder / "run.toml", dataclasses.asdict(job))
        elif not any(folder.iterdir()):
            folder.rmdir()
    found = outcome(model, prepared)
    measured = dict(found.measured)
    metric = measured["metric"]
    summary = {
        "task": measured.pop("task"),
        "metric": measured.pop("metric"),
        "validation": measured.pop(metric),
        **measured,
        "epochs": len(model.history.rows),
        "best_epoch": model.history.best_epoch,
        "ended": model.history.ended,
        "seconds": round(time.perf_counter() - start, 3),
        "parameters": model.parameters,
        "precision": job.precision,
        "kernels": described(),
        "run": str(folder),
    }
    record = {
        "summary": summary,
        "data": {"file": job.data, **counted(prepared)},
        "settings": settings,
        "notes": prepared.notes,
        "environment": environment(),
        **found.shown,
    }
    summary["report"] = conclude(folder, model, record, found.files)
    return Result(model, folder, summary, prepared.notes)


def prepare(job: Job, progress: bool | None) -> Prepared:
    """The data of a job, to train on and held out, and its network."""
    if job.task == "forecast":
        return series.prepare(job)
    if job.task == "language" or (job.task == "auto" and job.data.lower().endswith(".txt")):
        return language.prepare(job)
    return images.prepare(job, progress) if images.are_images(job.data) else table.prepare(job)


def resolved(job: Job, prepared: Prepared) -> dict[str, Any]:
    """The job's settings, without those for other kinds of data, with what is used where one says nothing."""
    data, usual = prepared.training, USUAL
    if isinstance(data, TextStream):
        size, usual = data.streams, USUAL_OF_TEXT
    else:
        size = min(32, len(data[0])) if job.batch_size is None else job.batch_size
    others = {"data", "runs", *(name for names in ONLY_FOR.values() for name in names)}
    given = dataclasses.asdict(job)
    settings = {n: value for n, value in given.items() if n not in others or value != getattr(Job, n, value)}
    return settings | {n: usual[n] for n in usual if settings[n] is None} | {"batch_size": size}


def counted(prepared: Prepared) -> dict[str, Any]:
    """How much there is to learn from, and how much is held out, of what."""
    preprocessing, data = prepared.preprocessing, prepared.training
    if isinstance(data, TextStream):
        held_out = prepared.text.symbols if prepared.text is not None else ()
        unit, sizes = data.vocabulary.unit, (len(data.symbols), len(held_out))
    else:
        unit = {ImagePreprocessing: "images", SeriesPreprocessing: "windows"}.get(type(preprocessing), "rows")
        sizes = len(data[0]), len(prepared.held_out[0])
    return {"unit": unit, "training": sizes[0], "held_out": sizes[1]}
