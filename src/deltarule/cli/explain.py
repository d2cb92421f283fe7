"""`deltarule explain`: the equations of a network, forward and backward, line by line."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from deltarule.cli.output import FLAGS, say
from deltarule.errors import SettingError
from deltarule.inspect.explain import PAGE, Explanation, explain
from deltarule.losses.loss import Loss
from deltarule.subject import read_subject, read_words


@dataclass(frozen=True)
class Explain:
    """Print the forward and backward equations of a network, numbered layer by layer, with its shapes.

    Attributes:
        network: A trained model, a Python file and a name in it (net.py:net), or layers in words: "Dense(64),
            ReLU(), Dense(10)".
        x: The input's shape, the examples first, such as 64x784.
        loss: Where δ comes from, such as "SquaredError()"; a trained model knows its own.
        convention: Whether an example is a row, as in the code, or a column, as in theory.
        sizes: Names for lengths in the shapes, such as 784=d,64=d_H.
        format: For a terminal, for a paper, or a page of its own.
        json: Print one JSON object as the last line.
    """

    network: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")]
    x: str | None = None
    loss: str | None = None
    convention: Literal["row", "column"] = "row"
    sizes: str | None = None
    format: Literal["text", "latex", "html"] = "text"
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Explain, prog="deltarule explain", args=arguments, config=FLAGS)
    subject = read_subject(settings.network, settings.x)
    loss = subject.loss if settings.loss is None else read_loss(settings.loss)
    sizes = read_sizes(settings.sizes) if settings.sizes else None
    explanation = explain(subject.net, subject.x, loss=loss, convention=settings.convention, sizes=sizes)
    text = {
        "text": explanation.text,
        "latex": explanation.latex,
        "html": lambda: page("A network's equations", explanation),
    }
    say(explanation.to_json(), settings.json, "" if settings.json else text[settings.format]())


def page(title: str, explanation: Explanation) -> str:
    """A page of its own, which needs nothing else."""
    return PAGE.format(title=title, body=explanation._repr_html_())


def read_loss(text: str) -> Loss:
    """The loss that an expression names."""
    loss = read_words(text, Loss)
    if not isinstance(loss, Loss):
        raise SettingError(f"--loss: expected a loss such as 'SquaredError()', got {text!r}")
    return loss


def read_sizes(text: str) -> dict[int, str]:
    """The names of lengths that "784=d,64=d_H" gives."""
    found = [re.fullmatch(r"\s*(\d+)\s*=\s*([^\s=]+)\s*", part) for part in text.split(",")]
    sizes = {int(each[1]): each[2] for each in found if each}
    if len(sizes) < len(found):
        raise SettingError(
            f"--sizes: expected a name for each of some lengths, such as 784=d,64=d_H; got {text!r}"
        )
    return sizes
