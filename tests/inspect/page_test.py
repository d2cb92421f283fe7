"""A page is one whole HTML file: it brings everything along, runs nothing, and no name in it is ever markup."""

import numpy as np
import pytest

from deltarule.errors import FileError
from deltarule.inspect import figures
from deltarule.inspect.drawing import drawing
from deltarule.inspect.html import facts, heat, listed, number, table, tag
from deltarule.inspect.page import Section, report
from outline import outline

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "</style></title></table><b>",
    "&lt;b&gt; & <!-- ]]>",
    "a\x00b\x0b\ud800\u0085c",
    "javascript:alert(1)",
]
LINE = figures.TRAINING, [(1, 1.0), (2, 0.5)]


def page(*parts) -> bytes:
    return report("Title", "Lead.", [Section.of("part", "Part", *parts)])


def built(name: str) -> list:
    """A page's parts with the name wherever one may be."""
    numbers = np.arange(4.0)
    return [
        tag("p", name, title=name),
        table(name, [name, "n"], [[name, 1], [name, None]]),
        heat(name, name, [name, "b"], [name, "d"], [[1, 2], [3, name]], [[0, 1], [0.5, 1]]),
        facts([(name, name)]),
        listed([name]),
        drawing(figures.predicted(numbers, numbers, name), name, name),
        drawing(
            figures.curve("loss", [(name, "#000000", [(1, 1.0), (2, 0.5)]), ("b", "#000000", [(1, 1.0)])]),
            name,
            name,
        ),
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_everywhere(name):
    plain = outline(page(*built("n" * len(name))))
    hostile = outline(report(name, name, [Section.of("part", name, *built(name))], name))
    assert [tags for tags, _ in hostile.elements] == [tags for tags, _ in plain.elements]
    assert [sorted(given) for _, given in hostile.elements] == [sorted(given) for _, given in plain.elements]


def test_a_page_fetches_and_runs_nothing():
    found = outline(page(*built("http://example.org/x.png")))
    found.assert_self_contained()
    assert "http://example.org/x.png" in found.text


def test_a_page_has_its_outline():
    found = outline(report("A & B", "Lead.", [Section.of("x", "First", "1"), Section.of("y", "Empty")], "End."))
    assert [name for name, _ in found.elements if name in ("h1", "h2", "nav", "main")] == [
        "h1",
        "nav",
        "main",
        "h2",
    ]
    assert [given["href"] for name, given in found.elements if name == "a"] == ["#x"]
    assert ("section", {"id": "x"}) in found.elements
    assert found.elements[0] == ("html", {"lang": "en"})
    assert {"First", "Lead.", "A & B"} <= {text.strip() for text in found.texts}


def test_figures_are_named_and_keep_their_own_identifiers():
    svg = figures.curve("loss", [("a", *LINE)])
    other = figures.curve("loss", [("a", figures.TRAINING, [(1, 1.0), (2, 0.4)])])
    found = outline(page(drawing(svg, "It falls.", "Loss."), drawing(other, "It falls.", "Loss.")))
    pictures = [given for name, given in found.elements if name == "svg"]
    assert [(given["role"], given["aria-label"]) for given in pictures] == [("img", "It falls.")] * 2
    names = [given["id"] for _, given in found.elements if "id" in given]
    assert len(names) == len(set(names)) > 4
    used = {value for _, given in found.elements for key, value in given.items() if key.endswith("href")}
    used |= {given["clip-path"][4:-1] for _, given in found.elements if "clip-path" in given}
    assert {name.removeprefix("#") for name in used} <= set(names)


def test_figures_take_the_colours_of_the_page():
    svg = figures.curve("loss", [("a", *LINE)])
    styles = [given.get("style", "") for _, given in outline(page(drawing(svg, "", ""))).elements]
    assert any("stroke: var(--blue)" in style for style in styles)
    assert any("currentColor" in style for style in styles)
    assert not [style for style in styles if "#000000" in style or "#ffffff" in style or "DejaVu" in style]


def test_what_does_not_draw_is_left_out_of_a_figure():
    svg = b"""<svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink" width="9pt"
        height="9pt" onload="alert(1)"><script>alert(1)</script><style>@import url(http://a.b);</style>
        <a x:href="javascript:alert(1)"><text>in</text></a><image x:href="http://a.b/c.png"/>
        <foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="http://a.b"/></foreignObject>
        <rect style="fill: url(http://a.b)" onclick="alert(1)"/><text>shown</text></svg>"""
    found = outline(page(drawing(svg, "", "")))
    found.assert_self_contained()
    assert "shown" in found.text
    assert "alert" not in found.text


@pytest.mark.parametrize("svg", [b"", b"<svg", b"<svg><g></svg>", b"\xff\xfe\x00"])
def test_half_a_figure_is_an_error(svg):
    with pytest.raises(FileError, match="expected a whole SVG file"):
        drawing(svg, "", "forecast")


def test_a_map_reads_without_its_colours():
    found = outline(
        page(heat("Counts", "true", ["a", "b"], ["a", "b"], [[12, ""], [1, 3]], [[1, 0], [0.25, 0.75]]))
    )
    cells = [given for name, given in found.elements if name == "td"]
    assert [given["style"] for given in cells] == [
        f"--share:{share}" for share in ("1.00", "0.00", "0.25", "0.75")
    ]
    assert {"12", "1", "3", "Counts"} <= {text.strip() for text in found.texts}
    assert [given.get("scope") for name, given in found.elements if name == "th"] == ["col"] * 3 + ["row"] * 2


def test_a_table_names_its_rows_and_columns():
    found = outline(page(table("Sizes", ["town", "people"], [["Bonn", 336465], ["Ulm", None]])))
    assert [given["scope"] for name, given in found.elements if name == "th"] == ["col", "col", "row", "row"]
    assert {"Sizes", "336,465", "–"} <= set(found.texts)
    assert [given["class"] for name, given in found.elements if name == "td"] == ["n", "n"]  # what is missing too
    boxes = [given for name, given in found.elements if given.get("class") == "scroll"]
    assert [(box["tabindex"], box["role"], box["aria-label"]) for box in boxes] == [("0", "region", "Sizes")]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.5, "0.5"),
        (1e-7, "1 · 10⁻⁷"),
        (-2, "−2"),
        (True, "True"),
        (float("nan"), "nan"),
        (np.float32(0.25), "0.25"),
    ],
)
def test_numbers_are_written_for_a_person(value, shown):
    assert number(value) == shown


def test_the_outline_sees_what_is_not_closed():
    with pytest.raises(AssertionError):
        outline(b"<p><b></p>")
