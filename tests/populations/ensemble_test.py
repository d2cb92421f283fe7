"""Ensembles: the mean of predictions, what their spread tells, and one file."""

import numpy as np
import pytest

import deltarule as dr
from deltarule.errors import FileError, SettingError


def test_members_are_what_fit_makes_of_them_alone(model, flowers):
    x, y = flowers
    three = dr.ensemble(model, 3)
    three.fit(x, y, epochs=4, validation=0.2)
    for seed, member in enumerate(three.members):
        kept, held = three_way(x, y)
        alone = dr.Model(model.net, model.loss, model.optimizer, seed=seed)
        alone.fit(*kept, epochs=4, validation=held)
        np.testing.assert_array_equal(member.predict(x), alone.predict(x))


def test_a_second_fit_goes_on_where_the_first_ended(model, flowers):
    two = dr.ensemble(model, 2)
    alone = dr.Model(model.net, model.loss, model.optimizer, seed=1)
    for _ in range(2):
        two.fit(*flowers, epochs=2)
        alone.fit(*flowers, epochs=2)
    np.testing.assert_array_equal(two.members[1].predict(flowers[0]), alone.predict(flowers[0]))
    assert [row["epoch"] for row in two.members[1].history.rows] == [1, 2]


def three_way(x, y):
    """The split that seed 0, the ensemble's, makes."""
    from deltarule.data.arrays import split

    kept, held = split(len(x), 0.2, 0, y)
    return (x[kept], y[kept]), (x[held], y[held])


def test_the_ensemble_is_the_mean_of_predictions(model, flowers):
    x, y = flowers
    five = dr.ensemble(model, 5)
    five.fit(x, y, epochs=6)
    each = np.stack([member.predict(x) for member in five.members])
    np.testing.assert_allclose(five.predict(x), each.mean(0), rtol=1e-6)
    np.testing.assert_allclose(five.spread(x), each.std(0), rtol=1e-6)
    found = five.evaluate(x, y)
    log_p = np.log(each.mean(0)[np.arange(len(y)), y])
    assert found["loss"] == pytest.approx(-log_p.mean(), rel=1e-5)
    assert found["accuracy"] == pytest.approx((each.mean(0).argmax(1) == y).mean())
    alone = [member.evaluate(x, y) for member in five.members]
    assert found["members_loss"] == pytest.approx(np.mean([a["loss"] for a in alone]), rel=1e-5)
    assert found["members_accuracy"] == pytest.approx(np.mean([a["accuracy"] for a in alone]))
    assert found["loss"] < found["members_loss"]  # Jensen: −log of a mean is below the mean of −log
    assert 0 <= found["calibration_error"] <= 1


def test_of_a_regression_the_error_is_the_members_less_their_spread(flowers):
    x, _ = flowers
    y = x.sum(1, keepdims=True)
    four = dr.ensemble(dr.Model(dr.Chain(dr.Dense(8), dr.Tanh(), dr.Dense(1)), dr.SquaredError()), 4)
    four.fit(x, y, epochs=3)
    found = four.evaluate(x, y)
    spread = four.predictions(x).var(0).mean()
    assert found["members_loss"] - found["loss"] == pytest.approx(spread, rel=1e-4)  # Krogh and Vedelsby 1995
    assert 0 <= found["coverage"] <= 1


def test_of_two_classes_with_one_output(flowers):
    x, y = flowers
    two = dr.ensemble(dr.Model(dr.Dense(1), dr.BinaryCrossEntropy()), 2)
    two.fit(x, (y > 1).astype(np.float32), epochs=2)
    p = two.predict(x)[:, 0]
    expected = -np.where(y > 1, np.log(p), np.log1p(-p)).mean()
    found = two.evaluate(x, (y > 1).astype(np.float32))
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert 0 < found["calibration_error"] < 1


def test_one_file_holds_all_members(model, flowers, tmp_path):
    x, y = flowers
    three = dr.ensemble(model, 3)
    three.fit(x, y, epochs=2)
    three.save(tmp_path / "three.safetensors")
    again = dr.Ensemble.load(tmp_path / "three.safetensors")
    np.testing.assert_array_equal(again.predictions(x), three.predictions(x))
    assert [member.seed for member in again.members] == [0, 1, 2]
    assert again.members[1].history == three.members[1].history


def test_errors_of_files(model, flowers, tmp_path):
    two = dr.ensemble(model, 2)
    two.fit(*flowers, epochs=1)
    two.save(tmp_path / "two.safetensors")
    two.members[0].save(tmp_path / "one.safetensors")
    with pytest.raises(FileError, match="expected an ensemble, but it holds a single model"):
        dr.Ensemble.load(tmp_path / "one.safetensors")
    with pytest.raises(FileError, match="holds an ensemble of 2 models"):
        dr.load(tmp_path / "two.safetensors")


@pytest.mark.parametrize("members", [0, 2.5, True])
def test_a_number_of_members_that_cannot_be(model, members):
    with pytest.raises(SettingError, match="members must be a whole number"):
        dr.ensemble(model, members)


@pytest.mark.parametrize("name", ["callbacks", "watch"])
def test_settings_for_single_models(model, flowers, name):
    with pytest.raises(SettingError, match=f"{name} is for a single model"):
        dr.ensemble(model, 2).fit(*flowers, **{name: ["delta"]})


def test_a_batch_larger_than_the_examples(model, flowers):
    with pytest.raises(SettingError, match="larger than the 120 training examples"):
        dr.ensemble(model, 2).fit(*flowers, batch_size=121)


@pytest.mark.parametrize("make", [lambda m: dr.ensemble(m, 2), lambda m: dr.sweep(m, {"seed": [0, 1]})])
def test_members_keep_the_columns_of_a_frame(make, model, flowers):
    """So that a frame whose columns come in another order is answered alike."""
    frames = pytest.importorskip("pandas")
    x, y = flowers
    frame = frames.DataFrame(x, columns=list("abcd"))
    made = make(model)
    result = made.fit(frame.assign(kind=y), "kind", epochs=2, validation=0.2)
    members = made.members if isinstance(made, dr.Ensemble) else [result.best()]
    for member in members:
        assert member.notes["columns"] == list("abcd")
        np.testing.assert_array_equal(member.predict(frame[list("dbca")]), member.predict(x))
    assert "columns" not in model.notes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda model: dr.ensemble(dr.Dense(1), 3), "expected a Model, got Dense"),
        (lambda model: dr.ensemble([model], 3), r"expected a Model, got \[Model"),
        (lambda model: dr.Ensemble([]), r"expected one Model or more, got \[\]"),
        (lambda model: dr.Ensemble([3]), r"expected one Model or more, got \[3\]"),
    ],
)
def test_what_is_no_model_is_no_member(make, message, model):
    with pytest.raises(SettingError, match=message):
        make(model)
