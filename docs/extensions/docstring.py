"""A docstring of the house as Markdown: paragraphs, `Args:` and its kin, indented formulas, doctests."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")
ENTRY = re.compile(r"    (\S[^:]*): (.*)")
MEANING = re.compile(r"([\\*_<\[\]{}$#~|])")  # what Markdown takes for its own


def markdown(thing: Any) -> str:
    """The docstring of a class, a function or a property as Markdown; "" where it has none.

    >>> def twice(x):
    ...     '''Two `x`, [a, b) or <c>.
    ...
    ...     Args:
    ...         x: a number
    ...             or two.
    ...     '''
    >>> print(markdown(twice))
    Two `x`, \\[a, b) or \\<c>.
    <BLANKLINE>
    **Args**
    <BLANKLINE>
    - `x`: a number or two.
    """
    lines = (inspect.getdoc(thing) or "").splitlines()
    return "\n\n".join(block for block in blocks(lines) if block)


def blocks(lines: list[str]) -> Iterator[str]:
    """What stands between blank lines, each as Markdown."""
    at = 0
    while at < len(lines):
        end = end_of_block(lines, at)
        first = lines[at]
        if SECTION.fullmatch(first):
            yield f"**{first[:-1]}**"
            yield entries(lines[at + 1 : end])
        elif first.startswith(">>>"):
            yield fenced("pycon", lines[at:end])
        elif first.startswith("    "):
            yield fenced("text", [line.removeprefix("    ") for line in lines[at:end]])
        else:
            yield "\n".join(plain(line) for line in lines[at:end])
        at = end + 1


def end_of_block(lines: list[str], at: int) -> int:
    """The place of the next blank line, or the end; a section goes on where what follows is indented."""
    end = at
    while end < len(lines) and (lines[end] or goes_on(lines, at, end)):
        end += 1
    return end


def goes_on(lines: list[str], at: int, blank: int) -> bool:
    """Whether a blank line lies within the section that begins there."""
    return bool(SECTION.fullmatch(lines[at])) and "".join(lines[blank + 1 : blank + 2]).startswith("    ")


def entries(lines: list[str]) -> str:
    """The entries of a section as a list."""
    found: list[list[str]] = []
    for line in lines:
        begins = ENTRY.fullmatch(line)
        if begins:
            names = ", ".join(f"`{name.strip()}`" for name in begins[1].split(","))
            found.append([f"{names}: {plain(begins[2])}"])
        elif found:
            found[-1].append(plain(line.strip()))
        else:
            found.append([plain(line.strip())])
    return "\n".join("- " + " ".join(parts) for parts in found)


def plain(text: str) -> str:
    """Text whose signs mean nothing to Markdown, but for code in backticks and the dash of a list."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else MEANING.sub(r"\\\1", part) for part in parts)


def fenced(language: str, lines: list[str]) -> str:
    """Lines as they are, in that language's colours."""
    return "\n".join([f"```{language}", *lines, "```"])
