"""One process of a launched run: it lives as long as its launcher, takes its place, and runs the command."""

import os
import runpy
import signal
import sys
import threading
import traceback

from deltarule.cli.main import fail, main
from deltarule.errors import DeltaruleError
from deltarule.launcher import LIFELINE, LOST
from deltarule.training.processes import join

SIGNS = ("gloo", "nccl", "coordination", "connection reset", "connection closed", "peer")


def run(command: list[str]) -> int:
    """The exit status of a command of deltarule's, or of a Python script."""
    try:
        join()
        if not command[0].endswith(".py"):
            return main(command)
        sys.argv, sys.path[0] = command, os.path.dirname(os.path.abspath(command[0]))
        runpy.run_path(command[0], run_name="__main__")
    except DeltaruleError as error:
        return fail(str(error))
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except KeyboardInterrupt:
        return fail("interrupted", status=130)
    except Exception as error:
        if any(sign in str(error).lower() for sign in SIGNS):
            what = str(error).splitlines()[0]
            return fail(f"this process lost touch with another one of the run ({what})", status=LOST)
        traceback.print_exc()
        return 1
    return 0


def live_with(descriptor: int) -> None:
    """Ends this process's group when the launcher, which holds the pipe's other end, is gone, however it went."""

    def watch():
        while os.read(descriptor, 1):
            pass
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def quieten() -> None:
    """Has what C++ prints, such as gloo's greeting, go where errors go: standard output is for results."""
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)


if __name__ == "__main__":
    quieten()
    if LIFELINE in os.environ:
        live_with(int(os.environ[LIFELINE]))
    status = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    if status:  # at an orderly exit JAX waits for the others, who may wait for this one
        os._exit(status)
