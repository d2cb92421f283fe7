"""A plan in a notebook or on a page: one table in HTML without style, or its formulas in LaTeX."""

from html import escape
from typing import TYPE_CHECKING, Any

from deltarule.inspect.html import Html
from deltarule.inspect.plan_text import FORMULAS, by_shape, short, simplified

if TYPE_CHECKING:
    from deltarule.inspect.plan import Plan

HEADINGS = {
    "parameters": "parameters",
    "forward": "forward, FLOP",
    "backward": "backward, FLOP",
    "update": "update, FLOP",
    "state_bytes": "state, bytes",
    "saved_bytes": "saved, bytes",
}


def html(plan: "Plan") -> Html:
    """One table, rows as in the terminal; each number exactly in its title."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in ("", "layer", "output"))
    head += "".join(f'<th scope="col" class="n">{escape(text)}</th>' for text in HEADINGS.values())
    rows = [*plan.rows, plan.total]
    body = "".join(
        f'<tr><td>{row.path}</td><th scope="row">{escape(row.name)}</th><td>{by_shape(row.shape)}</td>'
        + "".join(cell(getattr(row, name)) for name in HEADINGS)
        + "</tr>"
        for row in rows
    )
    caption = f"One training step on {by_shape(plan.x)}"
    if plan.peak is not None:
        caption += f": {short(plan.total.flops, 'FLOP')}, {short(plan.peak.total, 'B')} at its peak"
    return Html(f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def cell(value: Any) -> str:
    if getattr(value, "free_symbols", ()):
        return f'<td class="n">{escape(simplified(value))}</td>'
    return f'<td class="n" title="{value}">{short(value) if value else "·"}</td>'


def latex(plan: "Plan") -> str:
    """The sums over the network, as formulas one below the other."""
    import sympy

    lines = [
        rf"\text{{{title}}} &= {sympy.latex(sympy.factor_terms(sympy.sympify(getattr(plan.total, name))))}"
        for name, title in FORMULAS.items()
    ]
    return "$$\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}$$"
