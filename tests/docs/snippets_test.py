"""Every snippet of the documentation is executed, and every command in it is one that the program takes."""

import importlib
import pkgutil

import pytest
import tyro

import deltarule.cli
from deltarule.cli.main import COMMANDS, main
from documents import MADE, PAGES, README, commands, name_of, run, snippets

WITH_SNIPPETS = [page for page in PAGES if page != README and snippets(page)]  # the README's: tests/readme_test.py
WITH_TORCH = [page for page in PAGES if any(snippet.torch for snippet in snippets(page))]
CALLS = [(name_of(page), arguments) for page in PAGES for arguments in commands(page)]


@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=name_of)
def test_the_snippets_run(page, tmp_path, monkeypatch, record_property):
    monkeypatch.chdir(tmp_path)
    record_property("snippets", run(page, {}))


@pytest.mark.torch
@pytest.mark.parametrize("page", WITH_TORCH, ids=name_of)
def test_the_snippets_run_beside_pytorch(page, torch, tmp_path, monkeypatch, record_property):
    monkeypatch.chdir(tmp_path)
    record_property("snippets", run(page, {}, torch=True))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_snippet_is_passed_over(page):
    """What a page opens as Python, be it indented or in a list, is what was found in it."""
    opened = [line for line in page.read_text().splitlines() if line.strip(" >-*").startswith("```python")]
    assert len(opened) == len(snippets(page))


class Parsed(Exception):
    """The command took its arguments."""


@pytest.fixture
def parsing(monkeypatch):
    """Commands that end where their arguments are read, and read no file before."""
    cli = tyro.cli

    def parse(*arguments, **settings):
        cli(*arguments, **settings)
        raise Parsed

    monkeypatch.setattr(tyro, "cli", parse)
    for found in pkgutil.iter_modules(deltarule.cli.__path__, "deltarule.cli."):
        module = importlib.import_module(found.name)
        for reads in ("settings_of", "read_settings"):
            if hasattr(module, reads):
                monkeypatch.setattr(module, reads, lambda path, *how: {"data": "data.csv"})


def accepted(arguments: list[str]) -> bool:
    """Whether the program takes the arguments, and those of a command behind --."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    try:
        status = main(arguments[:cut])
    except Parsed:
        status = 0
    except SystemExit as ended:
        status = ended.code
    inner = arguments[cut + 1 :]
    return status == 0 and (not inner or inner[0] not in COMMANDS or accepted(inner))


@pytest.mark.parametrize(
    ("page", "arguments"), CALLS, ids=lambda value: " ".join(value) if isinstance(value, list) else value
)
def test_the_command_takes_its_arguments(page, arguments, parsing):
    assert accepted(arguments)


@pytest.mark.parametrize(
    "arguments", [["train", "x.csv", "--epoch", "3"], ["predicts"], ["launch", "--", "train", "--no"]]
)
def test_a_command_that_is_none_is_found(arguments, parsing, capsys):
    assert not accepted(arguments)


def test_the_pages_are_those_that_people_write():
    names = {name_of(page) for page in PAGES}
    assert {"README.md", "docs/index.md", "docs/gallery.md"} <= names
    assert not any(MADE in page.parents for page in PAGES)
    assert len(CALLS) > 20
