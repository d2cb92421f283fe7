"""What is done to a run: kills at random moments, full disks, files in the wrong place, damaged files and data."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from life import born, log_of

from deltarule.model_file import read_model
from deltarule.training.checkpoint import FORMAT

START = 3.0  # seconds, in which the first write of a life is awaited
WINDOW = 0.15  # seconds after it, in which it is killed
IN_WRITE = 0.0005  # seconds after a write has begun, of half of the kills


@dataclass
class Run:
    """A run under torture.

    Attributes:
        told: what was expected and did not come.
        damaged: checkpoints that were damaged on purpose.
        counts: kills; lives that were in a write when they were killed, and those that left half a file.
    """

    kind: str
    home: Path
    random: random.Random
    told: list[str] = field(default_factory=list)
    damaged: set[Path] = field(default_factory=set)
    counts: Counter = field(default_factory=Counter)

    @property
    def folder(self) -> Path:
        return self.home / "checkpoints"

    @property
    def log(self) -> str:
        return log_of(self.home).read_text(errors="replace")

    @property
    def files(self) -> list[Path]:
        """The checkpoints that should be whole, the newest last."""
        return sorted(set(self.folder.glob("checkpoint-*")) - self.damaged)

    def expect(self, truth: object, what: str) -> None:
        """Keeps what should have been and was not."""
        if not truth:
            self.told.append(f"{self.kind}: {what}; its log: {self.log[-600:]}")


def ended(run: Run, most: int | None = None, until: Callable[[], None] | None = None) -> int | None:
    """A life that is killed at a random moment, most often while it writes; its status, None if it was killed.

    `until` is called at that moment, before another as long, after which it is killed.
    """
    pid = born(run.kind, run.home, run.folder, most)
    before, start = changed(run.folder), time.monotonic()
    if run.random.random() < 0.1:
        time.sleep(run.random.uniform(0, 0.5))
    else:
        while changed(run.folder) == before and time.monotonic() - start < START and alive(pid):
            time.sleep(0.001)
        time.sleep(run.random.uniform(0, WINDOW))
    if until is not None and alive(pid):
        until()
        time.sleep(run.random.uniform(0, WINDOW))
    elif run.random.random() < 0.5:  # in a write
        until_written = time.monotonic() + WINDOW
        while not written(run.folder) and time.monotonic() < until_written and alive(pid):
            pass
        time.sleep(run.random.uniform(0, IN_WRITE))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        run.expect(os.WTERMSIG(status) == signal.SIGKILL, f"it died of signal {os.WTERMSIG(status)}")
        run.counts["kills"] += 1
        return None
    return os.WEXITSTATUS(status)


def written(folder: Path) -> bool:
    """Whether a file is there that is being written."""
    with contextlib.suppress(OSError), os.scandir(folder) as names:
        return any(name.name.startswith(".") for name in names)
    return False


def alive(pid: int) -> bool:
    """Whether a child has not ended; it is not yet waited for."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None


def changed(folder: Path) -> int:
    """When a name in a folder changed."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def whole(run: Run) -> None:
    """After a kill: the newest checkpoint can be read, whatever was being written."""
    left = [path.stat().st_size for path in run.folder.glob(".checkpoint-*")]
    if left:
        run.counts["half_written"] += 1
        run.counts["torn"] += bool(run.files) and left[0] < run.files[-1].stat().st_size
    if run.files:
        try:
            read_model(run.files[-1], FORMAT)
        except ValueError as error:
            run.told.append(f"{run.kind}: the newest checkpoint after a kill is not whole: {error}")


def kill(run: Run) -> int | None:
    """SIGKILL."""
    status = ended(run)
    run.expect(status in (None, 0), f"it ended with status {status}")
    whole(run)
    return status


def terminate(run: Run) -> int | None:
    """SIGTERM, after which the run is written down; one that comes before it trains ends the process."""
    pid = born(run.kind, run.home, run.folder)
    before, start = changed(run.folder), time.monotonic()
    while changed(run.folder) == before and time.monotonic() - start < START and alive(pid):
        time.sleep(0.001)
    time.sleep(run.random.uniform(0, WINDOW))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    run.expect(code in (0, 143, -signal.SIGTERM), f"SIGTERM ended it with status {code}")
    run.expect(code != 143 or "SIGTERM stopped the run" in run.log, "it does not say that SIGTERM stopped it")
    whole(run)
    return 0 if code == 0 else None


def too_large(run: Run) -> int | None:
    """No file may grow beyond a random size (RLIMIT_FSIZE), so that writes break off within; then SIGKILL."""
    size = run.files[-1].stat().st_size if run.files else 4096
    status = ended(run, most=run.random.randrange(3000, max(size, 3001)))
    run.expect(status in (None, 0, 2), f"it ended with status {status}")
    run.expect(status != 2 or "File too large" in run.log, "it does not say that a file was too large")
    whole(run)
    return status if status == 0 else None


def full(run: Run) -> int | None:
    """The disk fills up in the middle of a life; then SIGKILL, and there is space again."""
    filler = run.home / "filler"

    def fill() -> None:
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(512))
                file.flush()

    status = ended(run, until=fill)
    filler.unlink(missing_ok=True)
    run.expect(status in (None, 0, 2), f"it ended with status {status}")
    run.expect(status != 2 or "No space left" in run.log, "it does not say that the disk is full")
    whole(run)
    return status if status == 0 else None


def replaced(run: Run) -> int | None:
    """A file takes the place of the folder in the middle of a life; then SIGKILL, and the folder is back."""
    aside = run.home / "aside"

    def swap() -> None:
        with contextlib.suppress(OSError):
            run.folder.rename(aside)
            run.folder.touch()

    status = ended(run, until=swap)
    if aside.exists():
        if run.folder.is_dir():  # made anew by the run before the file came
            shutil.rmtree(run.folder)
        run.folder.unlink(missing_ok=True)
        aside.rename(run.folder)
    run.expect(status in (None, 0, 2), f"it ended with status {status}")
    run.expect(status != 2 or "cannot be made: File exists" in run.log, "it does not say what is in the way")
    whole(run)
    return status if status == 0 else None


def read_only(run: Run) -> int | None:
    """The file system is read-only when a life begins, which says so and ends."""
    with remounted(run.home, "ro"):
        pid = born(run.kind, run.home, run.folder)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    run.expect(status == 2 and "Read-only file system" in run.log, f"read-only ended with status {status}")
    return None


@contextlib.contextmanager
def remounted(folder: Path, how: str) -> Iterator[None]:
    """A mounted file system that is mounted otherwise for a while."""
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


def damage(run: Run) -> int | None:
    """The newest checkpoint is truncated or has a bit flipped; the next life says so and uses the one before."""
    if len(run.files) < 2:
        return kill(run)
    newest = run.files[-1]
    content = bytearray(newest.read_bytes())
    if run.random.random() < 0.5:
        del content[run.random.randrange(len(content)) :]
    else:
        content[run.random.randrange(len(content))] ^= 1 << run.random.randrange(8)
    newest.write_bytes(content)
    run.damaged.add(newest)
    status = ended(run)
    run.expect(status in (None, 0), f"after damage it ended with status {status}")
    if run.files[-1] > newest:  # it was not killed before it could write another
        run.expect(f"{newest.name}: " in run.log and "It is passed over" in run.log, "damage was not told")
    whole(run)
    return status


def other_data(run: Run) -> int | None:
    """A bit of the data is flipped; the run is refused until it is flipped back."""
    if not run.files:
        return kill(run)
    path = run.home / "data.npy"
    before = path.read_bytes()
    content = bytearray(before)
    content[run.random.randrange(128, len(content))] ^= 1 << run.random.randrange(7)
    path.write_bytes(content)
    pid = born(run.kind, run.home, run.folder)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    path.write_bytes(before)
    run.expect(status == 2, f"other data ended with status {status}")
    run.expect("cannot go on from here" in run.log or "NaN" in run.log, "other data were not told")
    return None


ANYWHERE = {kill: 80, terminate: 4, too_large: 5, replaced: 3, damage: 6, other_data: 2}
MOUNTED = {full: 10, read_only: 3}  # where the run has a file system of its own
