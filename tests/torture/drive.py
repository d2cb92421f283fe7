"""Runs are killed, starved and damaged at random; each must end bit for bit as one that nothing happened to.

    python tests/torture/drive.py --kills 1000 --json

Lives are forked from a process that has imported everything and computed nothing, so that one takes a third of a
second. Where no file system can be mounted, to be filled or made read-only, this is told.
"""

import argparse
import atexit
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no thread may be there when a life is forked
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="torture-cache-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import numpy as np
from faults import ANYWHERE, MOUNTED, Run
from life import END, KINDS, born, log_of

from deltarule.inspect.environment import environment
from deltarule.model_file import read_model

TURNS = ["wide", "mixed", "wide", "windows", "sweep", "source"]  # the runs, one after the other
SPACE = 24 << 20  # bytes of a file system of its own


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="at least so many")
    parser.add_argument("--in-write", type=int, default=0, help="of which at least so many in a write")
    parser.add_argument("--kinds", nargs="+", default=TURNS, choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="torture-") as home:
        result = torture(Path(home), chosen.kills, chosen.in_write, chosen.kinds, chosen.seed)
    for row in result["rows"]:
        print("{name:12} {lives:5} lives {kills:5} kills {half_written:5} in a write {torn:5} torn".format(**row))
    for fault in result["faults"]:
        print(f"FAULT {fault}", file=sys.stderr)
    for left_out in result["left_out"]:
        print(f"left out: {left_out}")
    print(
        f"{result['kills']} kills survived, {result['half_written']} of them in a write, {result['torn']} with "
        f"half a file left; {result['runs']} runs ended bit for bit as if nothing had happened, "
        f"{len(result['faults'])} faults, in {result['seconds']:.0f} s"
    )
    if chosen.json:
        print(json.dumps(result))
    return 1 if result["faults"] else 0


def torture(home: Path, kills: int, in_write: int, kinds: list[str], seed: int) -> dict:
    """Runs of all kinds in turn, until so many lives have been killed, and so many of them in a write."""
    start, chance = time.monotonic(), random.Random(seed)
    data = np.random.default_rng(seed).normal(size=(240, 6)).astype(np.float32)
    ends = {kind: undisturbed(home / kind, kind, data) for kind in dict.fromkeys(kinds)}
    mount = can_mount(home)
    counts: dict[str, Counter] = {}
    faults, begun, runs = [], 0, 0
    killed = half_written = 0
    while killed < kills or half_written < in_write:
        kind = kinds[begun % len(kinds)]
        run = Run(kind, home / f"run-{begun}", chance)
        run.home.mkdir()
        mounted = mount and begun % 5 == 2
        if mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", run.home], check=True)
        try:
            np.save(run.home / "data.npy", data)
            disturb(run, ANYWHERE | MOUNTED if mounted else ANYWHERE, counts)
            run.expect(end_of(run.home) == ends[kind], "the end is not that of the run that nothing happened to")
        finally:
            if mounted:
                subprocess.run(["umount", run.home], check=True)
        faults += run.told
        begun += 1
        killed = sum(count["kills"] for count in counts.values())
        half_written = sum(count["half_written"] for count in counts.values())
        print(f"run {begun} ({kind}): {killed} kills so far", file=sys.stderr, flush=True)
        runs += not run.told
        shutil.rmtree(run.home)
    rows = [{"name": name, **count} for name, count in sorted(counts.items())]
    return {
        "machine": environment(),
        "rows": rows,
        "kills": killed,
        "half_written": half_written,
        "torn": sum(row["torn"] for row in rows),
        "runs": runs,
        "faults": faults,
        "left_out": []
        if mount
        else [f"{fault.__name__}: a file system cannot be mounted here" for fault in MOUNTED],
        "seconds": time.monotonic() - start,
    }


def disturb(run: Run, faults: dict, counts: dict[str, Counter]) -> None:
    """Life after life until one comes to the end of the run."""
    while True:
        [fault] = run.random.choices(list(faults), list(faults.values()))
        before = run.counts.copy()
        status = fault(run)
        count = counts.setdefault(fault.__name__, Counter(lives=0, kills=0, half_written=0, torn=0))
        count.update(run.counts - before, lives=1)
        if status == 0 or run.told:
            return


def undisturbed(home: Path, kind: str, data: np.ndarray) -> object:
    """How a run ends to which nothing happens, without checkpoints; one with them must end alike."""
    home.mkdir()
    np.save(home / "data.npy", data)
    ends = []
    for checkpoints in (None, home / "checkpoints"):
        pid = born(kind, home, checkpoints)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            raise SystemExit(f"{kind}: undisturbed, it ends with {status}: {log_of(home).read_text()}")
        ends.append(end_of(home))
    if ends[0] != ends[1]:
        raise SystemExit(f"{kind}: a run with checkpoints does not end as one without them")
    return ends[0]


def end_of(home: Path) -> object:
    """Every bit of a model's parameters and of its history, but for the seconds."""
    if not (home / END).exists():
        return None
    arrays, header = read_model(home / END)
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in header["history"]["rows"]]
    return {name: array.tobytes() for name, array in arrays.items()}, rows, header["history"]["ended"]


def can_mount(home: Path) -> bool:
    """Whether this process may mount a file system."""
    place = home / "mount"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        return False
    subprocess.run(["umount", place], check=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
