"""`deltarule sweep`: many settings trained together; the best is left as a run, beside a table of all."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.cli.train import without
from deltarule.experiment.sweep import Plan, sweep
from deltarule.job import Job, read_settings
from deltarule.populations.result import table


@dataclass(frozen=True)
class Sweep(Plan, Job):
    """Train a network under many settings in one program, and compare them.

    `deltarule sweep iris.csv --vary learning_rate=1e-4..1e-1 l2=0,1e-4 hidden=32,64x64 --samples 16`

    `--config FILE.toml` takes all other settings from a file, such as the run.toml of a run; flags overrule it.

    Attributes:
        data: As that of `deltarule train`: a table, a series (task = forecast), or images.
        json: Print one JSON object as the last line.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    json: bool = False


def main(arguments: list[str]) -> None:
    arguments, file = without(arguments, "--config", "a TOML file")
    default = Sweep(**{"data": tyro.MISSING, **(read_settings(file) if file else {})})
    settings = tyro.cli(Sweep, prog="deltarule sweep", args=arguments, default=default, config=FLAGS)
    job, plan = (
        kind(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(kind)})
        for kind in (Job, Plan)
    )
    result, found = sweep(job, plan, progress=True, tell=tell)  # type: ignore[arg-type]
    summary = result.summary
    title = f"{len(found.ranking)} configurations, {len(found.rows)} models, {found.programs} compiled programs"
    say(
        summary,
        settings.json,
        f"{table(found.ranking[:10], title)}\n"
        f"the best has {summary['metric']} {summary['validation']:.4f} on held-out examples, in "
        f"{summary['seconds']:.1f} s; look at {summary['sweep']} in a browser; model.safetensors beside it is the "
        "best, sweep.json has every model",
    )
