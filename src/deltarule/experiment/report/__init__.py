"""The pages of runs: `single` is one run's, made of the other files; `comparison` sets several side by side."""

from collections.abc import Sequence
from typing import Any

from deltarule.errors import DeltaruleError, FileError
from deltarule.experiment.report.comparison import comparison, differing
from deltarule.experiment.report.single import report
from deltarule.experiment.run_folder import read_run


def report_of(folders: Sequence[str]) -> tuple[bytes, dict[str, Any]]:
    """The page of the run in a folder, or of the runs in several, and what it says as plain data.

    Raises:
        FileError: a folder that holds no run, or a half-written or altered one.
        SettingError: a folder that is named twice, or too many.
    """
    runs = [read_run(each) for each in folders]
    try:
        summaries = [{"run": str(run.folder), **run.record.get("summary", {})} for run in runs]
        if len(runs) == 1:
            return report(runs[0]), {"runs": summaries}
        return comparison(runs), {"runs": summaries, "differ": differing(runs)}
    except DeltaruleError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise FileError(
            f"{', '.join(folders)}: record.json is not as its run wrote it ({type(error).__name__}: {error}); "
            "delete it, and the report shows what the model knows"
        ) from error


__all__ = ["comparison", "differing", "report", "report_of"]
