"""`explain`: the forward and backward equations of a network, numbered layer by layer, with its shapes."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from itertools import groupby
from numbers import Integral
from textwrap import wrap
from typing import Any, Literal

from deltarule.errors import SettingError
from deltarule.ingredients import check_part, shape_said
from deltarule.inspect.columns import ColumnDerivation
from deltarule.inspect.derivation import Derivation, Line
from deltarule.layers.layer import Layer, Shape
from deltarule.losses.loss import Loss

DERIVATIONS = {"row": Derivation, "column": ColumnDerivation}
TITLES = {
    "given": "Given",
    "definition": "Activations",
    "forward": "Forward",
    "backward": "Backward",
    "update": "Update",
}
STYLE = """<style>
.derivation { display: grid; grid-template-columns: repeat(3, auto); gap: .4em 1.2em; }
.derivation { justify-content: start; align-items: center; overflow-x: auto; }
.derivation h3, .derivation h4 { grid-column: 1 / -1; margin: .8em 0 0; padding: 0; }
.derivation h4 { font-weight: normal; font-size: 1em; opacity: .7; margin: .3em 0 0; }
.derivation .number { opacity: .6; }
.derivation pre { grid-column: 2 / -1; margin: 0 0 .6em; font-size: .85em; opacity: .85; }
.derivation math { font-size: 1.1em; }
@media (max-width: 40em) { .derivation .space { grid-column: 2 / -1; } }
</style>"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


@dataclass(frozen=True)
class Explanation:
    """The equations of one network: `lines` in the order in which a step computes them, and `notes` on symbols."""

    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    convention: str

    @property
    def parts(self) -> list[tuple[str, list[tuple[str, list[Line]]]]]:
        """(phase, [(place, lines)]): what stands together under a heading."""
        return [
            (phase, [(place, list(lines)) for place, lines in groupby(part, lambda line: line.place)])
            for phase, part in groupby(self.lines, lambda line: line.phase)
        ]

    def text(self) -> str:
        """For a terminal: every equation with its number and its space."""
        width = min(max(len(line.text) for line in self.lines), 48)
        rows = wrap("; ".join(self.notes) + ".", 79)
        for phase, part in self.parts:
            rows += ["", TITLES[phase]]
            for place, lines in part:
                rows.append(f"  {place}")
                for line in lines:
                    *more, last = wrap(line.text, 69, subsequent_indent="    ")
                    numbers = [numbered(line), *[""] * len(more)]
                    accents = last.count("\u0302")  # a hat takes no place of its own
                    whole = [*more, f"{last:{width + accents}}  {line.space_text}"]
                    rows += [f"  {n:>6}  {each}".rstrip() for n, each in zip(numbers, whole, strict=True)]
                    rows += [f"        {each}" for each in self.below(line)]
        return "\n".join(rows)

    def below(self, line: Line) -> list[str]:
        """What stands under an equation."""
        return []

    def latex(self) -> str:
        """For a paper: one `align*` for each phase, which needs amsmath and amssymb; numbered as in the text."""
        blocks = []
        for phase, part in self.parts:
            rows = [
                rf"  {line.latex.replace('=', '&=', 1)} && {line.space}"
                + rf" \tag{{{line.number}}}" * bool(line.number)
                for _, lines in part
                for line in lines
            ]
            blocks.append("% " + TITLES[phase] + "\n\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}")
        return "\n".join(blocks)

    def mathml(self) -> str:
        """For a page: an HTML fragment whose formulas are MathML, which needs neither script nor network."""
        from latex2mathml.converter import convert

        rows = [f"<p>{escape('; '.join(self.notes))}.</p>", '<div class="derivation">']
        for phase, part in self.parts:
            rows.append(f"<h3>{TITLES[phase]}</h3>")
            for place, lines in part:
                rows.append(f"<h4>{escape(place)}</h4>")
                for line in lines:
                    formula = convert(line.latex).replace("<math", '<math displaystyle="true"', 1)
                    space = convert(line.space) if line.space else ""
                    rows.append(
                        f'<span class="number">{numbered(line)}</span><span>{formula}</span>'
                        f'<span class="space">{space}</span>'
                    )
                    if below := self.below(line):
                        rows.append(f"<pre>{escape(chr(10).join(below))}</pre>")
        return "\n".join([*rows, "</div>"])

    def to_json(self) -> dict[str, Any]:
        """Everything in plain values."""
        lines = [
            {
                "number": line.number,
                "path": ".".join(map(str, line.path)),
                "layer": line.layer,
                "phase": line.phase,
                "text": line.text,
                "latex": line.latex,
                "shape": None if line.shape is None else list(line.shape),
            }
            for line in self.lines
        ]
        return {"convention": self.convention, "notes": list(self.notes), "lines": lines}

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        if find_spec("latex2mathml") is None:
            return f"<pre>{escape(self.text())}</pre>"
        return STYLE + self.mathml()

    def _repr_latex_(self) -> str:
        return self.latex()


def require_numbers(place: str, x: Shape, hint: str = "") -> None:
    """Raises SettingError where a length of the shape x is a symbol."""
    if not all(isinstance(length, Integral) for length in x):
        raise SettingError(f"{place}: expected x as whole numbers, got {x}{hint}")


def numbered(line: Line) -> str:
    """(7), as equations are numbered; what is given has no number."""
    return f"({line.number})" if line.number else ""


def explain(
    net: Layer,
    x: Shape,
    *,
    loss: Loss | None = None,
    convention: Literal["row", "column"] = "row",
    sizes: Mapping[int, str] | None = None,
) -> Explanation:
    """The forward and backward equations of a network.

    Args:
        net: a layer, most often a Chain.
        x: the shape of its input, the examples in front; one example is written with small letters in columns.
        loss: where δ comes from; without it δ is taken as given, and followed down to the input.
        convention: "row", where rows are examples and Y = X W, as in the code; or "column", where an example is a
            column and Z = W x, as in theory, with its δ^{l+1} = ∂ρ/∂Z^l.
        sizes: names for lengths in the shapes, such as {784: "d", 64: "d_H"}.

    Raises:
        ShapeError: a layer cannot take its input.
        SettingError: another convention; a layer without equations, or with a formula that cannot be read.

    >>> from deltarule.layers import Chain, Dense, ReLU
    >>> print(explain(Chain(Dense(4), ReLU()), (8, 3)).lines[0].text)
    Z¹ = X W¹ + b¹
    """
    check_part("explain", "net", net, Layer)
    if loss is not None:
        check_part("explain", "loss", loss, Loss)
    x = shape_said("explain", x)
    if sizes is not None and not isinstance(sizes, Mapping):
        raise SettingError(f"explain: sizes must be names by length, such as {{784: 'd'}}, got {sizes!r}")
    require_numbers("explain", x, "; name lengths by sizes={64: 'd_H'}")
    if convention not in DERIVATIONS:
        raise SettingError(f"explain: convention must be 'row' or 'column', got {convention!r}")
    derivation = DERIVATIONS[convention](net, tuple(x), loss, dict(sizes or {}))
    return Explanation(tuple(derivation.lines), tuple(derivation.notes), convention)
