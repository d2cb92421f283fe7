"""The processes of a run meet before JAX starts, so that who is missing can be told.

Process 0 listens at the run's address. Each of the others says its rank and how many they are, and waits for the
word to begin, which is given when all have come. One line of JSON each way, and nothing in it is executed; but
whoever reaches the address can take a place in the run, so the network has to be one that is trusted.
"""

import json
import socket
import time
from contextlib import ExitStack
from typing import Any

from deltarule.errors import ProcessError, SettingError

MOST = 4096  # bytes of a line
PAUSE = 0.1  # seconds between two attempts to reach process 0


def meet(address: str, rank: int, count: int, timeout: float) -> str:
    """Waits for all processes of a run; returns the address by which the others reach this one's machine.

    Raises:
        SettingError: an address that cannot be, or processes that do not agree on how many they are.
        ProcessError: some did not come in time; the message says which.
    """
    host, port = parts_of(address)
    deadline = time.monotonic() + timeout
    return (
        lead(host, port, count, deadline, timeout)
        if rank == 0
        else follow(host, port, rank, count, deadline, timeout)
    )


def parts_of(address: str) -> tuple[str, int]:
    """(host, port) of an address; raises SettingError.

    >>> parts_of("127.0.0.1:7100"), parts_of("[::1]:7100")
    (('127.0.0.1', 7100), ('::1', 7100))
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
        raise SettingError(f"launch: expected an address HOST:PORT, such as 10.0.0.1:7100, got {address!r}")
    return host.strip("[]"), int(port)


def lead(host: str, port: int, count: int, deadline: float, timeout: float) -> str:
    """Process 0: waits until all the others have come, and gives them the word."""
    with ExitStack() as stack:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            server = stack.enter_context(socket.create_server((host, port), family=family, backlog=count))
        except OSError as error:
            raise ProcessError(
                f"launch: process 0 cannot listen at {host}:{port} ({error.strerror or error}); the address has "
                "to be one of its own machine, with a port that is free"
            ) from None
        come: dict[int, socket.socket] = {}
        while len(come) < count - 1:
            server.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                other, _ = server.accept()
            except TimeoutError:
                missing = ", ".join(str(rank) for rank in range(1, count) if rank not in come)
                why = f"process {missing} of {count} did not come to {host}:{port} within {timeout:g} s"
                for other in come.values():
                    say(other, {"error": why})
                raise ProcessError(f"launch: {why}; see whether it was started, and with this address") from None
            stack.enter_context(other)
            rank = welcome(other, count, come)
            if rank is not None:
                come[rank] = other
        for other in come.values():
            say(other, {})
    return host


def welcome(other: socket.socket, count: int, come: dict[int, socket.socket]) -> int | None:
    """The rank of who has come; None where it is none of this run, which it is told."""
    other.settimeout(5)
    said = heard(other)
    rank, theirs = said.get("rank"), said.get("count")
    if not isinstance(rank, int) or isinstance(rank, bool):
        return None
    if theirs != count:
        say(other, {"error": f"process 0 was started for {count} processes, process {rank} for {theirs}"})
    elif not 1 <= rank < count or rank in come:
        say(other, {"error": f"there is a process {rank} already, or none of this rank among {count}"})
    else:
        return rank
    return None


def follow(host: str, port: int, rank: int, count: int, deadline: float, timeout: float) -> str:
    """Another process: says who it is, and waits for the word."""
    why: Any = "no answer"
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection((host, port), timeout=left) as leader:
                leader.settimeout(max(deadline + 5 - time.monotonic(), 1))  # process 0's own time ends first
                say(leader, {"rank": rank, "count": count})
                answer = heard(leader, {"error": f"process 0 was lost while process {rank} waited for the others"})
                if "error" in answer:
                    raise ProcessError(f"launch: {answer['error']}")
                return leader.getsockname()[0]
        except OSError as error:
            why = error.strerror or error
            time.sleep(PAUSE)
    raise ProcessError(
        f"launch: process {rank} found no process 0 at {host}:{port} within {timeout:g} s ({why}); see whether it "
        "was started, and whether the address is that of its machine"
    )


def say(other: socket.socket, what: dict[str, Any]) -> None:
    """Sends a line; one who has gone does not hear it."""
    try:
        other.sendall(json.dumps(what).encode() + b"\n")
    except OSError:
        return


def heard(other: socket.socket, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
    """The line that comes, or `otherwise` where none does, or none that makes sense."""
    line = b""
    try:
        while not line.endswith(b"\n") and len(line) < MOST and (more := other.recv(MOST)):
            line += more
        what = json.loads(line)
    except (OSError, ValueError, RecursionError):
        what = None
    return what if isinstance(what, dict) else otherwise or {}
