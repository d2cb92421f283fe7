"""The reference of the command line: what every command says of itself."""

import contextlib
import importlib
import io
import os
import textwrap
from collections.abc import Iterator

from deltarule.cli.main import COMMANDS, main

COLUMNS = "88"


def commands() -> str:
    """Every command under its name, with its help as a terminal without colours shows it."""
    told = [f"## {name}\n\n{what.capitalize()}." for name, what in COMMANDS.items()]
    helps = [f"```text\n{help_of(name)}\n```" for name in COMMANDS]
    return "\n\n".join(f"{head}\n\n{body}" for head, body in zip(told, helps, strict=True))


def help_of(name: str) -> str:
    """The help of one command."""
    importlib.import_module(f"deltarule.cli.{name}")
    said = io.StringIO()
    with plain_terminal(), contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([name, "--help"])
    return "\n".join(wrapped(line.rstrip()) for line in said.getvalue().strip().splitlines())


def wrapped(line: str) -> str:
    """A line of the description, broken where it is longer than the terminal."""
    return textwrap.fill(line, int(COLUMNS)) if line and not line.startswith(" ") else line


@contextlib.contextmanager
def plain_terminal() -> Iterator[None]:
    """A terminal of a fixed width that has no colours."""
    before = dict(os.environ)
    os.environ.update(COLUMNS=COLUMNS, NO_COLOR="1", TERM="dumb")
    os.environ.pop("FORCE_COLOR", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
