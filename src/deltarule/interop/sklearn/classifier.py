"""A network as scikit-learn's classifier: softmax over one output a class."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from deltarule.errors import DataError, SettingError
from deltarule.interop.sklearn.estimator import FLOATS, Estimator
from deltarule.interop.sklearn.parts import Build
from deltarule.layers.layer import Layer
from deltarule.losses import SoftmaxCrossEntropy
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import Schedule


class DeltaruleClassifier(ClassifierMixin, Estimator):
    """A network that tells classes apart, by scikit-learn's rules.

    Args:
        hidden: widths of the hidden layers; () is logistic regression.
        activation: "relu", "tanh", "logistic", "gelu", ... between them, or a layer.
        net: in place of hidden, activation and dropout: a layer that ends in Dense, whose width is set to the
            number of outputs, or a function (features, outputs) -> layer.
        optimizer: "adam", "adamw", "rmsprop", "adagrad", "sgd", or an Optimizer.
        learning_rate: a number or a Schedule; None is the optimizer's own.
        l2: λ of the penalty λ |W|² on weights. MLPClassifier's alpha is 2 λ times its examples in a batch.
        dropout: the share that is dropped after each hidden layer.
        clip_norm: the largest global norm of a gradient, or None.
        epochs: passes over the data, at most.
        batch_size: examples a step. Where one batch holds all of them, their order means nothing, and an example
            of weight 2 is one that is given twice, to the last bit.
        validation: a share to hold out, classes in proportion, or None.
        patience: epochs without a better validation loss (without validation: training loss) before the fit
            ends; the parameters of the best epoch are kept.
        standardise: whether each column is brought to mean 0 and deviation 1, those of the training examples.
        class_weight: a factor for each class by its label, or "balanced" for the inverse of its frequency.
        random_state: a seed, a RandomState, or None; weights, order, dropout and validation follow from it.
        warm_start: whether `fit` goes on from the fit before.
        precision: "float32", "bfloat16" or "float16".
        verbose: whether a line shows the progress.

    Attributes:
        classes_: the labels in order; those of weight 0 alone are left out.
        model_: the deltarule.Model, which takes inputs as `scaling_.apply(X)` makes them.
        history_: the figures of the last fit's epochs.
        loss_curve_, n_iter_: the training loss of every epoch so far, and how many there were.

    >>> import numpy as np
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> classifier = DeltaruleClassifier(learning_rate=0.01, random_state=0).fit(x, ["no", "no", "yes", "yes"])
    >>> classifier.predict([[0.2], [2.8]]).tolist()
    ['no', 'yes']
    """

    def __init__(
        self,
        hidden: Any = (64, 64),
        *,
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
        class_weight: Any = None,
        random_state: Any = None,
        warm_start: bool = False,
        precision: str = "float32",
        verbose: bool = False,
    ):
        self.hidden = hidden
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
        self.class_weight = class_weight
        self.random_state = random_state
        self.warm_start = warm_start
        self.precision = precision
        self.verbose = verbose

    def partial_fit(self, X, y, classes=None, sample_weight=None) -> Self:
        """One epoch over X (n, i) and y; the first call takes all classes that will come, and sets the scale.

        Raises:
            DataError: a class that was not told of.
            SettingError: balanced class weights, which need all data.
        """
        if self.class_weight == "balanced":
            raise SettingError(
                "partial_fit: class_weight='balanced' needs all data at once; give a dictionary of weights"
            )
        begins = not hasattr(self, "model_")
        return self._learn(X, y, sample_weight, begins=begins, epochs=1, validation=None, classes=classes)

    def decision_function(self, X) -> np.ndarray:
        """Of two classes (n,), the log odds of the second; else (n, k), log p up to a constant of the row."""
        z = self._outputs(X).astype(np.float64)
        return z[:, 1] - z[:, 0] if z.shape[1] == 2 else z

    def predict_log_proba(self, X) -> np.ndarray:
        """(n, k), the logarithm of each class's probability."""
        z = self._outputs(X).astype(np.float64)
        z = z - z.max(1, keepdims=True)  # (n, k)
        return z - np.log(np.exp(z).sum(1, keepdims=True))

    def predict_proba(self, X) -> np.ndarray:
        """(n, k), each class's probability, in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X) -> np.ndarray:
        """(n,), the likeliest class of each row."""
        likeliest = self._outputs(X).argmax(1)
        return self.classes_[likeliest]

    def _read(self, X, y, begins):
        X, y = validate_data(self, X, y, reset=begins, dtype=FLOATS)
        check_classification_targets(y)
        return X, y

    def _encode(self, y, begins, classes):
        found = np.unique(y)
        if begins:
            self.classes_ = found if classes is None else np.unique(column_or_1d(classes))
        elif classes is not None and not np.array_equal(self.classes_, np.unique(column_or_1d(classes))):
            raise DataError(f"partial_fit: expected classes {self.classes_.tolist()}, got {list(classes)}")
        if unknown := np.setdiff1d(found, self.classes_).tolist():
            raise DataError(
                f"y: expected the classes {self.classes_.tolist()}, got {unknown} besides; name all classes in "
                "the first partial_fit, or begin anew with warm_start=False"
            )
        return np.searchsorted(self.classes_, y).astype(np.int32), len(self.classes_)

    def _scaled(self, target, weight, begins):
        return target

    def _weighted(self, target, weight):
        if self.class_weight is None:
            return weight
        if self.class_weight == "balanced":
            mass = np.bincount(target, weight, len(self.classes_))
            factor = weight.sum() / (np.count_nonzero(mass) * np.where(mass > 0, mass, 1))
        else:
            factor = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[target])
        weight = weight * factor[target]
        if weight.min() < 0 or not weight.any():
            raise DataError(
                "class_weight: expected weights of at least 0, and one above it of a class of y, got "
                f"{self.class_weight}"
            )
        return weight

    def _loss(self):
        return SoftmaxCrossEntropy()

    def _notes(self):
        return {**super()._notes(), "classes": self.classes_.tolist()}
