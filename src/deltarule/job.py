"""A training job in words: the settings of `deltarule train`, as flags or as a TOML file."""

import dataclasses
import difflib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from deltarule.errors import FileError, SettingError
from deltarule.files import write_whole

Log = Literal["tensorboard", "mlflow", "wandb", "trackio"]
Watchable = Literal["all", "delta", "gradient", "saturated", "dead", "update", "noise", "example_norms"]


@dataclass(frozen=True)
class Job:
    """Training a network on a table, a series, images or a text, from their files to the run folder.

    Attributes:
        data: A .csv, .tsv, .parquet or .npz file (arrays x and y), a .txt file, a folder that holds a folder of
            images for each class; or a folder or a pattern of .csv, .tsv or .parquet files. A .npz file holds
            images where x is of the shape (n, h, w) or (n, h, w, channels).
        target: The column of a table to predict: its name, or its position from 0, -1 for the last.
        task: What the target is; auto finds out whether it is classes or a number. A forecast is of a table whose
            rows follow each other in time: the next values of the target from all columns so far. Language, the
            task for a file with the suffix .txt, is the next character of a text.
        time: The column of time stamps of a forecast; by default the one that holds dates. Without any, rows are
            taken in their order.
        history: Rows that a forecast is made from; by default two seasons (a day of hours, a week of days, a year
            of months), or 48 rows.
        horizon: Values that are forecast; by default a season, or 1.
        gaps: Whether time stamps that are missing in a series stop the job, are filled with the values before
            them, or are ignored: each row is then a step.
        image_size: Height x width, such as 32x32, to which image files are resized; by default all must have
            one size.
        channels: 1 makes all image files grey, 3 makes them colour; by default all must be one or the other.
        corrupt: Whether image files that cannot be read stop the job, or are left out and told.
        augment: How training images are varied, at random in every epoch.
        unit: Whether a text is read as characters or as bytes; by default as characters where it is UTF-8 and has
            at most 256 different ones.
        window: Characters that a step goes back through; the state before them is carried on.
        network: Convolution, the default for images, and resnet (20 layers) are for images; gru, the default for
            series and texts, and lstm are for these; tables have a dense one.
        hidden: Width of each hidden layer; by default 64 and 64 of a dense network, 64 of a recurrent one, and 256
            of a text's.
        activation: Between the layers.
        dropout: The share of a hidden layer's units that training drops, of a dense network.
        optimizer: How the parameters move.
        learning_rate: The size of a step.
        l2: λ of the penalty λ |W|² on the weights.
        clip_norm: The largest global norm of a gradient; by default gradients are left as they are, and of a
            text 1.
        epochs: The most passes over the data; by default 300, and over a text 20.
        batch_size: Examples a step, or streams of a text side by side; by default 32, or all if there are fewer.
        validation: The share of the examples that is held out: at random, and of a series or text the last.
        patience: Epochs without a better validation loss before the run stops, by default 30, and of a text 3; 0
            never stops early.
        memory: What reading a set larger than memory may take, such as 512MB. A folder or a pattern of table files
            is read in chunks of this bound, 512 MB by default; and so are one file, or a folder of images, where
            this is given.
        seed: All randomness follows from it.
        devices: What computes: a number of devices, all, cpu, gpu, or a kind and a number such as cpu:2. Each has
            its share of every minibatch. By default JAX chooses one, and a launched run takes all of each process.
        precision: In what forward and backward are computed; the parameters are float32 in any case.
        watch: What metrics.jsonl tells of each layer in every epoch, and the report shows as maps: norms of δ, of
            the gradient and of examples' own gradients, saturated and dead units, the size of updates, the
            gradient's noise; or all that apply.
        watch_every: One step in so many is watched, and the first of each epoch; 1 watches each, at its price.
        log: Where the run is written besides its folder: tensorboard in it, mlflow in mlflow.db beside it or where
            MLFLOW_TRACKING_URI leads, wandb and trackio where their own settings lead.
        runs: The folder for run folders.
    """

    data: str
    target: str = "-1"
    task: Literal["auto", "classification", "regression", "forecast", "language"] = "auto"
    time: str | None = None
    history: int | None = None
    horizon: int | None = None
    gaps: Literal["refuse", "fill", "ignore"] = "refuse"
    image_size: str | None = None
    channels: Literal[1, 3] | None = None
    corrupt: Literal["refuse", "skip"] = "refuse"
    augment: tuple[Literal["flip", "shift", "cutout"], ...] = ()
    unit: Literal["auto", "characters", "bytes"] = "auto"
    window: int = 64
    network: Literal["auto", "convolution", "resnet", "gru", "lstm", "dense"] = "auto"
    hidden: tuple[int, ...] | None = None
    activation: Literal["relu", "elu", "gelu", "selu", "sigmoid", "silu", "tanh"] = "relu"
    dropout: float = 0.0
    optimizer: Literal["adam", "adamw", "rmsprop", "adagrad", "sgd"] = "adam"
    learning_rate: float = 1e-3
    l2: float = 1e-4
    clip_norm: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    validation: float = 0.2
    patience: int | None = None
    memory: str | None = None
    seed: int = 0
    devices: str | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    watch: tuple[Watchable, ...] = ()
    watch_every: int = 8
    log: tuple[Log, ...] = ()
    runs: str = "runs"


ONLY_FOR = {
    "images": ("image_size", "channels", "corrupt", "augment"),
    "series": ("time", "history", "horizon", "gaps"),
    "text": ("unit", "window"),
    "set": ("memory",),
}


def refuse_others(job: Job, kind: str) -> None:
    """Raises SettingError where a setting is given that is for another kind of data than this."""
    for other, names in ONLY_FOR.items():
        if other != kind:
            hint = {"series": " (task = forecast)", "text": " (task = language)"}.get(other, "")
            of = "a table in files" if other == "set" else other
            refuse_settings(job, names, f"is for {of}{hint}, and this is {'' if kind == 'images' else 'a '}{kind}")


def refuse_settings(job: Job, names: Sequence[str], why: str) -> None:
    """Raises SettingError where a setting of these names is not the default, which would mean nothing."""
    for name in names:
        if getattr(job, name) != getattr(Job, name):
            raise SettingError(f"{job.data}: the setting {name} {why}; leave it out")


def write_settings(path: Path, settings: dict[str, Any]) -> None:
    """Writes a run's settings as TOML, such that `deltarule train --config` runs them again."""
    import tomli_w

    settings = {name: value for name, value in settings.items() if value is not None}
    write_whole(path, tomli_w.dumps(settings).encode())


def read_settings(path: str, kind: type = Job) -> dict[str, Any]:
    """The settings in a TOML file, by the names of a Job's attributes; raises SettingError for any other name."""
    try:
        settings = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: not a TOML file ({error})") from None
    kinds = get_type_hints(kind)
    known = [field.name for field in dataclasses.fields(kind)]
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(known)}"
            raise SettingError(f"{path}: unknown setting {name!r}; {hint}")
    for name, value in settings.items():
        if not fits(value, kinds[name]):
            raise SettingError(f"{path}: {name} = {value!r} does not fit; expected {expected(kinds[name])}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def fits(value: Any, kind: Any) -> bool:
    """Whether a value from a TOML file is of a setting's type."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(fits(each, get_args(kind)[0]) for each in value)
    if get_origin(kind) in (Union, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    return not isinstance(value, bool) and isinstance(value, (int, float) if kind is float else kind)


def expected(kind: Any) -> str:
    """A setting's type in words."""
    if get_origin(kind) in (Union, UnionType):
        kind = get_args(kind)[0]  # the other is None, which TOML lacks
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return "a list: each " + expected(get_args(kind)[0])
    return {str: "text", int: "a whole number", float: "a number"}[kind]
