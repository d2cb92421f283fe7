"""The built site: its pages, and everything that they name."""

import fcntl
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from documents import DOCS

RESOURCES = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}


def built(folder: Path) -> tuple[Path, str]:
    """(the site, what the builder complained of), built in the folder once, by whichever process comes first."""
    site, said = folder / "site", folder / "site.log"
    with open(folder / "site.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            command = [
                sys.executable,
                "-m",
                "sphinx",
                "-W",
                "--keep-going",
                "-q",
                "-E",
                "-d",
                folder / "doctrees",
                DOCS,
                site,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            told = done.stderr if done.returncode else ""
            said.write_text(told or ("it failed and said nothing" if done.returncode else ""))
    return site, said.read_text()


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads, and the places in it."""

    path: Path
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)

    def __post_init__(self):
        super().__init__()
        self.feed(self.path.read_text())

    def handle_starttag(self, tag, attrs):
        given = {name: value for name, value in attrs if value}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") != "canonical":
            self.loaded.append(given["href"])
        if RESOURCES.get(tag) in given:
            self.loaded.append(given[RESOURCES[tag]])


def is_elsewhere(link: str) -> bool:
    """Whether it leads out of the site."""
    return bool(urlsplit(link).scheme or urlsplit(link).netloc) and not link.startswith("data:")


def target(page: Path, link: str) -> tuple[Path, str]:
    """(file, place in it) that a link within the site leads to."""
    parts = urlsplit(link)
    return (page.parent / unquote(parts.path)).resolve() if parts.path else page, unquote(parts.fragment)
