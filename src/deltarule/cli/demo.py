"""`deltarule demo`: handwritten digits, from pixels to a trained network, in seconds."""

import time
from dataclasses import dataclass
from pathlib import Path

import tyro

from deltarule.cli.output import FLAGS, say
from deltarule.demo import digits


@dataclass(frozen=True)
class Demo:
    """Train a network on scikit-learn's 1797 handwritten digits, a fifth of them held out.

    Attributes:
        runs: The folder for run folders.
        json: Print one JSON object as the last line.
    """

    runs: str = "runs"
    json: bool = False


def main(arguments: list[str]) -> None:
    start = time.perf_counter()
    settings = tyro.cli(Demo, prog="deltarule demo", args=arguments, config=FLAGS)
    summary = digits(settings.runs, progress=True)
    summary["seconds"] = time.perf_counter() - start
    folder = Path(summary["run"])
    say(
        summary,
        settings.json,
        f"{summary['validation']:.1%} of {summary['held_out']} held-out digits read right, "
        f"after {summary['epochs']} epochs in {summary['training_seconds']:.2f} s "
        f"({summary['seconds']:.1f} s with everything)\n"
        f"look at {summary['report']} in a browser; the model is {folder / 'model.safetensors'}",
    )
