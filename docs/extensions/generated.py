"""Pages that are made when the site is built: a block ```{generated} WHAT``` gives way to what the code says."""

import re
from pathlib import Path

from benchmarks import write_pages
from commands import commands
from reference import area
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

Pages = set[str]
BLOCK = re.compile(r"^```\{generated\} (\w+)(?: (\w+))?\n```$", re.MULTILINE)
RESULTS = re.compile(r"\]\((?:\.\./)+benchmarks/results/([\w-]+)\.json\)")
MADE = "benchmarks/results/"
MAKERS = {"area": area, "commands": commands}


def setup(app: Sphinx) -> dict[str, bool]:
    """Fills pages as they are read, and writes those of the benchmarks before."""
    app.connect("builder-inited", lambda app: write_pages(Path(app.srcdir) / "benchmarks" / "results"))
    app.connect("env-get-outdated", made_anew)
    app.connect("source-read", filled)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def made_anew(app: Sphinx, env: BuildEnvironment, added: Pages, changed: Pages, removed: Pages) -> list[str]:
    """The pages that hold a block: what they show follows the code, of whose changes Sphinx knows nothing."""
    return [page for page in env.found_docs if BLOCK.search(Path(env.doc2path(page)).read_text())]


def filled(app: Sphinx, page: str, source: list[str]) -> None:
    """Replaces each block by what it names, and leads from a file of results to its page."""
    source[0] = BLOCK.sub(lambda found: MAKERS[found[1]](*filter(None, [found[2]])), source[0])
    if not page.startswith(MADE):
        source[0] = RESULTS.sub(rf"](/{MADE}\1.md)", source[0])
