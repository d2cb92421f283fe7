"""A sweep on a Ray cluster ends as here, bit for bit, whatever becomes of a worker."""

import itertools
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import deltarule as dr
from deltarule.cli.main import main
from deltarule.errors import ProcessError, SettingError
from deltarule.populations.cluster import Cluster
from deltarule.training.population import Cohort, begun
from deltarule.training.run import Settings
from deltarule.training.step import Batch, Step

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@needs_ray
def test_a_killed_worker_of_two_changes_no_bit(tmp_path):
    command = [sys.executable, str(Path(__file__).parent / "on_ray.py"), str(tmp_path / "checkpoints")]
    done = subprocess.run(
        command, env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("checkpoints") >= 6
    assert told == {"killed": 1, "same": True, "resumed": True, "addresses": []}
    assert "A worker died or was killed while executing a task" in done.stdout + done.stderr


@needs_ray
def test_no_cluster_at_the_address(model, flowers, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError, match=r"no Ray cluster answers at 'auto'.*start one with `ray start --head`"):
        dr.sweep(model, {"l2": [0.0, 1.0]}).fit(*flowers, validation=0.2, ray="auto")
    rows = [f"{a},{b},{'ab'[k % 2]}" for k, (a, b, *_) in enumerate(flowers[0].tolist())]
    Path("flowers.csv").write_text("\n".join(["a,b,kind", *rows]))
    assert main(["sweep", "flowers.csv", "--vary", "l2=0,1", "--ray", "auto"]) == 2
    assert "no Ray cluster answers" in " ".join(capsys.readouterr().err.split())


def test_without_ray_it_says_what_brings_it(model, flowers, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingError, match=r"Ray is not installed; pip install 'deltarule\[ray\]'"):
        dr.sweep(model, {"l2": [0.0, 1.0]}).fit(*flowers, validation=0.2, ray="auto")


@needs_ray
def test_a_share_that_loses_its_workers_again_and_again_ends_the_sweep(flowers, monkeypatch):
    import ray
    from ray.exceptions import WorkerCrashedError

    def lost(task):
        raise WorkerCrashedError

    cancelled = []
    for name, stand_in in (("put", id), ("wait", lambda tasks: (tasks[:1], tasks[1:])), ("get", lost)):
        monkeypatch.setattr(ray, name, stand_in)
    monkeypatch.setattr(ray, "cancel", cancelled.append)
    cluster, numbers = Cluster("auto"), itertools.count()
    cluster.workers, cluster.task = 2, SimpleNamespace(remote=lambda *arguments: next(numbers))
    step = Step(dr.Dense(3), dr.SoftmaxCrossEntropy(), dr.SGD(0.1))
    settings = Settings(epochs=2)
    members = begun([step.init((1, 4), seed) for seed in range(5)], settings)
    cohort = Cohort(step, members, Batch(*flowers, np.ones(120, np.float32)), None, settings)
    with pytest.raises(ProcessError, match="a share of the models lost its worker in each of its tries"):
        cluster.advance([cohort], 1.0, lambda population, epochs: None)
    assert cancelled == [1, 2]  # of three shares of two members
