"""Small line charts as SVG inside a page, drawn without a library, in the page's own colours."""

import math
from collections.abc import Mapping, Sequence

from deltarule.inspect.html import Html, joined, number, tag

Point = tuple[float, float]
WIDTH, HEIGHT = 330, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 26, 34  # of the frame that the lines are drawn in
HELD_OUT = {"validation", "greedy"}  # labels of lines that are drawn in orange
MOST = 300  # points of a line


def panels(lines: Mapping[str, Mapping[str, Sequence[Point]]], across: str) -> Html:
    """Charts side by side: for each title its lines, by their labels; a point that is not finite is left out.

    >>> panels({"loss": {"training": [(1, 4.0), (2, 1.0)]}}, "epoch").count("<polyline")
    1
    """
    drawn = [chart(title, finite, across) for title, group in lines.items() if (finite := usable(group))]
    width = sum(w for w, _ in drawn)
    if not drawn:
        return Html("")
    parts = [tag("g", part, transform=f"translate({WIDTH * place} 0)") for place, (_, part) in enumerate(drawn)]
    return tag(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {HEIGHT}",
        style=f"max-width: {width}px; width: 100%; height: auto; display: block",
        fill="none",
        font_size="11",
        role="img",
        aria_label=f"{', '.join(lines)} by {across}",
    )


def usable(group: Mapping[str, Sequence[Point]]) -> dict[str, list[Point]]:
    """The lines that have finite points, thinned to so many as can be told apart."""
    found = {}
    for label, points in group.items():
        kept = [(x, y) for x, y in points if math.isfinite(y)]
        step = -(-len(kept) // MOST) or 1
        if kept:
            found[label] = [*kept[:-1:step], kept[-1]]
    return found


def chart(title: str, lines: Mapping[str, Sequence[Point]], across: str) -> tuple[int, Html]:
    """(width, drawing) of one chart; what is positive and spans a factor of ten stands on a logarithmic scale."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    logarithmic = min(ys) > 0 and max(ys) >= 10 * min(ys)
    measure = math.log if logarithmic else float
    low, high = measure(min(ys)), measure(max(ys))
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    first, last = (min(xs), max(xs)) if max(xs) > min(xs) else (min(xs) - 1, max(xs) + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        right, down = WIDTH - RIGHT - LEFT, HEIGHT - BOTTOM - TOP
        return LEFT + right * (x - first) / (last - first), TOP + down * (high - measure(y)) / (high - low)

    shown = [text(LEFT, 14, title, weight="600")]
    marks = [low, (low + high) / 2, high]
    for value in (math.exp(mark) if logarithmic else mark for mark in marks):
        x, y = at(first, value)
        shown.append(
            tag("line", x1=x, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", stroke="currentColor", opacity=0.2)
        )
        shown.append(text(x - 6, y + 4, number(value, 3), anchor="end"))
    for value, anchor in ((min(xs), "start"), (max(xs), "end")):
        shown.append(text(at(value, ys[0])[0], HEIGHT - BOTTOM + 16, number(value), anchor=anchor))
    shown.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 16, across, anchor="middle"))
    end = WIDTH - RIGHT
    for label, points in reversed([*lines.items()]):
        colour = "var(--orange)" if label in HELD_OUT else "var(--blue)"
        places = [at(*point) for point in points]
        if len(places) == 1:
            [(x, y)] = places
            shown.append(tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, fill=colour))
        else:
            shown.append(
                tag(
                    "polyline",
                    points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places),
                    stroke=colour,
                    stroke_width=1.6,
                    stroke_linejoin="round",
                )
            )
        if len(lines) > 1:
            shown.append(text(end, 14, label, anchor="end", fill=colour))
            end -= 7 * len(label) + 10
    return WIDTH, joined(shown)


def text(
    x: float, y: float, content: str, anchor: str = "start", weight: str = "400", fill: str = "currentColor"
) -> Html:
    """Words in a chart."""
    return tag("text", content, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, font_weight=weight, fill=fill)
