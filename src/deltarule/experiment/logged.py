"""The loggers of a run that `deltarule train --log` names, beside or inside its folder."""

import os
from pathlib import Path
from typing import Any

from deltarule.interop.loggers import Logger, MLflow, TensorBoard, Trackio, WandB
from deltarule.model import Model


def logger(name: str, folder: Path, model: Model, settings: dict[str, Any]) -> Logger:
    """The logger of a name, with the run's settings.

    TensorBoard's events are in the run folder; the others have the run under its folder's name, in a project that
    is called as the data are. MLflow's store is that of MLFLOW_TRACKING_URI, or mlflow.db beside the run folder.

    Raises:
        SettingError: its package is not installed.
    """
    project = folder.name.rpartition("-")[0]
    if name == "tensorboard":
        return TensorBoard(folder / "tensorboard", model, **settings)
    if name == "mlflow":
        store = None if os.environ.get("MLFLOW_TRACKING_URI") else f"sqlite:///{folder.parent.resolve()}/mlflow.db"
        return MLflow(project, model, name=folder.name, store=store, **settings)
    if name == "wandb":
        return WandB(project, model, name=folder.name, folder=folder.parent, **settings)
    return Trackio(project, model, name=folder.name, **settings)
