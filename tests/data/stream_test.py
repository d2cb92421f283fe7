"""A stream: every example once, in a known order, within its memory, and from any chunk on."""

import numpy as np
import polars as pl
import pytest

import deltarule as dr
from data.sets import arrays, classes, numbered, parquet, read
from deltarule.errors import DataError, FileError, SettingError, ShapeError

KINDS = ["npy", "parquet", "csv"]


def a_set(tmp_path, kind):
    """1,500 examples of some kind, whose first number is the number of the row."""
    if kind == "npy":
        return numbered(tmp_path / "set", 1500)
    return parquet(tmp_path / "set", suffix=f".{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_comes_once_an_epoch_in_an_order_of_the_seed(tmp_path, kind):
    folder = a_set(tmp_path, kind)
    stream = dr.stream(folder, memory="40 kB", seed=1)
    assert stream.examples == 1500
    first = read(stream)
    assert sorted(first) == list(range(1500))
    assert (read(stream) == first).all()
    assert (read(dr.stream(folder, memory="40 kB", seed=1)) == first).all()
    assert (read(stream, epoch=1) != first).any()
    assert (stream.blocks_of(1) != stream.blocks_of(0)).any()
    assert (read(dr.stream(folder, memory="40 kB", seed=2)) != first).any()
    assert read(stream, order="none").tolist() == list(range(1500))


@pytest.mark.parametrize("kind", KINDS)
def test_positions_tell_the_order_without_reading(tmp_path, kind, monkeypatch):
    stream = dr.stream(a_set(tmp_path, kind), memory="40 kB")
    starts = np.cumsum(stream.source.rows) - stream.source.rows
    expected = read(stream, epoch=3)
    monkeypatch.setattr(type(stream.source), "read", lambda *_: pytest.fail("read"))
    block, row = stream.positions(3, 10).T
    assert (starts[block] + row == expected).all()


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_goes_on_from_any_chunk_and_reads_only_that(tmp_path, kind, monkeypatch):
    stream = dr.stream(a_set(tmp_path, kind), memory="30 kB")
    size = stream.chunk_rows(10)
    whole = list(stream.chunks(2, 10))
    assert len(whole) == -(-1500 // size) >= 3
    seen = []
    once = type(stream.source).read
    monkeypatch.setattr(type(stream.source), "read", lambda self, block: seen.append(block) or once(self, block))
    rest = list(stream.chunks(2, 10, skip=2))
    assert len(rest) == len(whole) - 2
    for a, b in zip(rest, whole[2:], strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    blocks = stream.blocks_of(2)
    ends = np.cumsum(stream.rows[blocks])
    assert seen == blocks[ends > 2 * size].tolist()  # each once, none that lies before


def test_all_chunks_have_one_shape_of_whole_batches(tmp_path):
    stream = dr.stream(numbered(tmp_path / "set", 1007), memory="40 kB")
    chunks = list(stream.chunks(0, 16))
    assert {chunk.x.shape for chunk in chunks} == {(stream.chunk_rows(16), 3)}
    assert [chunk.examples % 16 for chunk in chunks] == [0] * (len(chunks) - 1) + [1007 % 16]
    assert not chunks[-1].x[chunks[-1].examples :].any()
    assert [len(chunk.y) for chunk in chunks] == [chunk.examples for chunk in chunks]


def test_a_batch_mixes_all_blocks_of_its_chunk(tmp_path):
    stream = dr.stream(parquet(tmp_path / "set"), memory="40 kB")
    size = stream.chunk_rows(10)
    block = stream.positions(0, 10)[:size, 0].reshape(-1, 10)
    several = [len(set(batch)) for batch in block]
    assert np.mean(several) > 0.7 * min(stream.shuffle_quality(10).blocks, 10)


@pytest.mark.parametrize("count", [2, 4])
def test_processes_share_each_chunk_and_make_the_order_of_one(tmp_path, count):
    folder, size = numbered(tmp_path / "set", 1010), 20 // count
    one = list(dr.stream(folder, memory="40 kB").chunks(1, 20))
    several = [
        list(dr.stream(folder, memory="40 kB", shard=(index, count)).chunks(1, 20)) for index in range(count)
    ]
    for whole, *parts in zip(one, *several, strict=True):
        assert all(len(part.x) == len(whole.x) // count for part in parts)
        for step in range(whole.steps):
            together = [part.x[: len(part.y)][step * size : step * size + size, 0] for part in parts]
            expected = whole.x[: whole.examples][step * 20 : step * 20 + 20, 0]
            assert np.concatenate(together).tolist() == expected.tolist()


def test_a_process_that_has_no_example_of_a_last_batch_takes_one_that_does_not_count(tmp_path):
    stream = dr.stream(classes(tmp_path / "set"), memory="24 kB", seed=1, shard=(1, 2)).divided(0.2)[0]
    *_, last = stream.chunks(0, 16)
    assert (last.examples, last.steps, last.size, len(last.y), last.weight) == (2, 1, 8, 1, [0])
    assert last.y[0] == np.digitize(last.x[0].sum(), [-1, 1])
    assert not last.x[1:].any()


def test_all_examples_are_read_once_whatever_process_reads_them(tmp_path):
    folder = numbered(tmp_path / "set", 1003)
    for devices, shards in ((1, 1), (4, 1), (4, 2), (4, 4)):
        streams = [dr.stream(folder, memory="40 kB", shard=(index, shards)) for index in range(shards)]
        chunks = [chunk for stream in streams for chunk in stream.in_order(60, devices) if chunk.weight is None]
        assert {chunk.size * shards % devices for chunk in chunks} == {0}
        rows = np.concatenate([chunk.x[: len(chunk.y), 0] for chunk in chunks])
        assert sorted(rows) == list(range(1003))


def test_which_process_reads_changes_no_example(tmp_path):
    """So that a run goes on in another number of processes."""
    folder = numbered(tmp_path / "set")
    assert len({dr.stream(folder, shard=shard).fingerprint() for shard in ((0, 1), (0, 2), (1, 2))}) == 1
    assert dr.stream(folder, seed=1).fingerprint() != dr.stream(folder).fingerprint()


@pytest.mark.parametrize("by", ["block", "file"])
def test_blocks_or_files_are_held_out(tmp_path, by):
    stream = dr.stream(parquet(tmp_path / "set", files=5, rows=300), memory="1 MB")
    training, held = stream.divided(0.2, by)
    assert sorted([*read(training), *read(held)]) == list(range(1500))
    assert held.examples == 300
    if by == "file":
        assert len({int(row) // 300 for row in read(held)}) == 1
    assert (read(stream.divided(0.2, by)[1]) == read(held)).all()


def test_too_little_memory_says_how_much_is_the_least(tmp_path):
    folder = numbered(tmp_path / "set")
    with pytest.raises(SettingError, match=r"memory = 2 kB is too little.*least possible is (\d+) bytes") as error:
        dr.stream(folder, memory="2 kB").chunk_rows(64)
    least = int(str(error.value).split("least possible is ")[1].split()[0])
    source = dr.stream(folder, memory="2 kB").source
    assert dr.Stream(source, np.arange(len(source.rows)), least).chunk_rows(64) == 64
    with pytest.raises(SettingError):
        dr.Stream(source, np.arange(len(source.rows)), least - 1).chunk_rows(64)


def test_settings_that_cannot_be_are_refused(tmp_path):
    folder = numbered(tmp_path / "set")
    for settings, said in (
        ({"memory": "a lot"}, "number of bytes"),
        ({"memory": 0}, "number of bytes"),
        ({"shard": (2, 2)}, "0 ≤ i < N"),
        ({"shard": 3}, "0 ≤ i < N, got 3"),
        ({"shard": (0, 1.5)}, "0 ≤ i < N"),
        ({"seed": -1}, "at least 0"),
        ({"seed": None}, "at least 0, got None"),
        ({"seed": 1.5}, "at least 0, got 1.5"),
        ({"target": "y"}, "target is for tables"),
    ):
        with pytest.raises(SettingError, match=said):
            dr.stream(folder, **settings)
    for data in (None, 3, np.zeros((4, 2)), pl.DataFrame({"a": [1]}), {"a.csv"}):
        with pytest.raises(SettingError, match=f"or a list of files, got the type {type(data).__name__}; data in"):
            dr.stream(data)
    with pytest.raises(SettingError, match="3 processes do not divide a batch of 64"):
        dr.stream(folder, shard=(0, 3)).chunk_rows(64)
    with pytest.raises(SettingError, match="permutation"):
        list(dr.stream(folder, shard=(0, 2)).chunks(0, 10, "none"))


def test_a_target_is_found_by_name_or_position_and_must_be_there(tmp_path):
    folder = parquet(tmp_path / "set")
    assert dr.stream(folder).source.target == dr.stream(folder, target="y").source.target == "y"
    assert dr.stream(folder, target="b").source.features == ("a", "y")
    assert dr.stream(folder, target=0).source.features == ("b", "y")
    for target in ("price", 1.5, ["y"], True):
        with pytest.raises(DataError, match="there is no such column"):
            dr.stream(folder, target=target)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_column_that_holds_no_numbers_is_told(tmp_path, kind):
    frame = pl.DataFrame({"town": ["Ulm"] * 50, "y": range(50)})
    path = tmp_path / f"towns.{kind}"
    frame.write_parquet(path) if kind == "parquet" else frame.write_csv(path)
    with pytest.raises(DataError, match=r"towns.*numbers in every column, but 'town' holds"):
        dr.stream(path)


@pytest.mark.parametrize("column", ["a", "y"])
def test_a_number_that_is_missing_is_told_with_its_file(tmp_path, column):
    folder = parquet(tmp_path / "set")
    frame = pl.read_parquet(folder / "part-1.parquet")
    frame = frame.with_columns(pl.when(pl.col("a") == 610).then(None).otherwise(pl.col(column)).alias(column))
    frame.write_parquet(folder / "part-1.parquet", row_group_size=100)
    stream = dr.stream(folder)
    with pytest.raises(DataError, match=rf"part-1.parquet.*finite numbers, but 1 of .* in column '{column}'"):
        read(stream)


def test_nan_in_an_array_is_told_with_its_file(tmp_path):
    x = np.zeros((200, 3))
    x[150, 1] = np.nan
    stream = dr.stream(arrays(tmp_path / "set", x, np.zeros(200)))
    with pytest.raises(DataError, match=r"x.npy, rows from \d+ on: .*NaN"):
        read(stream)


def test_a_file_that_changes_or_goes_while_it_is_read_is_told(tmp_path):
    for kind in KINDS:
        folder = a_set(tmp_path / kind, kind)
        stream = dr.stream(folder, memory="60 kB")
        chunks = stream.chunks(0, 10)
        next(chunks)
        files = sorted(folder.iterdir())
        for file in files:
            file.write_bytes(file.read_bytes() + b" ")
        with pytest.raises(FileError, match="was changed while it was read"):
            list(chunks)
        for file in files:
            file.unlink()
        with pytest.raises(FileError, match="no such file"):
            read(stream)


def test_arrays_that_are_none_are_told(tmp_path):
    for number, (x, y, said) in enumerate(
        [
            (np.zeros((5, 2)), np.zeros(4), "5 examples"),
            (np.array([["a"]] * 3), np.zeros(3), "got the type"),
            (np.asfortranarray(np.zeros((5, 2))), np.zeros(5), "Fortran"),
            (np.array([None] * 3), np.zeros(3), "Python objects"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        np.save(folder / "x.npy", x, allow_pickle=True)
        np.save(folder / "y.npy", y)
        with pytest.raises((DataError, FileError, ShapeError), match=said):
            dr.stream(folder)
    whole = (folder.parent / "0" / "x.npy").read_bytes()
    (folder.parent / "0" / "x.npy").write_bytes(whole[:-8])
    with pytest.raises(FileError, match=r"x.npy: .*cut short"):
        dr.stream(folder.parent / "0")


def test_images_of_x_keep_their_shape(tmp_path):
    x = np.arange(40 * 4 * 5, dtype=np.uint8).reshape(40, 4, 5, 1)
    folder = arrays(tmp_path / "set", x, np.arange(40) % 2)
    stream = dr.stream([folder / "x.npy", folder / "y.npy"])
    (chunk,) = stream.chunks(0, 8, "none")
    assert stream.shape == (40, 4, 5, 1)
    assert (chunk.x == x).all()
    model = dr.Model(dr.Chain(dr.Flatten(), dr.Dense(2)), dr.SoftmaxCrossEntropy())
    model.fit(stream, epochs=1, progress=False)
    with pytest.raises(ShapeError, match=r"expected a stream of examples of shape \(4, 5, 1\)"):
        model.fit(dr.stream(numbered(tmp_path / "other")), epochs=1)


def test_a_fingerprint_is_of_the_set_and_the_settings(tmp_path):
    folder = parquet(tmp_path / "set")
    stream = dr.stream(folder, memory="1 MB")
    assert stream.fingerprint() == dr.stream(folder, memory="1 MB").fingerprint()
    others = [dr.stream(folder, memory="2 MB"), dr.stream(folder, memory="1 MB", seed=1), *stream.divided(0.5)]
    assert len({each.fingerprint() for each in (stream, *others)}) == 5
    parquet(tmp_path / "set", rows=600)
    assert stream.fingerprint() != dr.stream(folder, memory="1 MB").fingerprint()
