"""A sweep on a Ray cluster of two workers, one of which is killed while it trains; says what came of it.

python tests/populations/on_ray.py FOLDER
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

os.environ["RAY_OVERRIDE_RESOURCES"] = '{"CPU": 2}'

import jax
import numpy as np

import deltarule as dr
from deltarule.populations.cluster import Cluster

SPACE = {"width": [4, 6], "learning_rate": [1e30, 1e-3, 1e-2], "seed": range(2)}
KILLED = []


def build(width):
    net = dr.Chain(dr.Dense(width), dr.BatchNorm(), dr.ReLU(), dr.Dropout(0.2), dr.Dense(3))
    return dr.Model(net, dr.SoftmaxCrossEntropy(), dr.Adam())


def fit(**settings):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = (rng.normal(size=(120, 4)) + y[:, None]).astype(np.float32)
    settings = {"epochs": 6, "batch_size": 16, "folds": 3, "halving": 3, "patience": 2} | settings
    return dr.sweep(build, SPACE).fit(x, y, **settings)


def kill():
    """Kills the first worker of this process that trains."""
    while not KILLED:
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and title(process).startswith("ray::trained") and is_ours(process):
                os.kill(int(process.name), signal.SIGKILL)
                KILLED.append(int(process.name))
                return
        time.sleep(0.01)


def title(process):
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


def is_ours(process):
    """Whether a process descends from this one."""
    while process.name not in ("0", "1"):
        if int(process.name) == os.getpid():
            return True
        process = Path("/proc", (process / "stat").read_text().rpartition(")")[2].split()[1])
    return False


def same(one, other):
    """Whether two sweeps ended alike, bit for bit."""
    states = [[jax.tree.leaves(each.model.state) for each in result.candidates] for result in (one, other)]
    equal = [np.array_equal(a, b) for pair in zip(*states, strict=True) for a, b in zip(*pair, strict=True)]
    return all(equal) and repr(one.rows) == repr(other.rows)


def listening():
    """The addresses at which any Ray process of this one listens, but for loopback."""
    import psutil

    ours = psutil.Process().children(recursive=True)
    found = [each for process in ours for each in process.net_connections() if each.status == "LISTEN"]
    return sorted({each.laddr.ip for each in found if not each.laddr.ip.endswith("127.0.0.1")})


if __name__ == "__main__":
    written = Path(sys.argv[1])
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    addresses = []
    advance = Cluster.advance

    def looked(self, populations, share, after):
        advance(self, populations, share, after)
        addresses.extend(listening())

    Cluster.advance = looked
    distributed = fit(ray="local", checkpoint=dr.Checkpoints(written, every_seconds=0, keep=100))
    here = fit()
    files = sorted(written.glob("checkpoint-*"))
    middle = written / "middle"
    middle.mkdir()
    shutil.copy(files[len(files) // 2], middle)
    told = {"killed": len(KILLED), "same": same(distributed, here), "addresses": addresses}
    told |= {"checkpoints": len(files), "resumed": same(fit(checkpoint=middle, resume=True), here)}
    print(json.dumps(told))
