"""The estimators: scikit-learn's own checks, what its tools do with them, and what each parameter means."""

import io
import pickle

import jax
import joblib
import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import DataConversionWarning
from sklearn.inspection import permutation_importance
from sklearn.model_selection import RandomizedSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import deltarule as dr
from deltarule.errors import DataError, SettingError
from deltarule.interop.sklearn import DeltaruleClassifier, DeltaruleRegressor
from deltarule.layers.layer import map_layers

SMALL = {"hidden": (8,), "epochs": 15, "learning_rate": 0.02, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def line():
    """Targets far from 0, of a large deviation."""
    x = np.linspace(-1, 1, 60).reshape(60, 1)
    return x, 5000 + 1000 * x.ravel()


@pytest.fixture(scope="module", autouse=True)
def compiled_with_little_effort():
    """XLA leaves most optimisations out, for these tests compile many shapes to train on few examples."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@parametrize_with_checks([DeltaruleClassifier(), DeltaruleRegressor()])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_tags_say_what_each_takes():
    classifier, regressor = get_tags(DeltaruleClassifier()), get_tags(DeltaruleRegressor())
    assert classifier.classifier_tags.multi_class
    assert not classifier.classifier_tags.multi_label
    assert regressor.target_tags.multi_output
    assert not regressor.input_tags.sparse
    assert not regressor.input_tags.allow_nan


def test_labels_are_strings_and_probabilities_agree_with_everything(iris):
    x, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    classifier = DeltaruleClassifier(**SMALL).fit(x, names)
    p, z = classifier.predict_proba(x), classifier.decision_function(x)
    assert classifier.score(x, names) > 0.9
    assert classifier.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    np.testing.assert_allclose(np.log(p), classifier.predict_log_proba(x), rtol=1e-9)
    np.testing.assert_allclose(np.exp(z) / np.exp(z).sum(1, keepdims=True), p, rtol=1e-9)
    np.testing.assert_allclose(p, classifier.model_.predict(classifier.scaling_.apply(x)), rtol=1e-4, atol=1e-6)
    assert (classifier.predict(x) == classifier.classes_[p.argmax(1)]).all()
    assert classifier.model_.notes["classes"] == ["setosa", "versicolor", "virginica"]


def test_of_two_classes_the_decision_is_the_log_odds(iris):
    x, y = iris
    classifier = DeltaruleClassifier(**SMALL).fit(x[:100], y[:100])
    log_p = classifier.predict_log_proba(x[:100])
    np.testing.assert_allclose(classifier.decision_function(x[:100]), log_p[:, 1] - log_p[:, 0], atol=1e-9)


def test_a_regression_is_in_the_targets_own_units(line):
    x, y = line
    regressor = DeltaruleRegressor(**SMALL | {"epochs": 60}).fit(x, y)
    assert regressor.score(x, y) > 0.95
    assert regressor.target_scaling_.mean[0] == pytest.approx(5000)
    raw = DeltaruleRegressor(standardise=False, **SMALL).fit(x, y)
    assert raw.score(x, y) < 0  # a network that starts at 0 is nowhere near
    assert raw.scaling_.deviation.tolist() == [1.0]


def test_several_targets_at_once(line):
    x, y = line
    regressor = DeltaruleRegressor(**SMALL | {"epochs": 60}).fit(x, np.stack([y, -y / 1000], 1))
    assert regressor.predict(x).shape == (60, 2)
    assert regressor.score(x, np.stack([y, -y / 1000], 1)) > 0.95


def test_a_column_vector_is_taken_with_scikit_learns_warning(line, iris):
    x, y = line
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        assert DeltaruleRegressor(**SMALL).fit(x, y.reshape(-1, 1)).predict(x).shape == (60,)
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        DeltaruleClassifier(**SMALL).fit(iris[0], iris[1].reshape(-1, 1))


def test_a_weight_of_two_is_the_example_twice_and_of_zero_is_none(iris):
    x, y = iris[0][40:70], iris[1][40:70]
    weight = np.arange(30) % 3
    settings = SMALL | {"dropout": 0.2, "class_weight": "balanced", "batch_size": 30}
    weighted = DeltaruleClassifier(**settings).fit(x, y, sample_weight=weight)
    repeated = DeltaruleClassifier(**settings).fit(x.repeat(weight, 0)[::-1], y.repeat(weight)[::-1])
    assert np.array_equal(weighted.predict_proba(x), repeated.predict_proba(x))
    assert weighted.model_.state.step == 15  # a batch an epoch
    assert not np.array_equal(
        weighted.predict_proba(x), DeltaruleClassifier(**settings).fit(x, y).predict_proba(x)
    )


def test_weights_draw_a_regression_to_the_heavy_examples():
    x, y = np.zeros((400, 1)), np.repeat([0.0, 1.0], 200)
    weight = np.where(y == 1, 3.0, 1.0)
    regressor = DeltaruleRegressor((), epochs=100, learning_rate=0.01, random_state=0)
    assert regressor.fit(x, y, sample_weight=weight).predict([[0.0]]) == pytest.approx(0.75, abs=0.02)


def test_class_weights_move_the_decision():
    x, y = np.zeros((40, 1)), np.repeat([0, 1], [30, 10])
    settings = {"hidden": (), "epochs": 300, "learning_rate": 0.03, "random_state": 0}
    p = [
        DeltaruleClassifier(class_weight=given, **settings).fit(x, y).predict_proba([[0.0]])[0, 1]
        for given in (None, "balanced", {0: 1, 1: 9})
    ]
    assert p == pytest.approx([0.25, 0.5, 0.75], abs=0.02)


def test_early_stopping_holds_out_a_share_and_keeps_the_best_epoch(iris):
    x, y = iris
    classifier = DeltaruleClassifier(epochs=200, learning_rate=0.1, validation=0.2, patience=3, random_state=0)
    classifier.fit(x, y)
    history = classifier.history_
    assert history.ended == "no better loss for 3 epochs"
    assert classifier.n_iter_ == history.best_epoch + 3 == len(classifier.loss_curve_)
    assert history["validation_loss"][history.best_epoch - 1] == min(history["validation_loss"])
    assert not np.allclose(classifier.scaling_.mean, x.mean(0), rtol=1e-4)  # held-out rows are not looked at


def test_partial_fit_learns_batch_by_batch_and_needs_all_classes_first(iris):
    x, y = iris
    order = np.random.default_rng(0).permutation(150)
    classifier = DeltaruleClassifier(**SMALL)
    classifier.partial_fit(x[:50], y[:50], classes=[0, 1, 2])
    assert classifier.predict_proba(x).shape == (150, 3)
    scale = classifier.scaling_
    for _ in range(20):
        classifier.partial_fit(x[order], y[order])
    assert classifier.score(x, y) > 0.8  # on the scale of the first class alone
    assert classifier.n_iter_ == len(classifier.loss_curve_) == 21
    assert classifier.scaling_ is scale
    with pytest.raises(DataError, match=r"expected the classes \[0, 1\], got \[2\] besides"):
        DeltaruleClassifier(**SMALL).partial_fit(x[:100], y[:100]).partial_fit(x, y)
    with pytest.raises(DataError, match=r"partial_fit: expected classes \[0, 1, 2\], got \[0, 1\]"):
        classifier.partial_fit(x[:100], y[:100], classes=[0, 1])
    with pytest.raises(SettingError, match="needs all data at once"):
        DeltaruleClassifier(class_weight="balanced").partial_fit(x, y)


def test_warm_start_goes_on_where_the_last_fit_ended(line):
    x, y = line
    warm = DeltaruleRegressor(warm_start=True, **SMALL).fit(x, y).fit(x, y)
    whole = DeltaruleRegressor(**SMALL | {"epochs": 30}).fit(x, y)
    np.testing.assert_allclose(warm.loss_curve_, whole.loss_curve_, rtol=1e-5)
    assert warm.n_iter_ == 30
    assert len(DeltaruleRegressor(**SMALL).fit(x, y).fit(x, y).loss_curve_) == 15
    warm.set_params(optimizer="sgd", learning_rate=0.001).fit(x, y)  # its averages start anew
    assert warm.loss_curve_[-1] < warm.loss_curve_[0]
    with pytest.raises(SettingError, match="set warm_start=False to begin anew"):
        warm.set_params(hidden=(9,)).fit(x, y)
    with pytest.raises(DataError, match="expected 1 targets, as in the fit before, got 2"):
        warm.set_params(hidden=(8,)).fit(x, np.stack([y, y], 1))


@pytest.mark.parametrize("keep", ["pickle", "joblib"])
def test_a_fitted_estimator_is_kept_whole(iris, keep, tmp_path):
    x, y = iris
    classifier = DeltaruleClassifier(net=dr.Chain(dr.Dense(4), dr.BatchNorm(), dr.ReLU(), dr.Dense(1)), **SMALL)
    classifier.fit(x, y)
    if keep == "pickle":
        kept = pickle.loads(pickle.dumps(classifier))
    else:
        file = io.BytesIO()
        joblib.dump(classifier, file)
        file.seek(0)
        kept = joblib.load(file)
    assert np.array_equal(kept.predict_proba(x), classifier.predict_proba(x))
    assert not hasattr(clone(kept), "model_")
    kept.model_.save(tmp_path / "model.safetensors")
    loaded = dr.load(tmp_path / "model.safetensors")
    scaled = (x - loaded.notes["x_mean"]) / loaded.notes["x_deviation"]
    np.testing.assert_allclose(loaded.predict(scaled), kept.predict_proba(x), rtol=1e-4, atol=1e-6)


def test_the_net_is_sized_or_made(iris):
    x, y = iris
    sized = DeltaruleClassifier(net=dr.Chain(dr.Dense(5), dr.Tanh(), dr.Chain(dr.Dense(1))), **SMALL).fit(x, y)
    made = DeltaruleClassifier(net=lambda i, o: dr.Chain(dr.Dense(i + 1), dr.Tanh(), dr.Dense(o)), **SMALL)
    assert sized.model_.parameters == 4 * 5 + 5 + 5 * 3 + 3
    assert made.fit(x, y).model_.parameters == 4 * 5 + 5 + 5 * 3 + 3
    assert np.array_equal(made.predict(x), clone(made).fit(x, y).predict(x))


def test_parameters_reach_the_model(line):
    x, y = line
    settings = {"activation": "tanh", "optimizer": dr.SGD(0.5, momentum=0.9), "l2": 1e-3, "dropout": 0.25}
    settings |= {"clip_norm": 2.0, "precision": "bfloat16", "loss": dr.Huber(0.5), "batch_size": 7, "epochs": 2}
    model = DeltaruleRegressor(8, random_state=3, **settings).fit(x, y).model_
    layers = []
    map_layers(lambda layer: layers.append(layer) or layer, model.net)
    assert layers[1:] == [dr.Tanh(), dr.Dropout(0.25), dr.Dense(1)]
    assert (model.optimizer, model.loss) == (dr.SGD(0.5, momentum=0.9), dr.Huber(0.5))
    assert (model.l2, model.clip_norm, model.precision) == (dr.L2(1e-3), 2.0, "bfloat16")
    assert model.state.step == 2 * 9
    named = DeltaruleRegressor(learning_rate=dr.CosineDecay(0.1, steps=60), optimizer="rmsprop", loss="absolute")
    model = named.set_params(epochs=1).fit(x, y).model_
    assert (model.optimizer, model.loss) == (dr.RMSProp(dr.CosineDecay(0.1, steps=60)), dr.AbsoluteError())


def test_frames_name_their_columns(iris):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    names = ["a", "b", "c", "d"]
    for frame in (pandas.DataFrame(iris[0], columns=names), polars.DataFrame(iris[0], schema=names)):
        classifier = DeltaruleClassifier(**SMALL).fit(frame, iris[1])
        assert classifier.feature_names_in_.tolist() == names
        assert classifier.n_features_in_ == 4
        with pytest.raises(ValueError, match="feature names should match"):
            classifier.predict(frame[["b", "a", "c", "d"]])


def test_tools_of_scikit_learn(iris):
    x, y = iris
    classifier = DeltaruleClassifier(**SMALL)
    calibrated = CalibratedClassifierCV(make_pipeline(StandardScaler(), classifier), cv=2).fit(x, y)
    assert calibrated.score(x, y) > 0.85
    importance = permutation_importance(classifier.fit(x, y), x, y, n_repeats=2, random_state=0)
    assert importance.importances_mean.argmax() in (2, 3)  # the petals
    found = RandomizedSearchCV(classifier, {"l2": [0.0, 1e-3]}, n_iter=2, cv=2).fit(x, y)
    assert found.best_score_ > 0.8


def test_columns_of_text_come_through_a_column_transformer():
    pandas = pytest.importorskip("pandas")
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    x = x[["bmi", "bp"]].assign(sex=np.where(x["sex"] > 0, "f", "m"))
    columns = ColumnTransformer([("sex", OneHotEncoder(sparse_output=False), ["sex"])], remainder="passthrough")
    columns.set_output(transform="pandas")
    regressor = TransformedTargetRegressor(DeltaruleRegressor(**SMALL), func=np.log, inverse_func=np.exp)
    pipeline = make_pipeline(columns, regressor).fit(x, y)
    assert pipeline.score(x, y) > 0.3
    assert isinstance(x, pandas.DataFrame)
    assert regressor.regressor_.feature_names_in_.tolist()[0] == "sex__sex_f"


def test_weights_are_routed_where_they_are_asked_for(iris):
    x, y = iris
    weight = (y != 2).astype(float)  # the third class is as if it were not there
    with config_context(enable_metadata_routing=True):
        asks = (
            DeltaruleClassifier(**SMALL).set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        )
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asks)
        pipeline.fit(x, y, sample_weight=weight)
        assert pipeline.classes_.tolist() == [0, 1]
        scores = cross_val_score(asks, x, y, cv=3, params={"sample_weight": weight})
    assert scores.mean() < 0.7  # it never says 2
