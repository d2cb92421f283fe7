"""A run that goes on from any of its checkpoints ends bit for bit as if it had never stopped."""

import shutil
import signal
import threading

import jax
import numpy as np
import pytest

import deltarule as dr
from deltarule.files import lock
from deltarule.training.signals import Interrupted

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(37, 4)).astype(np.float32), RNG.integers(0, 3, 37)
SEQUENCES = RNG.normal(size=(6, 22, 3)).astype(np.float32)
NEXT = np.tanh(np.cumsum(SEQUENCES[..., :2], axis=1))


class Chunks:
    """A source of sequences in chunks of 8 time steps, the last of which is shorter."""

    chunk_shape, examples = (6, 8, 3), 6 * 22

    def epoch(self, number):
        for at in range(0, 22, 8):
            yield SEQUENCES[:, at : at + 8], NEXT[:, at : at + 8]

    def fingerprint(self):
        return "these"


def mixed(**settings):
    """Everything at once on arrays: what mixes examples, is random, overflows float16, decays, and is watched."""
    net = dr.Chain(dr.Dense(8), dr.BatchNorm(), dr.ReLU(), dr.Dropout(0.3), dr.Dense(3))
    optimizer = dr.Adam(dr.WarmUp(dr.CosineDecay(0.2, 40), 3))
    model = dr.Model(net, dr.SoftmaxCrossEntropy(), optimizer, l2=1e-3, precision="float16", seed=3)
    model.fit(
        X * 2e3,
        LABELS,
        **{"epochs": 12, "batch_size": 12, "validation": 0.25, "patience": 1, "watch": "all"} | settings,
    )
    return model


def source(**settings):
    """A source read in windows, whose recurrent states are carried from chunk to chunk."""
    net = dr.Chain(dr.Recurrent(dr.LSTM(4)), dr.Dropout(0.2), dr.Recurrent(dr.GRU(3)), dr.BatchNorm(), dr.Dense(2))
    model = dr.Model(net, dr.SquaredError(), dr.RMSProp(0.01), clip_norm=1.0)
    held_out = SEQUENCES[:2, :9], NEXT[:2, :9]
    model.fit(Chunks(), **{"epochs": 3, "window": 4, "validation": held_out, "watch": ["delta"]} | settings)
    return model


def windows(**settings):
    """Sequences in memory, in windows that overlap."""
    net = dr.Chain(dr.Recurrent(dr.GRU(4)), dr.Dense(2))
    model = dr.Model(net, dr.SquaredError(), dr.SGD(0.05, momentum=0.9))
    model.fit(SEQUENCES, NEXT, **{"epochs": 3, "batch_size": 2, "window": (4, 6)} | settings)
    return model


def apart(**settings):
    """Batches that are filled up, drawn with replacement, in two parts each."""
    model = dr.Model(dr.Chain(dr.Dense(6), dr.Tanh(), dr.Dense(3)), dr.SoftmaxCrossEntropy(), dr.AdaGrad(0.1))
    fixed = {"epochs": 3, "batch_size": 8, "order": "replacement", "micro_batches": 2}
    model.fit(X, LABELS, **fixed | settings)
    return model


def without_seconds(model):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in model.history.rows]


def equal(got, expected):
    """Two runs that ended alike, bit for bit."""
    assert without_seconds(got) == without_seconds(expected)
    assert (got.history.ended, got.history.best_epoch) == (expected.history.ended, expected.history.best_epoch)
    assert jax.tree.structure(got.state) == jax.tree.structure(expected.state)
    jax.tree.map(np.testing.assert_array_equal, got.state, expected.state)


def files(folder):
    return sorted(folder.glob("checkpoint-*"))


@pytest.mark.parametrize("fit", [mixed, source, windows, apart], ids=lambda fit: fit.__name__)
def test_a_run_stopped_after_any_segment_ends_as_if_it_had_not_been(fit, tmp_path):
    plain = fit()
    written = tmp_path / "all"
    equal(fit(checkpoint=dr.Checkpoints(written, every_steps=1, keep=1000)), plain)
    found = files(written)
    assert len(found) >= 9
    if fit is mixed:
        assert plain.history["skipped"][-1] > 0
        assert plain.history.ended == "no better loss for 1 epochs"
    for path in found:
        folder = tmp_path / path.stem
        folder.mkdir()
        shutil.copy(path, folder)
        resumed = fit(checkpoint=dr.Checkpoints(folder, every_steps=3), resume=True)
        equal(resumed, plain)
        assert resumed.history.notes == []


def test_the_segments_between_two_checkpoints_change_nothing(tmp_path):
    for every in (2, 3, 100):
        equal(apart(checkpoint=dr.Checkpoints(tmp_path / str(every), every_steps=every)), apart())
    assert [len(files(tmp_path / every)) for every in ("2", "3", "100")] == [3, 3, 1]
    equal(apart(checkpoint=tmp_path / "time"), apart())
    equal(apart(checkpoint=dr.Checkpoints(tmp_path / "often", every_seconds=0)), apart())


def test_steps_are_counted_over_epochs(tmp_path):
    """4 epochs of 5 steps: the sixth is told of at the end of its epoch."""
    apart(checkpoint=dr.Checkpoints(tmp_path, every_steps=6, keep=9), epochs=4)
    assert len(files(tmp_path)) == 3


class Stop(Exception):
    """What a test ends a run with."""


def stopped(folder, fit=apart, at=2, **settings):
    """A run that was killed after so many epochs."""

    def kill(row):
        if row["epoch"] == at:
            raise Stop

    settings = {"checkpoint": dr.Checkpoints(folder, every_steps=2)} | settings
    with pytest.raises(Stop):
        fit(callbacks=[kill], **settings)


def test_a_finished_run_is_given_back_and_may_have_more_epochs(tmp_path):
    apart(checkpoint=tmp_path)
    seen = []
    equal(apart(checkpoint=tmp_path, resume=True, callbacks=[seen.append]), apart())
    assert seen == []
    equal(apart(checkpoint=tmp_path, resume=True, epochs=5, callbacks=[seen.append]), apart(epochs=5))
    assert [row["epoch"] for row in seen] == [4, 5]


def test_a_run_that_patience_ended_stays_ended(tmp_path):
    done = mixed(checkpoint=tmp_path)
    equal(mixed(checkpoint=tmp_path, resume=True, epochs=50), done)


def test_seconds_go_on(tmp_path):
    stopped(tmp_path)
    rows = apart(checkpoint=tmp_path, resume=True).history["seconds"]
    assert rows == sorted(rows)


def test_a_damaged_checkpoint_is_told_and_the_one_before_is_used(tmp_path, capsys):
    stopped(tmp_path)
    *_, before, newest = files(tmp_path)
    newest.write_bytes(newest.read_bytes()[:-5])
    content = bytearray(before.read_bytes())
    content[-3] ^= 1
    before.write_bytes(content)
    resumed = apart(checkpoint=tmp_path, resume=True)
    equal(resumed, apart())
    truncated, altered = resumed.history.notes
    assert newest.name in truncated
    assert "not a whole safetensors file" in truncated
    assert before.name in altered
    assert "its content was altered" in altered
    assert f"note: {truncated}\nnote: {altered}\n" == capsys.readouterr().err


def test_no_whole_checkpoint_is_an_error(tmp_path):
    stopped(tmp_path)
    for path in files(tmp_path):
        path.write_bytes(b"")
    with pytest.raises(dr.FileError, match="none of its 3 checkpoints is whole; delete them"):
        apart(checkpoint=tmp_path, resume=True)


def test_without_a_checkpoint_a_run_begins_at_its_start_and_says_so(tmp_path):
    model = apart(checkpoint=tmp_path / "new", resume=True)
    equal(model, apart())
    assert "there is no checkpoint yet" in model.history.notes[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"batch_size": 4}, "batch_size: 8 there, 4 here"),
        ({"order": "none"}, "order: 'replacement' there, 'none' here"),
        ({"micro_batches": 1}, "micro_batches: 2 there, 1 here"),
        ({"watch": "delta"}, "watch 0: None there, 'delta' here"),
        ({"validation": 0.2}, r"training data x: '\(37, 4\) float32' there, '\(30, 4\)"),
        ({"sample_weight": np.arange(37.0) + 1}, "training data sha256: '[0-9a-f]+' there, '[0-9a-f]+' here"),
    ],
)
def test_a_checkpoint_under_other_settings_is_refused(change, words, tmp_path):
    stopped(tmp_path)
    with pytest.raises(dr.FileError, match=rf"cannot go on from here.*{words}"):
        apart(checkpoint=tmp_path, resume=True, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"net": dr.Chain(dr.Dense(5), dr.Dense(3))}, "network Chain layers 0 Dense features: 6 there, 5 here"),
        ({"net": dr.Dense(3)}, r"network Chain layers 0 .* there, None here.* and \d+ more"),
        ({"loss": dr.Huber()}, "loss SquaredError: {} there, None here|loss Huber"),
        ({"optimizer": dr.SGD(0.2)}, "optimizer SGD learning_rate: 0.1 there, 0.2 here"),
        ({"seed": 1}, "key 1: 0 there, 1 here"),
        ({"clip_norm": 1.0}, "clip_norm: None there, 1.0 here"),
        ({"precision": "bfloat16"}, "precision: 'float32' there, 'bfloat16' here"),
    ],
)
def test_a_checkpoint_of_another_model_is_refused(change, words, tmp_path):
    def fit(net=dr.Chain(dr.Dense(6), dr.Dense(3)), loss=None, optimizer=None, resume=False, **options):  # noqa: B008
        model = dr.Model(net, loss or dr.SquaredError(), optimizer or dr.SGD(0.1), **options)
        model.fit(X, X[:, :3], epochs=1, batch_size=8, checkpoint=tmp_path, resume=resume)

    fit()
    with pytest.raises(dr.FileError, match=words):
        fit(resume=True, **change)


def test_another_source_is_refused(tmp_path, monkeypatch):
    source(checkpoint=tmp_path)
    monkeypatch.setattr(Chunks, "fingerprint", lambda self: "others")
    with pytest.raises(dr.FileError, match="sha256: 'these' there, 'others' here"):
        source(checkpoint=tmp_path, resume=True)


def test_a_new_run_does_not_mix_with_the_checkpoints_of_another(tmp_path):
    apart(checkpoint=tmp_path)
    with pytest.raises(dr.FileError, match="resume=True goes on with it"):
        apart(checkpoint=tmp_path)


def test_a_folder_that_another_process_holds_is_refused(tmp_path):
    with lock(tmp_path), pytest.raises(dr.FileError, match="another process writes there"):
        apart(checkpoint=tmp_path)
    apart(checkpoint=tmp_path)


def test_a_checkpoint_is_no_model(tmp_path):
    apart(checkpoint=tmp_path)
    with pytest.raises(dr.FileError, match="expected the format 'deltarule 1', got 'deltarule checkpoint 1'"):
        dr.load(files(tmp_path)[0])


def test_the_newest_are_kept_and_what_a_killed_process_left_is_removed(tmp_path):
    stopped(tmp_path)
    half = tmp_path / ".checkpoint-000009.safetensors.abc"
    half.write_bytes(b"half")
    last = files(tmp_path)[-1]
    apart(checkpoint=dr.Checkpoints(tmp_path, every_steps=1, keep=2), resume=True)
    assert not half.exists()
    assert len(files(tmp_path)) == 2
    assert files(tmp_path)[0] > last


@pytest.mark.parametrize("mended", [True, False])
def test_a_run_goes_on_without_checkpoints_that_cannot_be_written(mended, tmp_path, capsys):
    folder = tmp_path / "folder"

    def spoil(row):
        if row["epoch"] == 1:
            shutil.rmtree(folder)
            folder.write_text("in its place")
        if row["epoch"] == 2 and mended:
            folder.unlink()

    model = apart(checkpoint=dr.Checkpoints(folder, every_steps=2), callbacks=[spoil])
    equal(model, apart())
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note")]
    assert told == [f"note: {note}" for note in model.history.notes]
    assert "folder cannot be made: File exists. The run goes on without this checkpoint" in told[0]
    if mended:
        assert len(told) == 1
        equal(apart(checkpoint=folder, resume=True), model)
    else:
        assert len(told) == 2
        assert "The run has ended, but its end is not in a checkpoint" in told[1]


def test_a_folder_that_cannot_be_made_is_told_before_the_run(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(dr.FileError, match="cannot be made"):
        apart(checkpoint=tmp_path / "file")


def test_a_lost_state_is_never_written(tmp_path):
    model = dr.Model(dr.Dense(1), dr.SquaredError(), dr.SGD(1e30))
    settings = {"epochs": 9, "batch_size": 8, "checkpoint": dr.Checkpoints(tmp_path, every_steps=1)}
    with pytest.raises(dr.DivergedError):
        model.fit(X, 1e9 * X[:, 0], **settings)
    again = dr.Model(dr.Dense(1), dr.SquaredError(), dr.SGD(1e30))
    with pytest.raises(dr.DivergedError, match="lost in epoch"):
        again.fit(X, 1e9 * X[:, 0], **settings, resume=True)
    assert again.state is None or np.isfinite(again.state.params["W"]).all()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_a_checkpoint(number, status, tmp_path):
    before = signal.getsignal(number)
    second = []

    def send(row):
        if row["epoch"] == 2:
            signal.raise_signal(number)
            second.append(signal.getsignal(number))

    with pytest.raises(Interrupted, match=rf"{number.name} stopped the run; .*resume=True\) goes on") as ended:
        apart(checkpoint=tmp_path, callbacks=[send])
    assert ended.value.status == status
    assert second == [before]  # what the next signal does
    assert signal.getsignal(number) == before
    equal(apart(checkpoint=tmp_path, resume=True), apart())


def test_a_signal_after_the_last_epoch_finds_the_run_finished(tmp_path):
    def send(row):
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        apart(checkpoint=tmp_path, callbacks=[send])
    seen = []
    equal(apart(checkpoint=tmp_path, resume=True, callbacks=[seen.append]), apart())
    assert seen == []


def test_a_signal_whose_checkpoint_cannot_be_written_says_so(tmp_path):
    def send(row):
        if row["epoch"] == 2:
            shutil.rmtree(tmp_path / "folder")
            (tmp_path / "folder").touch()
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"goes on with it, from the checkpoint before, because .*File exists"):
        apart(checkpoint=tmp_path / "folder", callbacks=[send])


def test_signals_belong_to_the_main_thread_and_stay_ignored_where_they_are(tmp_path):
    handlers = []

    def look(row):
        handlers.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=apart, kwargs={"checkpoint": tmp_path / "a", "callbacks": [look]})
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        apart(checkpoint=tmp_path / "b", callbacks=[look])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert set(handlers) == {before, signal.SIG_IGN}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: dr.Checkpoints("c", every_seconds=-1), "every_seconds must be at least 0, got -1"),
        (lambda: dr.Checkpoints("c", every_steps=0), "every_steps must be a whole number of at least 1, got 0"),
        (lambda: dr.Checkpoints("c", keep=1.5), "keep must be a whole number of at least 1, got 1.5"),
        (lambda: apart(resume=True), "resume goes on from a checkpoint; say checkpoint"),
    ],
)
def test_a_wrong_setting_is_named(make, words):
    with pytest.raises(dr.SettingError, match=words):
        make()
