"""Checkpoints: all of a run in one file, written while it goes on, from which it ends as if it had never stopped.

A file holds the state after the last finished epoch, the state and the place inside the epoch that goes on, the
best state where it is to be restored, the history, and what the run's numbers follow from. It is whole or not
there: it is written beside and renamed, file and folder are synchronised, and a checksum is over everything.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import jax
import numpy as np

from deltarule import model_file
from deltarule.errors import FileError, SettingError
from deltarule.files import lock, make_folder
from deltarule.training.identity import differences
from deltarule.training.place import Place
from deltarule.training.processes import agreed, is_first
from deltarule.training.signals import Interrupted, Signals
from deltarule.training.state_file import unfold
from deltarule.training.step import State

FORMAT = "deltarule checkpoint 1"
NAME = "checkpoint-"


@dataclass(frozen=True)
class Checkpoints:
    """Where and how often a run is written down: after so many seconds, or steps, whichever comes first.

    Args:
        folder: made if it is not there; it belongs to one run.
        every_seconds: since the last one; 0 writes between all segments.
        every_steps: minibatches (chunks of a source) since the last one. By default time alone decides.
        keep: how many of the newest are kept, so that there is one before if the newest is damaged. Each holds
            the best state, too, where it is to be restored.

    Raises:
        SettingError: a number that cannot be.

    >>> Checkpoints("runs/digits/checkpoints", every_seconds=60).keep
    3
    """

    folder: str | os.PathLike[str]
    every_seconds: float = 30.0
    every_steps: int | None = None
    keep: int = 3

    def __post_init__(self):
        if not self.every_seconds >= 0:
            raise SettingError(f"Checkpoints: every_seconds must be at least 0, got {self.every_seconds!r}")
        for name in ("every_steps", "keep"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and value >= 1):
                raise SettingError(f"Checkpoints: {name} must be a whole number of at least 1, got {value!r}")


class Kept:
    """A folder of checkpoints while a run holds it, and the signals that the run heeds.

    Attributes:
        held: closing it lets the folder go.
    """

    folder: Path
    held: Any
    signals: Signals

    def __enter__(self) -> Self:
        self.signals.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.signals.__exit__(*error)
        self.held.close()

    @property
    def files(self) -> list[Path]:
        """The checkpoints, the newest first."""
        return sorted(self.folder.glob(f"{NAME}*.safetensors"), key=number_of, reverse=True)


class Keeper(Kept):
    """Finds the checkpoints of one run, writes them (of several processes the first does), and heeds signals.

    Args:
        standing: of the run, or of populations.
        identity: gives what the numbers of the run follow from; asked for when it is first needed.

    Raises:
        FileError: the folder cannot be made or written, or another process holds it.
    """

    def __init__(self, settings: Checkpoints, standing: Any, identity: Callable[[], Any]):
        self.settings, self.at = settings, standing
        self.folder, self.held = Path(settings.folder), contextlib.ExitStack()
        self.make_identity, self.known = identity, None
        if is_first():
            self.held.enter_context(lock(make_folder(self.folder)))
            remove(self.folder.glob(f".{NAME}*"))  # left by a process that was killed while it wrote
        self.started = self.written = time.perf_counter()
        self.before = self.steps = 0  # segments of the epoch that are done; steps since the last checkpoint
        self.failure: FileError | None = None
        self.signals = Signals()

    @property
    def identity(self) -> Any:
        """What the numbers of the run follow from."""
        if self.known is None:
            self.known = self.make_identity()
        return self.known

    def require_empty(self) -> None:
        """Raises FileError where the folder has checkpoints, which a new run would mix with its own."""
        if self.files:
            raise FileError(
                f"{self.folder}: holds the checkpoints of a run; resume=True goes on with it, and a new run "
                "needs a folder of its own"
            )

    def find(self) -> None:
        """Puts the run where the newest whole checkpoint has it; where there is none it begins at the start.

        Raises:
            FileError: the checkpoint is of another run, or none of those there is whole.
        """
        files = self.files
        for path in files:
            try:
                arrays, header = model_file.read_model(path, FORMAT)
            except FileError as error:
                self.say(f"{error}. It is passed over.")
                continue
            self.adopt(path, arrays, header)
            return
        if files:
            raise FileError(
                f"{self.folder}: none of its {len(files)} checkpoints is whole; delete them to train anew"
            )
        self.say(f"{self.folder}: there is no checkpoint yet; the run begins at its start.")

    def adopt(self, path: Path, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        """Puts the run where a checkpoint has it."""
        other = differences(header.get("identity"), self.identity)
        if other:
            raise FileError(f"{path}: the checkpoint is of another run, which cannot go on from here. {other}")
        try:
            self.at.adopt(arrays, header)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise FileError(f"{path}: the checkpoint cannot be put together: {error}") from None
        self.before = self.at.inside[1].segments if self.at.inside else 0

    def after(self, state: State, place: Place) -> None:
        """Called after a segment of an epoch: writes what is due, and stops the run if it is asked to."""
        self.at.inside = state, place
        self.count(place.segments)

    def between(self, segments: int) -> None:
        """Called after an epoch of so many segments, or of those that were told of, in the same way."""
        self.count(max(segments, self.before))
        self.before = 0

    def count(self, segments: int) -> None:
        """Writes what is due after so many segments of an epoch, and stops the run if it is asked to."""
        self.steps += segments - self.before
        self.before = segments
        since, often = time.perf_counter() - self.written, self.settings.every_steps
        enough = often is not None and self.steps >= often
        asked = agreed(self.signals.came is not None)
        if enough or since >= self.settings.every_seconds or asked:
            self.write()
        if asked:
            self.stop(self.signals.came or signal.SIGTERM)

    def end(self) -> None:
        """The run is finished: it is written down as such."""
        if not self.at.finished:
            self.at.finished = True
            self.write()
        if self.failure is not None:
            self.say(f"The run has ended, but its end is not in a checkpoint: {self.failure}")
        if self.signals.came is not None:
            self.stop(self.signals.came)

    def write(self) -> None:
        """Writes a checkpoint; where it cannot be written the run goes on, tells it once, and tries again later.

        A state that is not finite is left out: its epoch is lost, and the run will find it so at its end.
        """
        at, self.written, self.steps = self.at, time.perf_counter(), 0
        if not is_first() or not at.good:
            return
        skeleton, arrays = unfold(at.tree())
        header = at.header() | {
            "seconds": at.seconds + self.written - self.started,
            "identity": self.identity,
            "tree": skeleton,
            "versions": {"jax": jax.__version__, "numpy": np.__version__},
        }
        files = self.files
        path = self.folder / f"{NAME}{number_of(files[0]) + 1 if files else 1:06}.safetensors"
        try:
            make_folder(self.folder)
            model_file.write_model(path, arrays, header, FORMAT)
        except FileError as error:
            if self.failure is None:
                self.say(f"{error}. The run goes on without this checkpoint, and tries again later.")
            self.failure = error
            return
        self.failure = None
        remove(files[self.settings.keep - 1 :])

    def stop(self, came: signal.Signals) -> NoReturn:
        """Ends the run for the signal that came."""
        how = f"fit(..., checkpoint={str(self.folder)!r}, resume=True) goes on with it"
        raise Interrupted(came, how, self.failure)

    def say(self, note: str) -> None:
        """Tells a note, and keeps it in the history."""
        self.at.notes.append(note)
        with contextlib.suppress(OSError):  # standard error may be a file on the very disk that is full
            print(f"note: {note}", file=sys.stderr, flush=True)


def remove(files: Iterable[Path]) -> None:
    """Removes files as far as they can be; what stays costs space and nothing else."""
    for path in files:
        with contextlib.suppress(OSError):
            path.unlink()


def number_of(path: Path) -> int:
    """The number in a checkpoint's name, 0 where there is none."""
    digits = path.stem.removeprefix(NAME)
    return int(digits) if digits.isdigit() else 0
