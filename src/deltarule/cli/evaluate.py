"""`deltarule evaluate`: how well a model predicts a file that has its target, or class folders of images."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.experiment import evaluate


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained model on a file that has its target column, on a text, or on class folders of images.

    Of a series, every forecast of known values is measured; of a text, the next character everywhere.

    Attributes:
        model: A run folder, or its model.safetensors.
        data: A .csv, .tsv, .parquet, .npz or text file, a folder or a pattern of tables, or a folder that holds a
            folder of images for each class.
        corrupt: Whether image files that cannot be read stop the command, or are left out and told.
        json: Print one JSON object as the last line.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    corrupt: Literal["refuse", "skip"] = "refuse"
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Evaluate, prog="deltarule evaluate", args=arguments, config=FLAGS)
    result, notes = evaluate(settings.model, settings.data, settings.corrupt, progress=True)
    tell(notes)
    figures = ", ".join(f"{name} {value:.4f}" for name, value in result.items() if isinstance(value, float))
    say(result, settings.json, f"{figures} on {result['rows']} examples")
