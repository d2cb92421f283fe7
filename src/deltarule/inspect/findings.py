"""What a check finds: which law, at which layer and parameter, expected and got, and the likely cause."""

import math
import textwrap
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Any

from deltarule.inspect.case import Breach
from deltarule.layers.layer import Shape

NO_ERROR = "no error"  # what was expected of a layer that raises


@dataclass(frozen=True)
class Finding:
    """One broken law.

    Attributes:
        law: what should hold.
        path: where the layer stands, "2.0" for the first layer inside the third; "" for the whole.
        layer: the layer as it is written.
        x: the shape of its input when it failed.
        parameter: the array or number that is wrong, such as "dW", "dx" or "cost.forward".
        index: the place in it that is furthest off, or None.
        expected, got: the values at that place, or the shapes or texts that disagree.
        tolerance: how far apart the two may be, and `reason`, where that comes from.
        cause: the likely cause, or "".
        also: the paths of layers that are the same and fail alike.
    """

    law: str
    path: str
    layer: str
    x: Shape
    parameter: str
    index: tuple[int, ...] | None
    expected: Any
    got: Any
    tolerance: float
    reason: str
    cause: str
    also: tuple[str, ...] = ()

    @classmethod
    def of(cls, law: str, path: str, layer: str, x: Shape, breach: Breach, cause: str) -> "Finding":
        """A breach of a law, at its place."""
        where = breach.index, breach.expected, breach.got, breach.tolerance, breach.reason
        return cls(law, path, layer, x, breach.what, *where, cause)

    def at(self, path: str) -> "Finding":
        """The same finding, at another layer as well."""
        return replace(self, path=path, also=(self.path, *self.also))

    @property
    def where(self) -> str:
        return f"layer {self.path}, {self.layer}" if self.path else self.layer

    @property
    def lines(self) -> list[str]:
        """What is told of it below its law, for a person."""
        place = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        expected, got = shown(self.expected, self.got)
        found = [f"{self.parameter}{place}: expected {expected}, got {got}"]
        if expected == NO_ERROR:
            found = [f"{self.parameter or 'it'} raises {got}"]
        found.append(f"its input: x {self.x}")
        if self.tolerance:
            found.append(f"tolerance {self.tolerance:.1e}: {self.reason}")
        if self.cause:
            found.append(f"likely cause: {self.cause}")
        if self.also:
            found.append(f"the same at {', '.join(self.also)}")
        return found


@dataclass(frozen=True)
class Findings:
    """What a check found.

    Attributes:
        name: what was checked.
        x: the shape of the input it was tried on.
        findings: the broken laws, in the layers' order.
        laws: each law with the number of layers that it was tried on.
        notes: what was tried in place of what was asked for, and what was not tried, and why.
    """

    name: str
    x: Shape
    findings: tuple[Finding, ...]
    laws: dict[str, int]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether every law holds."""
        return not self.findings

    @property
    def summary(self) -> str:
        if self.ok:
            return f"{self.name}, x {self.x}: every law holds"
        layers = {finding.path for finding in self.findings} | {p for f in self.findings for p in f.also}
        count = f"{len(layers)} layer{'s' * (len(layers) > 1)}"
        return f"{self.name}, x {self.x}: {count} break{'s' * (len(layers) == 1)} a law"

    @property
    def kept(self) -> list[tuple[str, str, str]]:
        """For each law a mark, its words, and how many layers were tried."""
        return [
            ("✓", law, f"{tried} layer{'s' * (tried > 1)}") if tried else ("–", law, "binds none")
            for law, tried in self.laws.items()
        ]

    def __str__(self):
        lines = [self.summary, ""]
        if self.ok:
            lines += [f"  {mark} {law:64} {told}" for mark, law, told in self.kept] + [""]
        for finding in self.findings:
            lines += filled(f"✗ {finding.where}", "  ") + filled(f"broken: {finding.law}", "    ")
            lines += [line for each in finding.lines for line in filled(each, "    ")] + [""]
        return "\n".join([*lines, *(line for note in self.notes for line in filled(f"note: {note}", ""))]).rstrip()

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        findings = [
            asdict(each) | {"expected": plain(each.expected), "got": plain(each.got)} for each in self.findings
        ]
        return {"ok": self.ok, **asdict(self), "findings": findings}

    def _repr_html_(self) -> str:
        from deltarule.inspect.display import framed
        from deltarule.inspect.html import Html

        broken = [
            ("✗", "<br/>".join(map(escape, (each.where, f"broken: {each.law}", *each.lines))))
            for each in self.findings
        ]
        kept = [(mark, f"{escape(law)}</td><td>{told}") for mark, law, told in self.kept]
        rows = "".join(f"<tr><td>{mark}</td><td>{told}</td></tr>" for mark, told in (kept if self.ok else broken))
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        table = f"<table><caption>{escape(self.summary)}</caption><tbody>{rows}</tbody></table>"
        return framed(Html(table + notes))


def shown(expected: Any, got: Any) -> tuple[str, str]:
    """Both in as many digits as tell them apart."""
    if isinstance(expected, float) and isinstance(got, float):
        digits = next((d for d in (6, 9, 12) if f"{expected:.{d}g}" != f"{got:.{d}g}"), 16)
        return f"{expected:.{digits}g}", f"{got:.{digits}g}"
    return "nothing" if expected is None else str(expected), "nothing" if got is None else str(got)


def plain(value: Any) -> Any:
    """The value where JSON has it, its text where not."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, int | str | tuple | None) else str(value)


def filled(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, 80, initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=False)
