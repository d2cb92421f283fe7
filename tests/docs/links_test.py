"""What the pages lead to is there, as their Markdown is read on its own."""

import re

import pytest

from documents import DOCS, PAGES, ROOT, anchors, commands, links, name_of

LINKS = [(page, link) for page in PAGES for link in links(page) if not re.match(r"[a-z]+:", link)]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("page", "link"), LINKS, ids=lambda value: value if isinstance(value, str) else name_of(value)
)
def test_a_link_leads_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    if anchor and target.suffix == ".md" and "{generated}" not in target.read_text():
        assert anchor in anchors(target)


@pytest.mark.parametrize("folder", ["how-to", "reference", "tutorials"])
def test_an_index_leads_to_all_its_pages(folder):
    index = DOCS / folder / "index.md"
    pages = {path.name for kind in ("*.md", "*.ipynb") for path in index.parent.glob(kind)} - {index.name}
    assert pages == set(links(index))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_make_is_asked_for_it_can(page):
    for arguments in commands(page, "make"):
        assert set(arguments) <= TARGETS
