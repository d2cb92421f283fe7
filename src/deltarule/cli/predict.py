"""`deltarule predict`: a file in, its predictions out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.experiment import predict
from deltarule.files import write_whole


@dataclass(frozen=True)
class Predict:
    """Predict each row of a file, prepared as the model's own table was.

    Attributes:
        model: A run folder, or its model.safetensors.
        data: A .csv, .tsv, .parquet or .npz file; the target column may be missing.
        output: The CSV file to write; by default predictions.csv beside the data's working folder.
        json: Print one JSON object as the last line.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    output: str = "predictions.csv"
    json: bool = False


def main(arguments: list[str]) -> None:
    import polars as pl

    settings = tyro.cli(Predict, prog="deltarule predict", args=arguments, config=FLAGS)
    columns, notes = predict(settings.model, settings.data)
    frame = pl.DataFrame(columns)
    write_whole(Path(settings.output), frame.write_csv().encode())
    tell(notes)
    summary = {"rows": len(frame), "columns": frame.columns, "output": settings.output}
    say(summary, settings.json, f"{len(frame)} predictions in {settings.output}\n{frame.head(5)}")
