"""Populations that go on from any of their checkpoints end bit for bit as if they had never stopped."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import FileError, SettingError
from deltarule.populations import training


def build(width):
    net = dr.Chain(dr.Dense(width), dr.Dropout(0.3), dr.Dense(3))
    return dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam())


SPACE = {"width": [3, 5], "learning_rate": [1e30, 1e-4, 1e-2, 0.1], "seed": range(2)}


@pytest.fixture
def sweep(flowers, monkeypatch):
    """Fits a sweep of two widths with halving, a member that is lost and others that patience ends."""
    monkeypatch.setattr(training, "ROUND", 0)  # an epoch a round

    def fit(space=SPACE, x=flowers[0], **settings):
        settings = {"epochs": 8, "batch_size": 40, "patience": 1, "halving": 2} | settings
        if "folds" not in settings:
            settings["validation"] = 1 / 3
        return dr.sweep(build, space).fit(x, flowers[1], **settings)

    return fit


def equal(got, expected):
    """Two sweeps that ended alike, bit for bit."""
    assert repr(got.rows) == repr(expected.rows)  # NaN is not equal to itself
    assert repr(got.ranking) == repr(expected.ranking)
    for one, other in zip(got.candidates, expected.candidates, strict=True):
        assert one.model.history.rows == other.model.history.rows
        assert jax.tree.structure(one.model.state) == jax.tree.structure(other.model.state)
        jax.tree.map(np.testing.assert_array_equal, one.model.state, other.model.state)


def files(folder):
    return sorted(folder.glob("checkpoint-*"))


def alone(path, folder):
    """A folder that holds one checkpoint."""
    folder.mkdir()
    shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize("compared", [{}, {"folds": 3}], ids=["halving", "folds"])
def test_a_sweep_stopped_after_any_round_ends_as_if_it_had_not_been(sweep, tmp_path, compared):
    plain = sweep(**compared)
    assert {"others were better", "its loss was lost", "no better loss for 1 epochs"} <= {
        row["ended"] for row in plain.rows
    }
    written = tmp_path / "all"
    equal(sweep(checkpoint=dr.Checkpoints(written, every_seconds=0, keep=1000), **compared), plain)
    found = files(written)
    assert len(found) >= 12
    for path in found[:: 1 if not compared else 4]:
        resumed = sweep(checkpoint=alone(path, tmp_path / path.stem), resume=True, **compared)
        equal(resumed, plain)


def test_a_finished_sweep_is_given_back_and_its_best_trains_anew(sweep, tmp_path, monkeypatch):
    first = sweep(checkpoint=tmp_path, folds=3)
    with monkeypatch.context() as patched:
        patched.setattr(training.Population, "advance", lambda *arguments: pytest.fail("it trains"))
        again = sweep(checkpoint=tmp_path, resume=True, folds=3)
    equal(again, first)
    jax.tree.map(np.testing.assert_array_equal, again.best().state, first.best().state)


def test_an_ensemble_goes_on_from_its_checkpoint_and_tells_of_a_damaged_one(model, flowers, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "ROUND", 0)
    whole = dr.ensemble(model, 3)
    whole.fit(*flowers, epochs=4, checkpoint=dr.Checkpoints(tmp_path, every_steps=2, keep=9))
    *_, before, last = files(tmp_path)
    assert len(files(tmp_path)) == 5  # an epoch is of two minibatches
    last.write_bytes(before.read_bytes()[:-1])
    resumed = dr.ensemble(model, 3)
    histories = resumed.fit(*flowers, epochs=4, checkpoint=tmp_path, resume=True)
    np.testing.assert_array_equal(resumed.predictions(flowers[0]), whole.predictions(flowers[0]))
    assert [f"{last}: not a whole safetensors file" in history.notes[0] for history in histories] == [True] * 3


def test_what_cannot_be_gone_on_with(sweep, flowers, tmp_path):
    sweep(checkpoint=tmp_path)
    other = SPACE | {"learning_rate": [1e30, 1e-4, 1e-2, 0.2]}
    with pytest.raises(FileError, match="holds the checkpoints of a run"):
        sweep(checkpoint=tmp_path)
    for settings, words in (
        ({"space": other}, "populations 0 numbers learning_rate rate 6: 0.1.* there, 0.2"),
        ({"space": SPACE | {"seed": [0, 2]}}, "populations 0 key 1 1: 1 there, 2 here"),
        ({"epochs": 2}, "epochs: 8 there, 2 here"),
        ({"halving": 3}, "halving: 2 there, 3 here"),
        ({"folds": 3}, "training data x: .*80, 4.* there, .*120, 4.* here"),
        ({"x": flowers[0] + 1}, "training data sha256"),
    ):
        with pytest.raises(FileError, match=f"the checkpoint is of another run.*{words}"):
            sweep(**{"checkpoint": tmp_path, "resume": True} | settings)
    with pytest.raises(SettingError, match="say checkpoint, the folder that has it"):
        sweep(resume=True)


def on(devices, *folders):
    """What came of the sweep of `several_devices.py`, for each folder."""
    program = [sys.executable, str(Path(__file__).parent / "several_devices.py"), *map(str, folders)]
    number = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices)}
    done = subprocess.run(program, env=number, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each.pop("devices") for each in told] == [devices] * len(folders)
    return told


def test_a_sweep_on_two_devices_is_that_on_one_which_may_go_on_with_it(tmp_path):
    [two] = on(2, tmp_path / "two")
    middle = alone(files(tmp_path / "two")[2], tmp_path / "middle")
    assert on(1, tmp_path / "one", middle) == [two, two]
