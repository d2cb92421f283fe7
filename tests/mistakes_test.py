"""What people try first and cannot be: each is named before anything is trained, with what to do instead."""

import re

import jax
import numpy as np
import pytest

import deltarule as dr
from deltarule.data.batches import Batches

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype(np.float32)
Y = X @ [1.0, -2.0, 0.5]


def model(optimizer=None, **settings):
    return dr.Model(dr.Dense(1), dr.SquaredError(), optimizer or dr.SGD(0.1), **settings)


def fitted(optimizer=None, **settings):
    made = model(optimizer, **settings)
    made.fit(X, Y, epochs=2, progress=False)
    return made


VALIDATION = "validation must be a share such as 0.1, (x, y), "


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {"y": 3},
            dr.ShapeError,
            "y: expected one target for each example, shape (n, ...), but got the single value 3",
        ),
        ({"y": {1, 2}}, dr.DataError, "of the type set"),
        ({"y": {"a": 1}}, dr.DataError, "of the type dict"),
        ({"y": [[1, 2], [3]]}, dr.ShapeError, "y: expected rows of one length, but got ragged lists"),
        ({"y": "price"}, dr.SettingError, "x is no data frame; give the targets, or as x the data frame"),
        ({"x": lambda: [(X, Y)]}, dr.SettingError, "bring it; leave y out"),
        ({"x": iter([(X, Y)])}, dr.SettingError, "bring it; leave y out"),
        ({"x": Batches([(X, Y)])}, dr.SettingError, "bring it; leave y out"),
        (
            {"validation": (X, None)},
            dr.SettingError,
            VALIDATION + "(x, y, weight) or (x, y, weight, lengths), batch",
        ),
        ({"validation": (X, None)}, dr.SettingError, "got y=None; write validation=0.1, or validation=(x, y)"),
        ({"validation": (X,)}, dr.SettingError, "got 1 parts"),
        ({"validation": (X, Y, None, None, X)}, dr.SettingError, "got 5 parts"),
        ({"validation": []}, dr.SettingError, "got 0 parts"),
        ({"validation": "0.1"}, dr.SettingError, "got '0.1'"),
        ({"validation": True}, dr.SettingError, "got True"),
        ({"validation": X}, dr.SettingError, "got array([["),
        ({"validation": {"x": X, "y": Y}}, dr.SettingError, "got {'x': array("),
        ({"validation": (X, 3)}, dr.ShapeError, "validation: y: expected one target for each example"),
        ({"validation": (X[:, :2], Y)}, dr.ShapeError, "validation: x: expected examples of shape (n, 3)"),
        ({"validation": (X * np.nan, Y)}, dr.DataError, "validation: x: expected finite numbers"),
        ({"validation": lambda: 3}, dr.SettingError, "what it gave is of the type int; let it yield them"),
        ({"callbacks": [3]}, dr.SettingError, "callbacks must be functions of one argument"),
        (
            {"order": ["none"]},
            dr.SettingError,
            "order must be one of permutation, replacement, none, got ['none']",
        ),
        ({"epochs": None}, dr.SettingError, "epochs must be a whole number of at least 1, got None"),
    ],
)
def test_what_fit_cannot_take_is_named_and_the_model_stays_as_it_was(given, error, message):
    made = model()
    with pytest.raises(error, match=re.escape(message)):
        made.fit(**{"x": X, "y": Y, "progress": False} | given)
    assert (made.state, made.input_shape, made.notes, made.history.rows) == (None, None, {}, [])


def test_a_fit_that_fails_leaves_a_trained_model_as_it_was():
    made = fitted(dr.Adam(0.1))
    before, history, predicted = jax.device_get(made.state), made.history, made.predict(X)
    for given in ({"y": Y[:3]}, {"y": Y * np.nan}, {"epochs": 0}, {"validation": X}, {"window": 3}):
        with pytest.raises(dr.DeltaruleError):
            made.fit(**{"x": X, "y": Y, "progress": False} | given)
    jax.tree.map(np.testing.assert_array_equal, before, jax.device_get(made.state))
    assert made.history is history
    np.testing.assert_array_equal(made.predict(X), predicted)


@pytest.mark.parametrize("share", [np.float32(0.25), np.float64(0.25)])
def test_a_share_of_numpy_is_a_share(share):
    assert "validation_loss" in model().fit(X, Y, epochs=1, validation=share, progress=False).rows[0]


def test_evaluate_names_targets_that_it_cannot_take():
    with pytest.raises(dr.ShapeError, match="the single value 3"):
        fitted().evaluate(X, 3)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("net", [dr.Dense(1)], "net must be a Layer, got [Dense(features=1"),
        ("net", dr.Dense, "write Dense(10), or Chain("),
        ("loss", "mse", "loss must be a Loss, got 'mse'; write SquaredError()"),
        ("optimizer", "adam", "optimizer must be an Optimizer, got 'adam'; write RMSProp(1e-3)"),
        ("l2", [1e-3], "l2 must be a number of at least 0, None, or an L2, got [0.001]; write l2=1e-4"),
        ("l2", True, "l2 must be a number of at least 0, None, or an L2, got True"),
        ("l2", dr.L2, "l2 must be a number of at least 0, None, or an L2, got <class"),
        ("l2", float("nan"), "got nan"),
        ("clip_norm", [1], "clip_norm must be a number above 0, got [1]; write clip_norm=1.0, or None"),
        ("clip_norm", True, "clip_norm must be a number above 0, got True"),
        ("clip_norm", float("nan"), "clip_norm must be a number above 0, got nan"),
        ("clip_norm", -1, "clip_norm must be a number above 0, got -1"),
        ("seed", True, "seed must be a whole number from 0 to 2^64 - 1, got True; write seed=0"),
        ("seed", None, "got None"),
        ("precision", ["float16"], "precision must be one of float32, bfloat16, float16, got ['float16']"),
    ],
)
def test_a_part_is_checked_in_the_constructor_and_when_it_is_assigned(name, value, message):
    parts = {"net": dr.Dense(1), "loss": dr.SquaredError()} | {name: value}
    with pytest.raises(dr.SettingError, match=re.escape(message)):
        dr.Model(**parts)
    for made in (model(), fitted()):
        before = getattr(made, name)
        with pytest.raises(dr.SettingError, match=re.escape(message)):
            setattr(made, name, value)
        assert getattr(made, name) is before


def test_no_penalty_is_none():
    assert model(l2=None).l2 is model(l2=0).l2 is None
    np.testing.assert_array_equal(fitted(l2=None).predict(X), fitted().predict(X))
    made = fitted()
    made.l2 = 0.1
    assert made.l2 == dr.L2(0.1)
    made.fit(X, Y, epochs=1, progress=False)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5), np.array(0.5), 1])
def test_numbers_of_numpy_are_kept_as_pythons_and_can_be_saved(number, tmp_path):
    made = fitted(l2=number, clip_norm=number)
    made.save(tmp_path / "model.safetensors")
    again = dr.load(tmp_path / "model.safetensors")
    assert (again.l2, again.clip_norm) == (dr.L2(float(number)), float(number))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (dr.SGD(0.1), dr.Adam(0.1)),
        (dr.Adam(0.1), dr.SGD(0.1)),
        (dr.SGD(0.1), dr.SGD(0.1, momentum=0.5)),
        (dr.SGD(0.1, momentum=0.5), dr.AdaGrad(0.1)),
    ],
    ids=["SGD to Adam", "Adam to SGD", "SGD to momentum", "momentum to AdaGrad"],
)
def test_another_optimizer_starts_its_averages_anew(before, after):
    made = fitted(before)
    made.optimizer = after
    assert made.state.step == 0
    fresh = model(after)
    fresh.fit(X, Y, epochs=1, progress=False)
    zeros = fresh.step().init(X.shape, 0)
    fresh.state = zeros._replace(params=made.state.params, key=made.state.key, epoch=made.state.epoch)
    for each in (made, fresh):
        each.fit(X, Y, epochs=3, batch_size=8, progress=False)
    np.testing.assert_array_equal(made.predict(X), fresh.predict(X))


def test_another_rate_goes_on_with_the_averages():
    made = fitted(dr.Adam(0.1))
    before = jax.device_get(made.state)
    made.optimizer = dr.Adam(0.01)
    jax.tree.map(np.testing.assert_array_equal, before, jax.device_get(made.state))


def test_a_trained_model_keeps_its_network():
    made = fitted()
    made.net = dr.Dense(1)  # the same
    with pytest.raises(dr.SettingError, match=r"keeps its network Dense\(features=1.*make a new Model"):
        made.net = dr.Dense(2)
    made.predict(X)
    made = model()
    made.net = dr.Dense(2)
    made.fit(X, np.zeros((40, 2)), epochs=1, progress=False)


@pytest.mark.parametrize("path", [None, 3, b"model.safetensors"])
def test_a_model_is_saved_at_a_path(path):
    with pytest.raises(dr.SettingError, match=r"save: expected a path such as 'model.safetensors', got"):
        fitted().save(path)
