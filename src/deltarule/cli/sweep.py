"""`deltarule sweep`: many settings trained together; the best is left as a run, beside a table of all."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.cli.train import refuse_other, without
from deltarule.errors import SettingError
from deltarule.experiment.resume import finished, settings_of
from deltarule.experiment.run_folder import SWEEP
from deltarule.experiment.sweep import Plan, Planned, sweep
from deltarule.job import Job, read_settings
from deltarule.populations.result import table


@dataclass(frozen=True)
class Sweep(Planned):
    """Train a network under many settings in one program, and compare them.

    `deltarule sweep iris.csv --vary learning_rate=1e-4..1e-1 l2=0,1e-4 hidden=32,64x64 --samples 16`

    `--config FILE.toml` takes all other settings from a file, such as the run.toml of a run or the sweep.toml of a
    sweep; flags overrule it.
    `--resume RUN` goes on with a sweep that was stopped or killed, with its own settings, in its own folder.

    Attributes:
        data: As that of `deltarule train`: a table, a series (task = forecast), or images.
        json: Print one JSON object as the last line.
    """

    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    json: bool = False


def main(arguments: list[str]) -> None:
    arguments, file = without(arguments, "--config", "a TOML file")
    arguments, run = without(arguments, "--resume", "the folder of a sweep")
    if file and run:
        raise SettingError("--resume takes the settings of its sweep; leave --config out")
    given = settings_of(run, "sweep", SWEEP, Planned) if run else read_settings(file, Planned) if file else {}
    default = Sweep(**{"data": tyro.MISSING, **given})
    settings = tyro.cli(Sweep, prog="deltarule sweep", args=arguments, default=default, config=FLAGS)
    if run:
        refuse_other(settings, Sweep(**given), run)
        summary = finished(run)
        if summary is not None:
            return say(summary, settings.json, f"{run} is finished; look at {summary['sweep']} in a browser")
    job, plan = (
        kind(**{field.name: getattr(settings, field.name) for field in dataclasses.fields(kind)})
        for kind in (Job, Plan)
    )
    begun = Path(run) if run else None
    result, found = sweep(job, plan, progress=True, tell=tell, begun=begun)  # type: ignore[arg-type]
    summary = result.summary
    title = f"{len(found.ranking)} configurations, {len(found.rows)} models, {found.programs} compiled programs"
    return say(
        summary,
        settings.json,
        f"{table(found.ranking[:10], title)}\n"
        f"the best has {summary['metric']} {summary['validation']:.4f} on held-out examples, in "
        f"{summary['seconds']:.1f} s; look at {summary['sweep']} in a browser; model.safetensors beside it is the "
        "best, sweep.json has every model",
    )
