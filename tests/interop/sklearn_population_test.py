"""Searches as populations: the results of scikit-learn's own search, from few programs."""

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, cross_val_score, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from deltarule.errors import DivergedError
from deltarule.interop.sklearn import DeltaruleClassifier, DeltaruleRegressor, PopulationSearchCV, job

GRID = {"learning_rate": [3e-3, 3e-2], "l2": [1e-4, 1e-2]}


@pytest.fixture(scope="module")
def iris():
    """Half of each class, so that the training part of a fold is one batch where none is named."""
    x, y = load_iris(return_X_y=True)
    return x[::2], y[::2]


@pytest.fixture
def trained(monkeypatch):
    """How many models each population had, and how many programs it took; fits alone count as (0, 1)."""
    found, train, alone = [], job.train, job.alone

    def counted(candidates, *arguments):
        programs = train(candidates, *arguments)
        found.append((len(candidates), programs))
        return programs

    def single(given):
        found.append((0, 1))
        return alone(given)

    monkeypatch.setattr(job, "train", counted)
    monkeypatch.setattr(job, "alone", single)
    return found


def agree(ours, theirs, tolerance=1e-6):
    """Whether two searches came to the same scores, setting by setting and fold by fold."""
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    for name, figures in theirs.cv_results_.items():
        if "score" in name and "time" not in name:
            np.testing.assert_allclose(ours.cv_results_[name], figures, atol=tolerance, err_msg=name)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=tolerance)


def test_a_grid_has_the_scores_of_scikit_learns_own_search(iris, trained):
    """On folds that differ by one example, as KFold splits 75 into 2, and are two programs."""
    classifier = DeltaruleClassifier(hidden=(8,), epochs=5, batch_size=16, random_state=0)
    settings = {"cv": KFold(2, shuffle=True, random_state=0), "scoring": "neg_log_loss", "refit": False}
    ours = PopulationSearchCV(classifier, GRID, return_train_score=True, **settings).fit(*iris)
    assert trained == [(8, 2)]
    agree(ours, GridSearchCV(classifier, GRID, return_train_score=True, **settings).fit(*iris))


def test_a_regression_with_weights_and_early_stopping(trained):
    x, y = load_diabetes(return_X_y=True)
    x, y, weight = x[:120], y[:120], 1.0 + np.arange(120) % 3
    regressor = DeltaruleRegressor((4,), epochs=12, learning_rate=0.1, validation=0.2, patience=2, random_state=0)
    grid = {"dropout": [0.1, 0.3]}
    ours = PopulationSearchCV(regressor, grid, cv=2, refit=False).fit(x, y, sample_weight=weight)
    assert trained == [(4, 1)]
    theirs = GridSearchCV(regressor, grid, cv=2, refit=False).fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], atol=1e-5
    )


def test_a_pipelines_other_steps_are_fitted_to_each_fold(iris, trained):
    pipeline = make_pipeline(StandardScaler(), PCA(), DeltaruleClassifier((), epochs=3, random_state=0))
    grid = {"pca__n_components": [2, 3], "deltaruleclassifier__learning_rate": [1e-2, 3e-2]}
    ours = PopulationSearchCV(pipeline, grid, cv=2, n_jobs=2, scoring="neg_log_loss").fit(*iris)
    assert trained == [(4, 1), (4, 1), (0, 1)]
    theirs = GridSearchCV(pipeline, grid, cv=2, scoring="neg_log_loss").fit(*iris)
    agree(ours, theirs)
    np.testing.assert_allclose(ours.predict_proba(iris[0]), theirs.predict_proba(iris[0]), atol=1e-6)


def test_a_member_is_as_its_fit_alone(iris):
    x, y = iris
    classifier = DeltaruleClassifier((4,), epochs=3, random_state=0)
    with joblib.parallel_config(backend="deltarule"):
        kept = joblib.Parallel()(joblib.delayed(each.fit)(x, y) for each in (classifier,))
    alone = DeltaruleClassifier((4,), epochs=3, random_state=0).fit(x, y)
    assert kept[0] is classifier
    np.testing.assert_allclose(classifier.loss_curve_, alone.loss_curve_, rtol=1e-5)
    assert classifier.history_.rows[0].keys() == {"epoch", "loss"}
    assert classifier.history_.best_epoch == alone.history_.best_epoch == 3
    assert classifier.history_.ended == alone.history_.ended


def test_other_tools_of_scikit_learn_by_joblibs_argument(iris, trained):
    classifier = DeltaruleClassifier((4,), epochs=3, random_state=None)
    with joblib.parallel_config(backend="deltarule"):
        space = {"learning_rate": [0.01, 0.02, 0.03]}
        RandomizedSearchCV(classifier, space, n_iter=2, cv=2, refit=False).fit(*iris)
    assert trained == [(4, 1)]


def test_a_step_that_draws_anew_is_never_given_a_model_of_other_data(iris, trained):
    """Its data differs when the task runs again, so the network is trained to what it then sees."""
    noise = FunctionTransformer(lambda x: x + np.random.normal(size=x.shape))
    pipeline = make_pipeline(noise, DeltaruleClassifier((4,), epochs=2, random_state=0))
    with joblib.parallel_config(backend="deltarule"):
        cross_val_score(pipeline, *iris, cv=2)
    assert trained == [(2, 1), (0, 1), (0, 1)]


@pytest.mark.parametrize("state", [None, np.random.RandomState(0)], ids=["none", "state"])
def test_a_share_that_is_held_out_at_random_is_the_same_when_the_task_runs_again(iris, trained, state):
    classifier = DeltaruleClassifier((), epochs=2, validation=0.2, random_state=state)
    with joblib.parallel_config(backend="deltarule"):
        found = cross_validate(classifier, *iris, cv=3, return_estimator=True)["estimator"]
    assert trained == [(3, 1)]
    assert len({each.model_.seed for each in found}) == (3 if state is None else 1)


def test_patience_without_validation_is_trained_alone(iris, trained):
    classifier = DeltaruleClassifier((4,), epochs=2, patience=1, random_state=0)
    with joblib.parallel_config(backend="deltarule"):
        cross_val_score(classifier, *iris, cv=2)
    assert trained == [(0, 1)] * 2


def test_a_member_that_is_lost_is_told_of(iris):
    grid = {"learning_rate": [1e-2, 1e38]}
    classifier = DeltaruleClassifier((4,), optimizer="sgd", epochs=3, random_state=0)
    with pytest.warns(FitFailedWarning, match="2 fits failed"), pytest.warns(UserWarning, match="non-finite"):
        search = PopulationSearchCV(classifier, grid, cv=2, refit=False).fit(*iris)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    with pytest.raises(DivergedError, match=r"the loss was lost after epoch \d; try a smaller learning_rate"):
        PopulationSearchCV(classifier, grid, cv=2, error_score="raise").fit(*iris)


def test_an_estimator_of_another_kind_is_fitted_once_a_member(iris):
    fits = []

    class Counted(KNeighborsClassifier):
        def fit(self, X, y):
            fits.append(len(X))
            return super().fit(X, y)

    ours = PopulationSearchCV(Counted(), {"n_neighbors": [1, 5]}, cv=3, refit=False).fit(*iris)
    assert fits == [50] * 6
    theirs = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 5]}, cv=3, refit=False).fit(*iris)
    agree(ours, theirs)
