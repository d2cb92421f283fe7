"""The pages of runs: `single` is one run's, made of the other files; `comparison` sets several side by side.

Those of agents are `dqn` and `dqn_comparison`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import DeltaruleError, FileError, SettingError
from deltarule.experiment.report.comparison import comparison, differing
from deltarule.experiment.report.single import report
from deltarule.experiment.run_folder import RECORD, read_record, read_run


def report_of(folders: Sequence[str]) -> tuple[bytes, dict[str, Any]]:
    """The page of the run in a folder, or of the runs in several, and what it says as plain data.

    Raises:
        FileError: a folder that holds no run, or a half-written or altered one.
        SettingError: a folder that is named twice, or too many.
    """
    if any(has_agent(each) for each in folders):
        return report_of_agents(folders)
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


def has_agent(folder: str) -> bool:
    """Whether the folder is that of a run of deltarule dqn."""
    return any(Path(folder).glob("agent*.safetensors"))


def report_of_agents(folders: Sequence[str]) -> tuple[bytes, dict[str, Any]]:
    """The page of runs of deltarule dqn, and their summaries; raises as `report_of` does."""
    from deltarule.experiment.report import dqn, dqn_comparison

    for other in (each for each in folders if not has_agent(each)):
        read_run(other)
        raise SettingError(
            f"report: {other} is a run of deltarule train, and there are others of deltarule dqn; compare runs of "
            "one kind"
        )
    try:
        summaries = [{"run": each, **read_record(Path(each) / RECORD)["summary"]} for each in folders]
        if len(folders) == 1:
            return dqn.report(Path(folders[0])), {"runs": summaries}
        runs = [dqn_comparison.read_learned(Path(each)) for each in folders]
        return dqn_comparison.comparison(runs), {"runs": summaries, "differ": dqn_comparison.differing(runs)}
    except DeltaruleError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise FileError(
            f"{', '.join(folders)}: record.json or metrics.jsonl is not as the run wrote it "
            f"({type(error).__name__}: {error})"
        ) from error


__all__ = ["comparison", "differing", "report", "report_of"]
