"""Padded sequences in `fit`, `evaluate` and `predict`: they are what each is when it is cut to its length."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import SettingError, ShapeError

RNG = np.random.default_rng(0)
LENGTHS = np.array([2, 4, 3, 1, 4])
X = RNG.normal(size=(5, 4, 2)).astype(np.float32)
PADDED = np.where(np.arange(4)[:, None] < LENGTHS[:, None, None], X, 50).astype(np.float32)
STEPS = RNG.normal(size=(5, 4, 1)).astype(np.float32)

EACH_STEP = {
    "normalised": dr.Chain(dr.BatchNorm(), dr.Recurrent(dr.GRU(3)), dr.Dense(1)),
    "rectified": dr.Chain(dr.Dense(4), dr.BatchNormReLU(), dr.Dense(1)),
    "recomputed": dr.Chain(dr.Recompute(dr.Dense(4), dr.BatchNorm(), dr.Tanh()), dr.Dense(1)),
}
AT_ONCE = {
    "last": dr.Chain(dr.BatchNorm(), dr.Recurrent(dr.GRU(3), last=True), dr.BatchNorm(), dr.Dense(1)),
    "average": dr.Chain(dr.Dense(3), dr.ReLU(), dr.GlobalAveragePool(), dr.Dense(1)),
    "max": dr.Chain(dr.Dense(3), dr.GlobalMaxPool(), dr.BatchNorm(), dr.Dense(1)),
}
ALL = {**EACH_STEP, **AT_ONCE}


def model_of(net):
    return dr.Model(net, loss=dr.SquaredError(), optimizer=dr.SGD(0.05))


def fitted(name, x=PADDED, lengths=LENGTHS, **settings):
    y = STEPS if name in EACH_STEP else STEPS[:, 0]
    model = model_of(ALL[name])
    model.fit(x, y, lengths=lengths, epochs=3, batch_size=3, **settings)
    return model, y


@pytest.mark.parametrize("name", ALL)
def test_what_the_padding_holds_trains_nothing_and_counts_for_nothing(name):
    (one, y), (other, _) = fitted(name), fitted(name, X)
    assert one.history["loss"] == other.history["loss"]
    assert one.evaluate(PADDED, y, lengths=LENGTHS) == other.evaluate(X, y, lengths=LENGTHS)


@pytest.mark.parametrize("name", ALL)
def test_a_padded_sequence_is_predicted_as_it_is_when_cut(name):
    model, _ = fitted(name)
    together = model.predict(PADDED, lengths=LENGTHS)
    for row, steps in enumerate(LENGTHS):
        alone = model.net.predict(model.state.params, X[row : row + 1, :steps], model.state.memory)[0]
        got = together[row, :steps] if name in EACH_STEP else together[row]
        np.testing.assert_allclose(got, alone, rtol=1e-5, atol=1e-6)


def test_the_running_statistics_are_those_of_the_real_steps():
    net = dr.Chain(dr.BatchNorm(momentum=0.0), dr.Recurrent(dr.SimpleRNN(2)), dr.Dense(1))
    model = model_of(net)
    model.fit(PADDED, STEPS, lengths=LENGTHS, epochs=1, batch_size=5)
    real = X[np.arange(4) < LENGTHS[:, None]]
    np.testing.assert_allclose(model.state.memory[0]["mean"], real.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.state.memory[0]["variance"], real.var(0), rtol=1e-5)


CONVOLVED = dr.Chain(dr.Convolution(3, 3), dr.Recurrent(dr.GRU(3), last=True), dr.Dense(1))


def test_a_layer_that_mixes_steps_is_refused_in_fit_evaluate_and_predict():
    model = model_of(CONVOLVED)
    message = r"^layer 0, Convolution: expected sequences without padding"
    with pytest.raises(ShapeError, match=message):
        model.fit(PADDED, STEPS[:, 0], lengths=LENGTHS, epochs=1)
    assert model.state is None
    model.fit(X, STEPS[:, 0], epochs=1)
    with pytest.raises(ShapeError, match=message):
        model.evaluate(PADDED, STEPS[:, 0], lengths=LENGTHS)
    with pytest.raises(ShapeError, match=message):
        model.predict(PADDED, lengths=LENGTHS)
    with pytest.raises(ShapeError, match=message):
        model.fit(X, STEPS[:, 0], epochs=1, validation=(PADDED, STEPS[:, 0], None, LENGTHS))


def test_steps_of_one_number_whose_padding_the_loss_would_count_are_refused():
    net = dr.Chain(dr.Dense(1), dr.Reshape(4))
    message = r"lengths: expected .* got \(5, 4\) for \(5, 4, 2\).*\(n, t, 1\)"
    with pytest.raises(ShapeError, match=message):
        model_of(net).fit(X, STEPS[..., 0], lengths=LENGTHS, epochs=1)
    model = model_of(net)
    model.fit(X, STEPS[..., 0], epochs=1)
    with pytest.raises(ShapeError, match=message):
        model.evaluate(X, STEPS[..., 0], lengths=LENGTHS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lengths": LENGTHS, "batch_size": 2}, r"two values or more.*5 sequences in batches of 2.*batch_size$"),
        ({"window": 3, "batch_size": 4}, r"5 sequences in batches of 4.*a window that leaves more of the 4 steps"),
        ({"window": (1, 3), "batch_size": 2}, "a window that leaves more"),
        ({"window": 1, "batch_size": 1}, "a window that leaves more"),
    ],
)
def test_a_step_on_a_single_value_is_refused_where_a_layer_mixes_examples(settings, message):
    with pytest.raises(SettingError, match=message):
        model_of(EACH_STEP["normalised"]).fit(X, STEPS, epochs=1, **settings)
    plain = dr.Chain(dr.Recurrent(dr.GRU(3)), dr.Dense(1))
    model_of(plain).fit(X, STEPS, epochs=1, **settings)


@pytest.mark.parametrize("settings", [{"window": (2, 3)}, {"window": (3, 4)}, {"window": 3}], ids=str)
def test_a_step_on_more_values_than_one_is_taken(settings):
    model_of(EACH_STEP["normalised"]).fit(X, STEPS, epochs=1, batch_size=3, **settings)
