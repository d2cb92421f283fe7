"""TensorBoard: an event file in a folder, written by the package `tensorboard` alone, without TensorFlow."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.errors import FileError
from deltarule.interop.loggers.logger import Logger, needed

if TYPE_CHECKING:
    from deltarule.dqn.agent import DQN
    from deltarule.model import Model


class TensorBoard(Logger):
    """A run in a folder that `tensorboard --logdir` shows: scalars, hyper-parameters, the network as text.

    Args:
        folder: of the run; runs to compare are folders beside it.
        trained: whose settings are written, as `Logger` states.
        settings: more of them, such as epochs=20.

    Raises:
        SettingError: the package tensorboard is not installed.
        FileError: the folder cannot be written.

    >>> import tempfile, deltarule as dr
    >>> model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    >>> with TensorBoard(tempfile.mkdtemp(), model, epochs=2) as log:
    ...     history = model.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, callbacks=[log])
    >>> [path.name.split(".")[2] for path in log.folder.iterdir()]
    ['tfevents']
    """

    def __init__(self, folder: str | os.PathLike[str], trained: "Model | DQN | None" = None, **settings: Any):
        super().__init__(trained, settings)
        self.folder = Path(folder)
        self.writing, self.events = part("summary.writer.event_file_writer"), part("compat.proto.event_pb2")
        self.writer: Any = None

    def begin(self) -> None:
        try:
            self.writer = self.writing.EventFileWriter(str(self.folder))
        except OSError as error:
            raise FileError(f"{self.folder} cannot be written: {error.strerror or error}") from None
        if self.settings:
            self.add(0, part("plugins.hparams.summary_v2").hparams_pb(self.settings, trial_id=str(self.folder)))
        if self.description:
            self.add(0, text("description", json.dumps(self.description, indent=2)))
        self.writer.flush()

    def add(self, step: int, summary: Any) -> None:
        """Adds a summary at a step."""
        self.writer.add_event(self.events.Event(step=step, summary=summary, wall_time=time.time()))

    def write(self, step: int, found: dict[str, float]) -> None:
        summary = part("compat.proto.summary_pb2").Summary()
        for name, value in found.items():
            summary.value.add(tag=name, simple_value=value)
        self.add(step, summary)
        self.writer.flush()

    def keep(self, path: Path) -> None:
        if not (self.folder / path.name).exists() or not path.samefile(self.folder / path.name):
            shutil.copy(path, self.folder)

    def end(self, failed: bool) -> None:
        if self.settings:
            self.add(0, ended(failed))
        self.writer.close()


def part(name: str) -> Any:
    """A module of the package tensorboard."""
    return needed(f"tensorboard.{name}", "TensorBoard", "tensorboard")


def text(name: str, words: str) -> Any:
    """A summary that TensorBoard shows as text, each line as it is."""
    indented = "\n".join(f"    {line}" for line in words.splitlines())  # Markdown's code
    kind = part("compat.proto.types_pb2").DT_STRING
    tensor = part("compat.proto.tensor_pb2").TensorProto(dtype=kind, string_val=[indented.encode()])
    metadata = part("plugins.text.metadata").create_summary_metadata(display_name=name, description="")
    summary = part("compat.proto.summary_pb2").Summary()
    summary.value.add(tag=f"{name}/text_summary", metadata=metadata, tensor=tensor)
    return summary


def ended(failed: bool) -> Any:
    """The summary that tells the table of hyper-parameters how the run ended."""
    known, metadata = part("plugins.hparams.api_pb2"), part("plugins.hparams.metadata")
    data = part("plugins.hparams.plugin_data_pb2")
    status = known.STATUS_FAILURE if failed else known.STATUS_SUCCESS
    end = data.SessionEndInfo(status=status, end_time_secs=time.time())
    own = metadata.create_summary_metadata(data.HParamsPluginData(session_end_info=end))
    summary = part("compat.proto.summary_pb2").Summary()
    summary.value.add(tag=metadata.SESSION_END_INFO_TAG, metadata=own, tensor=metadata.NULL_TENSOR)
    return summary
