"""Announces a run, and where it does not resume one, process 1 ends in the way that its first argument says."""

import os
import signal
import sys

import numpy as np

import deltarule as dr
from deltarule.training.processes import announce, is_first


def die(row: dict) -> None:
    announce("runs/mortal-1")
    if row["epoch"] == 3 and not is_first() and "--resume" not in sys.argv:
        if sys.argv[1] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise RuntimeError("the disk is on fire")


if __name__ == "__main__":
    model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    history = model.fit(np.ones((8, 2)), np.ones(8), epochs=5, batch_size=4, callbacks=[die])
    if is_first():
        print(len(history.rows), len(history.placement.devices), *sys.argv[1:])
