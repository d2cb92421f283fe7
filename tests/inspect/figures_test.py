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


def forecast(horizon: int, start: str | None = None) -> bytes:
    """The figure of a forecast of 20 rows; by their number, or their time."""
    places = np.arange(20 - horizon)[:, None] + np.arange(1, horizon + 1)
    times = places if start is None else (np.datetime64(start) + places).astype("M8[us]")
    return figures.forecast(places + 0.5, places.astype(float), times, "y")


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
        lambda: figures.residuals(np.arange(5.0), np.arange(5.0), "y"),
        lambda: figures.pictures(np.ones((5, 2, 2)), np.arange(5), np.arange(5)),
        lambda: forecast(3),
    ],
    ids=["curves", "confusion", "predicted", "residuals", "pictures", "forecast"],
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


def test_confusion_has_the_truth_by_row_and_the_prediction_by_column():
    labels, true = ["no", "yes"], np.array(["no"] * 3 + ["yes"] * 3)
    root = ElementTree.fromstring(figures.confusion(np.array(["yes"] * 4 + ["no"] * 2), true, labels))
    place = {element.text: element for element in root.iter() if element.tag.endswith("}text")}
    x, y = ({text: float(element.get(axis)) for text, element in place.items()} for axis in "xy")
    assert "1 of 6 right" in place
    assert (x["2"] < x["3"], y["2"] > y["3"]) == (True, True)  # yes taken for no: left, below
    assert (x["1"] == x["3"], y["1"] == y["2"]) == (True, True)  # yes taken for yes: right, below


@pytest.mark.parametrize(("classes", "shown"), [(2, True), (20, True), (21, False), (60, False)])
def test_confusion_counts_are_written_where_there_is_room(classes, shown):
    labels = [f"name {i}" for i in range(classes)]
    true = np.repeat(labels, 7)
    found = texts(figures.confusion(true, true, labels))
    assert (found.count("7") == classes) is shown
    assert set(labels) <= set(found)


def test_names_with_the_signs_of_xml_stay_as_they_are():
    labels = ["<script>", "a & b", "größe"]
    assert set(labels) <= set(texts(figures.confusion(np.array(labels), np.array(labels), labels)))
    assert "true a<b & c" in texts(figures.predicted(np.arange(3.0), np.arange(3.0), "a<b & c"))


def test_two_classes_with_long_names_have_room():
    labels = [f"a class with the long name {i}" for i in range(2)]
    assert set(labels) <= set(texts(figures.confusion(np.array(labels), np.array(labels), labels)))


@pytest.mark.parametrize("name", ["$5 to $9", r"$\b$", "中文", "a\x0bb"])
def test_any_name_is_drawn_as_it_is(name):
    labels = np.array([name, "other"])
    assert name.replace("\x0b", "\ufffd") in texts(figures.confusion(labels, labels, labels.tolist()))


def test_pictures_say_what_is_wrong():
    found = texts(figures.pictures(np.ones((13, 2, 2)), np.arange(13), np.r_[np.arange(12), 5]))
    assert found[-1] == "12, is 5"
    assert "11" in found


@pytest.mark.parametrize(("horizon", "lines"), [(1, 1), (5, 3), (19, 1)])
def test_forecasts_of_several_steps_follow_each_other(horizon, lines):
    root = ElementTree.fromstring(forecast(horizon))
    drawn = [element for element in root.iter() if f"stroke: {figures.HELD_OUT}" in element.get("style", "")]
    assert len(drawn) == lines + 1  # and one in the legend
    found = texts(forecast(horizon))
    assert {"y", "true", "forecast" if horizon > 1 else "forecast of the next value"} <= set(found)


def test_residuals_stand_over_the_predictions_around_a_level_line():
    root = ElementTree.fromstring(figures.residuals(np.array([1.0, 2, 4]), np.array([1.0, 3, 2]), "y"))
    points = [element for element in root.iter() if figures.TRAINING in element.get("style", "")]
    at = [(float(each.get("x", 0)), float(each.get("y", 0))) for each in points if each.tag.endswith("}use")]
    [path] = [each.get("d", "") for each in root.iter() if "stroke: #999999" in each.get("style", "")]
    line = [float(y) for _, y in re.findall(r"[ML] (\S+) (\S+)", path)]
    (x, y), (_, below), (_, above) = at
    assert line == [y, y]
    assert above < y < below  # 2 too much is above, 1 too little below, twice as near
    assert y - above == pytest.approx(2 * (below - y), rel=1e-4)
    assert at[2][0] - x == pytest.approx(3 * (at[1][0] - x), rel=1e-4)


@pytest.mark.parametrize("examples", [500, 501, 5000])
@pytest.mark.parametrize("draw", [figures.predicted, figures.residuals])
def test_a_scatter_of_many_examples_stays_small(draw, examples):
    predicted, true = np.random.default_rng(0).normal(size=(2, examples))
    assert len(draw(predicted, true, "y")) < 130_000


def test_times_are_written_as_dates():
    assert "2024-Jan" in texts(forecast(5, "2024-01-02"))


@pytest.mark.parametrize("losses", [(2.5, 0.9), (300.0, 1e-5), (0.031, 0.029)])
def test_losses_are_written_as_plain_numbers(losses):
    found = texts(figures.curves([{"epoch": n, "loss": loss, "seconds": n} for n, loss in enumerate(losses)]))
    numbers = [float(text.replace("−", "-")) for text in found if text.strip() and text not in ("loss", "epoch")]
    assert any(min(losses) / 10 <= number <= 10 * max(losses) for number in numbers)
