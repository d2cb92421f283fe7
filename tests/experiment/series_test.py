"""Forecasts: learned from rows in time, measured beside what needs no learning, with nothing of the future."""

from datetime import date, datetime, timedelta
from pathlib import Path

import matplotlib.cbook
import numpy as np
import polars as pl
import pytest

import deltarule as dr
from deltarule.data.series import SeriesPreprocessing
from deltarule.data.target import Target
from deltarule.data.time_axis import TimeAxis
from deltarule.errors import DataError, FileError, SettingError
from deltarule.experiment import evaluate, predict
from deltarule.experiment import series as windows
from deltarule.experiment.run import prepare
from deltarule.experiment.use import load_prepared
from deltarule.job import Job
from experiment.jobs import QUICK, houses, left, run, table

FORECAST = {"task": "forecast", "batch_size": 16}


def hourly(rows: int = 400, change: float = 0.0) -> pl.DataFrame:
    """A day's wave on a rising line, and an input of which nothing follows; `change` is of the last fifth."""
    random, hour = np.random.default_rng(0), np.arange(rows)
    y = 5 * np.sin(2 * np.pi * hour / 24) + 0.05 * hour + random.normal(0, 0.2, rows) + 100
    times = [datetime(2024, 3, 1) + timedelta(hours=int(each)) for each in hour]
    return pl.DataFrame({"time": times, "noise": random.normal(size=rows), "y": y + change * (hour >= 0.8 * rows)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A forecast of the wave, and its file."""
    folder = tmp_path_factory.mktemp("wave")
    path = table(folder, hourly(), "wave.csv")
    return run(folder, path, **FORECAST, epochs=30, hidden=(16,)), path


def test_a_wave_on_a_line_is_forecast_beyond_what_was_seen(trained):
    result, _ = trained
    summary = result.summary
    assert (summary["task"], summary["metric"]) == ("forecast", "skill")
    assert summary["validation"] == pytest.approx(1 - summary["root_mean_squared_error"] / summary["naive_error"])
    assert summary["validation"] > 0.85
    assert summary["seasonal_skill"] > 0.3
    assert summary["mean_absolute_error"] < summary["root_mean_squared_error"] < 1
    assert {path.name for path in result.folder.iterdir()} == {
        *("forecast.svg", "curves.svg", "model.safetensors", "metrics.jsonl", "run.toml", "record.json"),
        "report.html",
    }
    assert result.model.net == dr.Chain(dr.Recurrent(dr.GRU(16), last=True), dr.Dense(24))


def test_the_next_values_have_their_times(trained):
    result, path = trained
    columns, notes = predict(str(result.folder), str(path))
    assert list(columns) == ["time", "y"]
    assert not notes
    end = datetime(2024, 3, 1) + timedelta(hours=400)
    assert columns["time"].tolist() == [end + timedelta(hours=each) for each in range(24)]
    true = 5 * np.sin(2 * np.pi * np.arange(400, 424) / 24) + 0.05 * np.arange(400, 424) + 100
    assert np.abs(columns["y"] - true).mean() < 1


def test_a_forecast_is_made_from_the_last_row(trained, tmp_path):
    result, path = trained
    prepared = prepare(Job(str(path), **FORECAST, hidden=QUICK.hidden), None)
    series, rows = prepared.windows
    changes = result.model.predict(prepared.held_out[0][:1])
    columns, _ = predict(str(result.folder), str(table(tmp_path, hourly()[:320])))
    np.testing.assert_allclose(
        columns["y"], prepared.preprocessing.decode(series, rows[:1], changes)[0], rtol=1e-5
    )


def test_evaluation_of_the_held_out_rows_gives_their_figures(trained, tmp_path):
    result, _ = trained
    measured, _ = evaluate(str(result.folder), str(table(tmp_path, hourly()[320 - 48 :])))
    assert measured["rows"] == 80 - 24 + 1
    for name in ("mean_absolute_error", "naive_error", "seasonal_naive_error", "seasonal_skill", "loss"):
        assert measured[name] == pytest.approx(result.summary[name], rel=1e-4)
    assert measured["skill"] == pytest.approx(result.summary["validation"], rel=1e-4)


def test_a_jump_in_the_future_changes_nothing_of_training(tmp_path):
    plain, jump = (prepare(job(tmp_path, hourly(change=each)), None) for each in (0.0, 1e5))
    assert plain.preprocessing == jump.preprocessing
    for first, second in zip(plain.training, jump.training, strict=True):
        np.testing.assert_array_equal(first, second)
    assert np.abs(plain.held_out[1]).max() < 10
    assert np.abs(jump.held_out[1]).max() > 1e4


def job(tmp_path: Path, frame: pl.DataFrame, **settings):
    """The settings of a forecast of the frame."""
    return Job(str(table(tmp_path, frame, "series.csv")), **{**FORECAST, **settings})


def test_errors_are_those_of_the_forecasts():
    preparation = SeriesPreprocessing(
        *(Target("y", "regression", mean=10.0, deviation=2.0), (), TimeAxis("t", "weekdays", 1.0), "refuse", ()),
        *(6, 7, ()),
    )
    x = np.zeros((1, 6, 1), np.float32)
    x[0, :, 0] = [9, 1, 2, 3, 4, 0]
    y, changes = np.array([[1, 2, 3, 4, 0, 1, 4]], np.float32), np.array([[1, 2, 3, 4, 0, 3, 4]], np.float32)
    measured = windows.measure(preparation, changes, (x, y, np.ones(1, np.float32)))
    assert measured["mean_absolute_error"] == pytest.approx(2 * 2 / 7)
    assert measured["root_mean_squared_error"] == pytest.approx(2 * np.sqrt(4 / 7))
    assert measured["naive_error"] == pytest.approx(2 * np.sqrt(47 / 7))
    assert measured["skill"] == pytest.approx(1 - np.sqrt(4 / 47))
    assert measured["seasonal_naive_error"] == pytest.approx(2 * np.sqrt(4 / 7))  # the last: 2, and it was 4
    assert measured["seasonal_skill"] == pytest.approx(0)


def test_rows_without_time_are_taken_in_their_order(tmp_path):
    path = table(tmp_path, hourly(200).drop("time"), "wave.parquet")
    result = run(tmp_path, path, **FORECAST, network="lstm", horizon=2, history=7)
    assert result.model.net == dr.Chain(dr.Recurrent(dr.LSTM(8), last=True), dr.Dense(2))
    assert "seasonal_skill" not in result.summary
    columns, _ = predict(str(result.folder), str(path))
    assert columns["step"].tolist() == [1, 2]
    assert len(columns["y"]) == 2


def test_the_time_may_be_a_number_or_a_day(tmp_path):
    years = pl.DataFrame({"year": np.arange(1900, 1980), "y": np.arange(80) % 5 * 1.0})
    result = run(tmp_path, table(tmp_path, years, "a.csv"), **FORECAST, time="year", horizon=2, network="dense")
    assert predict(str(result.folder), str(tmp_path / "a.csv"))[0]["year"].tolist() == [1980, 1981]
    days = years.with_columns(year=pl.date_range(date(2024, 1, 1), date(2024, 3, 20), eager=True))
    result = run(tmp_path, table(tmp_path, days, "b.csv"), **FORECAST, horizon=2, network="dense")
    assert predict(str(result.folder), str(tmp_path / "b.csv"))[0]["year"].tolist() == [
        *(date(2024, 3, 21), date(2024, 3, 22))
    ]


def test_prices_of_days_that_markets_are_open(tmp_path):
    prices = matplotlib.cbook.get_sample_data("goog.npz")["price_data"]
    frame = pl.DataFrame({name: prices[name] for name in ("open", "volume", "close")})
    path = table(tmp_path, frame.with_columns(pl.Series("date", prices["date"].astype("M8[us]"))), "goog.csv")
    with pytest.raises(
        DataError, match="rows 1 weekday apart, but 37 are missing in 36 gaps, the first is 2004-09-06"
    ):
        run(tmp_path, path, **FORECAST, target="close")
    for gaps, rows in (("fill", 1084), ("ignore", 1047)):
        result = run(tmp_path, path, **FORECAST, target="close", gaps=gaps, horizon=1, network="dense", epochs=1)
        assert any(f"of {rows} rows (from 200" in note for note in result.notes)
        columns, _ = predict(str(result.folder), str(path))
        assert columns["date"].tolist() == [date(2008, 10, 15)]


def test_windows_that_do_not_fit_in_memory_are_thinned(tmp_path, monkeypatch):
    settings = {"history": 10, "horizon": 1}
    whole = prepare(job(tmp_path, hourly(), **settings), None)
    monkeypatch.setattr(windows, "MOST", whole.training[0].size // 3)
    thin = prepare(job(tmp_path, hourly(), **settings), None)
    np.testing.assert_array_equal(thin.training[0], whole.training[0][3::4])
    np.testing.assert_array_equal(thin.held_out[0], whole.held_out[0])
    assert any("Only every 4th of 310 windows is learned from" in note for note in thin.notes)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"validation": 0.001}, DataError, "leaves rows on both sides, but 0.001 of 400 holds out 0"),
        (
            {"validation": 0.05, "horizon": 24},
            DataError,
            "24 known values of 'y' one after the other in the last 20",
        ),
        ({"network": "convolution"}, SettingError, "network = convolution is for images, and this is a series"),
        ({"augment": ("flip",)}, SettingError, "augment is for images, and this is a series"),
        ({"activation": "tanh"}, SettingError, "activation is for dense networks"),
        ({"hidden": ()}, SettingError, "width of at least one recurrent layer"),
        ({"time": "noon"}, DataError, "there is no 'noon' among"),
        ({"target": "noise", "time": "y"}, DataError, "Sort the file by 'y'"),
    ],
)
def test_what_cannot_be_is_refused(settings, error, words, tmp_path):
    with pytest.raises(error, match=words):
        run(tmp_path, table(tmp_path, hourly()), **FORECAST, **{"hidden": None, **settings})
    assert not left(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("horizon", 3, r"horizon is for series \(task = forecast\), and this is a table"),
        ("gaps", "fill", "gaps is for series"),
        ("network", "gru", "network = gru is for series and texts, and this is a table"),
    ],
)
def test_settings_of_series_are_refused_for_a_table(name, value, words, tmp_path):
    with pytest.raises(SettingError, match=words):
        run(tmp_path, table(tmp_path, houses()), **{name: value})


def test_a_forecast_needs_its_history(trained, tmp_path):
    folder = str(trained[0].folder)
    with pytest.raises(DataError, match="expected the 48 rows of a history to forecast from, but there are 47"):
        predict(folder, str(table(tmp_path, hourly()[:47])))
    with pytest.raises(DataError, match=r"at least 72 rows with known targets.*but there are 71"):
        evaluate(folder, str(table(tmp_path, hourly()[:71])))
    assert len(predict(folder, str(table(tmp_path, hourly()[:48])))[0]["y"]) == 24
    assert evaluate(folder, str(table(tmp_path, hourly()[:72])))[0]["rows"] == 1
    with pytest.raises(FileError, match="expected a table"):
        predict(folder, str(tmp_path / "none.csv"))


def test_the_saved_preprocessing_is_the_one_of_training(trained):
    _, preparation = load_prepared(str(trained[0].folder))
    assert isinstance(preparation, SeriesPreprocessing)
    assert preparation == prepare(Job(str(trained[1]), **FORECAST, hidden=QUICK.hidden), None).preprocessing
