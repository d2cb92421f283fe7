"""How every benchmark measures: contenders in rounds, one after the other, and medians of ratios within a round.

A round runs every contender once, in an order that moves on by one each round, so that whatever else the machine
does falls on all of them alike. A ratio is taken within a round; what is reported is the median over rounds.
"""

import gc
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Seconds = dict[str, np.ndarray]  # per contender, one number a round


class Contender(Protocol):
    """Somebody who does the job: `fresh` starts it anew, untimed; `run` does it once and waits for the result."""

    name: str
    note: str

    def fresh(self) -> None: ...

    def run(self) -> None: ...


def interleave(contenders: Sequence[Contender], rounds: int, least: float = 0.1, warm: bool = True) -> Seconds:
    """Seconds of one `run` of each contender in each round; runs are repeated until `least` seconds are full."""
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        shift = number % len(contenders)
        for contender in [*contenders[shift:], *contenders[:shift]]:
            contender.fresh()
            if warm:
                contender.run()
            times[contender.name].append(time_of(contender.run, least))
    return {name: np.array(values) for name, values in times.items()}


def time_of(run: Callable[[], None], least: float) -> float:
    """Seconds of one run, the mean over as many as fill `least` seconds."""
    gc.collect()
    count, start = 0, time.perf_counter()
    while True:
        run()
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= least:
            return elapsed / count


def fastest(forms: Sequence[Contender], rounds: int = 3, least: float = 0.05) -> Contender:
    """The fastest of several forms of one contender: whoever is compared with is compared at its best."""
    by_note = [Named(form.note, form) for form in forms]
    times = interleave(by_note, rounds, least)
    best = min(by_note, key=lambda form: np.median(times[form.name]))
    return best.inner


@dataclass
class Named:
    """A contender under another name."""

    name: str
    inner: Any

    def __post_init__(self):
        self.note, self.fresh, self.run = self.inner.note, self.inner.fresh, self.inner.run


@dataclass(frozen=True)
class Row:
    """One comparison; a ratio above 1 means that ours is better, and a target is the ratio to reach."""

    name: str
    peer: str
    ours: float
    theirs: float | None
    unit: str
    ratio: float | None
    spread: float | None = None  # the interquartile range of the ratio over rounds, as a share of its median
    target: float | None = None
    met: bool | None = None
    times_floor: float | None = None
    one_call: float | None = None  # ours, where it is not in a compiled loop but called by itself
    note: str = ""


def compare(
    name: str, peer: str, ours: Any, theirs: Any, unit: str, target: float | None = None, note: str = ""
) -> Row:
    """The row for two arrays of one number a round, or for two numbers; less is better."""
    ratios = np.atleast_1d(np.asarray(theirs, float) / np.asarray(ours, float))
    ratio = float(np.median(ratios))
    low, high = np.quantile(ratios, [0.25, 0.75])
    spread = short((high - low) / ratio) if len(ratios) > 1 else None
    met = None if target is None else ratio >= target
    middle = [short(np.median(values)) for values in (ours, theirs)]
    return Row(name, peer, *middle, unit, short(ratio), spread, target, met, note=note)


def compare_floor(
    name: str, ours: np.ndarray, floor: np.ndarray, unit: str, at_most: float | None = None, note: str = ""
) -> Row:
    """The row against a floor, of which ours may be at most a multiple."""
    times_floor = float(np.median(ours / floor))
    row = replace(compare(name, "floor", ours, floor, unit, note=note), times_floor=short(times_floor))
    return row if at_most is None else replace(row, target=short(1 / at_most), met=times_floor <= at_most)


def short(value: Any) -> float:
    """Four digits, or all of a whole number's: no more are meant."""
    return round(float(value)) if abs(value) >= 1e4 else float(f"{float(value):.4g}")


def machine() -> dict[str, Any]:
    """What this runs on, and how busy it was at the start."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    system = f"{platform.system()} {platform.machine()}"
    return {"processor": processor(), "cores": cores, "system": system, "load": load}


def processor() -> str:
    """The processor's name, where the system tells it."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text().splitlines() if table.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def versions(*packages: str) -> dict[str, str]:
    """The version of Python and of each package that is installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def table(rows: Sequence[Row]) -> str:
    """The rows for a person to read; every missed target says so."""
    head = ("what", "against", "ours", "theirs", "", "ratio", "spread", "target", "")
    lines = [head, *(cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    right = (2, 3, 5, 6, 7)
    aligned = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([aligned[0], "-" * max(map(len, aligned)), *aligned[1:]])


def cells(row: Row) -> tuple[str, ...]:
    """A row as text, one cell a column."""
    if row.times_floor is not None:
        ratio = f"{row.times_floor:.2f} floors"
        target = "" if row.target is None else f"≤ {1 / row.target:.3g}"
    else:
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}×"
        target = "" if row.target is None else f"≥ {row.target:g}×"
    verdict = "" if row.met is None else "met" if row.met else "MISSED"
    return (
        row.name,
        row.peer + (f" ({row.note})" if row.note else ""),
        f"{row.ours:,.4g}" if row.ours < 1e5 else f"{row.ours:,.0f}",
        "-" if row.theirs is None else f"{row.theirs:,.4g}" if row.theirs < 1e5 else f"{row.theirs:,.0f}",
        row.unit,
        ratio,
        "" if row.spread is None else f"{row.spread:.0%}",
        target,
        verdict,
    )


def report(rows: Sequence[Row], packages: Sequence[str], as_json: bool, started: dict[str, Any]) -> None:
    """Prints machine, versions and table; with `as_json` one JSON object as the last line."""
    found = versions(*packages)
    print(f"\n{started['processor']}, {started['cores']} cores, load {started['load']} at the start")
    print(", ".join(f"{name} {version}" for name, version in found.items()) + "\n")
    print(table(rows))
    if as_json:
        sometimes = ("times_floor", "one_call")
        kept = [{k: v for k, v in asdict(row).items() if k not in sometimes or v is not None} for row in rows]
        print(json.dumps({"machine": started, "versions": found, "rows": kept}, ensure_ascii=False))
