"""The report page: one HTML file that holds everything it shows, and that needs neither a script nor a network."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deltarule.inspect.html import Html, joined, tag


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading of its own; `anchor` is where the contents lead."""

    anchor: str
    title: str
    content: Html

    @classmethod
    def of(cls, anchor: str, title: str, *content: Any) -> "Section":
        """A section of parts, one below the other."""
        return cls(anchor, title, joined(content, "\n"))


def report(title: str, lead: Any, sections: Iterable[Section], foot: Any = "") -> bytes:
    """The whole page; `lead` says in a sentence or two what came out.

    >>> page = report("Iris", "Right & good.", [Section.of("data", "Data", "150 <rows>")]).decode()
    >>> "<h2>Data</h2>" in page, "150 &lt;rows&gt;" in page, "Right &amp; good." in page
    (True, True, True)
    """
    sections = [each for each in sections if each.content]
    contents = [tag("li", tag("a", each.title, href=f"#{each.anchor}")) for each in sections]
    parts = [tag("section", tag("h2", each.title), each.content, id=each.anchor) for each in sections]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", style()),
    )
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("p", lead, class_="lead")),
        tag("nav", tag("ol", *contents), aria_label="Contents"),
        tag("main", joined(parts, "\n")),
        tag("footer", foot),
    )
    return f'<!doctype html>\n<html lang="en">\n{head}\n{body}\n</html>\n'.encode()


@cache
def style() -> Html:
    """The style sheet of every page."""
    return Html(Path(__file__).with_name("page.css").read_text())
