"""`deltarule train`: a table, a series, images or a text in, a trained model and its run folder out."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.errors import SettingError
from deltarule.experiment import Result, train
from deltarule.experiment.resume import finished, resume, settings_of
from deltarule.job import Job, read_settings


@dataclass(frozen=True)
class Train(Job):
    """Train a network on a table, a series, images or a text: read, prepare, train, measure, write a folder.

    `--config FILE.toml` takes settings from a file, such as the run.toml of an earlier run; flags overrule it.
    `--resume RUN` goes on with a run that was stopped or killed, with its own settings, in its own folder.

    Attributes:
        data: A .csv, .tsv, .parquet or .npz file (arrays x and y), a .txt file, a folder that holds a folder of
            images for each class; or a folder or a pattern of .csv, .tsv or .parquet files. A .npz file holds
            images where x is of the shape (n, h, w) or (n, h, w, channels).
        json: Print one JSON object as the last line.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    json: bool = False


def main(arguments: list[str]) -> None:
    arguments, file = without(arguments, "--config", "a TOML file")
    arguments, run = without(arguments, "--resume", "the folder of a run")
    if file and run:
        raise SettingError("--resume takes the settings of its run; leave --config out")
    given = settings_of(run) if run else read_settings(file) if file else {}
    default = Train(**{"data": tyro.MISSING, **given})
    settings = tyro.cli(Train, prog="deltarule train", args=arguments, default=default, config=FLAGS)
    job = Job(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(Job)})
    if run is None:
        return told(train(job, progress=True, tell=tell), settings.json)
    refuse_other(job, Job(**given), run)
    summary = finished(run)
    if summary is not None:
        return say(summary, settings.json, f"{run} is finished; look at {summary['report']} in a browser")
    return told(resume(run, job, progress=True, tell=tell), settings.json)


def refuse_other(job: Job, begun: Job, run: str) -> None:
    """Raises SettingError where a setting is not that of the run, but for the paths of data and of a cluster."""
    for name, value in dataclasses.asdict(begun).items():
        if name not in ("data", "ray", "json") and getattr(job, name) != value:
            raise SettingError(f"--resume {run} goes on with {name} = {value!r}; leave the setting out")


def told(result: Result, as_json: bool) -> None:
    """Says what a run gave."""
    summary = result.summary
    if not summary:
        return
    target = result.model.notes["preprocessing"]["target"]["name"]
    beside = ""
    if "naive_error" in summary:
        beside = f" (error {summary['root_mean_squared_error']:.4g}, naive {summary['naive_error']:.4g})"
    if "ngram_bits" in summary:
        beside = f" ({summary['ngram_order']}-grams {summary['ngram_bits']:.4f})"
    say(
        summary,
        as_json,
        f"{summary['task']} of {target!r}: {summary['metric']} {summary['validation']:.4f}{beside} on held-out "
        f"examples, which also chose the epoch: {summary['best_epoch']} of {summary['epochs']} "
        f"({summary['ended']}), in {summary['seconds']:.1f} s, with the kernels of {summary['kernels']}\n"
        f"{summary['placement']}\n"
        f"look at {summary['report']} in a browser; model.safetensors, metrics.jsonl and run.toml are beside it",
    )


def without(arguments: list[str], flag: str, what: str) -> tuple[list[str], str | None]:
    """The arguments without `flag VALUE`, and the VALUE."""
    for at, argument in enumerate(arguments):
        if argument.startswith(f"{flag}="):
            return arguments[:at] + arguments[at + 1 :], argument.removeprefix(f"{flag}=")
        if argument == flag:
            if at + 1 == len(arguments):
                raise SettingError(f"{flag} expects {what}")
            return arguments[:at] + arguments[at + 2 :], arguments[at + 1]
    return arguments, None
