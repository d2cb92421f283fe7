"""`deltarule train`: a table in, a trained model and its run folder out."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.errors import SettingError
from deltarule.experiment import train
from deltarule.job import Job, read_settings


@dataclass(frozen=True)
class Train(Job):
    """Train a network on a table: read, prepare, train, evaluate on held-out rows, and write a run folder.

    `--config FILE.toml` takes settings from a file, such as the run.toml of an earlier run; flags overrule it.

    Attributes:
        data: A .csv, .tsv, .parquet or .npz file (arrays x and y).
        json: Print one JSON object as the last line.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    json: bool = False


def main(arguments: list[str]) -> None:
    if "--config" in arguments:
        at = arguments.index("--config")
        if at + 1 == len(arguments):
            raise SettingError("train: --config expects a TOML file")
        flags = as_flags(read_settings(arguments[at + 1]))
        arguments = flags + arguments[:at] + arguments[at + 2 :]
    settings = tyro.cli(Train, prog="deltarule train", args=arguments, config=FLAGS)
    job = Job(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Job)})
    result = train(job, progress=True)
    tell(result.notes)
    summary = result.summary
    say(
        summary,
        settings.json,
        f"{summary['task']} of {result.model.notes['preprocessing']['target']['name']!r}: "
        f"{summary['metric']} {summary['validation']:.4f} on held-out rows, "
        f"after {summary['epochs']} epochs in {summary['seconds']:.1f} s\n"
        f"look at {summary['run']}/: model.safetensors, curves.svg, metrics.jsonl, run.toml",
    )


def as_flags(settings: dict) -> list[str]:
    """A TOML file's settings as the flags that mean the same, so that one parser checks both."""
    flags = []
    for name, value in settings.items():
        values = [str(each) for each in value] if isinstance(value, list) else [str(value)]
        flags += values if name == "data" else [f"--{name.replace('_', '-')}", *values]
    return flags
