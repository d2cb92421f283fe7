"""The end of a run: its figures, its record and its report are written into its folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deltarule.experiment.report import report
from deltarule.experiment.report.network import predicted
from deltarule.experiment.run_folder import RECORD, REPORT, Run
from deltarule.files import write_whole
from deltarule.model import Model


def conclude(folder: Path, model: Model, record: dict[str, Any], files: Mapping[str, bytes]) -> str:
    """Writes the curves, `files` by name, the record and the report, whose path it returns; raises FileError."""
    from deltarule.inspect import figures

    for name, content in {"curves.svg": figures.curves(model.history.rows), **files}.items():
        write_whole(folder / name, content)
    record = {**record, "predicted": predicted(Run(folder, model, record))}
    write_whole(folder / RECORD, json.dumps(record, indent=1).encode())
    write_whole(folder / REPORT, report(Run(folder, model, record)))
    return str(folder / REPORT)
