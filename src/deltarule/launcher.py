"""The launcher: starts the processes of a run, watches over them, and starts them again where one was lost.

All or none: the processes compute every step together, so when one ends badly the others cannot go on and are
ended, the run's folder is taken from what process 0 announced, and all of them begin again at its last checkpoint.
Nobody outlives the launcher: it passes on the signals that it gets, and should it be killed itself, the pipe that
each process listens to is closed.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from deltarule.training import processes
from deltarule.training.devices import cores

LIFELINE = "DELTARULE_LIFELINE"
NAMED = 2  # the exit status of an error that has a name, and has told it
LOST = 75  # the exit status of a process that lost touch with another one
POLL, SETTLE = 0.05, 0.3  # seconds between looks, and until the first to be lost is told from those that followed
GRACE = 3.0  # seconds for the others to end by themselves after one was lost
GRACE_ASKED = 60.0  # seconds to write down what there is, after the launcher was asked to end
LINES = 12  # of what a process said last
FORWARDED = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Launch:
    """What to start, and how often.

    Args:
        command: of deltarule's, or a Python script with its arguments.
        count: processes of the run; None where a cluster's manager has started this launcher once for each.
        ranks: those that are started here.
        address: where process 0 is to be found; None takes a free port of `host`.
        timeout: seconds for all processes to come.
        restarts: how often all are started again after one was lost.
        least: each restart takes one process fewer, down to so many; None takes as many as before.
    """

    command: tuple[str, ...]
    count: int | None
    ranks: tuple[int, ...]
    address: str | None = None
    host: str = "127.0.0.1"
    timeout: float = 60
    restarts: int = 0
    least: int | None = None


@dataclass
class Process:
    """One process, and the file that it speaks into; None for process 0, which everybody hears."""

    rank: int
    handle: subprocess.Popen
    log: Path | None

    @property
    def status(self) -> int | None:
        """Its exit status, minus the signal that ended it, or None while it runs."""
        return self.handle.poll()

    def told(self) -> str:
        """How it ended."""
        status = self.status
        name = f"process {self.rank} (pid {self.handle.pid})"
        if status is not None and status < 0:
            return f"{name} was ended by signal {signal.Signals(-status).name}"
        return f"{name} ended with exit status {status}"

    def last_words(self) -> str:
        """The end of what it said, where nobody heard it."""
        if self.log is None:
            return ""
        lines = self.log.read_text(errors="replace").strip().splitlines()[-LINES:]
        return "".join(f"\n  {line}" for line in lines)

    def signal(self, number: int) -> None:
        """Sends a signal to it and to what it started."""
        try:
            os.killpg(self.handle.pid, number)
        except ProcessLookupError:
            return


def launch(plan: Launch, tell: Callable[[str], None]) -> int:
    """Starts the processes and returns the exit status: 0, 2 for an error with a name, 128 + a signal, or 1.

    Args:
        tell: takes a sentence about who was lost, and what is done about it.
    """
    caught: list[int] = []
    before = {number: signal.signal(number, lambda number, _: caught.append(number)) for number in FORWARDED}
    try:
        with tempfile.TemporaryDirectory(prefix="deltarule-launch-") as folder:
            run_file = Path(folder) / "run"
            for restart in range(plan.restarts + 1):
                status, lost = once(plan, Path(folder), caught)
                if caught:
                    return 128 + caught[0]
                if lost is None:
                    return status
                if status != NAMED or lost.log is not None:
                    tell(f"{lost.told()}, and the run cannot go on without it.{lost.last_words()}")
                if status == NAMED:  # it would come again
                    return status
                if restart < plan.restarts:
                    plan = again(plan, run_file)
                    tell(f"restart {restart + 1} of {plan.restarts}: {' '.join(plan.command)}")
            return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def again(plan: Launch, run_file: Path) -> Launch:
    """The plan for the next attempt: from the last checkpoint of the run that was announced, if one was."""
    command = plan.command
    if run_file.exists():
        command = (*without(command, "--resume"), "--resume", run_file.read_text())
    if plan.least is None or plan.count is None or plan.count <= plan.least:
        return replace(plan, command=command)
    count = plan.count - 1
    return replace(plan, command=command, count=count, ranks=tuple(rank for rank in plan.ranks if rank < count))


def without(command: Sequence[str], flag: str) -> tuple[str, ...]:
    """The command without a flag and its value.

    >>> without(("train", "--resume", "runs/a-1", "--json", "--resume=runs/b-1"), "--resume")
    ('train', '--json')
    """
    kept = [word for at, word in enumerate(command) if word != flag and command[max(at - 1, 0)] != flag]
    return tuple(word for word in kept if not word.startswith(f"{flag}="))


def once(plan: Launch, folder: Path, caught: list[int]) -> tuple[int, Process | None]:
    """(exit status, the process that was lost or None) of one attempt; none of its processes is left."""
    with ExitStack() as stack:
        read, write = os.pipe()
        stack.callback(os.close, read)
        stack.callback(os.close, write)
        address = plan.address or f"{bracketed(plan.host)}:{free_port(plan.host)}"
        started = []
        stack.callback(lambda: end(started, signal.SIGKILL, 0))
        for rank in plan.ranks:
            started.append(start(plan, rank, address, folder, read))
        return watch(started, caught)


def start(plan: Launch, rank: int, address: str, folder: Path, lifeline: int) -> Process:
    """Starts one process, in a group of its own; all but process 0 speak into a file."""
    environment = {
        **os.environ,
        LIFELINE: str(lifeline),
        processes.TIMEOUT: str(plan.timeout),
        processes.RUN_FILE: str(folder / "run"),
    }
    if plan.count is None:
        environment[processes.CLUSTER] = "1"
    else:
        environment |= {
            processes.ADDRESS: address,
            processes.RANK: str(rank),
            processes.PROCESSES: str(plan.count),
        }
    if len(plan.ranks) > 1:
        share = str(max(cores() // len(plan.ranks), 1))
        for name, value in (
            ("PJRT_NPROC", share),
            ("OMP_NUM_THREADS", share),
            ("JAX_LOCAL_DEVICE_IDS", str(rank)),
        ):
            environment.setdefault(name, value)
    heard = rank == min(plan.ranks)
    log = None if heard else folder / f"process-{rank}.log"
    command = [sys.executable, "-m", "deltarule.cli.launched", *plan.command]
    with ExitStack() as stack:
        out = None if log is None else stack.enter_context(log.open("wb"))
        handle = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=(lifeline,),
            process_group=0,
        )
    return Process(rank, handle, log)


def watch(started: list[Process], caught: list[int]) -> tuple[int, Process | None]:
    """Waits until all have ended; where one ends badly, or the launcher is asked to, sees to the others."""
    passed = 0
    deadline = float("inf")
    while True:
        for number in caught[passed:]:
            for process in started:
                process.signal(number)
            deadline, passed = time.monotonic() + GRACE_ASKED, len(caught)
        statuses = [process.status for process in started]
        if all(status is not None for status in statuses):
            break
        if not caught and any(statuses):
            time.sleep(SETTLE)
            break
        if time.monotonic() > deadline:
            break
        time.sleep(POLL)
    bad = [process for process in started if process.status]
    lost = min(bad, key=suspicion) if bad else None
    status = 0 if lost is None else lost.status or 0
    end(started, signal.SIGTERM, GRACE)
    return status, lost


def suspicion(process: Process) -> int:
    """Who was lost first ranks lowest: those who lost touch with it, or whom JAX aborted for it, came after."""
    return {LOST: 2, -signal.SIGABRT: 1}.get(process.status or 0, 0)


def end(started: list[Process], number: int, grace: float) -> None:
    """Asks those that still run to end, and kills those that do not."""
    for process in started:
        if process.status is None:
            process.signal(number)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and any(process.status is None for process in started):
        time.sleep(POLL)
    for process in started:
        process.signal(signal.SIGKILL)  # what is left of its group, too
        process.handle.wait()


def free_port(host: str) -> int:
    """A port that nobody listens at."""
    family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host
