"""`deltarule train`: a table, a series, images or a text in, a trained model and its run folder out."""

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
    """Train a network on a table, a series, images or a text: read, prepare, train, measure, write a folder.

    `--config FILE.toml` takes settings from a file, such as the run.toml of an earlier run; flags overrule it.

    Attributes:
        data: A .csv, .tsv, .parquet or .npz file (arrays x and y), a .txt file, or a folder that holds a folder
            of images for each class. A .npz file holds images where x is of the shape (n, h, w) or (n, h, w,
            channels).
        json: Print one JSON object as the last line.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    json: bool = False


def main(arguments: list[str]) -> None:
    arguments, file = without_config(arguments)
    default = Train(**{"data": tyro.MISSING, **(read_settings(file) if file else {})})
    settings = tyro.cli(Train, prog="deltarule train", args=arguments, default=default, config=FLAGS)
    job = Job(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Job)})
    result = train(job, progress=True, tell=tell)
    summary = result.summary
    target = result.model.notes["preprocessing"]["target"]["name"]
    beside = ""
    if "naive_error" in summary:
        beside = f" (error {summary['root_mean_squared_error']:.4g}, naive {summary['naive_error']:.4g})"
    if "ngram_bits" in summary:
        beside = f" ({summary['ngram_order']}-grams {summary['ngram_bits']:.4f})"
    say(
        summary,
        settings.json,
        f"{summary['task']} of {target!r}: {summary['metric']} {summary['validation']:.4f}{beside} on held-out "
        f"examples, which also chose the epoch: {summary['best_epoch']} of {summary['epochs']} "
        f"({summary['ended']}), in {summary['seconds']:.1f} s, with the kernels of {summary['kernels']}\n"
        f"look at {summary['report']} in a browser; model.safetensors, metrics.jsonl and run.toml are beside it",
    )


def without_config(arguments: list[str]) -> tuple[list[str], str | None]:
    """The arguments without `--config FILE`, and the FILE."""
    for at, argument in enumerate(arguments):
        if argument.startswith("--config="):
            return arguments[:at] + arguments[at + 1 :], argument.removeprefix("--config=")
        if argument == "--config":
            if at + 1 == len(arguments):
                raise SettingError("train: --config expects a TOML file")
            return arguments[:at] + arguments[at + 2 :], arguments[at + 1]
    return arguments, None
