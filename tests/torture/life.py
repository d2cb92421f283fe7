"""A life of a training process: it goes on with its run, writes a checkpoint after every step, and is killed."""

import hashlib
import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np

import deltarule as dr
from deltarule.errors import DeltaruleError
from deltarule.training.signals import Interrupted

END = "end.safetensors"


class Chunks:
    """Sequences (n, t, i) in chunks of so many time steps."""

    def __init__(self, x: np.ndarray, length: int):
        self.x, self.y, self.length = x, np.tanh(np.cumsum(x[..., :2], axis=1)), length
        self.chunk_shape, self.examples = (len(x), length, x.shape[2]), self.y[..., 0].size

    def fingerprint(self) -> str:
        return hashlib.sha256(self.x.tobytes()).hexdigest()

    def epoch(self, number):
        for at in range(0, self.x.shape[1], self.length):
            yield self.x[:, at : at + self.length], self.y[:, at : at + self.length]


def mixed(x: np.ndarray, **settings) -> dr.Model:
    """Batch normalisation, dropout, Adam under a schedule, float16, patience, and all that is watched."""
    labels = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
    net = dr.Chain(dr.Dense(64), dr.BatchNorm(), dr.ReLU(), dr.Dropout(0.3), dr.Dense(3))
    rate = dr.WarmUp(dr.CosineDecay(0.01, 400), 10)
    model = dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam(rate), l2=1e-4, precision="float16")
    model.fit(300 * x, labels, epochs=14, batch_size=16, validation=0.25, patience=9, watch=["update"], **settings)
    return model


def wide(x: np.ndarray, **settings) -> dr.Model:
    """A dense network of 4 MB a checkpoint, so that writing takes most of its time."""
    net = dr.Chain(dr.Dense(512), dr.Tanh(), dr.Dense(512), dr.Tanh(), dr.Dense(1))
    model = dr.Model(net, dr.SquaredError(), dr.SGD(0.01, momentum=0.9))
    model.fit(x, x[:, 0] * x[:, 1], epochs=5, batch_size=16, **settings)
    return model


def windows(x: np.ndarray, **settings) -> dr.Model:
    """Sequences in memory, in windows that overlap."""
    sequences = x.reshape(40, -1, 3)[:, :12]
    model = dr.Model(dr.Chain(dr.Recurrent(dr.GRU(16)), dr.Dense(2)), dr.SquaredError(), dr.RMSProp(0.01))
    target = np.tanh(np.cumsum(sequences[..., :2], axis=1))
    model.fit(sequences, target, epochs=18, batch_size=4, window=(4, 6), **settings)
    return model


def source(x: np.ndarray, **settings) -> dr.Model:
    """A source of sequences, whose recurrent states are carried from chunk to chunk."""
    sequences = x.reshape(8, -1, 3)
    net = dr.Chain(dr.Recurrent(dr.LSTM(16)), dr.Dropout(0.2), dr.Dense(2))
    model = dr.Model(net, dr.SquaredError(), dr.Adam(0.01), clip_norm=1.0)
    model.fit(Chunks(sequences, 8), epochs=20, window=4, watch=["update"], **settings)
    return model


def sweep(x: np.ndarray, **settings) -> dr.Model:
    """The best of networks of two widths, of which halving lets ever fewer go on."""

    def build(width: int) -> dr.Model:
        net = dr.Chain(dr.Dense(width), dr.ReLU(), dr.Dropout(0.1), dr.Dense(width), dr.ReLU(), dr.Dense(3))
        return dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam())

    labels = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0.5)
    space = {"width": [8, 128], "learning_rate": [1e-3, 3e-3, 1e-2, 3e-2], "dropout": [0.1, 0.3]}
    settings = {"epochs": 16, "batch_size": 16, "validation": 0.25, "halving": 2, "patience": 9} | settings
    return dr.sweep(build, space).fit(x, labels, **settings).best()


KINDS: dict[str, Callable[..., dr.Model]] = {each.__name__: each for each in (wide, mixed, windows, source, sweep)}


def born(kind: str, home: Path, checkpoints: Path | None, most: int | None = None) -> int:
    """The process id of a new life, in which no file may have more than `most` bytes."""
    pid = os.fork()
    if pid:
        return pid
    said = os.open(log_of(home), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    status = 1
    try:
        if most is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        status = live(kind, home, checkpoints)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def log_of(home: Path) -> Path:
    """What a life says; it lies beside its home, which may be full."""
    return home.with_suffix(".log")


def live(kind: str, home: Path, checkpoints: Path | None) -> int:
    """Trains to the end and saves the model; the exit status."""
    settings = {}
    if checkpoints is not None:
        settings = {"checkpoint": dr.Checkpoints(checkpoints, every_steps=1), "resume": True}
    try:
        KINDS[kind](np.load(home / "data.npy"), **settings).save(home / END)
    except Interrupted as stopped:
        print(stopped, file=sys.stderr)
        return stopped.status
    except DeltaruleError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
