"""A sweep, written down after each round, that goes on from what is in a folder; says what came of it, for each.

JAX_NUM_CPU_DEVICES=2 python tests/populations/several_devices.py FOLDER...
"""

import hashlib
import json
import sys

import jax
import numpy as np

import deltarule as dr

RATES = (1e30, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3)


def data():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    return (rng.normal(size=(120, 4)) + y[:, None]).astype(np.float32), y


def model(rate=0.0):
    net = dr.Chain(dr.Dense(16), dr.BatchNorm(), dr.ReLU(), dr.Dropout(0.2), dr.Dense(3))
    return dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam(rate))


def fit(**settings):
    """Seven members, of which halving leaves ever fewer."""
    settings = {"epochs": 8, "batch_size": 20, "validation": 0.25, "halving": 2} | settings
    return dr.sweep(model(), {"learning_rate": RATES}).fit(*data(), **settings)


def told(result):
    """The table, and a checksum of each member's parameters and memory."""
    leaves = [jax.tree.leaves(each.model.state[:2]) for each in result.candidates]
    sums = [hashlib.sha256(b"".join(np.asarray(a).tobytes() for a in each)).hexdigest() for each in leaves]
    return {"rows": repr(result.rows), "sums": sums}


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        result = fit(checkpoint=dr.Checkpoints(folder, every_seconds=0, keep=100), resume=True)
        print(json.dumps({"devices": len(jax.devices()), **told(result)}))
