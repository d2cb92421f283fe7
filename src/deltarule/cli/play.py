"""`deltarule play`: an agent that learned a game plays it, in figures, in a GIF or in a window."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say
from deltarule.experiment.dqn_play import play


@dataclass(frozen=True)
class Play:
    """Play episodes of the greedy policy of an agent that `deltarule dqn` trained.

    Attributes:
        run: The folder of a run, whose best agent plays; or an agent's file, such as agent-3.safetensors in it.
        episodes: How many are played.
        seed: That of the first; with the same seed the same episodes are played.
        gif: The file to draw them into.
        window: Draw them in a window.
        json: Print one JSON object as the last line.
    """

    run: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    episodes: int = 3
    seed: int = 0
    gif: str | None = None
    window: bool = False
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Play, prog="deltarule play", args=arguments, config=FLAGS)
    played = play(settings.run, settings.episodes, settings.seed, settings.gif, settings.window)
    mean = sum(played.returns) / len(played.returns)
    summary = {
        "environment": played.agent.name,
        "returns": played.returns,
        "lengths": played.lengths,
        "mean": mean,
        "gif": settings.gif,
    }
    episodes = [
        f"episode {number}: return {gained:.6g}, {length} steps"
        for number, (gained, length) in enumerate(zip(played.returns, played.lengths, strict=True), 1)
    ]
    drawn = [f"look at {settings.gif}"] if settings.gif else []
    say(summary, settings.json, "\n".join([*episodes, f"mean return {mean:.6g}", *drawn]))
