"""`deltarule launch`: a command in several processes that train as one, on one machine or on many."""

import sys
import textwrap
from dataclasses import dataclass

import tyro

from deltarule.cli.output import FLAGS
from deltarule.errors import SettingError
from deltarule.launcher import Launch, launch
from deltarule.training.rendezvous import parts_of


@dataclass(frozen=True)
class Settings:
    """Run a command in several processes that train as one: deltarule launch --processes 4 -- train DATA ...

    Behind -- stands `train` with its settings, or a Python script with its arguments, in which `fit` trains over
    all processes. What comes out is what one process computes, to rounding. Only process 0 writes files and tells
    of the run. When a process is lost the others are ended, and all begin again at the last checkpoint.

    On several machines start it on each, with the same --address and --processes and a --rank of its own. Under
    SLURM, Open MPI or in a Kubernetes job start it once for each process, and say neither.

    The processes trust their network: nothing between them is encrypted or asked for a password. By default they
    meet on the machine's own loopback, which no other machine reaches.

    Attributes:
        processes: How many processes the run has in all.
        address: HOST:PORT at which process 0 is found, where the processes are on several machines.
        rank: Which of the processes this is, from 0, where they are on several machines.
        host: The address of this machine at which its processes meet, where all of them are on it.
        timeout: Seconds for all processes to come.
        max_restarts: How often all processes are started again after one was lost.
        min_processes: Each restart takes one process fewer, down to so many; by default as many as before.
        json: Print the command's JSON object as the last line.
    """

    processes: int | None = None
    address: str | None = None
    rank: int | None = None
    host: str = "127.0.0.1"
    timeout: float = 60
    max_restarts: int = 0
    min_processes: int | None = None
    json: bool = False


def main(arguments: list[str]) -> None:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    settings = tyro.cli(Settings, prog="deltarule launch", args=arguments[:cut], config=FLAGS)
    status = launch(plan_of(settings, tuple(arguments[cut + 1 :])), tell)
    if status:
        sys.exit(status)


def plan_of(settings: Settings, command: tuple[str, ...]) -> Launch:
    """The plan that the settings describe; raises SettingError where they describe none."""
    if not command or not (command[0] == "train" or command[0].endswith(".py")):
        got = f"got {command[0]!r}" if command else "nothing stands there"
        raise SettingError(
            f"launch: expected train or a Python script behind --, as in: deltarule launch --processes 2 -- train "
            f"data.csv; {got}"
        )
    for name, least in (("processes", 1), ("rank", 0), ("max_restarts", 0), ("min_processes", 1)):
        value = getattr(settings, name)
        if value is not None and value < least:
            raise SettingError(f"launch: {name} must be at least {least}, got {value}")
    if not settings.timeout > 0:
        raise SettingError(f"launch: timeout must be above 0 seconds, got {settings.timeout:g}")
    if (settings.address is None) != (settings.rank is None):
        raise SettingError("launch: --address and --rank go together, where the processes are on several machines")
    if settings.address is not None:
        parts_of(settings.address)
    count, rank = settings.processes, settings.rank
    if rank is not None and (count is None or rank >= count):
        raise SettingError(
            f"launch: --rank {rank} needs --processes above it, how many there are in all, got {count}"
        )
    if settings.min_processes is not None and (
        count is None or rank is not None or settings.min_processes > count
    ):
        raise SettingError("launch: --min-processes goes with as many --processes or more, all on this machine")
    ranks = (rank,) if rank is not None else tuple(range(count)) if count is not None else (0,)
    return Launch(
        command=(*command, "--json") if settings.json and "--json" not in command else command,
        count=count,
        ranks=ranks,
        address=settings.address,
        host=settings.host,
        timeout=settings.timeout,
        restarts=settings.max_restarts,
        least=settings.min_processes,
    )


def tell(sentence: str) -> None:
    """A sentence of the launcher's, for a person; what a process said last stands in lines of its own."""
    first, *lines = sentence.split("\n")
    print("\n".join([textwrap.fill(f"deltarule launch: {first}", 100), *lines]), file=sys.stderr, flush=True)
