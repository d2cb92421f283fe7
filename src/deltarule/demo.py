"""The demonstration: scikit-learn's handwritten digits, read by a network of two hidden layers."""

import gzip
import importlib.util
import time
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.arrays import split
from deltarule.data.target import Target
from deltarule.errors import FileError
from deltarule.experiment.conclude import conclude
from deltarule.experiment.outcome import confusion
from deltarule.experiment.run_folder import metrics_writer, new_folder
from deltarule.experiment.worst import PICTURES, missed, pictures
from deltarule.inspect.environment import environment
from deltarule.layers import Chain, Dense, ReLU
from deltarule.losses import SoftmaxCrossEntropy
from deltarule.model import Model
from deltarule.optimizers import RMSProp
from deltarule.schedules import CosineDecay

EPOCHS, BATCH_SIZE, HELD_OUT = 40, 32, 0.2


def digits(runs: str = "runs", seed: int = 0, progress: bool | None = None) -> dict[str, Any]:
    """Trains on four fifths of the digits, measures on the rest, and writes a run folder; returns the summary.

    The rest chooses nothing: neither when to stop nor which epoch to keep.
    """
    from deltarule.inspect import figures

    images, labels = load_digits()
    kept, held = split(len(images), HELD_OUT, seed, labels)
    steps = EPOCHS * -(-len(kept) // BATCH_SIZE)
    model = Model(
        Chain(Dense(128), ReLU(), Dense(64), ReLU(), Dense(10)),
        loss=SoftmaxCrossEntropy(),
        optimizer=RMSProp(CosineDecay(2e-3, steps)),
        l2=1e-4,
        seed=seed,
    )
    folder = new_folder(runs, "digits")
    start = time.perf_counter()
    model.fit(
        images[kept],
        labels[kept],
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        validation=(images[held], labels[held]),
        callbacks=[metrics_writer(folder / "metrics.jsonl")],
        progress=progress,
        watch=["delta", "gradient"],
    )
    training_seconds = time.perf_counter() - start
    measured, outputs = model.evaluate(images[held], labels[held]), model.predict(images[held])
    predicted = outputs.argmax(1)
    model.save(folder / "model.safetensors")
    wrong_first = np.argsort(predicted == labels[held], kind="stable")[:36]
    shown = np.sort(wrong_first)
    files = {
        "confusion.svg": figures.confusion(predicted, labels[held], range(10)),
        "digits.svg": figures.pictures(
            images[held][shown].reshape(-1, 8, 8), predicted[shown], labels[held][shown]
        ),
    }
    summary = {
        "task": "classification",
        "metric": "accuracy",
        "validation": measured["accuracy"],
        "held_out": len(held),
        "epochs": EPOCHS,
        "training_seconds": training_seconds,
        "parameters": model.parameters,
        "run": str(folder),
    }
    misses = missed(Target("digit", "classification", tuple(range(10))), outputs, labels[held])
    record = {
        "summary": summary,
        "data": {"file": "digits.csv", "unit": "images", "training": len(kept), "held_out": len(held)},
        "settings": {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "validation": HELD_OUT, "seed": seed},
        "notes": ["Grey pictures of 8 × 8 pixels, from 0 to 1, as 64 numbers."],
        "environment": environment(),
        "confusion": confusion(figures.confused(predicted, labels[held], range(10)), range(10)),
        "worst": pictures(misses, 1 - images[held][misses["at"][:PICTURES]].reshape(-1, 8, 8, 1)),
    }
    return summary | {"report": conclude(folder, model, record, files)}


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Pixels (1797, 64) from 0 to 1 and labels (1797,), from the file that comes with scikit-learn.

    scikit-learn itself is not imported, which would take longer than the training.
    """
    found = importlib.util.find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise FileError("the digits come with scikit-learn: pip install 'deltarule[cli]' brings it")
    file = Path(found.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(file, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",", dtype=np.float32)  # (1797, 65)
    return table[:, :64] / 16, table[:, 64].astype(int)
