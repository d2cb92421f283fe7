"""Data: a set four times its memory against the same in memory, and tables against PyTorch with its DataLoader.

    python benchmarks/data.py [--json] [--quick] [--only stream,memory,files]

Prints a table, and with --json one JSON object as the last line, where a ratio above 1 means that ours is better.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dense import check_same_job
from measure import Row, compare, interleave, machine, report
from ours_data import TABLE, Streamed, TableTask
from ours_dense import Deltarule

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy", "polars", "torch")
IN_MEMORY = replace(TABLE, key="b", examples=100_000)
FILES, FILES_MEMORY = replace(TABLE, key="c", examples=1 << 17), 1 << 25
WORKERS = (0, 1, 2)
TIMES_MEMORY = 4  # how many times its memory a streamed set is
PARTS = ("stream", "memory", "files")


def words(task: TableTask) -> str:
    """A task in words."""
    sizes = "-".join(map(str, task.sizes))
    return f"({task.key}) {task.examples:,} rows, {sizes}, batch {task.batch}"


def millions(task: TableTask, times: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Microseconds an example, per contender."""
    return {name: values / task.examples * 1e6 for name, values in times.items()}


def stream_rows(folder: Path, rounds: int) -> list[Row]:
    """(a): an epoch over files four times the memory, against one in memory; and how much memory it takes."""
    task = TABLE
    memory, folder = task.size // TIMES_MEMORY, task.write(folder)
    ours, within = Streamed(task, folder, memory), Deltarule(task)
    within.name = "deltarule, in memory"
    check_same_job(task, [as_deltarule(ours), within])
    quality = ours.stream.shuffle_quality(task.batch)
    print(f"{words(task)}: chunks of {ours.stream.chunk_rows(task.batch):,}, {quality}")
    times = millions(task, interleave([ours, within], rounds))
    row = compare(words(task), within.name, times[ours.name], times[within.name], "µs/example", 0.7)
    program = [sys.executable, Path(__file__).parent / "ours_data.py", folder, str(memory)]
    taken = int(subprocess.run(program, capture_output=True, text=True, check=True).stdout.split()[-1])
    note = f"a set of {task.size / 1e6:.0f} MB"
    return [row, compare("peak memory (a)", "its bound", taken / 1e6, memory / 1e6, "MB", 1, note)]


def memory_rows(_: Path, rounds: int) -> list[Row]:
    """(b): an epoch over a table in memory, against PyTorch with its DataLoader."""
    from peers_data import Loaded, fastest_form

    task, form = IN_MEMORY, fastest_form(IN_MEMORY)
    return against(task, Deltarule(task), [Loaded(task, form, workers) for workers in WORKERS], rounds, 20)


def file_rows(folder: Path, rounds: int) -> list[Row]:
    """(c): an epoch over Parquet files, against PyTorch with its DataLoader over the same files."""
    from peers_data import LoadedFiles, fastest_form

    task, form = FILES, fastest_form(FILES)
    folder = task.write(folder)
    ours = as_deltarule(Streamed(task, folder, FILES_MEMORY))
    return against(task, ours, [LoadedFiles(task, form, workers, folder) for workers in WORKERS], rounds, None)


def against(task: TableTask, ours: Any, peers: list[Any], rounds: int, target: float | None) -> list[Row]:
    """Ours against each peer."""
    check_same_job(task, [ours, *peers])
    times = millions(task, interleave([ours, *peers], rounds))
    return [
        compare(words(task), peer.name, times[ours.name], times[peer.name], "µs/example", target, peer.note)
        for peer in peers
    ]


def as_deltarule(streamed: Streamed) -> Streamed:
    """The contender under the name that the check of the job takes for ours."""
    streamed.name = "deltarule"
    return streamed


def parts(text: str) -> list[str]:
    """The parts named in a list with commas."""
    chosen = text.split(",")
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="1 round instead of 3, to see that it runs")
    parser.add_argument("--only", type=parts, default=list(PARTS), help=f"some of {','.join(PARTS)}")
    chosen = parser.parse_args()
    if importlib.util.find_spec("torch") is None and {*chosen.only} != {"stream"}:
        print(
            "the benchmark compares with torch, not installed here; run: pip install 'deltarule[peers]'",
            file=sys.stderr,
        )
        return 2
    started, rows = machine(), []
    measured = {"stream": stream_rows, "memory": memory_rows, "files": file_rows}
    for part in chosen.only:
        with tempfile.TemporaryDirectory() as folder:
            rows += measured[part](Path(folder), 1 if chosen.quick else 3)
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
