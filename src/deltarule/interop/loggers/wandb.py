"""Weights & Biases: a run of a project, at its servers or, with WANDB_MODE=offline, in a folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.interop.loggers.logger import Logger, needed

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN
    from deltarule.model import Model


class WandB(Logger):
    """A run of a project of Weights & Biases, whose own environment variables say where it goes.

    Args:
        project: its name.
        trained: whose settings are written, as `Logger` states.
        name: of the run; by default one is drawn.
        folder: for its files, ./wandb by default.
        settings: more of them, such as epochs=20.

    Raises:
        SettingError: wandb is not installed.
    """

    def __init__(
        self,
        project: str,
        trained: "Model | DQN | None" = None,
        *,
        name: str | None = None,
        folder: str | os.PathLike[str] | None = None,
        **settings: Any,
    ):
        super().__init__(trained, settings)
        self.project, self.name, self.folder = project, name, folder
        self.wandb = needed("wandb", "WandB", "wandb")
        self.run: Any = None

    def begin(self) -> None:
        config = self.settings | ({"description": self.description} if self.description else {})
        folder = None if self.folder is None else os.fspath(self.folder)
        if folder is not None:
            os.makedirs(folder, exist_ok=True)
        self.run = self.wandb.init(
            project=self.project, name=self.name, dir=folder, config=config, reinit="create_new"
        )

    def write(self, step: int, found: dict[str, float]) -> None:
        self.run.log(found, step=step)

    def keep(self, path: Path) -> None:
        self.run.log_artifact(str(path), type="model" if path.suffix == ".safetensors" else "file")

    def end(self, failed: bool) -> None:
        self.run.finish(exit_code=int(failed))
