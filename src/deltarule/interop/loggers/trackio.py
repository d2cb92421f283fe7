"""Trackio: a run of a project, in a database of this machine's user that `trackio show` shows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.interop.loggers.logger import Logger, needed

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN
    from deltarule.model import Model


class Trackio(Logger):
    """A run of a Trackio project; the environment variable TRACKIO_DIR names another folder for its database.

    Args:
        project: its name.
        trained: whose settings are written, as `Logger` states.
        name: of the run; by default one is drawn.
        settings: more of them, such as epochs=20.

    Raises:
        SettingError: trackio is not installed.
    """

    def __init__(
        self,
        project: str,
        trained: "Model | DQN | None" = None,
        *,
        name: str | None = None,
        **settings: Any,
    ):
        super().__init__(trained, settings)
        self.project, self.name = project, name
        self.trackio = needed("trackio", "Trackio", "trackio")
        self.run: Any = None

    def begin(self) -> None:
        config = self.settings | ({"description": self.description} if self.description else {})
        self.run = self.trackio.init(
            project=self.project, name=self.name, config=config, auto_log_cpu=False, auto_log_gpu=False
        )

    def write(self, step: int, found: dict[str, float]) -> None:
        self.run.log(found, step=step)

    def keep(self, path: Path) -> None:
        self.run.log_artifact(str(path), type="model" if path.suffix == ".safetensors" else "file")

    def end(self, failed: bool) -> None:
        self.run.finish()
