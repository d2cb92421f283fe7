"""The site builds without a warning, holds together, needs no network, and fits a phone and a desktop."""

import re
from urllib.parse import urlsplit

import pytest

import deltarule as dr
from browser import laid_out
from docs.site import Page, built, is_elsewhere, target
from documents import DOCS, ROOT

pytest.importorskip("myst_nb", reason="the site is built by the extra `docs`")
pytest.importorskip("furo", reason="the site is built by the extra `docs`")
WIDTHS = (400, 1400)
IN_FRAMES = (
    "index.html",
    "reference/layers.html",
    "reference/command-line.html",
    "tutorials/a-first-network.html",
)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """One folder for all processes of a run of tests."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


@pytest.fixture(scope="session")
def site(folder):
    return built(folder)[0]


@pytest.fixture(scope="session")
def pages(site):
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_it_builds_without_a_warning(folder):
    assert not built(folder)[1]


def test_every_link_within_it_leads_somewhere(pages):
    broken = []
    for page in pages.values():
        for link in [*page.links, *page.loaded]:
            if is_elsewhere(link) or link.startswith("data:"):
                continue
            path, place = target(page.path, link)
            known = path.exists() and (not place or path not in pages or place in pages[path].places)
            if not known:
                broken.append(f"{page.path.name}: {link}")
    assert not broken


def test_it_needs_no_network(site, pages):
    """Nothing that a page loads lies elsewhere; what a person may follow is a link."""
    assert not [link for page in pages.values() for link in page.loaded if is_elsewhere(link)]
    for sheet in site.rglob("*.css"):
        text = sheet.read_text()
        assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", text), sheet
    hosts = {urlsplit(link).netloc for page in pages.values() for link in page.links if is_elsewhere(link)}
    assert not {host for host in hosts if "cdn" in host or "googleapis" in host}
    for path in pages:
        assert not re.search(r"(import|fetch)\(\s*['\"]https?:", path.read_text())


def test_every_public_name_is_in_the_reference_with_its_equations_and_cost(site):
    text = {path.stem: path.read_text() for path in (site / "reference").glob("*.html")}
    everything = "".join(text.values())
    for name in dr.__all__:
        thing = getattr(dr, name)
        if not hasattr(thing, "__path__") and type(thing).__name__ != "module":
            assert f'id="deltarule.{name}"' in everything, name
    layers = text["layers"]
    assert layers.count("<math") > 100
    for name in dr.layers.__all__:
        part = layers.partition(f'id="deltarule.{name}"')[2].partition("</section>")[0]
        assert "<strong>Cost</strong>" in part, name
        assert "Source:" in part, name
        assert "_modules/deltarule/" in part, name
    assert "<strong>Backward</strong>" in text["losses"]


def test_every_command_and_every_file_of_results_has_its_place(site):
    from deltarule.cli.main import COMMANDS

    commands = (site / "reference" / "command-line.html").read_text()
    for name in COMMANDS:
        assert f"usage: deltarule {name}" in commands
    assert "\x1b" not in commands
    for results in (ROOT / "benchmarks" / "results").glob("*.json"):
        page = site / "benchmarks" / "results" / f"{results.stem}.html"
        [raw] = [link for link in Page(page).links if link.endswith(".json")]
        assert target(page, raw)[0].read_bytes() == results.read_bytes()


def test_every_study_of_the_gallery_is_shown(site):
    shown = [link for link in Page(site / "gallery.html").loaded if link.endswith(".svg")]
    assert len(shown) == len(re.findall(r"^## ", (DOCS / "gallery.md").read_text(), re.MULTILINE))


def test_it_fits_a_phone_and_a_desktop(site, tmp_path):
    notebooks = sorted(path.relative_to(site).as_posix() for path in (site / "tutorials").glob("*.html"))[:2]
    chosen = list(dict.fromkeys([*IN_FRAMES, *notebooks, "benchmarks/results/dense-2-core-xeon.html"]))
    shown = []
    for name in chosen:
        base = f'<head><base href="{(site / name).as_uri()}">'
        shown.append((site / name).read_text().replace("<head>", base, 1).encode())
    for told in laid_out(shown, tmp_path, "light", WIDTHS):
        assert told["overflow"] <= 0, told
        assert told["pictures"] == 0, told["title"]
        assert told["flat"] == 0, told["title"]
