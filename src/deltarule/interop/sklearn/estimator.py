"""What the classifier and the regressor share: from a table to a job, and from a trained model to its outputs."""

from dataclasses import replace
from typing import Any, Self

import jax
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from deltarule.data.arrays import as_features, split
from deltarule.errors import DataError, SettingError
from deltarule.examples import features_of
from deltarule.interop.sklearn.examples import Scaling, filled, folded
from deltarule.interop.sklearn.job import Job, seed_of, trained
from deltarule.interop.sklearn.parts import Build, network, optimizer_of
from deltarule.layers.layer import Layer
from deltarule.losses import SquaredError
from deltarule.losses.loss import Loss
from deltarule.model import Model
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import Schedule
from deltarule.training.evaluate import predict
from deltarule.training.run import run_settings
from deltarule.training.step import Batch

FLOATS = (np.float64, np.float32)
LEAST = 64  # rows that a prediction is made for at a time, so that few shapes are compiled


class Estimator(BaseEstimator):
    """A network that is fitted to a table; the subclasses state the parameters."""

    hidden: Any
    activation: str | Layer
    net: Layer | Build | None
    optimizer: str | Optimizer
    learning_rate: float | Schedule | None
    l2: float
    dropout: float
    clip_norm: float | None
    epochs: int
    batch_size: int
    validation: float | None
    patience: int | None
    standardise: bool
    random_state: Any
    warm_start: bool
    precision: str
    verbose: bool

    def fit(self, X, y, sample_weight=None) -> Self:
        """Trains on X (n, i) and y, anew or, with `warm_start`, from where the last fit ended.

        Args:
            sample_weight: (n,), how much each example counts; one of weight 0 is as if it were not there.

        Raises:
            DataError, SettingError: data that cannot be learned, or a parameter that cannot be.
            DivergedError: the loss was lost.
        """
        begins = not (self.warm_start and hasattr(self, "model_"))
        return self._learn(X, y, sample_weight, begins=begins, epochs=self.epochs, validation=self.validation)

    def _learn(self, X, y, sample_weight, *, begins: bool, epochs, validation, classes=None) -> Self:
        X, y = self._read(X, y, begins)
        weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if (weight < 0).any():
            raise DataError(
                f"sample_weight: expected numbers of at least 0, got {weight.min():g}; use 0 to leave out"
            )
        if not weight.any():
            raise DataError("sample_weight: expected one above zero, but all are zero; leave sample_weight out")
        counts = weight > 0
        x, y, w = X[counts], y[counts], weight[counts]
        target, outputs = self._encode(y, begins, classes)
        model = self._model(x.shape[1], outputs, begins)
        job = self._job(model, x, target, w, begins, epochs, validation)
        model = trained(job)
        model.notes = self._notes()
        losses = [] if begins else self.loss_curve_
        self.model_, self.history_ = model, model.history
        self.loss_curve_ = [*losses, *model.history["loss"]]
        self.n_iter_ = len(self.loss_curve_)
        return self

    def _read(self, X, y, begins: bool) -> tuple[Any, Any]:
        """X and y as arrays, by scikit-learn's rules."""
        raise NotImplementedError

    def _encode(self, y, begins: bool, classes) -> tuple[np.ndarray, int]:
        """(the target as the loss takes it but for its scale, how many outputs it needs)."""
        raise NotImplementedError

    def _scaled(self, target: np.ndarray, weight: np.ndarray, begins: bool) -> np.ndarray:
        """The target on the scale of the network's outputs."""
        raise NotImplementedError

    def _weighted(self, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The weights of the training examples, by their classes too."""
        return weight

    def _loss(self) -> Loss:
        raise NotImplementedError

    def _notes(self) -> dict[str, Any]:
        """What a saved model needs besides: the scale of its inputs."""
        return {"x_mean": self.scaling_.mean.tolist(), "x_deviation": self.scaling_.deviation.tolist()}

    def _model(self, features: int, outputs: int, begins: bool) -> Model:
        """The model to train, with the parameters of the one before unless it begins."""
        seed = seed_of(self.random_state) if begins else self.model_.seed
        net = network(self.hidden, self.activation, self.dropout, self.net, features, outputs)
        optimizer = optimizer_of(self.optimizer, self.learning_rate)
        numbers = {"l2": self.l2, "clip_norm": self.clip_norm, "precision": self.precision}
        model = Model(net, self._loss(), optimizer, seed=seed, **numbers)
        if not begins:
            go_on(self.model_, model, features)
        return model

    def _job(self, model: Model, x, target, weight, begins: bool, epochs, validation) -> Job:
        settings = run_settings(
            epochs=epochs, batch_size=self.batch_size, patience=self.patience, progress=bool(self.verbose)
        )
        held_out = None
        if validation is not None:
            strata = target if target.ndim == 1 else None
            rows, held = split(len(x), validation, model.seed, strata)
            held_out = x[held], target[held], weight[held]
            x, target, weight = x[rows], target[rows], weight[rows]
        at_once = len(x) <= settings.batch_size
        alike = at_once and not model.net.mixes_examples
        if alike:
            x, target, weight = folded(x, target, weight)
        if begins:
            self.scaling_ = Scaling.of(x, weight) if self.standardise else Scaling.none(x.shape[1])
        data = self._batch(x, self._scaled(target, weight, begins), self._weighted(target, weight))
        if alike:
            data = filled(data, max(8, 1 << (len(x) - 1).bit_length()))
        if held_out is not None:
            held_out = self._batch(held_out[0], self._scaled(held_out[1], held_out[2], False), held_out[2])
        size = len(data.x) if at_once else settings.batch_size
        return Job(model, data, held_out, replace(settings, batch_size=size))

    def _batch(self, x, target, weight) -> Batch:
        x, share = as_features(self.scaling_.apply(x), "X"), (weight / weight.mean()).astype(np.float32)
        return Batch(x, target, share)  # type: ignore[arg-type]

    def _outputs(self, X) -> np.ndarray:
        """(n, k), what the network gives for each row."""
        check_is_fitted(self, "model_")
        checked: Any = validate_data(self, X, reset=False, dtype=FLOATS)
        x = self.scaling_.apply(checked)
        model, state = self.model_, self.model_.trained()
        x = features_of(x, model.net, model.input_shape)
        least = np.concatenate([x, np.zeros((max(0, LEAST - len(x)), x.shape[1]), np.float32)])
        return predict(model.net, SquaredError(), state.params, state.memory, least, model.precision)[: len(x)]


def go_on(before: Model, model: Model, features: int) -> None:
    """Gives a model the state of the one before; the optimizer's averages only where it keeps the same ones.

    Raises:
        SettingError: the networks differ.
    """
    fresh, state = model.step().init((1, features), model.seed), before.trained()
    if form((fresh.params, fresh.memory)) != form((state.params, state.memory)):
        raise SettingError(
            f"fit: goes on from the network of the fit before, {before.net}, but the parameters now say "
            f"{model.net}; set warm_start=False to begin anew"
        )
    slots = state.slots if form(state.slots) == form(fresh.slots) else fresh.slots
    model.state, model.input_shape = state._replace(slots=slots), before.input_shape


def form(tree: Any) -> Any:
    """The structure of a tree of arrays, and their shapes."""
    return jax.tree.structure(tree), [np.shape(leaf) for leaf in jax.tree.leaves(tree)]
