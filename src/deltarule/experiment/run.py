"""A job from its data to its run folder."""

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.series import SeriesPreprocessing
from deltarule.data.stream import Stream
from deltarule.data.text import TextStream
from deltarule.experiment import images, language, series, table, table_set
from deltarule.experiment.conclude import conclude
from deltarule.experiment.logged import logger
from deltarule.experiment.outcome import outcome
from deltarule.experiment.prepared import Prepared
from deltarule.experiment.run_folder import (
    CHECKPOINTS,
    METRICS,
    MODEL,
    SETTINGS,
    lines,
    metrics_writer,
    new_folder,
)
from deltarule.files import write_whole
from deltarule.inspect.environment import environment
from deltarule.job import ONLY_FOR, Job, write_settings
from deltarule.kernels.native import described
from deltarule.layers.layer import Layer
from deltarule.losses import SoftmaxCrossEntropy, SquaredError
from deltarule.model import Model
from deltarule.optimizers import SGD, AdaGrad, Adam, AdamW, RMSProp
from deltarule.training.devices import mesh_of
from deltarule.training.processes import agreed_name, announce, is_first
from deltarule.training.signals import Interrupted

OPTIMIZERS = {"adagrad": AdaGrad, "adam": Adam, "adamw": AdamW, "rmsprop": RMSProp, "sgd": SGD}
USUAL = {"epochs": 300, "patience": 30, "clip_norm": None}  # where a setting says nothing
USUAL_OF_TEXT = {"epochs": 20, "patience": 3, "clip_norm": 1.0}


@dataclass(frozen=True)
class Result:
    """What a job gave: `summary` is the JSON of the command, `notes` are sentences for a person.

    Where several processes train as one, only the first measures and writes; in the others the summary is empty.
    """

    model: Model
    folder: Path
    summary: dict[str, Any]
    notes: tuple[str, ...]


def train(
    job: Job,
    progress: bool | None = None,
    tell: Callable[[Sequence[str]], None] | None = None,
    begun: Path | None = None,
) -> Result:
    """Reads, prepares, trains, evaluates, and writes the run folder; `tell` gets the notes before training.

    A folder, or a .npz file with x of shape (n, h, w) or (n, h, w, i), holds images; a .txt file is a text; any
    other file is a table, whose rows are a series where the task is a forecast. A folder or a pattern of tables is
    read as a stream.

    The settings are in the run folder from the start, and checkpoints while it trains: whatever stops the run, it
    goes on in that folder, `begun`.

    Raises:
        FileError, DataError, SettingError: what is wrong with the files, the data or the settings.
        DivergedError: the loss was lost; the last good model is in the run folder.
        Interrupted: SIGINT or SIGTERM came while it trained; the message says how to go on.
    """
    start = time.perf_counter()
    mesh_of(job.devices)  # before anything is computed
    first = is_first()
    prepared = prepare(job, progress and first)
    if tell is not None and first:
        tell(prepared.notes)
    data, settings = prepared.training, resolved(job, prepared)
    if isinstance(data, TextStream):
        training = {"x": data, "window": job.window}
    elif isinstance(data, Stream):
        training = {"x": data, "batch_size": settings["batch_size"]}
    else:
        size = settings["batch_size"]
        training = {"x": data[0], "y": data[1], "sample_weight": data[2], "batch_size": size}
    model = model_of(job, prepared, prepared.network)
    name = begun or (new_folder(job.runs, Path(os.path.abspath(job.data)).stem) if first else "")
    folder = Path(agreed_name(str(name)))
    announce(folder)
    with ExitStack() as run:
        try:
            if first and begun is None:
                write_settings(folder / SETTINGS, dataclasses.asdict(job))
            told = {"data": job.data, **settings}
            loggers = [run.push(logger(name, folder, model, told)) for name in job.log]
            model.fit(
                **training,
                epochs=settings["epochs"],
                validation=prepared.stream or prepared.held_out,
                patience=settings["patience"] or None,
                callbacks=[metrics_writer(folder / METRICS), *loggers],
                progress=progress,
                watch=job.watch,
                watch_every=job.watch_every,
                devices=job.devices,
                checkpoint=folder / CHECKPOINTS,
                resume=begun is not None,
            )
        except Interrupted as stopped:
            raise stopped.but(f"deltarule train --resume {folder} goes on with it") from None
        finally:
            if model.state is not None:
                model.save(folder / MODEL)
            elif first and begun is None and not any((folder / CHECKPOINTS).glob("*.safetensors")):
                shutil.rmtree(folder)  # nothing was learned
        if not first:
            return Result(model, folder, {}, prepared.notes)
        write_whole(folder / METRICS, lines(model.history.rows))
        result = finish(job, prepared, model, folder, start)
        for each in loggers:
            for path in (folder / MODEL, Path(result.summary["report"])):
                each.file(path)
    return result


def model_of(job: Job, prepared: Prepared, network: Layer) -> Model:
    """The job's model, before training."""
    usual = USUAL_OF_TEXT if isinstance(prepared.training, TextStream) else USUAL
    model = Model(
        network,
        loss=SoftmaxCrossEntropy() if prepared.preprocessing.goal.task == "classification" else SquaredError(),
        optimizer=OPTIMIZERS[job.optimizer](job.learning_rate),
        l2=job.l2,
        clip_norm=usual["clip_norm"] if job.clip_norm is None else job.clip_norm,
        seed=job.seed,
        precision=job.precision,
    )
    model.notes["preprocessing"] = prepared.preprocessing.to_json()
    return model


def finish(
    job: Job, prepared: Prepared, model: Model, folder: Path, start: float, more: dict[str, Any] | None = None
) -> Result:
    """Evaluates a trained model, and writes what the run left into its folder; `more` goes into the summary."""
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
        **({"placement": str(model.history.placement)} if model.history.placement else {}),
        "run": str(folder),
        **(more or {}),
    }
    record = {
        "summary": summary,
        "data": {"file": job.data, **counted(prepared)},
        "settings": resolved(job, prepared),
        "notes": prepared.notes,
        "environment": environment(),
        **found.shown,
    }
    summary["report"] = conclude(folder, model, record, found.files)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return Result(model, folder, summary, prepared.notes)


def prepare(job: Job, progress: bool | None) -> Prepared:
    """The data of a job, to train on and held out, and its network."""
    if job.task == "forecast":
        return series.prepare(job)
    if job.task == "language" or (job.task == "auto" and job.data.lower().endswith(".txt")):
        return language.prepare(job)
    if table_set.is_set(job.data, job.memory):
        return table_set.prepare(job, progress)
    return images.prepare(job, progress) if images.are_images(job.data) else table.prepare(job)


def resolved(job: Job, prepared: Prepared) -> dict[str, Any]:
    """The job's settings, without those for other kinds of data, with what is used where one says nothing."""
    data, usual = prepared.training, USUAL
    if isinstance(data, TextStream):
        size, usual = data.streams, USUAL_OF_TEXT
    else:
        examples = data.examples if isinstance(data, Stream) else len(data[0])
        size = min(32, examples) if job.batch_size is None else job.batch_size
    others = {"data", "runs", "log", *(name for names in ONLY_FOR.values() for name in names)}
    given = dataclasses.asdict(job)
    settings = {n: value for n, value in given.items() if n not in others or value != getattr(Job, n, value)}
    return settings | {n: usual[n] for n in usual if settings[n] is None} | {"batch_size": size}


def counted(prepared: Prepared) -> dict[str, Any]:
    """How much there is to learn from, and how much is held out, of what."""
    preprocessing, data = prepared.preprocessing, prepared.training
    if isinstance(data, TextStream):
        held_out = prepared.text.symbols if prepared.text is not None else ()
        unit, sizes = data.vocabulary.unit, (len(data.symbols), len(held_out))
    elif isinstance(data, Stream):
        unit, sizes = "rows", (data.examples, prepared.stream.examples if prepared.stream else 0)
    else:
        unit, sizes = "rows", (len(data[0]), len(prepared.held_out[0]))
    unit = {ImagePreprocessing: "images", SeriesPreprocessing: "windows"}.get(type(preprocessing), unit)
    return {"unit": unit, "training": sizes[0], "held_out": sizes[1]}
