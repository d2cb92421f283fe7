"""Raw tables and pixels into an ONNX file: what `deltarule predict` gives comes out, in the target's own units."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.data.columns import numbers
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.table import Preprocessing
from deltarule.data.target import Target
from deltarule.experiment.network import image_network, table_network
from deltarule.interop.onnx import left_out, to_onnx
from deltarule.job import Job
from interop.onnx.models import drawn, model_of, session

ROWS = 120


def frame() -> pl.DataFrame:
    """Numbers, times, booleans and texts, each with values that are missing; `code` has many levels."""
    random = np.random.default_rng(0)

    def holes(values, kind):
        return pl.Series([None if random.random() < 0.2 else each for each in values], dtype=kind)

    hours = [datetime(2024, 3, 1) + timedelta(hours=int(each)) for each in random.integers(0, 9000, ROWS)]
    return pl.DataFrame(
        {
            "size": holes(random.normal(3, 2, ROWS), pl.Float64).scatter(0, float("inf")),
            "town": holes(random.choice(["Ulm", "Bonn", "Kiel"], ROWS), pl.String),
            "rooms": pl.Series(random.integers(1, 9, ROWS)),
            "sunny": holes(random.choice([True, False], ROWS), pl.Boolean),
            "built": holes(hours, pl.Datetime),
            "code": holes([f"c{each}" for each in random.integers(0, 40, ROWS)], pl.String),
            "street": pl.Series(random.choice(["A", "B"], ROWS)),
        }
    )


TARGETS = {
    "labels": np.array(["yes", "no", "perhaps"]),
    "whole numbers": np.array([3, 1, 7]),
    "numbers": np.array([1.0, 2.0]),
    "booleans": np.array([True, False]),
}


def given(table: pl.DataFrame, preprocessing: Preprocessing) -> dict[str, np.ndarray]:
    """The raw columns as ONNX Runtime takes them: NaN and empty text where they are missing, times in seconds."""
    found = {}
    for name in (column.name for column in preprocessing.columns):
        column = table[name]
        if column.dtype.is_temporal():
            found[name] = numbers(column)
        elif column.dtype.is_numeric():
            found[name] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        else:
            found[name] = np.array(column.cast(pl.String).fill_null("").to_list(), object)
    return found


def unseen(table: pl.DataFrame) -> pl.DataFrame:
    """The table with values that training never saw."""
    towns = pl.Series(["Rome", *table["town"].to_list()[1:]], dtype=pl.String)
    return table.with_columns(town=towns, code=pl.Series(["none", *table["code"].to_list()[1:]]))


def of_table(y: np.ndarray) -> tuple[dr.Model, Preprocessing, pl.DataFrame]:
    """A model of a table with the target y, what prepares it, and the table with values never seen."""
    table = frame().with_columns(sold=pl.Series(y))
    preprocessing = Preprocessing.fit(table, "sold")
    loss = dr.SoftmaxCrossEntropy() if preprocessing.classes else dr.SquaredError()
    model = model_of(table_network(preprocessing, Job("t.csv", hidden=(8,))), (preprocessing.width,), loss)
    model.notes["preprocessing"] = preprocessing.to_json()
    return model, preprocessing, unseen(table)


@pytest.mark.parametrize("labels", TARGETS.values(), ids=TARGETS)
def test_a_table_is_classified_from_its_raw_columns(labels):
    model, preprocessing, table = of_table(np.random.default_rng(1).choice(labels, ROWS))
    assert preprocessing.embedded  # of `code`; its levels are too many for columns of their own
    assert preprocessing.task == "classification"
    found, probabilities = session(to_onnx(model)).run(None, given(table, preprocessing))
    expected = model.predict(preprocessing.transform(table)[0])
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-6)
    assert found.tolist() == preprocessing.decode(expected).tolist()
    assert len(set(found.tolist())) > 1


def test_a_table_is_predicted_in_the_unit_of_its_target():
    model, preprocessing, table = of_table(np.random.default_rng(1).normal(1000, 50, ROWS))
    running = session(to_onnx(model))
    assert np.isinf(given(table, preprocessing)["size"]).any()
    assert [each.name for each in running.get_inputs()] == [column.name for column in preprocessing.columns]
    assert [each.name for each in running.get_outputs()] == ["sold"]
    expected = preprocessing.decode(model.predict(preprocessing.transform(table)[0]))
    for rows in (1, 7, ROWS):
        got = running.run(None, given(table.head(rows), preprocessing))[0]
        np.testing.assert_allclose(got, expected[:rows], rtol=1e-6)


def test_booleans_may_be_spelt_as_python_spells_them():
    model, preprocessing, table = of_table(np.random.default_rng(1).normal(1000, 50, ROWS))
    running, columns = session(to_onnx(model)), given(table, preprocessing)
    title = {"sunny": np.array([text.title() for text in columns["sunny"]], object)}
    assert set(title["sunny"]) == {"True", "False", ""}
    assert running.run(None, columns | title)[0].tolist() == running.run(None, columns)[0].tolist()


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_pixels_are_standardised_inside(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 8, 9, 3)).astype(kind)
    goal = Target("animal", "classification", ("cat", "dog", "hen"))
    preprocessing = ImagePreprocessing.fit(pixels[:20], goal)
    net = image_network(preprocessing, Job("animals", augment=("flip", "shift", "cutout")))
    model = model_of(net, preprocessing.shape, dr.SoftmaxCrossEntropy(), spread=0.02)
    model.notes["preprocessing"] = preprocessing.to_json()
    expected = model.predict(preprocessing.transform(pixels))
    labels, probabilities = session(to_onnx(model)).run(None, {"pixels": pixels})
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)
    assert labels.tolist() == preprocessing.goal.decode(expected).tolist()


def test_of_a_series_the_network_alone_is_written_and_said_so():
    net = dr.Chain(dr.Recurrent(dr.GRU(4), last=True), dr.Dense(2))
    model = model_of(net, (6, 3))
    assert left_out(model) is None
    model.notes["preprocessing"] = {"kind": "series"}
    written = to_onnx(model)
    assert "trained on a series" in left_out(model)
    assert written.doc_string == left_out(model)
    x = drawn((6, 3), 4)
    np.testing.assert_allclose(session(written).run(None, {"x": x})[0], model.predict(x), rtol=0, atol=1e-5)
