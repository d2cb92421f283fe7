"""A network as scikit-learn's regressor, of one target or several."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from deltarule.data.arrays import as_features
from deltarule.errors import DataError
from deltarule.interop.sklearn.estimator import FLOATS, Estimator
from deltarule.interop.sklearn.examples import Scaling
from deltarule.interop.sklearn.parts import Build, loss_of
from deltarule.layers.layer import Layer
from deltarule.losses.loss import Loss
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import Schedule


class DeltaruleRegressor(RegressorMixin, Estimator):
    """A network that predicts numbers, by scikit-learn's rules.

    Args:
        loss: "squared", "absolute", "huber", or a Loss; of targets on their scale (see standardise).
        standardise: whether each column of X and of y is brought to mean 0 and deviation 1, those of the training
            examples; predictions are in y's own units.
        hidden, activation, net, optimizer, learning_rate, l2, dropout, clip_norm, epochs, batch_size, validation,
            patience, random_state, warm_start, precision, verbose: as those of DeltaruleClassifier.

    Attributes:
        model_: the deltarule.Model, from `scaling_.apply(X)` to y as `target_scaling_.apply` makes it.
        history_, loss_curve_, n_iter_: as those of DeltaruleClassifier.

    >>> x = np.linspace(-1, 1, 60).reshape(60, 1)
    >>> regressor = DeltaruleRegressor(learning_rate=0.01, random_state=0).fit(x, 1000 * x.ravel() ** 2)
    >>> regressor.score(x, 1000 * x.ravel() ** 2) > 0.9, regressor.predict(x).shape
    (True, (60,))
    """

    def __init__(
        self,
        hidden: Any = (64, 64),
        *,
        loss: str | Loss = "squared",
        activation: str | Layer = "relu",
        net: Layer | Build | None = None,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | Schedule | None = None,
        l2: float = 0.0,
        dropout: float = 0.0,
        clip_norm: float | None = None,
        epochs: int = 100,
        batch_size: int = 64,
        validation: float | None = None,
        patience: int | None = None,
        standardise: bool = True,
        random_state: Any = None,
        warm_start: bool = False,
        precision: str = "float32",
        verbose: bool = False,
    ):
        self.hidden = hidden
        self.loss = loss
        self.activation = activation
        self.net = net
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.l2 = l2
        self.dropout = dropout
        self.clip_norm = clip_norm
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation = validation
        self.patience = patience
        self.standardise = standardise
        self.random_state = random_state
        self.warm_start = warm_start
        self.precision = precision
        self.verbose = verbose

    def partial_fit(self, X, y, sample_weight=None) -> Self:
        """One epoch over X (n, i) and y; the first call sets the scale of both."""
        begins = not hasattr(self, "model_")
        return self._learn(X, y, sample_weight, begins=begins, epochs=1, validation=None)

    def predict(self, X) -> np.ndarray:
        """(n,), or (n, k) of several targets: the predictions in y's units."""
        outputs = self._outputs(X)
        y = self.target_scaling_.undo(outputs)  # (n, k)
        return y if self._many else y.ravel()

    def _read(self, X, y, begins):
        checked: Any = validate_data(self, X, y, reset=begins, dtype=FLOATS, multi_output=True, y_numeric=True)
        X, y = checked
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _encode(self, y, begins, classes):
        target = y.reshape(len(y), -1).astype(np.float64)  # (n, k)
        if begins:
            self._many = y.ndim == 2
        elif target.shape[1] != len(self.target_scaling_.mean):
            raise DataError(
                f"y: expected {len(self.target_scaling_.mean)} targets, as in the fit before, got "
                f"{target.shape[1]}; begin anew with warm_start=False"
            )
        return target, target.shape[1]

    def _scaled(self, target, weight, begins):
        if begins:
            self.target_scaling_ = (
                Scaling.of(target, weight) if self.standardise else Scaling.none(target.shape[1])
            )
        return as_features(self.target_scaling_.apply(target), "y")

    def _loss(self):
        return loss_of(self.loss)

    def _notes(self):
        scale = self.target_scaling_
        return {**super()._notes(), "y_mean": scale.mean.tolist(), "y_deviation": scale.deviation.tolist()}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
