"""An epoch over a stream: the batches of an epoch in memory, one program, reading ahead, and going on midway."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

import deltarule as dr
from data.sets import arrays, classes, numbered
from deltarule.data.array_files import ArrayFiles
from deltarule.errors import DataError, DivergedError, SettingError
from deltarule.layers import Chain, Dense, Tanh
from deltarule.optimizers import Adam
from deltarule.training.place import Place
from deltarule.training.step import Batch
from deltarule.training.streaming import ahead, chunk_program, last_batch_program, stream_program
from launched.streamed import EPOCHS, fitted
from training.epoch_test import Centred
from training.problem import close, step

APART, MIXED = Chain(Dense(3), Tanh(), Dense(2)), Chain(Dense(3), Centred(), Dense(2))
SMALL = 3800  # bytes: chunks of some examples


def problem(tmp_path, n=107, memory=SMALL):
    """(x, y, a stream of them in several chunks)."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, 4)).astype(np.float32), rng.normal(size=(n, 2)).astype(np.float32)
    stream = dr.stream(arrays(tmp_path / "set", x, y), memory=memory, seed=3)
    assert 1 < n / stream.chunk_rows(10) < 8
    return x, y, stream


def fresh(net, precision="float32"):
    ours = step(net, optimizer=Adam(0.125), precision=precision)
    return ours, jax.device_put(ours.init((10, 4), 0))


@pytest.mark.parametrize("order", ["permutation", "none"])
@pytest.mark.parametrize("n", [107, 110, 120])
@pytest.mark.parametrize("net", [APART, MIXED], ids=["apart", "mixed"])
def test_an_epoch_is_its_steps_made_by_hand(tmp_path, net, n, order):
    """Batches of ten that are all full but the epoch's last one, and that no chunk's end cuts."""
    x, y, stream = problem(tmp_path, n)
    ours, state = fresh(net)
    expected, state = state, state._replace(epoch=state.epoch + 1)
    got, loss = stream_program(ours, 10, order)(state, stream, None, None)

    positions = stream.positions(1, 10, order)
    starts = np.cumsum(stream.source.rows) - stream.source.rows
    rows = starts[positions[:, 0]] + positions[:, 1]
    assert sorted(rows) == list(range(n))
    advance, reports = jax.jit(ours), []
    for start in range(0, n, 10):
        at = rows[start : start + 10]
        expected, report = advance(expected, Batch(x[at], y[at], np.ones(len(at), np.float32)))
        reports.append((report.loss, len(at)))
    close(got, expected._replace(epoch=expected.epoch + 2), rtol=1e-5)
    losses, weights = np.array(reports).T
    np.testing.assert_allclose(loss, (losses * weights).sum() / n, rtol=1e-5)


@pytest.mark.parametrize("net", [APART, MIXED], ids=["apart", "mixed"])
def test_an_epoch_that_goes_on_midway_ends_bit_for_bit_the_same(tmp_path, net):
    *_, stream = problem(tmp_path)
    ours, state = fresh(net)
    seen = []
    whole = stream_program(ours, 10)(state, stream, None, lambda *at: seen.append(at))
    assert [place.segments for _, place in seen] == list(range(1, len(seen) + 1))
    assert len(seen[-1][1].reports.loss) == 11
    for moved, place in seen[:-1]:
        again = stream_program(ours, 10)(moved, stream, place, None)
        assert all(map(np.array_equal, *map(jax.tree.leaves, (whole, again))))


@pytest.mark.parametrize(("net", "programs"), [(APART, (1, 0)), (MIXED, (1, 1))], ids=["apart", "mixed"])
def test_a_run_compiles_one_program_and_one_for_a_last_batch_that_mixes(tmp_path, net, programs):
    *_, stream = problem(tmp_path)
    model = dr.Model(net, dr.SquaredError(), Adam(0.0625))
    model.fit(stream, epochs=3, batch_size=10, progress=False)
    ours = model.step().structure()
    assert (chunk_program(ours)._cache_size(), last_batch_program(ours)._cache_size()) == programs


def test_float16_counts_what_it_skips(tmp_path):
    *_, stream = problem(tmp_path)
    model = dr.Model(APART, dr.SquaredError(), Adam(0.0625), precision="float16")
    history = model.fit(stream, epochs=2, batch_size=10, progress=False)
    assert history.rows[-1]["skipped"] >= 0
    assert history.rows[-1]["loss"] < history.rows[0]["loss"]


def test_one_thread_reads_the_next_item_while_one_is_worked_on():
    made, both = [], threading.Event()

    def items():
        for number in range(3):
            made.append((number, threading.current_thread().name))
            if number == 1:
                both.set()
            yield number

    for item in ahead(items()):
        if item == 0:
            assert both.wait(10)  # made while item 0 is in our hands
    assert len({name for _, name in made}) == 1
    assert made[0][1] != threading.current_thread().name


def test_at_most_one_item_is_made_ahead():
    made = []
    for item in ahead(made.append(number) or number for number in range(6)):
        assert len(made) <= item + 2


def test_what_goes_wrong_in_reading_is_raised_where_it_is_waited_for():
    def items():
        yield 1
        raise DataError("of the file")

    with pytest.raises(DataError, match="of the file"):
        list(ahead(items()))


def test_a_model_learns_from_a_stream_what_it_learns_from_arrays(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4)).astype(np.float32)
    y = (x.sum(1) > 0).astype(int)
    stream = dr.stream(arrays(tmp_path / "set", x, y), memory="40 kB")
    net = dr.Chain(dr.Dense(16), dr.ReLU(), dr.Dense(2))
    model = dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam(1e-2))
    history = model.fit(stream, epochs=10, validation=0.2, progress=False)
    assert history["validation_accuracy"][-1] > 0.97
    again = dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam(1e-2))
    assert again.fit(stream, epochs=10, validation=0.2, progress=False)["loss"] == history["loss"]
    assert model.predict(x[:5]).shape == (5, 2)


@pytest.mark.parametrize("classes", [True, False], ids=["classes", "numbers"])
def test_a_stream_is_evaluated_as_its_arrays_are(tmp_path, classes):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1003, 3)).astype(np.float32)
    y = (x.sum(1) > 1).astype(int) if classes else 50 + np.stack([x.sum(1), x[:, 0] ** 2], 1)
    y = np.sort(y, 0)  # so that chunks differ
    loss = dr.SoftmaxCrossEntropy(class_weights=(1, 3)) if classes else dr.SquaredError()
    model = dr.Model(dr.Dense(2), loss)
    model.fit(x, y, epochs=1, progress=False)
    stream = dr.stream(arrays(tmp_path / "set", x, y), memory="16 kB")
    assert stream.chunk_rows(64) < 300
    got, expected = model.evaluate(stream), model.evaluate(x, y)
    assert got == pytest.approx(expected, rel=2e-5)
    assert got.keys() == expected.keys()


def test_numbers_are_watched_over_a_stream(tmp_path):
    *_, stream = problem(tmp_path)
    model = dr.Model(APART, dr.SquaredError(), Adam(0.0625))
    history = model.fit(stream, epochs=2, batch_size=10, watch=["delta", "update"], progress=False)
    updates = history.watch("update")
    assert len(updates) == 2
    assert all(values.shape == (2,) and (values > 0).all() for values in updates.values())


def test_settings_that_do_not_go_with_a_stream_are_refused(tmp_path):
    stream = dr.stream(numbered(tmp_path / "set"))
    model = dr.Model(dr.Dense(2), dr.SoftmaxCrossEntropy())
    for settings, said in (
        ({"order": "replacement"}, "order of a stream"),
        ({"window": 4}, "window goes with sequences"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
        ({"batch_size": 2000}, "larger than the 1000"),
    ):
        with pytest.raises(SettingError, match=said):
            model.fit(stream, **settings)


def test_a_loss_that_is_lost_is_told(tmp_path):
    *_, stream = problem(tmp_path)
    model = dr.Model(APART, dr.SquaredError(), dr.SGD(1e30))
    with pytest.raises(DivergedError, match="lost in epoch 1"):
        model.fit(stream, epochs=2, batch_size=10, progress=False)


def launched(*arguments: object) -> subprocess.CompletedProcess:
    """What a console sees of the script over a stream in two processes."""
    command = [sys.executable, "-m", "deltarule.cli.main", "launch", "--processes", "2", "--"]
    script = Path(__file__).parents[1] / "launched/streamed.py"
    return subprocess.run(
        [*command, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},  # programs compile in half the time
    )


def test_processes_share_a_stream_and_equal_one(tmp_path, monkeypatch):
    """Over 180 steps: the losses, what each of them reads, and a run that goes on midway in two of them."""
    folder, checkpoint, once, blocks = classes(tmp_path / "set"), tmp_path / "checkpoints", ArrayFiles.read, []
    monkeypatch.setattr(ArrayFiles, "read", lambda self, block: blocks.append(block) or once(self, block))
    alone, count = fitted(folder), len(blocks)

    def interrupted(self, block):
        blocks.append(block)
        if len(blocks) == count + count // 2 + 3:
            raise KeyboardInterrupt
        return once(self, block)

    monkeypatch.setattr(ArrayFiles, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted(folder, checkpoint)
    done = launched(folder, tmp_path, checkpoint)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    for name, figures in alone.items():
        assert len(figures) == EPOCHS
        np.testing.assert_allclose(first["whole"][name], figures, rtol=1e-5)
        np.testing.assert_allclose(first["resumed"][name], figures, rtol=1e-5)
    assert first["whole"] == second["whole"]
    assert max(first["blocks"], second["blocks"]) < 0.75 * count  # those at an edge of a part are read twice


def test_a_damaged_file_that_one_process_reads_ends_the_run_and_is_told(tmp_path):
    folder = classes(tmp_path / "set")
    x = np.load(folder / "x.npy")
    x[5] = np.nan
    np.save(folder / "x.npy", x)
    done = launched(folder, tmp_path, tmp_path / "none")
    assert done.returncode != 0
    assert "x.npy, rows from 0 on: " in " ".join(done.stderr.split())


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells of the peak of its memory")
def test_memory_stays_within_its_bound(tmp_path):
    """A set of 64 MB within 8 MB: a process of its own grows by no more, once its programs are compiled."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1 << 18, 60)).astype(np.float32)
    folder = arrays(tmp_path / "set", x, (x.sum(1) > 0).astype(int))
    memory = 8_000_000
    program = [sys.executable, "-c", GROWTH, str(folder), str(memory)]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    grown = int(done.stdout)
    assert 1_000_000 < grown <= memory


GROWTH = """
import gc, sys
import jax, numpy as np
import deltarule as dr

def status(name):
    return 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

stream = dr.stream(sys.argv[1], memory=int(sys.argv[2]))
few = stream.divided(1.5 * stream.chunk_rows(64) / stream.examples)[1]  # of which a chunk is filled
model = dr.Model(dr.Dense(2), dr.SoftmaxCrossEntropy())
settings = {"batch_size": 64, "progress": False}
model.fit(few, epochs=2, validation=few, **settings)
jax.block_until_ready(jax.device_put(np.zeros(1)))
gc.collect()
open("/proc/self/clear_refs", "w").write("5")
before = status("VmRSS")
model.fit(stream, epochs=1, validation=0.2, **settings)
print(status("VmHWM") - before)
"""


def test_a_place_holds_host_arrays(tmp_path):
    *_, stream = problem(tmp_path)
    ours, state = fresh(MIXED)
    seen: list[Place] = []
    stream_program(ours, 10)(state, stream, None, lambda _, place: seen.append(place))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(seen[-1].reports))
