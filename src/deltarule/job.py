"""A training job in words: the settings of `deltarule train`, as flags or as a TOML file."""

import dataclasses
import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from deltarule.errors import FileError, SettingError
from deltarule.files import write_whole


@dataclass(frozen=True)
class Job:
    """Training a network on a table, from its file to its run folder.

    Attributes:
        data: A .csv, .tsv, .parquet or .npz file (arrays x and y).
        target: The column to predict: its name, or its position from 0, -1 for the last.
        task: What the target is; auto finds out.
        hidden: Width of each hidden layer.
        activation: Between the layers.
        optimizer: How the parameters move.
        learning_rate: The size of a step.
        l2: λ of the penalty λ |W|² on the weights.
        clip_norm: The largest global norm of a gradient; by default gradients are left as they are.
        epochs: The most passes over the data.
        batch_size: Examples a step; by default 32, less for a small table.
        validation: The share of the rows that is held out.
        patience: Epochs without a better validation loss before the run stops; 0 never stops early.
        seed: All randomness follows from it.
        runs: The folder for run folders.
    """

    data: str
    target: str = "-1"
    task: Literal["auto", "classification", "regression"] = "auto"
    hidden: tuple[int, ...] = (64, 64)
    activation: Literal["relu", "elu", "gelu", "selu", "sigmoid", "silu", "tanh"] = "relu"
    optimizer: Literal["adam", "adamw", "rmsprop", "adagrad", "sgd"] = "adam"
    learning_rate: float = 1e-3
    l2: float = 1e-4
    clip_norm: float | None = None
    epochs: int = 300
    batch_size: int | None = None
    validation: float = 0.2
    patience: int = 30
    seed: int = 0
    runs: str = "runs"


def write_settings(path: Path, settings: dict[str, Any]) -> None:
    """Writes a run's settings as TOML, such that `deltarule train --config` runs them again."""
    import tomli_w

    settings = {name: value for name, value in settings.items() if value is not None}
    write_whole(path, tomli_w.dumps(settings).encode())


def read_settings(path: str) -> dict[str, Any]:
    """The settings in a TOML file, by the names of Job's attributes; raises SettingError for any other name."""
    try:
        settings = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: not a TOML file ({error})") from None
    known = [field.name for field in dataclasses.fields(Job)]
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(known)}"
            raise SettingError(f"{path}: unknown setting {name!r}; {hint}")
    kinds = get_type_hints(Job)
    for name, value in settings.items():
        if not fits(value, kinds[name]):
            raise SettingError(f"{path}: {name} = {value!r} does not fit; expected {expected(kinds[name])}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}


def fits(value: Any, kind: Any) -> bool:
    """Whether a value from a TOML file is of a setting's type."""
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, list) and all(fits(each, int) for each in value)
    if get_origin(kind) in (Union, UnionType):
        return any(fits(value, each) for each in get_args(kind))
    return not isinstance(value, bool) and isinstance(value, (int, float) if kind is float else kind)


def expected(kind: Any) -> str:
    """A setting's type in words."""
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    words = {"str": "text", "int": "a whole number", "float": "a number"}
    return words.get(getattr(kind, "__name__", ""), "whole numbers" if get_origin(kind) is tuple else "a number")
