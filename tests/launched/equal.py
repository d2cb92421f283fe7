"""Steps of a small network with batch normalisation and dropout; process 0 prints what came out, and where.

An epoch has four steps, and there are as many as the argument says.
"""

import json
import sys

import jax
import numpy as np

import deltarule as dr
from deltarule.training.processes import is_first


def losses(epochs: int) -> dict:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(47, 5)), rng.integers(0, 3, 47)
    net = dr.Chain(dr.Dense(8, bias=False), dr.BatchNorm(), dr.ReLU(), dr.Dropout(0.2), dr.Dense(3))
    model = dr.Model(net, loss=dr.SoftmaxCrossEntropy(), optimizer=dr.SGD(0.05), seed=3)
    callbacks = [lambda row: row["epoch"] == epochs and is_first()]
    history = model.fit(x, y, epochs=99, batch_size=13, callbacks=callbacks)
    return {
        "loss": history["loss"],
        "predicted": model.predict(x[:9]).tolist(),
        "ended": history.ended,
        "devices": history.placement.devices,
    }


if __name__ == "__main__":
    told = losses(int(sys.argv[1])) | {"processes": jax.process_count()}
    if is_first():
        print(json.dumps(told))
