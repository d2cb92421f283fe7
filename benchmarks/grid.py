"""A grid of 256 settings of a network on digits: ours, scikit-learn's grid search, a loop in PyTorch."""

import warnings

import jax
import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neural_network import MLPClassifier

import deltarule as dr
from deltarule.training.population import population_program
from digits import BATCH, EPOCHS, digits
from peers_dense import TORCH_FORMS, torch_network, torch_optimizer

RATES, PENALTIES = np.geomspace(1e-4, 1e-1, 16).tolist(), np.geomspace(1e-6, 1e-2, 16).tolist()
CONFIGURATIONS = len(RATES) * len(PENALTIES)


class Deltarule:
    """Ours, with nothing compiled before."""

    name, note = "deltarule", ""

    def __init__(self):
        self.data = digits()

    def fresh(self):
        population_program.cache_clear()
        jax.clear_caches()

    def run(self):
        net = dr.Chain(dr.Dense(64), dr.ReLU(), dr.Dense(10))
        model = dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam(1e-3))
        sweep = dr.sweep(model, {"learning_rate": RATES, "l2": PENALTIES})
        held_out = self.data["x_test"], self.data["y_test"]
        result = sweep.fit(self.data["x"], self.data["y"], epochs=EPOCHS, batch_size=BATCH, validation=held_out)
        self.best = max(row["validation_accuracy"] for row in result.rows)


class ScikitLearn:
    """GridSearchCV on two processes, one split, each fit of 20 epochs."""

    name, note = "scikit-learn", "GridSearchCV, 2 jobs"

    def __init__(self):
        data = digits()
        self.x, self.y = np.concatenate([data["x"], data["x_test"]]), np.concatenate([data["y"], data["y_test"]])
        self.split = PredefinedSplit(np.repeat([-1, 0], [len(data["x"]), len(data["x_test"])]))

    def fresh(self): ...

    def run(self):
        network = MLPClassifier((64,), batch_size=BATCH, max_iter=EPOCHS, n_iter_no_change=1000, tol=0)
        grid = {"learning_rate_init": RATES, "alpha": PENALTIES}
        search = GridSearchCV(network, grid, cv=self.split, n_jobs=2, refit=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.best = search.fit(self.x, self.y).best_score_


class TorchLoop:
    """A loop over every 16th configuration in PyTorch, its time taken 16-fold."""

    part = 16
    name, note = "PyTorch eager", "a loop over every 16th configuration, times 16"

    def __init__(self):
        data = digits()
        self.x, self.y, self.x_test, self.y_test = map(torch.from_numpy, data.values())

    def fresh(self): ...

    def run(self):
        every = [(rate, penalty) for rate in RATES for penalty in PENALTIES]
        self.best = max(self.accuracy(*each) for each in every[5 :: self.part])

    def accuracy(self, rate: float, penalty: float) -> float:
        model = torch_network((64, 64, 10))
        optimizer = torch_optimizer("Adam", model.parameters(), rate, TORCH_FORMS["Adam"][-1])
        weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        for _ in range(EPOCHS):
            order = torch.randperm(len(self.x))
            for x, y in zip(self.x[order].split(BATCH), self.y[order].split(BATCH), strict=True):
                optimizer.zero_grad(set_to_none=True)
                loss = torch.nn.functional.cross_entropy(model(x), y)
                (loss + penalty * sum(W.square().sum() for W in weights)).backward()
                optimizer.step()
        with torch.no_grad():
            return (model(self.x_test).argmax(1) == self.y_test).float().mean().item()
