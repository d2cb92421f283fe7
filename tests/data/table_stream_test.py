"""A preprocessing that is fitted block by block: the very one of the whole table, and what is bounded."""

import dataclasses

import numpy as np
import polars as pl
import pytest

from deltarule.data import facts
from deltarule.data.file_set import table_files
from deltarule.data.open_stream import open_table
from deltarule.data.stream import Stream
from deltarule.data.table import Preprocessing
from deltarule.data.table_stream import fit_table
from deltarule.errors import DataError, FileError


def houses(rows=600):
    """Every kind of column: numbers with gaps, times, booleans, few and many categories, free text, constants."""
    random = np.random.default_rng(0)
    size = random.uniform(40, 200, rows)
    frame = pl.DataFrame(
        {
            "size": size,
            "age": [None if each > 47 else each for each in random.uniform(0, 50, rows)],
            "far": 1e9 + random.normal(size=rows),
            "built": pl.Series(random.integers(0, 20_000, rows)).cast(pl.Date),
            "garden": random.random(rows) < 0.5,
            "town": random.choice(["Bonn", "Köln", "Ulm", None], rows),
            "street": random.choice([f"street {i}" for i in range(60)], rows),
            "remark": [f"remark {i}" for i in range(rows)],
            "country": ["DE"] * rows,
            "nothing": pl.Series([None] * rows, dtype=pl.Float64),
            "price": [None if each < 45 else 3 * each for each in size],
        }
    )
    return frame.with_columns(sold=pl.when(pl.col("size") > 100).then(pl.lit("yes")).otherwise(pl.lit("no")))


def written(tmp_path, frame, suffix=".parquet", files=3):
    """The frame in several files."""
    for number, part in enumerate(frame.iter_slices(-(-len(frame) // files))):
        path = tmp_path / f"part-{number}{suffix}"
        part.write_parquet(path, row_group_size=37) if suffix == ".parquet" else part.write_csv(path)
    return table_files(tmp_path)


def fitted(tmp_path, frame, target, task=None, suffix=".parquet", held=()):
    table = open_table(written(tmp_path, frame, suffix), 10**6)
    training = ~np.isin(np.arange(len(table.rows)), held)
    return fit_table(table, training, target, task), training


def close(got, expected):
    """Two preprocessings, but for the rounding of means and deviations."""
    for a, b in zip((*got.columns, got.goal), (*expected.columns, expected.goal), strict=True):
        a, b = dataclasses.asdict(a), dataclasses.asdict(b)
        for name in ("mean", "deviation"):
            assert a.pop(name, 0) == pytest.approx(b.pop(name, 0), rel=1e-8, abs=1e-9)
        assert a == b
    assert got.ignored == expected.ignored


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize(("target", "task"), [("price", None), ("sold", None), ("garden", "classification")])
def test_one_pass_learns_what_the_whole_table_teaches(tmp_path, target, task, suffix):
    frame = houses() if suffix == ".parquet" else houses().with_columns(pl.col("built").dt.to_string("%Y-%m-%d"))
    source, _ = fitted(tmp_path, frame, target, task, suffix)
    if suffix == ".csv":
        from deltarule.data.table import read_table

        frame.write_csv(tmp_path / "whole.tsv", separator="\t")
        frame = read_table(tmp_path / "whole.tsv")
    expected = Preprocessing.fit(frame, target, task)
    close(source.preprocessing, expected)
    assert set(source.preprocessing.notes) == set(expected.notes)
    blocks = [source.read(block) for block in range(len(source.rows)) if source.rows[block]]
    x, y = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    np.testing.assert_allclose(x, expected.transform(frame, with_target=True)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y, expected.target(frame), rtol=1e-5, atol=1e-6)
    assert source.shape == x.shape


def test_held_out_blocks_teach_nothing_but_the_names_of_classes(tmp_path):
    frame = houses().with_columns(sold=pl.Series(["rare"] * 10 + houses()["sold"].to_list()[10:]))
    table = open_table(written(tmp_path, frame), 10**6)
    first = np.arange(len(table.rows)) == 0
    source = fit_table(table, ~first, "sold")
    rows = np.arange(int(table.rows[0]), len(frame))
    close(source.preprocessing, Preprocessing.fit(frame, "sold", rows=rows))
    assert "rare" in source.preprocessing.classes


def test_a_mean_far_from_zero_keeps_its_deviation(tmp_path):
    """Sums of squares would lose all digits of a deviation of 1 about 1e9."""
    source, _ = fitted(tmp_path, houses(), "sold")
    far = next(column for column in source.preprocessing.columns if column.name == "far")
    assert far.deviation == pytest.approx(houses()["far"].std(ddof=0), rel=1e-6)


def test_medians_of_a_sample_are_near_and_told(tmp_path, monkeypatch):
    monkeypatch.setattr("deltarule.data.table_stream.SAMPLE", 200)
    source, _ = fitted(tmp_path, houses(), "sold")
    age = next(column for column in source.preprocessing.columns if column.name == "age")
    exact = houses()["age"].median()
    assert age.median != exact
    assert age.median == pytest.approx(exact, rel=0.2)
    assert any("medians of 200 rows" in note for note in source.preprocessing.notes)


def test_more_values_than_are_kept_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(facts, "MOST_LEVELS", 50)
    source, _ = fitted(tmp_path, houses(), "sold")
    assert "street" in source.preprocessing.ignored
    assert any("more than 50 different values" in note for note in source.preprocessing.notes)
    with pytest.raises(DataError, match="'street': expected classes that repeat, but it holds more than 50"):
        fit_table(source.table, np.ones(len(source.rows), bool), "street")


def test_a_column_of_another_kind_further_on_is_told_with_its_file(tmp_path):
    frame = houses().select("size", "town", "sold")
    paths = written(tmp_path, frame)
    other = pl.read_parquet(paths[1]).with_columns(size=pl.lit(True))
    other.write_parquet(paths[1])
    with pytest.raises(DataError, match=r"part-1.parquet.*'size'.*Boolean"):
        open_table(table_files(tmp_path), 10**6)


def test_a_value_that_cannot_be_coded_is_told_with_its_file(tmp_path):
    source, _ = fitted(tmp_path, houses().select("size", "sold"), "sold")
    path = source.table.files.paths[1]
    frame = pl.read_parquet(path).with_columns(sold=pl.lit("maybe"))
    frame.write_parquet(path, row_group_size=37)
    with pytest.raises(FileError, match=r"part-1.parquet: the file was changed"):
        [source.read(block) for block in range(len(source.rows))]


def test_a_stream_of_coded_rows_leaves_those_without_a_target_out(tmp_path):
    source, _ = fitted(tmp_path, houses(), "price")
    stream = Stream(source, np.flatnonzero(source.rows), 10**6)
    known = houses()["price"].count()
    assert stream.examples == known < 600
    assert sum(chunk.examples for chunk in stream.chunks(0, 10)) == known


def test_moments_merge_to_those_of_the_whole():
    values = np.random.default_rng(0).lognormal(3, 2, 1000)
    merged = facts.Moments()
    for part in np.split(values, [0, 1, 10, 500]):
        merged = merged.merged(facts.Moments.of(part))
    assert merged.rows == 1000
    assert merged.mean == pytest.approx(values.mean(), rel=1e-13)
    assert merged.deviation == pytest.approx(values.std(), rel=1e-13)
    assert facts.Moments.of(np.full(7, 0.1)).merged(facts.Moments.of(np.full(3, 0.1))).deviation == 0
