"""Sweeps: one model under many settings, trained together, and the table of what came out.

Everything that is a number maps in one program; settings that change a shape, or what is computed, make a group of
their own, which is one program more.
"""

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from deltarule.data.folds import fold_rows
from deltarule.errors import SettingError
from deltarule.model import Model, Validation
from deltarule.populations.cluster import Cluster
from deltarule.populations.result import Result
from deltarule.populations.space import Configuration, Space, configurations
from deltarule.populations.training import Candidate, examples_for, settings_of, train
from deltarule.populations.variation import OF_FIT, Build, varied


class Sweep:
    """What a sweep is to train: a model, or a function that makes one, and its configurations."""

    def __init__(self, model: Model | Build, given: Sequence[Configuration]):
        self.model, self.configurations = model, list(given)
        self.first, *_ = [varied(model, configuration) for configuration in self.configurations]

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 20,
        batch_size: int | None = None,
        validation: Validation = None,
        folds: int | None = None,
        sample_weight: ArrayLike | None = None,
        halving: float | None = None,
        ray: str | None = None,
        **settings: Any,
    ) -> Result:
        """Trains every configuration, each as `Model.fit` trains it alone.

        Args:
            validation: what the configurations are compared by, as `Model.fit` takes it.
            folds: compares by cross-validation instead: each configuration is trained once a fold.
            halving: η > 1; early on in the run, again and again, only the best 1/η go on.
            ray: the address of a Ray cluster that trains them, as `populations.cluster.Cluster` takes it, such as
                "auto"; None takes this process.
            settings: as those of `Model.fit`, checkpoint and resume among them; callbacks, watch and devices are
                for single models.

        Raises:
            ShapeError, DataError: as `Model.fit` does.
            SettingError: a setting that cannot be; neither validation nor folds, or both.
            FileError: `checkpoint` cannot be used, or `resume` would go on with another sweep.
            ProcessError: the cluster lost the same models again and again.
        """
        if (validation is None) == (folds is None):
            raise SettingError("sweep: say validation=0.2 or folds=5, one of them, to compare configurations by")
        data, held_out, columns = examples_for(self.first, x, y, sample_weight, None, validation)
        sides = [None] if folds is None else fold_rows(len(data.x), folds, self.first.seed, data.target)
        smallest = min(len(data.x) if side is None else len(side[0]) for side in sides)
        candidates, places = [], {}
        for number, configuration in enumerate(self.configurations):
            own = {"epochs": epochs, "batch_size": batch_size}
            own |= {name: configuration[name] for name in OF_FIT if name in configuration}
            chosen = settings_of(smallest, **own, **settings)
            identity = {name: value for name, value in configuration.items() if name != "seed"}
            place = places.setdefault(repr(identity), number)
            for side in sides:
                candidates.append(Candidate(varied(self.model, configuration), chosen, place, side))
        where = None if ray is None else Cluster(ray)
        programs = train(candidates, data, held_out, halving, where, columns)
        return Result(self.configurations, candidates, data, programs)


def sweep(model: Model | Build, space: Space, *, samples: int | None = None, seed: int = 0) -> Sweep:
    """A sweep over a model's settings; its `fit` trains all of them.

    Args:
        model: a Model; or a function that makes one, whose arguments may vary, too, such as a width.
        space: by name, a list of values or a distribution: numbers of the optimizer (learning_rate, ...), l2,
            clip_norm, dropout, seed, precision, batch_size, epochs, and the function's arguments. Every
            combination of the lists is taken.
        samples: how many draws of the distributions, each with every combination of the lists.
        seed: of the draws.

    Raises:
        SettingError: an unknown name, or a value that cannot be.

    >>> import numpy as np, deltarule as dr
    >>> x = np.linspace(-1, 1, 64).reshape(64, 1)
    >>> model = dr.Model(dr.Dense(1), loss=dr.SquaredError(), optimizer=dr.SGD(0.1))
    >>> result = sweep(model, {"learning_rate": [1e-3, 1e-1]}).fit(x, 3 * x + 1, validation=0.25)
    >>> result.ranking[0]["learning_rate"], round(result.best().predict([[0.0]]).item(), 1)
    (0.1, 1.0)
    """
    return Sweep(model, configurations(space, samples, seed))


def cross_validate(model: Model, x: ArrayLike, y: ArrayLike, *, folds: int = 5, **settings: Any) -> Result:
    """One model trained once a fold, in one program; `row["validation_loss"]` is the mean over the folds.

    Raises as `Sweep.fit` does.
    """
    return Sweep(model, [{}]).fit(x, y, folds=folds, **settings)
