"""MLflow: a run of an experiment, at a tracking server or in a store on this machine."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.errors import SettingError
from deltarule.interop.loggers.logger import Logger, needed

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN
    from deltarule.model import Model

LONGEST = 6000  # characters of a parameter that MLflow takes


class MLflow(Logger):
    """A run of an MLflow experiment; MLflow's own active run, if there is one, is left alone.

    Args:
        experiment: its name; it is made where it does not exist.
        trained: whose settings are written, as `Logger` states; its description is kept as description.json.
        name: of the run; by default MLflow draws one.
        store: the tracking URI, such as "http://localhost:5000" or "sqlite:///mlflow.db"; by default MLflow's own
            (the environment variable MLFLOW_TRACKING_URI).
        settings: more of them, such as epochs=20.

    Raises:
        SettingError: mlflow is not installed, or cannot open the store.
    """

    def __init__(
        self,
        experiment: str,
        trained: "Model | DQN | None" = None,
        *,
        name: str | None = None,
        store: str | None = None,
        **settings: Any,
    ):
        super().__init__(trained, settings)
        self.experiment, self.name, self.store = experiment, name, store
        self.entities = needed("mlflow.entities", "MLflow", "mlflow")
        self.tracking = needed("mlflow.tracking", "MLflow", "mlflow")
        self.client: Any = None
        self.run = ""  # MLflow's id of it

    def begin(self) -> None:
        self.client = client(self.tracking.MlflowClient, self.store)
        known = self.client.get_experiment_by_name(self.experiment)
        experiment = self.client.create_experiment(self.experiment) if known is None else known.experiment_id
        self.run = self.client.create_run(experiment, run_name=self.name).info.run_id
        params = [
            self.entities.Param(name, str(value)[:LONGEST]) for name, value in self.settings.items() if value != ""
        ]
        self.client.log_batch(self.run, params=params)
        if self.description:
            self.client.log_dict(self.run, self.description, "description.json")

    def write(self, step: int, found: dict[str, float]) -> None:
        now = int(time.time() * 1000)
        metrics = [self.entities.Metric(name, value, now, step) for name, value in found.items()]
        self.client.log_batch(self.run, metrics=metrics)

    def keep(self, path: Path) -> None:
        self.client.log_artifact(self.run, str(path))

    def end(self, failed: bool) -> None:
        self.client.set_terminated(self.run, "FAILED" if failed else "FINISHED")


def client(kind: Any, store: str | None) -> Any:
    """MLflow's client of a store; raises SettingError where it lacks a package, or refuses the store."""
    refused = needed("mlflow.exceptions", "MLflow", "mlflow").MlflowException
    try:
        return kind(tracking_uri=store)
    except (ImportError, refused) as error:
        raise SettingError(
            f"MLflow: the store {store or 'of MLFLOW_TRACKING_URI'} cannot be opened: {error}; a store in a "
            "database needs pip install 'deltarule[mlflow]'"
        ) from None
