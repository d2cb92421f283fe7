"""`deltarule dqn`: the name of an environment in, agents that learned to play it and their run folder out."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.errors import SettingError
from deltarule.experiment.dqn import finished, train
from deltarule.experiment.dqn_job import DqnJob, job_of
from deltarule.experiment.run_folder import read_record
from deltarule.populations.result import table


@dataclass(frozen=True)
class Dqn(DqnJob):
    """Train agents by deep Q-learning: play, learn, measure, film, write a folder.

    `deltarule dqn CartPole-v1 --steps 50000 --seeds 5`

    `--resume RUN` goes on with a run that was stopped or killed, with its own settings, in its own folder.

    Attributes:
        double: Let the network choose the action that the target network values.
        no_double: Let the target network choose it, too, where double is known to work on the environment.
        dueling: Let the network tell the value of a state apart from the advantages of actions.
        no_dueling: Let it tell Q alone, where dueling is known to work on the environment.
        resume: The folder of a run that was stopped or killed, which then goes on.
        json: Print one JSON object as the last line.
    """

    environment: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="ENVIRONMENT", help_behavior_hint="(required)")
    ] = ""
    double: bool = False
    no_double: bool = False
    dueling: bool = False
    no_dueling: bool = False
    resume: str | None = None
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Dqn, prog="deltarule dqn", args=arguments, config=FLAGS)
    given: dict[str, Any] = {field.name: getattr(settings, field.name) for field in dataclasses.fields(DqnJob)}
    for name in ("double", "dueling"):
        given[name] = chosen(name, getattr(settings, name), getattr(settings, f"no_{name}"))
    job = DqnJob(**given)
    begun = None
    if settings.resume is not None:
        begun = Path(settings.resume)
        refuse_settings(job, settings.resume)
        job = job_of(settings.resume)
        summary = finished(settings.resume)
        if summary is not None:
            return told(summary, read_record(begun / "record.json")["seeds"], settings.json)
    elif not job.environment:
        raise SettingError("dqn: expected the name of an environment, such as CartPole-v1, or --resume RUN")
    result = train(job, progress=True, tell=tell, begun=begun)
    return told(result.summary, result.seeds, settings.json)


def chosen(name: str, yes: bool, no: bool) -> bool | None:
    """What a flag and its opposite say of a setting; None where they leave it to what is known to work."""
    if yes and no:
        raise SettingError(f"dqn: --{name} and --no-{name} exclude each other; choose one")
    return yes or (False if no else None)


def refuse_settings(job: DqnJob, run: str) -> None:
    """Raises SettingError where a setting is given beside a run that goes on with its own."""
    for field in dataclasses.fields(DqnJob):
        usual = "" if field.name == "environment" else field.default
        if getattr(job, field.name) != usual:
            raise SettingError(f"dqn: --resume {run} goes on with its own settings; leave {field.name} out")


def told(summary: dict[str, Any], seeds: list[dict[str, Any]], as_json: bool) -> None:
    """Says what a run gave."""
    names = ("seed", "return", "deviation", "length", "measured", "step")
    title = f"{summary['environment']}: {summary['episodes']} episodes of each agent's greedy policy"
    said = f"mean return {summary['mean']:.4g}"
    if summary["interval"]:
        low, high = summary["interval"]
        said += (
            f"; interquartile mean {summary['interquartile_mean']:.4g}, 95 % interval over seeds {low:.4g} to "
            f"{high:.4g}"
        )
    film = f"; {summary['film']} shows the best agent at play" if summary["film"] else ""
    say(
        summary,
        as_json,
        f"{table([{name: row[name] for name in names} for row in seeds], title)}\n"
        f"{said}\n"
        f"{summary['steps']:,} steps of each of {summary['seeds']} in {summary['seconds']:.1f} s on the "
        f"{summary['path']} path: {summary['steps_per_second']:,.0f} steps/s, compiling and measuring included\n"
        f"look at {summary['report']} in a browser{film}; deltarule play {summary['run']} plays on",
    )
