"""The pages that people read, README and docs: their snippets, their commands, their links."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MADE = DOCS / "benchmarks" / "results"  # written when the site is built
README = ROOT / "README.md"
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(path for path in DOCS.rglob("*.md") if MADE not in path.parents and "_build" not in path.parts),
]
FENCE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL
)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?:    .*\n|\n(?=    ))+)")


@dataclass(frozen=True)
class Snippet:
    """A block of Python on a page; `line` is the one before its first."""

    page: Path
    line: int
    text: str
    torch: bool

    def run(self, names: dict[str, Any]) -> None:
        """Executes it; a traceback names the page and the line."""
        exec(compile("\n" * self.line + self.text, str(self.page), "exec"), names)


def name_of(page: Path) -> str:
    """A page's path from the root."""
    return page.relative_to(ROOT).as_posix()


def snippets(page: Path) -> list[Snippet]:
    """Every block of Python on a page, in its order."""
    text = page.read_text()
    return [
        Snippet(page, text.count("\n", 0, found.start("text")), found["text"], "torch" in found["info"].split())
        for found in FENCE.finditer(text)
        if found["info"].split()[:1] == ["python"]
    ]


def run(page: Path, names: dict[str, Any], torch: bool = False) -> int:
    """Executes a page's snippets in one namespace, those that need PyTorch only with it; how many they were."""
    chosen = [snippet for snippet in snippets(page) if torch or not snippet.torch]
    for snippet in chosen:
        snippet.run(names)
    return len(chosen)


def shell_lines(page: Path) -> list[str]:
    """The lines of every block that is no other language: of `sh`, of none, and of those that are indented."""
    text = page.read_text()
    of_shell = [
        found["text"] for found in FENCE.finditer(text) if found["info"].strip() in ("", "sh", "bash", "shell")
    ]
    rest = FENCE.sub("\n", text)
    blocks = of_shell + [found[1] for found in INDENTED.finditer(rest)]
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines()]


def commands(page: Path, program: str = "deltarule") -> list[list[str]]:
    """The arguments of every call of a program in the page's shell blocks."""
    found = []
    for line in shell_lines(page):
        if not re.match(rf"(\$ )?(\w+=\S+ )*{program} ", line):
            continue
        words = shlex.split(line.removeprefix("$ "), comments=True)
        words = words[words.index(program) + 1 :]
        ends = [words.index(sign) for sign in ("|", "&&", ">", "&", ";") if sign in words]
        found.append(words[: min(ends, default=len(words))])
    return found


def links(page: Path) -> list[str]:
    """Where the Markdown of a page leads, and what it shows."""
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))
    return re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", text) + re.findall(
        r"^\[[^\]]+\]: (\S+)", text, re.MULTILINE
    )


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made from their words."""
    text = FENCE.sub("", page.read_text())
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found
