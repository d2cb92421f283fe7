"""`deltarule trace`: one training step on real values, to follow by hand."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from deltarule.cli.explain import page, read_loss
from deltarule.cli.output import FLAGS, say
from deltarule.files import write_whole
from deltarule.inspect.notebook import notebook
from deltarule.inspect.trace import trace
from deltarule.subject import read_subject


@dataclass(frozen=True)
class TraceStep:
    """Show one training step with its numbers: every equation, and below it what it gives.

    Attributes:
        network: A trained model, a Python file and a name in it (net.py:net), or layers in words: "Dense(4),
            Sigmoid(), Dense(1)". Its parameters, its inputs and its targets are drawn by the seed.
        x: The input's shape, the examples first, such as 4x3.
        loss: Where δ comes from, "SquaredError()" by default; a trained model knows its own.
        seed: All that is drawn follows from it.
        format: For a terminal; a page of its own; or a Jupyter notebook that computes the step in NumPy.
        output: The file to write; by default it is printed.
        json: Print one JSON object as the last line.
    """

    network: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")]
    x: str | None = None
    loss: str | None = None
    seed: int = 0
    format: Literal["text", "html", "notebook"] = "text"
    output: str | None = None
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(TraceStep, prog="deltarule trace", args=arguments, config=FLAGS)
    subject = read_subject(settings.network, settings.x)
    loss = subject.loss if settings.loss is None else read_loss(settings.loss)
    traced = trace(subject.net, subject.x, loss=loss, optimizer=subject.optimizer, seed=settings.seed)
    shown = {
        "text": traced.text,
        "html": lambda: page("A training step", traced),
        "notebook": lambda: notebook(traced),
    }
    text = shown[settings.format]()
    if settings.output is not None:
        write_whole(settings.output, text.encode())
        text = f"the step is in {settings.output}"
    say(traced.to_json(), settings.json, text)
