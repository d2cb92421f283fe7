"""A plan for a terminal: one line a layer, then what the whole step takes; of symbols, one paragraph a layer."""

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltarule.inspect.plan import Plan, Row

PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
NAME = 12  # columns that a layer's name has at least
WIDE = 112  # columns from which on the further ones are shown
FORMULAS = {
    "parameters": "parameters",
    "forward": "forward, FLOP",
    "backward": "backward, FLOP",
    "update": "update, FLOP",
    "saved_bytes": "saved, bytes",
}


def short(number: float, unit: str = "") -> str:
    """A number for a person: three digits and a prefix.

    >>> short(1_234_567, "FLOP"), short(812, "B"), short(1000)
    ('1.23 MFLOP', '812 B', '1.00 k')
    """
    for size, prefix in PREFIXES:
        if number >= 0.9995 * size:
            scaled = number / size
            digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{scaled:.{digits}f} {prefix}{unit}"
    text = f"{number:.0f}" if number == int(number) else f"{number:.2g}"
    return f"{text} {unit}".rstrip()


def seconds(value: float) -> str:
    """A time for a person.

    >>> seconds(0.000123), seconds(2.5)
    ('123 µs', '2.50 s')
    """
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if value >= 0.9995 * unit:
            return f"{value / unit:.{2 if value < 9.995 * unit else 1}f} {name}"
    return f"{value * 1e6:.{0 if value >= 9.95e-6 else 1}f} µs"


def by_shape(shape: tuple[Any, ...]) -> str:
    return "×".join(map(str, shape))


def columns(plan: "Plan", width: int) -> list[tuple[str, list[str]]]:
    """Heading and cells of each column that the width allows, the names apart."""
    rows = [*plan.rows, plan.total]

    def column(heading: str, name: str, unit: str) -> tuple[str, list[str]]:
        cells = [short(getattr(row, name), unit) if getattr(row, name) else "·" for row in rows]
        return heading, [cell.removesuffix("FLOP").rstrip() for cell in cells]

    shown = [
        ("output", [by_shape(row.shape) for row in plan.rows] + [""]),
        column("params", "parameters", ""),
        column("forward", "forward", "FLOP"),
        column("backward", "backward", "FLOP"),
        column("update", "update", "FLOP"),
        column("saved", "saved_bytes", "B"),
    ]
    if width >= WIDE:
        shown.append(column("state", "state_bytes", "B"))
        shown.append(("FLOP/B", [f"{row.intensity:.2f}" for row in rows]))
    return shown


def table(plan: "Plan", width: int) -> str:
    """The whole plan in so many columns."""
    if plan.symbolic:
        return formulas(plan, width)
    rows = [*plan.rows, plan.total]
    shown = columns(plan, width)
    widths = [max(map(len, [heading, *cells])) for heading, cells in shown]
    places = max(len(row.path) for row in rows)
    room = max(NAME, width - sum(widths) - 2 * len(widths) - places - 1)
    names = min(room, max(len(row.name) for row in rows))
    lines = [
        "  ".join([" " * (places + 1 + names), *(h.rjust(w) for (h, _), w in zip(shown, widths, strict=True))])
    ]
    rule = "─" * len(lines[0])
    for number, row in enumerate(rows):
        cells = [cells[number].rjust(w) for (_, cells), w in zip(shown, widths, strict=True)]
        name = row.name if len(row.name) <= names else row.name[: names - 1] + "…"
        lines.append("  ".join([f"{row.path:{places}} {name:{names}}", *cells]).rstrip())
    lines = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    return "\n".join([*lines, "", *summary(plan, width)])


def summary(plan: "Plan", width: int) -> list[str]:
    """What the whole step takes, in a few lines."""
    total, peak = plan.total, plan.peak
    took = plan.seconds
    assert peak is not None
    assert took is not None
    parts = {"arithmetic": took.arithmetic, "bytes": took.bytes, "single operations": took.besides}
    shares = ", ".join(f"{seconds(value)} {name}" for name, value in parts.items())
    optimizer = type(plan.step.optimizer).__name__
    bytes_of = {
        "parameters": total.parameter_bytes,
        "gradients": total.gradient_bytes,
        optimizer: total.slot_bytes,
        "saved": total.saved_bytes,
    }
    before, after, between = (short(value, "B") for value in (peak.inputs, peak.outputs, peak.temporaries))
    told = [
        (
            "work",
            f"{short(total.flops, 'FLOP')} a step (all three columns), {total.intensity:.2f} FLOP a byte moved",
        ),
        ("bytes", ", ".join(f"{name} {short(value, 'B')}" for name, value in bytes_of.items() if value)),
        ("peak", f"{short(peak.total, 'B')}: {before} before it, {after} after, {between} between"),
        ("time", f"{seconds(took.total)} a step, bound by {took.bound}: {shares}"),
        ("batch", f"at most {plan.largest_batch:,} examples in {short(plan.memory, 'B')}"),
    ]
    return [
        textwrap.fill(text, width, initial_indent=f"{name:6} ", subsequent_indent=" " * 7) for name, text in told
    ]


def formulas(plan: "Plan", width: int) -> str:
    """Every row's formulas, and the sums, each simplified."""
    return "\n\n".join(paragraph(row, width) for row in [*plan.rows, plan.total])


def paragraph(row: "Row", width: int) -> str:
    """One row's formulas, one below the other."""
    lines = [f"{row.path} {row.name}  {by_shape(row.shape)}".strip()]
    for name, title in FORMULAS.items():
        value = getattr(row, name)
        if value != 0:
            start = f"  {title:16}"
            text = simplified(value)
            lines.append(textwrap.fill(text, width, initial_indent=start, subsequent_indent=" " * len(start)))
    return "\n".join(lines)


def simplified(value: Any) -> str:
    """A formula as short as it goes, as text."""
    import sympy

    return sympy.sstr(sympy.factor_terms(sympy.sympify(value))).replace("**", "^").replace("*", "·")
