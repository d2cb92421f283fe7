"""What all loggers share: when a run begins and ends, and who writes."""

import atexit
import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from deltarule.errors import FileError, SettingError
from deltarule.interop.loggers.described import Value, description, flat, hyperparameters, plain
from deltarule.interop.loggers.figures import figures, step_of
from deltarule.training.history import History, Row
from deltarule.training.processes import is_first

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN
    from deltarule.model import Model


class Logger(ABC):
    """Writes a run's settings and figures: a callback of `Model.fit` and `DQN.fit`.

    A run begins with the first row, or with `with`, and ends with `close`, with the block, or with the process. Of
    several processes that train as one the first writes.

    Args:
        trained: a Model or a DQN, whose network, loss, optimizer and numbers are written; or None.
        settings: what else is worth writing, such as epochs and batch_size.
    """

    def __init__(self, trained: "Model | DQN | None", settings: dict[str, Any]):
        self.settings: dict[str, Value] = flat(plain(settings))
        self.description: dict[str, Any] = {}
        if trained is not None:
            self.settings = hyperparameters(trained) | self.settings
            self.description = description(trained)
        self.is_open = False

    @abstractmethod
    def begin(self) -> None:
        """Opens the run, and writes its settings and description."""

    @abstractmethod
    def write(self, step: int, found: dict[str, float]) -> None:
        """Writes the figures of a step."""

    @abstractmethod
    def keep(self, path: Path) -> None:
        """Keeps a file with the run."""

    @abstractmethod
    def end(self, failed: bool) -> None:
        """Closes the run."""

    def open(self) -> bool:
        """Begins the run where it has not begun; whether this is the process that writes."""
        if not is_first():
            return False
        if not self.is_open:
            self.begin()
            self.is_open = True
            atexit.register(self.close)
        return True

    def __call__(self, rows: Row | Sequence[Row]) -> None:
        """Writes an epoch's row; or the newest row of each agent, as "agent 3/return" where there are several."""
        if self.open():
            self.write(step_of(rows), figures(rows))

    def log_history(self, history: History) -> None:
        """Writes all rows of a run that is over, such as that of an ensemble's member, which has no callbacks."""
        for row in history.rows:
            self(row)

    def file(self, path: str | os.PathLike[str]) -> None:
        """Keeps a file with the run: a model, a report.

        Raises:
            FileError: there is no such file.
        """
        if not Path(path).is_file():
            raise FileError(f"{path}: expected a file to keep with the run, but there is none; save it first")
        if self.open():
            self.keep(Path(path))

    def close(self, failed: bool = False) -> None:
        """Ends the run; a second call does nothing."""
        if self.is_open:
            self.is_open = False
            atexit.unregister(self.close)
            self.end(failed)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=kind is not None)


def needed(module: str, name: str, extra: str) -> Any:
    """A module of a package that is not always installed.

    Raises:
        SettingError: it is not there, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingError(f"{name}: {error}; pip install 'deltarule[{extra}]' brings what is missing") from None
