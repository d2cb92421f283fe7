"""Figures are whole SVG files that show what was measured: no script, nothing from the network."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from deltarule.inspect import figures

ROWS = [
    {"epoch": n, "loss": 1 / n, "validation_loss": 2 / n, "validation_accuracy": 1 - 1 / n, "seconds": n}
    for n in (1, 2, 3)
]
SEVEN = np.arange(7) % 3


def texts(svg: bytes) -> list[str]:
    """All text that a figure shows; it must be a whole picture that brings everything along."""
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [tag for tag in (element.tag for element in root.iter()) if tag.endswith("script")]
    links = [value for element in root.iter() for name, value in element.items() if name.endswith("href")]
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    return ["".join(element.itertext()).strip() for element in root.iter() if element.tag.endswith("}text")]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.curves(ROWS),
        lambda: figures.confusion(SEVEN, SEVEN, range(3)),
        lambda: figures.predicted(np.arange(5.0), np.arange(5.0), "y"),
        lambda: figures.pictures(np.ones((5, 2, 2)), np.arange(5), np.arange(5)),
    ],
    ids=["curves", "confusion", "predicted", "pictures"],
)
def test_a_figure_is_one_whole_file_and_the_same_each_time(draw):
    first = draw()
    assert texts(first)
    assert draw() == first


def test_curves_show_the_metric_only_where_there_is_one():
    assert {"loss", "epoch", "training", "validation", "validation accuracy"} <= set(texts(figures.curves(ROWS)))
    alone = texts(figures.curves([{"epoch": 1, "loss": 0.5, "seconds": 1.0}]))
    assert "loss" in alone
    assert not [text for text in alone if "validation" in text]


def test_a_loss_that_is_not_positive_is_drawn():
    assert "loss" in texts(figures.curves([{"epoch": n, "loss": 1.0 - n, "seconds": 1.0} for n in (1, 2)]))


def test_confusion_counts_the_true_class_by_row():
    labels = ["no", "yes"]
    svg = figures.confusion(np.array(["yes"] * 4 + ["no"] * 2), np.array(["no"] * 3 + ["yes"] * 3), labels)
    shown = texts(svg)
    assert "2 of 6 right" not in shown
    assert "1 of 6 right" in shown
    assert shown.count("no") == shown.count("yes") == 2
    counts = dict(re.findall(rb"translate\(([\d.]+ [\d.]+)\)[^>]*>(\d)</text>|$^", svg))
    assert sorted(texts(svg)).count("3") == 1
    assert counts is not None
