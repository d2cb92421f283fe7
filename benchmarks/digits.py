"""Handwritten digits: one training run in a running process, and the whole process from its start to its end."""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

import deltarule as dr
from measure import Row, compare, fastest, interleave
from peers_dense import TORCH_FORMS, torch_network, torch_optimizer

EPOCHS, BATCH, RATE = 20, 64, 1e-3
JOBS = Path(__file__).parent / "jobs"


def digits(seed: int = 0) -> dict[str, np.ndarray]:
    """x / 16 (n, 64) and classes (n,), four fifths to train on, the rest held out."""
    x, y = load_digits(return_X_y=True)
    x, order = (x / 16).astype(np.float32), np.random.default_rng(seed).permutation(len(x))
    train, test = order[: len(x) * 4 // 5], order[len(x) * 4 // 5 :]
    return {"x": x[train], "y": y[train], "x_test": x[test], "y_test": y[test]}


class Deltarule:
    """Ours: a fresh Model and its fit."""

    name, note = "deltarule", ""

    def __init__(self, data: dict[str, np.ndarray]):
        self.x, self.y = data["x"], data["y"]

    def fresh(self): ...

    def run(self):
        net = dr.Chain(dr.Dense(64), dr.ReLU(), dr.Dense(10))
        self.model = dr.Model(net, loss=dr.SoftmaxCrossEntropy(), optimizer=dr.Adam(RATE), seed=0)
        self.model.fit(self.x, self.y, epochs=EPOCHS, batch_size=BATCH)

    def accuracy(self) -> float:
        return self.model.evaluate(self.x, self.y)["accuracy"]


class Torch:
    """PyTorch eager: a fresh network and its loop."""

    name = "PyTorch eager"

    def __init__(self, data: dict[str, np.ndarray], form: str):
        self.form, self.note = form, f"{form} Adam"
        self.x, self.y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"])

    def fresh(self): ...

    def run(self):
        self.model = torch_network((64, 64, 10))
        optimizer = torch_optimizer("Adam", self.model.parameters(), RATE, self.form)
        for _ in range(EPOCHS):
            order = torch.randperm(len(self.x))
            for x, y in zip(self.x[order].split(BATCH), self.y[order].split(BATCH), strict=True):
                optimizer.zero_grad(set_to_none=True)
                torch.nn.functional.cross_entropy(self.model(x), y).backward()
                optimizer.step()

    @torch.no_grad()
    def accuracy(self) -> float:
        return (self.model(self.x).argmax(1) == self.y).float().mean().item()


class ScikitLearn:
    """scikit-learn: a fresh MLPClassifier, with no penalty and no early end, so that it does the same job."""

    name, note = "scikit-learn", ""

    def __init__(self, data: dict[str, np.ndarray]):
        self.x, self.y = data["x"], data["y"]

    def fresh(self): ...

    def run(self):
        self.model = MLPClassifier(
            hidden_layer_sizes=(64,),
            batch_size=BATCH,
            max_iter=EPOCHS,
            learning_rate_init=RATE,
            alpha=0,
            n_iter_no_change=1000,
            tol=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self.x, self.y)

    def accuracy(self) -> float:
        return float(self.model.score(self.x, self.y))


def fit_rows(rounds: int) -> list[Row]:
    """(d) fit in a running process, once compiled."""
    data, name = digits(), f"(d) digits 64-64-10, fit of {EPOCHS} epochs, Adam"
    eager = fastest([Torch(data, form) for form in TORCH_FORMS["Adam"]])
    contenders: list[Any] = [Deltarule(data), eager, ScikitLearn(data)]
    times = interleave(contenders, rounds)
    print(f"{name}: accuracy in training " + ", ".join(f"{c.name} {c.accuracy():.3f}" for c in contenders))
    ours = times["deltarule"] * 1e3
    return [
        compare(name, "scikit-learn", ours, times["scikit-learn"] * 1e3, "ms", target=5),
        compare(name, "PyTorch eager", ours, times["PyTorch eager"] * 1e3, "ms", target=8, note=eager.note),
    ]


class Process:
    """`python script.py` from its start to its end."""

    note = ""

    def __init__(self, name: str, script: str, data: Path, cache: Path, empty: bool = False):
        self.name, self.command = name, [sys.executable, str(JOBS / script), str(data)]
        self.cache, self.empty = cache, empty

    def fresh(self):
        if self.empty:
            shutil.rmtree(self.cache, ignore_errors=True)

    def run(self):
        environment = {**os.environ, "DELTARULE_CACHE": str(self.cache)}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        done = subprocess.run(self.command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name} ended with {done.returncode}:\n{done.stderr}")
        self.accuracy = float(done.stdout.split()[-1])


def process_rows(rounds: int) -> list[Row]:
    """(e) the whole process, with a filled and with an empty compilation cache."""
    name = "(e) digits, whole process, cache "
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "digits.npz"
        np.savez(data, **digits())
        filled, empty = Path(folder) / "filled", Path(folder) / "empty"
        contenders = [
            Process("filled", "digits_deltarule.py", data, filled),
            Process("empty", "digits_deltarule.py", data, empty, empty=True),
            Process("PyTorch", "digits_torch.py", data, filled),
            Process("scikit-learn", "digits_sklearn.py", data, filled),
        ]
        for contender in contenders:
            contender.run()  # fills the cache, and Python's own of bytecode
        times = interleave(contenders, rounds, least=0, warm=False)
    said = ", ".join(f"{contender.name} {contender.accuracy:.3f}" for contender in contenders)
    print(f"{name.rsplit(',', 1)[0]}: accuracy held out: {said}")
    limit = np.full(rounds, 2.5)
    return [
        compare(name + "filled", "PyTorch", times["filled"], times["PyTorch"], "s", target=1.5),
        compare(name + "filled", "scikit-learn", times["filled"], times["scikit-learn"], "s", target=0.7),
        compare(name + "empty", "limit", times["empty"], limit, "s", target=1),
        compare(name + "empty", "PyTorch", times["empty"], times["PyTorch"], "s"),
        compare(name + "empty", "scikit-learn", times["empty"], times["scikit-learn"], "s"),
    ]
