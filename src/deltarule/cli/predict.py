"""`deltarule predict`: a table, a series or images in, their predictions out."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.errors import SettingError
from deltarule.experiment import predict
from deltarule.files import write_whole


@dataclass(frozen=True)
class Predict:
    """Predict each row of a file, each image, or what follows a series, prepared as the model's own data were.

    Attributes:
        model: A run folder, or its model.safetensors.
        data: A .csv, .tsv, .parquet or .npz file, or a folder or a pattern of tables; the target column may be
            missing. For a model of a series: its rows so far, with the target. For a model of images: image files,
            folders of images, or a .npz file.
        output: The CSV file to write; by default NAME-predictions.csv in this folder, after the NAME of the data,
            or of the first of them.
        corrupt: Whether image files that cannot be read stop the command, or are left out and told.
        json: Print one JSON object as the last line.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    data: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="DATA ...", help_behavior_hint="(required)"),
    ]
    output: str | None = None
    corrupt: Literal["refuse", "skip"] = "refuse"
    json: bool = False


def main(arguments: list[str]) -> None:
    import polars as pl

    settings = tyro.cli(Predict, prog="deltarule predict", args=arguments, config=FLAGS)
    if not settings.data:
        raise SettingError("predict: expected data after the model: a file, or for images files and folders")
    output = Path(settings.output or f"{Path(os.path.abspath(settings.data[0])).stem}-predictions.csv")
    if output.resolve() in [Path(each).resolve() for each in settings.data]:
        raise SettingError(f"predict: {output} is the data itself; choose another --output")
    columns, notes = predict(settings.model, *settings.data, corrupt=settings.corrupt, progress=True)
    tell(notes)
    frame = pl.DataFrame(columns)
    write_whole(output, frame.write_csv().encode())
    summary = {"rows": len(frame), "columns": frame.columns, "output": str(output)}
    say(summary, settings.json, f"{len(frame)} predictions in {output}\n{frame.head(5)}")
