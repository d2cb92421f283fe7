"""Ensembles: g(x) = (1/M) Σ_m f(x; θ^m), the mean of predictions of models that differ in their seeds.

The mean of parameters, f(x; mean θ^m), is no ensemble (study `ensembles`). Source: Hansen and Salamon 1990;
Lakshminarayanan, Pritzel and Blundell 2017 for what the members' spread tells.
"""

import os
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from deltarule.displayed import Displayed
from deltarule.errors import FileError, SettingError
from deltarule.ingredients import short
from deltarule.loading import assemble
from deltarule.losses.loss import Loss
from deltarule.model import Model, Validation
from deltarule.model_file import read_model, write_model
from deltarule.populations.training import Candidate, examples_for, settings_of, train
from deltarule.populations.variation import varied
from deltarule.training.run import History
from deltarule.training.step import Batch

BINS = 15  # of confidence, for the calibration error


class Ensemble(Displayed):
    """Models of one structure that answer together.

    Args:
        members: the models.

    >>> import deltarule as dr
    >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
    >>> net = dr.Chain(dr.Dense(8), dr.Tanh(), dr.Dense(1))
    >>> three = ensemble(dr.Model(net, loss=dr.SquaredError()), 3)
    >>> histories = three.fit(x, x**2, epochs=2)
    >>> three.predict(x).shape, three.spread(x).shape, len(three.members)
    ((64, 1), (64, 1), 3)
    """

    shown_by = "populations.display.of_ensemble"

    def __init__(self, members: Sequence[Model]):
        self.members = list(members)
        if not self.members or not all(isinstance(each, Model) for each in self.members):
            raise SettingError(f"Ensemble: expected one Model or more, got {short(self.members)}")

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 20,
        batch_size: int | None = None,
        validation: Validation = None,
        sample_weight: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        **settings: Any,
    ) -> list[History]:
        """Trains all members in one program, each as `Model.fit` trains it alone; returns their histories.

        All learn the same examples, and hold out the same. A member whose loss is lost keeps its last good
        parameters, and its history says so. Raises as `Model.fit` does, for what cannot be.
        """
        first = self.members[0]
        data, held_out, columns = examples_for(first, x, y, sample_weight, lengths, validation)
        chosen = settings_of(len(data.x), epochs=epochs, batch_size=batch_size, **settings)
        train([Candidate(member, chosen) for member in self.members], data, held_out, columns=columns)
        return [member.history for member in self.members]

    def predictions(self, x: ArrayLike, lengths: ArrayLike | None = None) -> np.ndarray:
        """(m, n, ...), what each member predicts."""
        return np.stack([member.predict(x, lengths) for member in self.members])

    def predict(self, x: ArrayLike, lengths: ArrayLike | None = None) -> np.ndarray:
        """(n, ...), the mean of the members' predictions: values, or probabilities. Raises as `Model.predict`."""
        return self.predictions(x, lengths).mean(0)

    def spread(self, x: ArrayLike, lengths: ArrayLike | None = None) -> np.ndarray:
        """(n, ...), the standard deviation of the members' predictions: how far they disagree."""
        return self.predictions(x, lengths).std(0)

    def evaluate(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> dict[str, float]:
        """The loss and the metric of the mean prediction, and beside them what tells whether it can be believed.

        `members_loss` and, by its name, the metric are the members' own on average; `spread` is the mean of
        `spread(x)`. Of a classifier `calibration_error` is the expected |accuracy − confidence| over 15 bins of
        confidence (Guo et al. 2017); of a regression `coverage` is the share of targets within two spreads of
        the mean, 0.95 where members and target are normal and nothing but the members' disagreement is unknown.
        """
        first = self.members[0]
        predictions, batch = self.predictions(x), first.batch(x, y, sample_weight)
        mean = predictions.mean(0)
        own = [measured(first.loss, each, batch) for each in predictions]
        loss, metric = measured(first.loss, mean, batch)
        name = first.loss.metric_name
        found = {"loss": loss, name: metric}
        found |= {"members_loss": float(np.mean([each[0] for each in own]))}
        found |= {f"members_{name}": float(np.mean([each[1] for each in own]))}
        found["spread"] = float(predictions.std(0).mean())
        target = np.asarray(batch.target)
        if first.loss.task == "classification":
            found["calibration_error"] = calibration_error(mean, target)
        else:
            within = np.abs(target - mean) <= 2 * predictions.std(0)
            found["coverage"] = float(within.mean())
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all members as one safetensors file, whole or not at all; raises FileError."""
        files = [member.file() for member in self.members]
        arrays = {name: np.stack([each[name] for each, _ in files]) for name in files[0][0]}
        own = [{name: header[name] for name in header if name != "versions"} for _, header in files]
        write_model(path, arrays, {"members": own, "versions": files[0][1]["versions"]})

    @classmethod
    def load(cls, path: str | os.PathLike[str], own: dict[str, type] | None = None) -> "Ensemble":
        """The ensemble in a file that `save` wrote; raises FileError as `deltarule.load` does."""
        arrays, header = read_model(path)
        if "members" not in header:
            raise FileError(f"{path}: expected an ensemble, but it holds a single model; dr.load reads it")
        try:
            members = [
                assemble({name: array[m] for name, array in arrays.items()}, each, own)
                for m, each in enumerate(header["members"])
            ]
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            raise FileError(f"{path}: the ensemble in it cannot be put together: {error}") from None
        return cls(members)

    def __repr__(self) -> str:
        return f"Ensemble({len(self.members)} × {self.members[0]})"


def ensemble(model: Model, members: int) -> Ensemble:
    """An ensemble of so many models, each as `model` is, with the seeds that follow its seed.

    Raises:
        SettingError: no whole number of members, or none.
    """
    if not isinstance(model, Model):
        raise SettingError(f"ensemble: expected a Model, got {short(model)}; give the one that all are like")
    if not isinstance(members, Integral) or isinstance(members, bool) or members < 1:
        raise SettingError(f"ensemble: members must be a whole number of at least 1, got {members!r}")
    return Ensemble([varied(model, {"seed": model.seed + m}) for m in range(int(members))])


def measured(loss: Loss, prediction: np.ndarray, batch: Batch) -> tuple[float, float]:
    """(loss, metric) of predictions."""
    y, target, weight = map(jnp.asarray, (loss.outputs(prediction), batch.target, batch.weight))
    value, _ = loss(y, target, loss.shares(target, weight)[0])
    return float(value), float(loss.metric(y, target, weight))


def calibration_error(probabilities: np.ndarray, target: np.ndarray) -> float:
    """Σ_b n_b/n |accuracy_b − confidence_b| over bins of confidence, for probabilities (n, k) or (n, 1) of a 1.

    >>> calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    0.4
    """
    if probabilities.shape[-1] == 1:
        probabilities = np.concatenate([1 - probabilities, probabilities], -1)
    elif target.ndim == probabilities.ndim:
        target = target.argmax(-1)
    actual = target.reshape(-1)
    probabilities = probabilities.reshape(len(actual), -1)
    confidence, right = probabilities.max(-1), probabilities.argmax(-1) == actual
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs((right[bins == b] - confidence[bins == b]).sum()) for b in np.unique(bins)]
    return float(sum(gaps) / len(actual))
