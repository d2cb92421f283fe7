"""`deltarule report`: a run's page from its folder, or one that sets several runs side by side."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from deltarule.cli.output import FLAGS, say
from deltarule.errors import SettingError
from deltarule.experiment.conclude import REPORT
from deltarule.experiment.report import report_of
from deltarule.files import write_whole


@dataclass(frozen=True)
class Report:
    """Write the page of a run, one HTML file that needs neither scripts nor a network; of several, compare them.

    Attributes:
        runs: Folders of runs, such as runs/iris-1.
        output: The file to write; by default report.html in the run's folder, or comparison.html in this one.
        json: Print one JSON object as the last line.
    """

    runs: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN ...", help_behavior_hint="(required)")
    ]
    output: str | None = None
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Report, prog="deltarule report", args=arguments, config=FLAGS)
    if not settings.runs:
        raise SettingError("report: expected the folder of a run, such as runs/iris-1, or several to compare")
    page, told = report_of(settings.runs)
    default = Path(settings.runs[0]) / REPORT if len(settings.runs) == 1 else Path("comparison.html")
    output = Path(settings.output) if settings.output else default
    write_whole(output, page)
    summary = {"report": str(output), "bytes": len(page), **told}
    say(summary, settings.json, f"{output} ({len(page) / 1000:.0f} kB): open it in a browser")
