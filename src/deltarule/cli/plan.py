"""`deltarule plan`: what a training step of a network costs, layer by layer, before anything runs."""

import re
import shutil
from dataclasses import dataclass
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say
from deltarule.errors import SettingError
from deltarule.inspect.plan import plan
from deltarule.inspect.rates import measured_rates
from deltarule.losses.loss import Loss
from deltarule.optimizers.optimizer import Optimizer
from deltarule.subject import read_subject, read_words

UNITS = {"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True)
class Plan:
    """What a training step costs, layer by layer, before anything runs: FLOPs, bytes, the largest batch, seconds.

    Attributes:
        network: A model.safetensors, a run folder, a Python file and a name in it (net.py:network), or layers as
            in Python: "Dense(64), ReLU(), Dense(10)". A name where a number is expected gives formulas.
        x: The input's shape, the number of examples first, such as 64x784 or Mxd.
        loss: The loss, such as "SoftmaxCrossEntropy()"; a model's own, else SquaredError.
        optimizer: The optimizer, such as "Adam(1e-3)"; a model's own, else RMSProp.
        memory: How much the step may take, such as 2GB; by default what this device has.
        micro_batches: In how many parts a batch passes through the network.
        textbook: Set the formulas of a fully connected network beside a textbook's, term by term.
        measure_again: Measure this machine's rates anew.
        json: Print one JSON object as the last line.
    """

    network: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")]
    x: str | None = None
    loss: str | None = None
    optimizer: str | None = None
    memory: str | None = None
    micro_batches: int = 1
    textbook: bool = False
    measure_again: bool = False
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Plan, prog="deltarule plan", args=arguments, config=FLAGS)
    subject = read_subject(settings.network, settings.x, symbols=True)
    planned = plan(
        subject.net,
        subject.x,
        loss=read_words(settings.loss, Loss) if settings.loss else subject.loss,
        optimizer=read_words(settings.optimizer, Optimizer) if settings.optimizer else subject.optimizer,
        micro_batches=settings.micro_batches,
        memory=bytes_in(settings.memory) if settings.memory else None,
        rates=measured_rates(again=True) if settings.measure_again else None,
    )
    width = min(shutil.get_terminal_size((80, 24)).columns, 120)
    told, text = planned.to_json(), planned.table(width)
    if settings.textbook:
        beside = planned.textbook()
        told, text = {**told, "textbook": beside.to_json()}, beside.table(width)
    say(told, settings.json, text)


def bytes_in(text: str) -> float:
    """The bytes that "2GB" or "512 MiB" means."""
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", text)
    if found is None or found[2] not in UNITS or not float(found[1]):
        raise SettingError(f"--memory: expected a size such as 2GB or 512MiB, got {text!r}")
    return float(found[1]) * UNITS[found[2]]
