"""`deltarule check`: whether every layer of a network keeps the laws of the layer contract, and what is wrong."""

import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say
from deltarule.inspect.check import check
from deltarule.subject import read_subject


@dataclass(frozen=True)
class Check:
    """Put a network, and every layer in it, through the laws of the layer contract.

    The exit status is 1 where a law is broken.

    Attributes:
        network: A model, a run folder, net.py:name, or layers such as "Dense(64), ReLU(), Dense(10)".
        x: The input's shape, the examples first, such as 8x784; a trained model knows its own.
        seed: Of the random numbers that the laws are tried on.
        json: Print one JSON object as the last line.
    """

    network: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")]
    x: str | None = None
    seed: int = 0
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Check, prog="deltarule check", args=arguments, config=FLAGS)
    subject = read_subject(settings.network, settings.x)
    findings = check(subject.net, subject.x, seed=settings.seed)
    say(findings.to_json(), settings.json, str(findings))
    if not findings.ok:
        sys.exit(1)
