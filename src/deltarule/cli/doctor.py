"""`deltarule doctor`: what is installed, whether it works, and what to do where it does not.

It needs nothing but what Deltarule cannot be without, since a broken installation is what it is asked about.
"""

import argparse
import json
import sys
import textwrap
from dataclasses import dataclass
from typing import Any

from deltarule.data.memory import told
from deltarule.inspect.doctor import Diagnosis, diagnosis


@dataclass(frozen=True)
class Doctor:
    """Tell what is installed, whether it works, and what to do where it does not.

    Versions, devices, kernels, caches, the packages of each extra, and a training step that is tried. The exit
    status is 1 where nothing can be trained.

    Attributes:
        json: Print one JSON object as the last line.
    """

    json: bool = False


def main(arguments: list[str]) -> None:
    settings = given(arguments)
    found = diagnosis()
    print(json.dumps(found.to_json()) if settings.json else shown(found))
    if not found.works:
        sys.exit(1)


def given(arguments: list[str]) -> Doctor:
    """The settings, read without tyro, which may be what is missing."""
    parser = argparse.ArgumentParser(
        "deltarule doctor", description=(Doctor.__doc__ or "").partition("\n\n    A")[0]
    )
    parser.add_argument("--json", action="store_true", help="Print one JSON object as the last line.")
    return Doctor(**vars(parser.parse_args(arguments)))


def shown(found: Diagnosis) -> str:
    """The diagnosis as a person reads it."""
    rows = [(topic, *row) for topic, facts in found.facts.items() for row in lines(topic, facts)]
    return f"{table(rows)}\n\n{verdict(found)}"


def lines(topic: str, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """(name, what there is) of each fact of a topic."""
    if topic == "extras":
        return [(name, packages(extra)) for name, extra in facts.items()]
    if topic == "devices":
        return [(name, device(each)) for name, each in facts.items()]
    return [(name, value(name, each)) for name, each in facts.items()]


def packages(extra: dict[str, Any]) -> str:
    """What is installed of an extra, or what brings the rest."""
    if not extra["missing"]:
        return "installed: " + ", ".join(f"{name} {version}" for name, version in extra["packages"].items())
    return f"{extra['brings']} brings {', '.join(extra['missing'])}"


def device(facts: dict[str, Any]) -> str:
    """A device in words."""
    memory = f", {told(facts['memory'])}" if facts["memory"] else ""
    return f"{facts['kind']} ({facts['platform']}{memory})"


def value(name: str, each: Any) -> str:
    """A fact in words."""
    if each is None:
        return "none"
    if name in ("bytes", "memory"):
        return told(each)
    return f"{each:.3g}" if isinstance(each, float) else str(each)


def verdict(found: Diagnosis) -> str:
    """What is wrong, a paragraph each, and whether it works for all that."""
    signs = [f"{'✗' if problem.fatal else '!'} {problem.what}" for problem in found.problems]
    wrapped = [textwrap.fill(sign, 100, subsequent_indent="  ", break_on_hyphens=False) for sign in signs]
    ends = "✓ Deltarule works here." if found.works else "✗ Deltarule does not work here."
    return "\n".join([*wrapped, ends])


def table(rows: list[tuple[str, str, str]]) -> str:
    """Rows of topic, name and fact: by rich where it is installed, else in plain columns."""
    named = [("" if before and topic == before[0] else topic, *rest) for before, (topic, *rest) in beside(rows)]
    try:
        return rich_table(named)
    except ImportError:
        widths = [max(len(row[column]) for row in named) for column in range(2)]
        return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in named)


def beside(rows: list[tuple[str, str, str]]) -> list[tuple[tuple[str, str, str] | None, tuple[str, str, str]]]:
    """Each row with the one before it."""
    return list(zip([None, *rows], rows, strict=False))


def rich_table(rows: list[tuple[str, ...]]) -> str:
    """The rows as a table, as wide as the terminal."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(show_header=False, box=None, pad_edge=False)
    for style in ("bold", "", ""):
        drawn.add_column(style=style, overflow="fold")
    for topic, *rest in rows:
        drawn.add_row(topic, *rest)
    console = Console(highlight=False, markup=False)
    with console.capture() as text:
        console.print(drawn)
    return text.get().rstrip()
