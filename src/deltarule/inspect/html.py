"""HTML from values: what is not HTML yet is escaped where it enters an element, so that no name is markup."""

import html
import re
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

VOID = {"img", "meta", "br", "wbr"}  # elements without content
MINUS = "−"
SHORT = 24  # characters of a cell that are not broken


class Html(str):
    """Text that is HTML already."""


def legible(value: Any) -> str:
    """The value as text of characters that XML and HTML can hold; any other is the sign �.

    >>> legible("a\\x0bb")
    'a�b'
    """
    return re.sub(r"[^\t\n -\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", str(value))


def escaped(value: Any) -> Html:
    """The value as HTML: as it is where it is HTML already, and otherwise as text that means nothing."""
    return value if isinstance(value, Html) else Html(html.escape(legible(value)))


def joined(parts: Iterable[Any], between: str = "") -> Html:
    """All parts, one after the other."""
    return Html(between.join(escaped(part) for part in parts))


def tag(name: str, /, *content: Any, **attributes: Any) -> Html:
    """An element; an attribute that is None is left out, `class_` is class and `aria_label` is aria-label.

    >>> tag("b", "1 < 2", title='"')
    '<b title="&quot;">1 &lt; 2</b>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>" + ("" if name in VOID else f"{joined(content)}</{name}>"))


def number(value: Any, digits: int = 4) -> str:
    """A value for a person: whole numbers in full, others to so many digits; text as it is.

    >>> number(1234567), number(12345.6), number(-0.0123456), number("town"), number(None)
    ('1,234,567', '12,346', '−0.01235', 'town', '–')
    """
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if isinstance(value, Integral):
        text = f"{value:,}"
    elif 10**digits <= abs(float(value)) < 1e6:
        text = f"{value:,.0f}"
    else:
        text = f"{float(value):.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    text = f"{mantissa} · 10{superscript(exponent)}" if exponent else mantissa
    return text.replace("-", MINUS)


def superscript(exponent: str) -> str:
    """A whole number, raised.

    >>> superscript("-05")
    '⁻⁵'
    """
    return str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def cell(value: Any, name: str = "td", right: bool = False, **attributes: Any) -> Html:
    """A cell of a table: numbers, and None in a column of them, stand to the right; short text on one line."""
    numeric = isinstance(value, Real) and not isinstance(value, bool)
    kind = "n" if numeric or (right and value is None) else "s" if len(str(value)) <= SHORT else None
    return tag(name, value if isinstance(value, Html) else number(value), class_=kind, **attributes)


def scrolling(content: Html, label: str) -> Html:
    """A box that scrolls by itself where the page is too narrow; a keyboard reaches it."""
    return tag("div", content, class_="scroll", tabindex=0, role="region", aria_label=label)


def table(caption: str, head: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Html:
    """A table; the first cell of each row is its name. A column's head stands as its first value does."""
    rows = [list(row) for row in rows]
    right = [any(isinstance(row[i], Real) for row in rows) for i in range(len(head))]
    top = [
        tag("th", name, scope="col", class_="n" if each else None) for name, each in zip(head, right, strict=True)
    ]
    body = [
        tag(
            "tr",
            cell(first, "th", scope="row"),
            *(cell(value, right=each) for value, each in zip(rest, right[1:], strict=True)),
        )
        for first, *rest in rows
    ]
    content = tag("caption", caption), tag("thead", tag("tr", *top)), tag("tbody", *body)
    return scrolling(tag("table", *content), caption)


def heat(
    caption: str, corner: str, columns: Sequence[Any], names: Sequence[Any], readings: Any, shares: Any
) -> Html:
    """A map as a table: each cell has its reading, and as background its share, from 0 to 1, of the colour."""
    top = [tag("th", corner, scope="col"), *(tag("th", number(each), scope="col") for each in columns)]
    body = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            *(
                tag("td", number(value), style=f"--share:{share:.2f}", class_="high" if share > 0.55 else None)
                for value, share in zip(row, part, strict=True)
            ),
        )
        for name, row, part in zip(names, readings, shares, strict=True)
    ]
    content = tag("caption", caption), tag("thead", tag("tr", *top)), tag("tbody", *body)
    return scrolling(tag("table", *content, class_="heat"), caption)


def facts(pairs: Iterable[tuple[Any, Any]], class_: str | None = None) -> Html:
    """Names with their values; of the class `small` where they are many."""
    rows = [
        tag("div", tag("dt", name), tag("dd", number(v) if not isinstance(v, Html) else v)) for name, v in pairs
    ]
    return tag("dl", *rows, class_=class_)


def listed(items: Iterable[Any], kind: str = "ul") -> Html:
    """A list."""
    return tag(kind, *(tag("li", item) for item in items))
