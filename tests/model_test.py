"""Model: fit, predict and evaluate as a person uses them, and what they say to a wrong use."""

import re

import numpy as np
import pytest

import deltarule as dr

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)).astype(np.float32)
Y = X @ [1.0, -2.0, 0.5, 0.0] + 0.3
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)  # three, of unequal sizes


def regression(**options):
    return dr.Model(dr.Dense(1), dr.SquaredError(), dr.SGD(0.1), **options)


def classifier(**options):
    return dr.Model(
        dr.Chain(dr.Dense(8), dr.Tanh(), dr.Dense(3)), dr.SoftmaxCrossEntropy(), dr.Adam(0.02), **options
    )


def weights(model):
    return np.asarray(model.state.params["W"])


def test_a_linear_model_finds_its_weights():
    model = regression()
    history = model.fit(X, Y, epochs=100, batch_size=16)
    np.testing.assert_allclose(weights(model)[:, 0], [1, -2, 0.5, 0], atol=1e-4)
    assert model.predict(X).shape == (80, 1)
    assert model.evaluate(X, Y)["r2"] > 0.9999
    assert history["loss"][-1] < 1e-6
    assert model.parameters == 5


def test_a_classifier_learns_and_predicts_probabilities():
    model = classifier()
    model.fit(X, CLASSES, epochs=60, batch_size=16)
    p = model.predict(X)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-5)
    result = model.evaluate(X, CLASSES)
    assert result["accuracy"] == pytest.approx((p.argmax(1) == CLASSES).mean())
    assert result["accuracy"] > 0.9


def test_targets_and_weights_may_be_lists():
    model = regression()
    model.fit(X.tolist(), Y.tolist(), sample_weight=[1] * 80, epochs=1)
    assert model.predict(X[:1].tolist()).shape == (1, 1)


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    made = [regression(seed=seed) for seed in (1, 1, 2)]
    for model in made:
        model.fit(X, Y, epochs=2, batch_size=16)
    np.testing.assert_array_equal(weights(made[0]), weights(made[1]))
    assert not np.array_equal(weights(made[0]), weights(made[2]))


def test_fit_goes_on_from_where_it_was():
    once, twice = regression(), regression()
    once.fit(X, Y, epochs=4, batch_size=16)
    for _ in range(2):
        twice.fit(X, Y, epochs=2, batch_size=16)
    np.testing.assert_array_equal(weights(once), weights(twice))


def test_weight_two_is_the_example_twice():
    heavy, repeated = regression(), regression()
    weight = np.ones(80)
    weight[5] = 2
    heavy.fit(X, Y, sample_weight=weight, epochs=5, batch_size=80, order="none")
    rows = [*range(80), 5]
    repeated.fit(X[rows], Y[rows], epochs=5, batch_size=81, order="none")
    np.testing.assert_allclose(weights(heavy), weights(repeated), rtol=1e-5)
    expected = repeated.evaluate(X[rows], Y[rows])
    assert heavy.evaluate(X, Y, sample_weight=weight) == pytest.approx(expected, rel=1e-4)


def test_examples_of_weight_zero_may_fill_a_batch():
    model = regression()
    model.fit(X, Y, sample_weight=np.repeat([1.0, 0.0], 40), batch_size=4, order="none", epochs=2)
    alone = regression()
    alone.fit(X[:40], Y[:40], batch_size=4, order="none", epochs=2)
    np.testing.assert_allclose(weights(model), weights(alone), rtol=0.1)


def test_classes_of_weight_zero_may_fill_a_batch():
    loss = dr.SoftmaxCrossEntropy(class_weights=(1.0, 1.0, 0.0))
    model = dr.Model(dr.Dense(3), loss, dr.SGD(0.1))
    history = model.fit(X, CLASSES, batch_size=1, epochs=2)
    assert np.isfinite(history["loss"]).all()


def test_order_none_takes_the_examples_as_they_come():
    model, by_hand = regression(), regression()
    model.fit(X[:8], Y[:8], epochs=1, batch_size=4, order="none")
    for part in (slice(0, 4), slice(4, 8)):
        by_hand.fit(X[part], Y[part], epochs=1, batch_size=4, order="none")
    np.testing.assert_array_equal(weights(model), weights(by_hand))


def test_micro_batches_change_nothing_but_rounding():
    whole, parts = regression(), regression()
    whole.fit(X, Y, epochs=3, batch_size=16)
    parts.fit(X, Y, epochs=3, batch_size=16, micro_batches=3)
    np.testing.assert_allclose(weights(parts), weights(whole), rtol=1e-5)


@pytest.mark.parametrize(
    "target", [CLASSES, CLASSES.astype(float), CLASSES.tolist()], ids=["int", "float", "list"]
)
def test_a_validation_share_holds_out_every_class_in_proportion(target, monkeypatch):
    model, batches = classifier(), []
    monkeypatch.setattr("deltarule.model.run", lambda *a: batches.extend(a[2:4]) or (a[1], dr.History()))
    model.fit(X, target, validation=0.25, batch_size=8)
    kept, held = (np.bincount(np.asarray(batch.target)) for batch in batches)
    np.testing.assert_array_equal(kept + held, np.bincount(CLASSES))
    assert (abs(held - 0.25 * np.bincount(CLASSES)) <= 1).all()


@pytest.mark.parametrize(
    "target", [CLASSES == 0, (CLASSES == 0) * 1.0, np.linspace(0, 1, 80)], ids=["bool", "float", "share"]
)
def test_a_validation_share_is_held_out_of_yes_or_no_targets(target):
    model = dr.Model(dr.Dense(1), dr.BinaryCrossEntropy(), dr.SGD(0.1))
    assert "validation_accuracy" in model.fit(X, target, validation=0.25, epochs=1, batch_size=8).rows[0]


def test_a_validation_set_is_measured_as_evaluate_measures():
    model = regression()
    history = model.fit(X[:40], Y[:40], validation=(X[40:], Y[40:]), epochs=2, batch_size=8)
    result = model.evaluate(X[40:], Y[40:])
    assert history["validation_loss"][-1] == pytest.approx(result["loss"])
    assert history["validation_r2"][-1] == pytest.approx(result["r2"])


def test_one_class_only_can_be_learned():
    model = classifier()
    model.fit(X, np.zeros(80, int), epochs=5, batch_size=16, validation=0.2)
    assert model.evaluate(X, np.zeros(80, int))["accuracy"] == 1


def test_l2_is_lambda_on_weights_and_not_on_biases():
    plain, decayed = regression(), regression(l2=0.5)
    for model in (plain, decayed):
        model.fit(X, 0 * Y + 3, epochs=200, batch_size=80)
    assert abs(weights(decayed)).max() < 0.01
    assert float(decayed.state.params["b"][0]) == pytest.approx(3, abs=0.02)


def test_numbers_of_numpy_are_numbers():
    model = dr.Model(dr.Dense(1), dr.SquaredError(), dr.SGD(np.float32(0.1), momentum=np.float32(0.5)))
    assert np.isfinite(model.fit(X, Y, epochs=1, batch_size=np.int64(16))["loss"]).all()


def test_settings_may_be_lists():
    model = regression(l2=dr.L2(0.1, exclude=["b"]))
    assert np.isfinite(model.fit(X, Y, epochs=1)["loss"]).all()


NAN = np.where(np.arange(4) == 1, np.nan, X)
WRONG_USE = [
    (lambda m: m.predict(X), dr.SettingError, "has not been trained: call fit first"),
    (lambda m: m.evaluate(X, Y), dr.SettingError, "has not been trained"),
    (lambda m: m.save("nowhere.safetensors"), dr.SettingError, "has not been trained"),
    (lambda m: m.fit(X, Y[:-1]), dr.ShapeError, "x holds 80 examples"),
    (lambda m: m.fit(X, np.zeros((80, 2))), dr.ShapeError, "output shape (80, 1), got (80, 2)"),
    (lambda m: m.fit(X[:0], Y[:0]), dr.ShapeError, "expected at least one example"),
    (lambda m: m.fit(NAN, Y), dr.DataError, "80 of 320 are NaN or infinite, the first (nan) at row 0, column 1"),
    (lambda m: m.fit(X, Y * np.inf), dr.DataError, "expected finite targets"),
    (lambda m: m.fit(X[:, 0], Y), dr.ShapeError, "expected an input of shape (n, ..., i), got (80,)"),
    (lambda m: m.fit(X, Y, batch_size=81), dr.SettingError, "batch_size 81 is larger than the 80"),
    (lambda m: m.fit(X, Y, validation=0.5, batch_size=41), dr.SettingError, "larger than the 40 training"),
    (lambda m: m.fit(X, Y, validation=1.5), dr.DataError, "fraction between 0 and 1, but got 1.5"),
    (lambda m: m.fit(X, Y, validation=(X[:, :2], Y)), dr.ShapeError, "expected examples of shape (n, 4)"),
    (lambda m: m.fit(X, Y, micro_batches=0), dr.SettingError, "micro_batches must be from 1 to batch_size, got 0"),
    (lambda m: m.fit(X, Y, micro_batches=2.5), dr.SettingError, "micro_batches must be"),
    (lambda m: m.fit(X, Y, patients=3), dr.SettingError, "unknown setting patients; expected some of epochs"),
    (lambda m: m.fit(X, Y, sample_weight=-np.ones(80)), dr.DataError, "80 of 80 are negative"),
    (lambda m: m.fit(X, Y, sample_weight=np.ones(79)), dr.ShapeError, "shape (80,), but got shape (79,)"),
    (lambda m: m.fit(X, Y, patience="many"), dr.SettingError, "patience must be"),
]  # fmt: skip


@pytest.mark.parametrize(("use", "error", "message"), WRONG_USE)
def test_a_wrong_use_is_named_and_leaves_the_model_as_it_was(use, error, message):
    model = regression()
    with pytest.raises(error, match=re.escape(message)):
        use(model)
    assert model.state is None
    assert model.input_shape is None


@pytest.mark.parametrize("x", [X[:, :3], np.zeros((2, 4, 1)), np.zeros(4)], ids=["fewer", "deeper", "one example"])
def test_another_shape_than_was_trained_on_is_named(x):
    model = regression()
    model.fit(X, Y, epochs=1)
    for use in (model.predict, lambda x: model.fit(x, Y[: len(x)])):
        with pytest.raises(dr.ShapeError, match=re.escape("expected examples of shape (n, 4), as in training")):
            use(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dr.Model(dr.Dense, dr.SquaredError()), "net must be a Layer"),
        (lambda: dr.Model(dr.Dense(1), dr.SquaredError), "loss must be a Loss"),
        (lambda: dr.Model(dr.Dense(1), dr.SquaredError(), dr.SGD), "optimizer must be an Optimizer"),
        (lambda: regression(clip_norm=0), "clip_norm must be a number above 0, got 0"),
        (lambda: regression(clip_norm="1"), "clip_norm must be a number above 0, got '1'"),
        (lambda: regression(l2="1e-3"), "l2 must be a number of at least 0, None, or an L2, got '1e-3'"),
        (lambda: regression(l2=-1), "l2 must be a number of at least 0, None, or an L2, got -1"),
        (lambda: regression(seed=-1), "seed"),
        (lambda: regression(seed=2**64), "seed"),
        (lambda: regression(seed="one"), "seed"),
        (lambda: dr.Model(dr.Dense(1), dr.SquaredError(), dr.SGD(-0.1)), "learning rate"),
    ],
)
def test_a_wrong_part_is_named(make, message):
    with pytest.raises(dr.SettingError, match=re.escape(message)):
        make()


def test_repr_names_the_parts():
    assert repr(regression()).startswith("Model(Dense(features=1")


@pytest.mark.parametrize("last", [True, False], ids=["last state", "every step"])
def test_what_stands_behind_a_sequence_does_not_matter_in_training(last):
    rng = np.random.default_rng(0)
    x, lengths = rng.normal(size=(12, 7, 3)).astype(np.float32), rng.integers(2, 8, 12)
    padding = np.arange(7) >= lengths[:, None]  # (n, t)
    other = np.where(padding[..., None], np.float32(9), x)
    y = rng.normal(size=(12, 1)) if last else rng.normal(size=(12, 7, 1))
    predicted, losses = [], []
    for given in (x, other):
        net = dr.Chain(dr.Recurrent(dr.GRU(4), last=last), dr.Dense(1))
        model = dr.Model(net, dr.SquaredError(), dr.SGD(0.1))
        losses.append(model.fit(given, y, epochs=3, batch_size=5, lengths=lengths)["loss"])
        predicted.append(model.predict(x, lengths))
    np.testing.assert_array_equal(*predicted)
    np.testing.assert_array_equal(*losses)
    whole = dr.Model(net, dr.SquaredError(), dr.SGD(0.1))
    loss = whole.fit(x, y, epochs=1, batch_size=12, lengths=lengths)["loss"][0]
    fresh = whole.step().init(x.shape, 0)
    evaluated = dr.Model(net, dr.SquaredError())
    evaluated.state, evaluated.input_shape = fresh, x.shape[1:]
    assert loss == pytest.approx(evaluated.evaluate(x, y, lengths=lengths)["loss"], rel=1e-5)
