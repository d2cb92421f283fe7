"""`deltarule predict`: a file in, its predictions out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.errors import SettingError
from deltarule.experiment import predict
from deltarule.files import write_whole


@dataclass(frozen=True)
class Predict:
    """Predict each row of a file, prepared as the model's own table was.

    Attributes:
        model: A run folder, or its model.safetensors.
        data: A .csv, .tsv, .parquet or .npz file; the target column may be missing.
        output: The CSV file to write; by default NAME-predictions.csv in this folder, after the data's NAME.
        json: Print one JSON object as the last line.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    output: str | None = None
    json: bool = False


def main(arguments: list[str]) -> None:
    import polars as pl

    settings = tyro.cli(Predict, prog="deltarule predict", args=arguments, config=FLAGS)
    output = Path(settings.output or f"{Path(settings.data).stem}-predictions.csv")
    if output.resolve() == Path(settings.data).resolve():
        raise SettingError(f"predict: {output} is the data itself; choose another --output")
    columns, notes = predict(settings.model, settings.data)
    tell(notes)
    frame = pl.DataFrame(columns)
    write_whole(output, frame.write_csv().encode())
    summary = {"rows": len(frame), "columns": frame.columns, "output": str(output)}
    say(summary, settings.json, f"{len(frame)} predictions in {output}\n{frame.head(5)}")
