"""Fits that joblib would run side by side, trained as one population.

scikit-learn hands the fits of a search, of folds or of an ensemble to joblib, and joblib to a backend. This
backend lets each task run until its network would be trained, trains the networks of all tasks in one program, and
lets the tasks run once more, with their networks trained. Everything else is scikit-learn's own: splits, the other
steps of a pipeline, scores, results.
"""

from typing import Any

from joblib import parallel_config, register_parallel_backend
from joblib.parallel import ParallelBackendBase, SequentialBackend
from sklearn.model_selection import GridSearchCV

from deltarule.interop.sklearn.job import TURN, Turn, Waiting, together

NAME = "deltarule"
ALL = 100_000  # tasks that are taken at a time, by joblib's reckoning


class Task:
    """A task of joblib's, whose result is computed when it is asked for; before the first, all are trained."""

    def __init__(self, call: Any, done: Any, backend: "PopulationBackend"):
        self.call, self.done, self.backend, self.turn = call, done, backend, Turn()
        self.outcome: tuple[Any, Exception | None] | None = None

    def run(self) -> Any:
        """The call, whose fits see this task's turn."""
        token = TURN.set(self.turn)
        try:
            return self.call()
        finally:
            TURN.reset(token)

    def run_until_training(self) -> None:
        """Runs the call until a network waits; where none does, to its end."""
        try:
            self.outcome = self.run(), None
        except Waiting:
            return
        except Exception as error:
            self.outcome = None, error

    def get(self, timeout: float | None = None) -> Any:
        """The call's result."""
        self.backend.train()
        try:
            result, error = (self.run(), None) if self.outcome is None else self.outcome
            if error is not None:
                raise error
            return result
        finally:
            self.done(self)


class PopulationBackend(ParallelBackendBase):
    """The backend "deltarule" of joblib; whatever number of jobs is asked for, all tasks are one population."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self.untrained: list[Task] = []

    def effective_n_jobs(self, n_jobs: int | None) -> Any:
        return ALL

    def submit(self, func: Any, callback: Any = None) -> Task:
        self.untrained.append(Task(func, callback, self))
        return self.untrained[-1]

    def train(self) -> None:
        """Trains the networks of all tasks that have been submitted."""
        tasks, self.untrained = self.untrained, []
        for task in tasks:
            task.run_until_training()
        together([task.turn.job for task in tasks if task.turn.job is not None])
        for task in tasks:
            task.turn.trained = True

    def terminate(self) -> None:
        self.untrained = []

    def get_nested_backend(self) -> Any:
        return SequentialBackend(nesting_level=(self.nesting_level or 0) + 1), None


register_parallel_backend(NAME, PopulationBackend)


class PopulationSearchCV(GridSearchCV):
    """GridSearchCV, whose members, every setting on every fold, are trained in one program.

    It takes what GridSearchCV takes and gives the same results, to rounding; `n_jobs` is left aside. Settings
    that are numbers (learning_rate, l2, clip_norm, dropout, ...) share a program. One that changes a shape or what
    is computed (hidden, batch_size, epochs, a penalty where there was none) is a program more, and so is a fold of
    another size. The estimator is a DeltaruleClassifier or DeltaruleRegressor, or holds one, as the last step of a
    pipeline does; fits of any other run one after the other. `mean_fit_time` is what a member took besides the
    training that all share.

    It is a class and no setting of the estimator, because a search is what knows all of its members. Everything
    else that scikit-learn gives to joblib, such as RandomizedSearchCV, `cross_val_score` or `learning_curve`, is
    trained as a population by one argument of joblib's:

        with joblib.parallel_config(backend="deltarule"): ...

    >>> from sklearn.datasets import load_iris
    >>> from deltarule.interop.sklearn import DeltaruleClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> classifier = DeltaruleClassifier(hidden=(8,), epochs=10, random_state=0)
    >>> search = PopulationSearchCV(classifier, {"learning_rate": [1e-3, 1e-2]}, cv=3).fit(x, y)
    >>> search.best_params_
    {'learning_rate': 0.01}
    """

    def fit(self, X, y=None, **params):
        """Trains every setting on every fold, and the best setting on all of X; as GridSearchCV's `fit`."""
        with parallel_config(backend=NAME):
            return super().fit(X, y, **params)
