"""Sweeps: each member is its run alone, the table tells what came out, and what cannot be varied says so."""

import json

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import SettingError
from deltarule.populations.space import configurations


def test_each_member_is_what_fit_makes_of_it_alone(model, flowers):
    x, y = flowers
    held = (x[90:], y[90:])
    space = {"learning_rate": [1e-3, 1e-1], "l2": [1e-4], "dropout": [0.1, 0.5], "seed": [3, 4]}
    result = dr.sweep(model, space).fit(x[:90], y[:90], epochs=3, batch_size=16, validation=held)
    assert len(result.rows) == 8
    assert result.programs == 1
    for row, candidate in zip(result.rows, result.candidates, strict=True):
        net = dr.Chain(dr.Dense(8), dr.ReLU(), dr.Dropout(row["dropout"]), dr.Dense(3))
        optimizer = dr.Adam(row["learning_rate"])
        alone = dr.Model(net, model.loss, optimizer, l2=row["l2"], seed=row["seed"])
        history = alone.fit(x[:90], y[:90], epochs=3, batch_size=16, validation=held)
        np.testing.assert_array_equal(candidate.model.predict(x), alone.predict(x))
        assert row["validation_loss"] == pytest.approx(min(history["validation_loss"]), rel=1e-5)


def test_the_ranking_is_over_seeds_and_the_best_model_is_its_best(model, flowers):
    space = {"learning_rate": [1e-5, 3e-2], "seed": range(3)}
    result = dr.sweep(model, space).fit(*flowers, epochs=8, validation=0.25)
    assert [row["learning_rate"] for row in result.ranking] == [3e-2, 1e-5]
    losses = [row["validation_loss"] for row in result.rows if row["learning_rate"] == 3e-2]
    assert result.ranking[0]["validation_loss"] == pytest.approx(np.mean(losses))
    assert result.ranking[0]["deviation"] == pytest.approx(np.std(losses))
    assert result.ranking[0]["members"] == 3
    assert result.best_row["validation_loss"] == min(losses)
    assert result.best().seed == result.best_row["seed"]
    json.dumps(result.to_json())


def test_what_explains_the_differences(model, flowers):
    space = {"learning_rate": [1e-5, 3e-2], "seed": range(3)}
    effects = dr.sweep(model, space).fit(*flowers, epochs=8, validation=0.25).effects()
    assert effects["learning_rate"]["share"] > 0.9 > 0.1 > effects["seed"]["share"]
    assert list(effects["learning_rate"]["values"]) == ["1e-05", "0.03"]


def test_a_function_makes_models_of_other_shapes(flowers):
    def build(width, depth=1):
        layers = [layer for _ in range(depth) for layer in (dr.Dense(width), dr.ReLU())]
        return dr.Model(dr.Chain(*layers, dr.Dense(3)), dr.SoftmaxCrossEntropy())

    space = {"width": [4, 6], "learning_rate": [1e-3, 1e-2], "batch_size": [16, 32]}
    result = dr.sweep(build, space).fit(*flowers, epochs=1, validation=0.25)
    assert result.programs == 4  # two widths, two batch sizes
    assert len(result.rows) == 8
    widths = [candidate.model.state.params[0]["b"].size for candidate in result.candidates]
    assert widths == [row["width"] for row in result.rows]


def test_folds_hold_every_example_out_once_and_the_best_sees_all(model, flowers):
    x, y = flowers
    result = dr.sweep(model, {"learning_rate": [1e-5, 3e-2]}).fit(x, y, epochs=5, folds=4)
    held = np.concatenate([candidate.rows[1] for candidate in result.candidates[:4]])
    assert sorted(held.tolist()) == list(range(120))
    assert [row["fold"] for row in result.rows] == [0, 1, 2, 3] * 2
    for candidate in result.candidates:
        assert np.bincount(y[candidate.rows[1]]).tolist() == [10, 10, 10]
    best = result.best()
    assert best.optimizer.learning_rate == 3e-2
    assert len(best.history.rows) == result.ranking[0]["best_epoch"]
    assert dr.cross_validate(model, x, y, folds=7, epochs=1).ranking[0]["members"] == 7


def test_halving_spends_the_epochs_on_the_best(model, flowers):
    space = {"learning_rate": [1e-6, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 5e-2], "seed": range(2)}
    result = dr.sweep(model, space).fit(*flowers, epochs=8, validation=0.25, halving=2)
    trained = {row["learning_rate"]: row["epochs"] for row in result.rows}
    assert sorted(trained.values()) == [1, 1, 1, 1, 2, 2, 4, 8]
    assert trained[1e-6] == 1
    assert {row["ended"] for row in result.rows} == {"all epochs", "others were better"}
    assert result.ranking[0]["learning_rate"] in (3e-2, 5e-2)


def test_over_folds_halving_goes_by_the_mean_of_each_configuration(model, flowers):
    x, y = flowers
    space = {"learning_rate": [0.05, 0.08, 0.1, 0.13]}  # of which other two would be left by the worst fold
    result = dr.sweep(model, space).fit(x, y, epochs=4, folds=3, halving=2)
    trained = np.reshape([row["epochs"] for row in result.rows], (4, 3))
    assert (trained == trained[:, :1]).all()
    losses = np.array(
        [
            [np.min(candidate.model.history["validation_loss"][:epochs]) for epochs in (1, 2)]
            for candidate in result.candidates
        ]
    )
    means = losses.reshape(4, 3, 2).mean(1)
    assert sorted(trained[:, 0]) == [1, 1, 2, 4]
    assert set(np.argsort(means[:, 0])[:2]) == set(np.flatnonzero(trained[:, 0] > 1))
    best = result.candidates[3 * int(trained[:, 0].argmax())]
    alone = dr.Model(model.net, model.loss, best.model.optimizer)
    kept, held = best.rows
    alone.fit(x[kept], y[kept], epochs=4, batch_size=64, validation=(x[held], y[held]))
    np.testing.assert_array_equal(best.model.predict(x), alone.predict(x))


def test_samples_fill_each_distribution_evenly():
    drawn = configurations({"learning_rate": dr.log_uniform(1e-4, 1), "l2": [0.0, 1.0]}, 16, seed=5)
    rates = sorted({each["learning_rate"] for each in drawn})
    assert len(drawn) == 32
    assert [int(np.floor((np.log10(rate) + 4) * 4)) for rate in rates] == list(range(16))
    assert drawn == configurations({"learning_rate": dr.log_uniform(1e-4, 1), "l2": [0.0, 1.0]}, 16, seed=5)


def test_a_lost_member_is_last_and_the_sweep_goes_on(flowers):
    net = dr.Chain(dr.Dense(8), dr.Dense(3))
    model = dr.Model(net, dr.SquaredError(), dr.SGD(0.1))
    x, y = flowers
    targets = np.eye(3)[y]
    result = dr.sweep(model, {"learning_rate": [1e-2, 1e30]}).fit(x, targets, epochs=3, validation=0.25)
    assert result.ranking[-1]["learning_rate"] == 1e30
    assert result.rows[1]["ended"] == "its loss was lost"
    assert np.isfinite(result.best().predict(x)).all()


def test_the_figure_has_a_panel_a_setting(model, flowers):
    space = {"learning_rate": dr.log_uniform(1e-4, 1e-1), "dropout": [0.1, 0.2]}
    result = dr.sweep(model, space, samples=3).fit(*flowers, epochs=1, validation=0.25)
    svg = result.figure().decode()
    assert "learning_rate" in svg
    assert "dropout" in svg
    assert "6 models" in repr(result)
    assert result._repr_html_().count("<svg") == 1


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"learnig_rate": [1]}, "did you mean 'learning_rate'"),
        ({"width": [1, 2]}, "give a function that makes the model"),
        ({"learning_rate": []}, "is empty"),
        ({"learning_rate": 0.1}, "must be a list of values"),
        ({}, "nothing is varied"),
        ({"learning_rate": dr.log_uniform(1e-3, 1)}, "say how often, such as samples=32"),
        ({"dropout": [1.5]}, "drop must be in"),
    ],
)
def test_what_cannot_be_varied(model, space, message):
    with pytest.raises(SettingError, match=message):
        dr.sweep(model, space)


def test_settings_that_cannot_be(model, flowers):
    rates = {"learning_rate": [1e-3, 1e-2]}
    with pytest.raises(SettingError, match="samples is for distributions"):
        dr.sweep(model, rates, samples=3)
    with pytest.raises(SettingError, match="no Dropout layer"):
        dr.sweep(dr.Model(dr.Dense(3), model.loss), {"dropout": [0.1]})
    with pytest.raises(SettingError, match="expected a function that returns a Model"):
        dr.sweep(lambda width: width, {"width": [1]})
    with pytest.raises(SettingError, match="one of them"):
        dr.sweep(model, rates).fit(*flowers)
    with pytest.raises(SettingError, match="one of them"):
        dr.sweep(model, rates).fit(*flowers, folds=3, validation=0.2)
    with pytest.raises(SettingError, match="from 2 to the 120 examples"):
        dr.sweep(model, rates).fit(*flowers, folds=1)
    with pytest.raises(SettingError, match=r"halving must be a number above 1, .* got '3'"):
        dr.sweep(model, {"seed": [0]}).fit(*flowers, validation=0.2, halving="3")
    with pytest.raises(SettingError, match=r"expected what is varied by name, .* got \['learning_rate'\]"):
        dr.sweep(model, ["learning_rate"])
    with pytest.raises(SettingError, match="expected a Model, or a function that makes one, got Dense"):
        dr.cross_validate(dr.Dense(1), *flowers)
    with pytest.raises(SettingError, match="halving must be a number above 1"):
        dr.sweep(model, rates).fit(*flowers, validation=0.2, halving=1)
    with pytest.raises(SettingError, match="low must be above 0"):
        dr.log_uniform(0, 1)
    with pytest.raises(SettingError, match="expected low < high"):
        dr.uniform(1, 1)
