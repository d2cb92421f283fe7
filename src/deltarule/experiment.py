"""The main job: a file in, a trained model and its run folder out."""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.data.arrays import as_numbers, as_weights, read_npz, split
from deltarule.data.table import Preprocessing, read_table
from deltarule.data.target import present, strata
from deltarule.errors import DataError, FileError
from deltarule.files import make_folder, write_whole
from deltarule.job import Job, write_settings
from deltarule.layers import (
    ELU,
    GELU,
    SELU,
    Branch,
    Chain,
    Columns,
    Dense,
    Embedding,
    Flatten,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from deltarule.layers.layer import Layer
from deltarule.losses import SoftmaxCrossEntropy, SquaredError
from deltarule.model import Model, load
from deltarule.optimizers import SGD, AdaGrad, Adam, AdamW, RMSProp
from deltarule.training.run import Callback, Row

if TYPE_CHECKING:
    import polars as pl

ACTIVATIONS = {
    "relu": ReLU,
    "elu": ELU,
    "gelu": GELU,
    "selu": SELU,
    "sigmoid": Sigmoid,
    "silu": SiLU,
    "tanh": Tanh,
}
OPTIMIZERS = {"adagrad": AdaGrad, "adam": Adam, "adamw": AdamW, "rmsprop": RMSProp, "sgd": SGD}
METRICS = {"classification": "accuracy", "regression": "r2"}


@dataclass(frozen=True)
class Result:
    """What a job gave: `summary` is the JSON of the command, `notes` are sentences for a person."""

    model: Model
    folder: Path
    summary: dict[str, Any]
    notes: tuple[str, ...]


def train(job: Job, progress: bool | None = None, tell: Callable[[Sequence[str]], None] | None = None) -> Result:
    """Reads, prepares, trains, evaluates, and writes the run folder; `tell` gets the notes before training.

    Raises:
        FileError, DataError, SettingError: what is wrong with the file, the table or the settings.
        DivergedError: the loss was lost; the last good model is in the run folder.
    """
    from deltarule.inspect import figures

    start = time.perf_counter()
    notes: list[str] = []
    frame, weight = read_data(job.data, notes)
    task = None if job.task == "auto" else job.task
    kept, held = split(len(frame), job.validation, job.seed, strata(frame, job.target, task))
    preparation = Preprocessing.fit(frame, job.target, task, rows=kept)
    notes += preparation.notes
    if tell is not None:
        tell(notes)
    x, y, w = arrays(preparation, frame[kept], weight[kept])
    held_out = x_held, y_held, w_held = arrays(preparation, frame[held], weight[held])
    model = Model(
        network(preparation, job.hidden, ACTIVATIONS[job.activation]()),
        loss=SoftmaxCrossEntropy() if preparation.task == "classification" else SquaredError(),
        optimizer=OPTIMIZERS[job.optimizer](job.learning_rate),
        l2=job.l2,
        clip_norm=job.clip_norm,
        seed=job.seed,
    )
    model.notes["preprocessing"] = preparation.to_json()
    folder = new_folder(job.runs, Path(job.data).stem)
    try:
        model.fit(
            x,
            y,
            epochs=job.epochs,
            batch_size=min(32, len(x)) if job.batch_size is None else job.batch_size,
            validation=held_out,
            sample_weight=w,
            patience=job.patience or None,
            callbacks=[metrics_writer(folder / "metrics.jsonl")],
            progress=progress,
        )
    finally:
        if model.state is not None:
            model.save(folder / "model.safetensors")
            write_settings(folder / "run.toml", dataclasses.asdict(job))
        elif not any(folder.iterdir()):
            folder.rmdir()
    measured = model.evaluate(x_held, y_held, w_held)
    metric = METRICS[preparation.task]
    summary = {
        "task": preparation.task,
        "metric": metric,
        "validation": measured[metric],
        "loss": measured["loss"],
        "epochs": len(model.history.rows),
        "best_epoch": model.history.best_epoch,
        "ended": model.history.ended,
        "seconds": round(time.perf_counter() - start, 3),
        "parameters": model.parameters,
        "run": str(folder),
    }
    write_whole(folder / "curves.svg", figures.curves(model.history.rows))
    predicted, true = preparation.decode(model.predict(x_held)), actual(preparation, y_held)
    if preparation.task == "classification":
        write_whole(folder / "confusion.svg", figures.confusion(predicted, true, preparation.classes))
    else:
        write_whole(folder / "predicted.svg", figures.predicted(predicted, true, preparation.target_name))
    return Result(model, folder, summary, tuple(notes))


def predict(model_path: str, data: str) -> tuple[dict[str, np.ndarray], list[str]]:
    """The prediction for each row of a file, and for classes each one's probability, by column name; and notes."""
    model, preparation = load_prepared(model_path)
    notes: list[str] = []
    frame, _ = read_data(data, notes)
    x, told = preparation.transform(frame)
    outputs = model.predict(x)
    columns = {preparation.target_name: preparation.decode(outputs)}
    for label, probability in zip(preparation.classes, outputs.T, strict=False):
        columns[f"probability of {label}"] = probability
    return columns, [*notes, *told]


def evaluate(model_path: str, data: str) -> tuple[dict[str, Any], list[str]]:
    """How well a model predicts a file that has its target column, and notes."""
    model, preparation = load_prepared(model_path)
    notes: list[str] = []
    frame, weight = read_data(data, notes)
    x, told = preparation.transform(frame, with_target=True)
    y = preparation.target(frame)
    weight = weight[present(frame[preparation.target_name])]
    measured = model.evaluate(x, y, weight)
    metric = METRICS[preparation.task]
    result = {"task": preparation.task, "metric": metric, metric: measured[metric], "loss": measured["loss"]}
    if preparation.task == "regression":
        error = preparation.decode(model.predict(x)) - actual(preparation, y)
        result["root_mean_squared_error"] = float(np.sqrt(np.average(error**2, weights=weight)))
    return {**result, "rows": len(y)}, [*notes, *told]


def read_data(path: str, notes: list[str]) -> tuple["pl.DataFrame", np.ndarray]:
    """The table in a file, and each row's weight, 1 where the file gives none; `notes` gets what to know."""
    if Path(path).suffix.lower() != ".npz":
        frame = read_table(path, notes)
        return frame, np.ones(len(frame), np.float32)
    import polars as pl

    found = read_npz(path)
    x = as_numbers(found["x"], f"{path}: x")
    frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(x.reshape(len(x), -1).T)})
    if "y" in found:
        if found["y"].shape != (len(x),):
            raise DataError(f"{path}: expected y of shape ({len(x)},), one a row of x, got {found['y'].shape}")
        try:
            frame = frame.with_columns(y=pl.Series(found["y"]))
        except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path}: y cannot be a column of a table: {error}") from None
    return frame, as_weights(found.get("weight", np.ones(len(x))), len(x))


def arrays(
    preparation: Preprocessing, frame: "pl.DataFrame", weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y and weights of the rows that have a target."""
    known = present(frame[preparation.target_name])
    return preparation.transform(frame, with_target=True)[0], preparation.target(frame), weight[known]


def actual(preparation: Preprocessing, y: np.ndarray) -> np.ndarray:
    """Encoded targets as they were in the table."""
    if preparation.task == "classification":
        return np.array(preparation.classes)[y]
    return preparation.decode(y)


def network(preparation: Preprocessing, hidden: tuple[int, ...], activation: Layer) -> Chain:
    """Hidden layers and an output; categories with many levels pass through an embedding first.

    An embedding of k levels has 1.6 k^0.56 features, at most 64, the rule of thumb of fastai.
    """
    numbers = preparation.width - len(preparation.embedded)
    branches: list[Layer] = [Columns(0, numbers)] if numbers else []
    for place, (levels, _) in enumerate(preparation.embedded, numbers):
        features = min(64, round(1.6 * levels**0.56))
        branches.append(Chain(Columns(place, place + 1), Embedding(levels, features), Flatten()))
    layers: list[Layer] = []
    if preparation.embedded:
        layers = [Branch(*branches)] if len(branches) > 1 else branches
    for width in hidden:
        layers += [Dense(width), activation]
    return Chain(*layers, Dense(len(preparation.classes) or 1))


def load_prepared(path: str) -> tuple[Model, Preprocessing]:
    """The model in a file or run folder, with the preprocessing of its table."""
    file = Path(path) / "model.safetensors" if Path(path).is_dir() else Path(path)
    model = load(file)
    if "preprocessing" not in model.notes:
        raise FileError(f"{file}: the model was trained on arrays, not on a table; use deltarule.load and predict")
    return model, Preprocessing.from_json(model.notes["preprocessing"])


def new_folder(runs: str, name: str) -> Path:
    """A folder that is not there yet: runs/name-1, runs/name-2, ..."""
    parent, number = make_folder(runs), 1
    while True:
        folder = parent / f"{name}-{number}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
        except OSError as error:
            raise FileError(f"the folder {folder} cannot be made: {error.strerror or error}") from None


def metrics_writer(path: Path) -> Callback:
    """A callback that adds each epoch's row to a file of JSON lines as the run goes on."""

    def write(row: Row) -> None:
        try:
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror or error}") from None

    return write
