"""The pages of the benchmarks: one of each file of results, with its rows, its machine and the raw figures."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
HEADS = {"name": "what", "peer": "beside", "ours": "ours", "theirs": "theirs", "unit": "unit", "ratio": "ratio"}
SHORT = {"dqn": "DQN"}
ELSEWHERE = {"torture": ("tests/torture/drive.py", "make torture")}


def write_pages(folder: Path) -> None:
    """Writes a page for each file of results, where it is not there as it is; others are removed."""
    folder.mkdir(exist_ok=True)
    pages = {f"{path.stem}.md": page(path) for path in sorted(RESULTS.glob("*.json"))}
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)


def page(path: Path) -> str:
    """The page of a file of results."""
    found = json.loads(path.read_text())
    script, command = measured_by(path.stem)
    raw = f"../../../benchmarks/results/{path.name}"
    parts = [
        f"# {title(path.stem)}",
        f"Measured by `{script}`; `{command}` measures it again. [Raw figures]({raw}).",
        facts("Machine", found.get("machine", {})),
        facts("Versions", found.get("versions", {})),
        rows(found["rows"]),
    ]
    if any("ratio" in row for row in found["rows"]):
        parts.append(
            "A ratio above 1 means that Deltarule is better; the spread is that of the ratio over the rounds."
        )
    rest = {name: value for name, value in found.items() if name not in ("machine", "versions", "rows")}
    return "\n\n".join(part for part in [*parts, facts("In all", rest)] if part) + "\n"


def title(stem: str) -> str:
    """The name of a page.

    >>> title("dqn-scores-2-core-epyc")
    'DQN: scores (2-core Epyc)'
    """
    found = re.fullmatch(r"(.+?)-(\d+-core)-(.+)", stem)
    what, where = (found[1], f" ({found[2]} {found[3].capitalize()})") if found else (stem, "")
    first, _, rest = what.partition("-")
    return f"{SHORT.get(first, first.capitalize())}{': ' * bool(rest)}{rest.replace('-', ' ')}{where}"


def measured_by(stem: str) -> tuple[str, str]:
    """(file, command) of what wrote a file of results: the benchmark with the longest name that begins it."""
    for name, known in ELSEWHERE.items():
        if stem.startswith(name):
            return known
    words = stem.split("-")
    for count in range(len(words), 0, -1):
        script = ROOT / "benchmarks" / f"{'_'.join(words[:count])}.py"
        if script.exists():
            return f"benchmarks/{script.name}", f"python benchmarks/{script.name} --json"
    raise FileNotFoundError(f"{stem}.json: no file of benchmarks/ has a name that begins it")


def facts(title: str, known: dict[str, Any]) -> str:
    """Names with their values in one sentence."""
    told = ", ".join(f"{name} {shown(value)}" for name, value in known.items())
    return f"{title}: {told}." if known else ""


def rows(found: list[dict[str, Any]]) -> str:
    """The rows as a table: what every file of results has, then the spread and the note, or whatever there is."""
    usual = {**HEADS, "spread": "spread", "note": "note"}
    names = [name for name in usual if any(name in row for row in found)]
    if "ratio" not in names:
        names = list(dict.fromkeys(name for row in found for name in row))
    names = [name for name in names if any(row.get(name) not in (None, "") for row in found)]
    numbers = {name for name in names if any(isinstance(row.get(name), float | int) for row in found)}
    lines = [
        [usual.get(name, name.replace("_", " ")) for name in names],
        ["--:" if name in numbers else ":--" for name in names],
        *([shown(row.get(name)) for name in names] for row in found),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(value: Any) -> str:
    """A value in a cell: numbers to four digits, text without the signs that Markdown reads."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, dict):
        return "; ".join(f"{name} {shown(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return re.sub(r"([\\*_<\[\]{}$|`])", r"\\\1", str(value))
