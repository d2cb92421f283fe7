"""What the estimators refuse: settings and data that cannot be, each with its message."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

import deltarule as dr
from deltarule.errors import DataError, SettingError
from deltarule.interop.sklearn import DeltaruleClassifier, DeltaruleRegressor


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": (8, 0)}, "hidden: expected widths of at least 1"),
        ({"hidden": "64"}, "hidden: expected widths of at least 1"),
        ({"activation": "rely"}, "activation: 'rely' is not known; did you mean 'relu'?"),
        ({"optimizer": 3}, "optimizer: 3 is not known; choose one of adagrad, adam"),
        ({"optimizer": dr.Adam}, "give an object of Optimizer"),
        ({"learning_rate": 0.0}, "learning_rate: expected a number above 0"),
        ({"learning_rate": "adaptive"}, "learning_rate: expected a number above 0 or a Schedule, got 'adaptive'"),
        ({"net": dr.Chain(dr.Dense(3), dr.ReLU())}, "net: expected a layer that ends in Dense"),
        ({"net": lambda i, o: "Dense"}, "net: expected a layer that ends in Dense"),
        ({"net": lambda i, o: dr.Dense(o + 1)}, "net: expected a network from 4 features to 3 outputs"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"precision": "float8"}, "precision must be one of"),
        ({"validation": 1.5}, "held-out fraction between 0 and 1"),
        ({"class_weight": {0: 0, 1: 0, 2: 0}}, "class_weight: expected weights of at least 0, and one above it"),
        ({"class_weight": {0: -1}}, "class_weight: expected weights of at least 0, .* got {0: -1}"),
    ],
)
def test_settings_that_cannot_be(iris, settings, message):
    with pytest.raises((SettingError, DataError), match=message.replace("?", r"\?").replace("(", r"\(")):
        DeltaruleClassifier(**settings).fit(*iris)


def test_data_that_cannot_be(iris):
    x, y = iris
    line = x[:, :1], x[:, 1]
    with pytest.raises(DataError, match="sample_weight: expected numbers of at least 0, got -1"):
        DeltaruleClassifier().fit(x, y, sample_weight=-np.ones(150))
    with pytest.raises(DataError, match="column 1: expected numbers whose variance float64 can hold, got 1e"):
        DeltaruleClassifier().fit(np.array([[0.0, 1e300], [1.0, -1e300]]), [0, 1])
    with pytest.raises(SettingError, match="loss: 'cubed' is not known"):
        DeltaruleRegressor(loss="cubed").fit(*line)
    with pytest.raises(SettingError, match="loss: expected the loss of a regression"):
        DeltaruleRegressor(loss=dr.SoftmaxCrossEntropy()).fit(*line)
    with pytest.raises(DataError, match="y: expected finite numbers, but 1 of 2 are too large for float32"):
        DeltaruleRegressor(standardise=False).fit([[0.0], [1.0]], [0.0, 1e300])
    with pytest.raises(DataError, match="too large for float32"):
        DeltaruleRegressor((), epochs=1).fit(*line).predict([[1e300]])
