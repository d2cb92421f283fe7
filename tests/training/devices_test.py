"""Several devices: what they compute equals one device, what lies where, and which settings are refused.

What needs several devices runs in a process of its own, `several_devices.py`, since this one has started with one.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import pytest

import deltarule as dr
from data.sets import numbered
from deltarule.errors import SettingError
from deltarule.layers import Dense
from deltarule.losses import SoftmaxCrossEntropy, SquaredError
from deltarule.model import Model
from deltarule.training.devices import check_batch, mesh_of
from training.several_devices import CASES

TOLERANCE = {"float16": 2e-3, "float32": 1e-5}  # a sum in shares is rounded as often as there are shares


@pytest.fixture(scope="module")
def found():
    """What several devices came to."""
    quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # they compile in half the time
    program = [sys.executable, str(Path(__file__).parent / "several_devices.py")]
    done = subprocess.run(program, env=os.environ | quick, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", CASES)
def test_several_devices_equal_one(found, name):
    assert found[name] <= TOLERANCE.get(name.split(",")[0], 1e-12)


def test_a_model_is_trained_on_as_many_devices_as_are_asked_for(found):
    told = found["fitted"]
    assert told["devices"] == [f"cpu:{number}" for number in range(4)]
    assert told["loss"] < 1e-5
    assert told["predictions"] < 1e-5


@pytest.mark.parametrize("order", ["permutation", "none"])
def test_a_stream_is_shared_among_devices(found, order):
    """Each has its shares of all minibatches; the last batch, whose examples are mixed, has fewer than devices."""
    told = found[f"streamed, {order}"]
    assert told["loss"] < 1e-5
    assert told["validation"] < 1e-5
    assert told["shares"] == [4]


def test_what_lies_where_is_told_and_the_model_is_left_on_one_device(found):
    told = found["fitted"]
    assert told["told"].startswith("cpu:0, cpu:1, cpu:2, cpu:3: each holds the state")
    assert told["told"].endswith("and computes 4 examples of a minibatch")
    assert told["holds"] == 1


def test_more_devices_than_jax_started_with_are_refused(found):
    said = found["fitted"]["refused"]
    assert said.startswith("fit: devices=5, but JAX has 4 of the kind 'cpu', because JAX had started before")
    assert "JAX_NUM_CPU_DEVICES=5" in said


@pytest.mark.parametrize("size", ["small", "wide"])
def test_a_step_has_one_sum_over_the_devices(found, size):
    """The gradients of all layers and the loss in one; nothing else passes between devices in an epoch."""
    assert found[f"of a {size} network"] == ["all-reduce"]


def test_a_step_of_a_stream_has_one_sum_and_no_example_passes_between_devices(found):
    """Beside it one sum of the weights of a chunk's batches."""
    assert found["of a chunk"] == ["all-reduce", "all-reduce"]


def test_of_examples_only_sums_pass_between_devices(found):
    """The statistics of batch normalisation and the gradients; what is native is computed share by share."""
    assert set(found["of images"]) == {"all-reduce"}


def fitted(**settings):
    x = np.arange(12.0).reshape(6, 2)
    return Model(Dense(1), SquaredError()).fit(x, x[:, 0], epochs=1, **settings)


@pytest.mark.parametrize("devices", [None, 1, "1", "cpu", "cpu:1", "all", jax.devices()])
def test_one_device_is_told_too(devices):
    told = fitted(devices=devices).placement
    assert told.devices == ("cpu:0",)
    assert told.examples == 6
    assert told.state == 4 * (3 + 3 + 4 + 4)  # parameters, their mean squares, settings; key, step and epoch
    assert told.data == 4 * 6 * (2 + 1 + 1)
    assert str(told) == (
        "cpu:0: it holds the state (0.0 MB) and the data (0.0 MB), and computes 6 examples of a minibatch"
    )


@pytest.mark.parametrize("devices", [0, -1, True, 2.0, "", "cpu:", "cpu:0", "two:x", "-1", [], ["cpu"], {}])
def test_a_setting_that_is_none_is_refused(devices):
    message = f"fit: devices={devices!r} is not known; expected a number of devices"
    with pytest.raises(SettingError, match=re.escape(message)):
        mesh_of(devices)


def test_a_kind_that_is_not_here_is_named_with_those_that_are():
    with pytest.raises(SettingError, match=r"devices='gpu:2', but JAX finds no 'gpu' here, only cpu"):
        mesh_of("gpu:2")


def test_devices_have_equal_shares_of_a_stream(tmp_path):
    stream = dr.stream(numbered(tmp_path / "set"))
    three = jax.sharding.Mesh(np.array(jax.devices() * 3), ("n",))
    with pytest.raises(SettingError, match=r"64 examples of a stream has no equal shares for 3 .* batch_size=66,"):
        check_batch(three, 64, stream)
    check_batch(three, 66, stream)


@pytest.mark.parametrize("processes", [(0, 1, 1), (1, 0), (0, 1, 0, 1)])
def test_processes_have_equal_shares_of_a_stream(tmp_path, monkeypatch, processes):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    devices = np.array([SimpleNamespace(process_index=process) for process in processes])
    mesh: Any = SimpleNamespace(devices=devices, size=len(processes))
    with pytest.raises(SettingError, match=rf"as many devices each, .* process {', '.join(map(str, processes))}$"):
        check_batch(mesh, 12, dr.stream(numbered(tmp_path / "set")))


def test_a_share_that_fit_does_not_take_is_refused(tmp_path):
    stream = dr.stream(numbered(tmp_path / "set"), shard=(1, 2))
    with pytest.raises(SettingError, match=r"shard=\(1, 2\), but this is process 0 of 1; leave shard out: "):
        Model(Dense(2), SoftmaxCrossEntropy()).fit(stream)


def test_a_minibatch_has_an_example_for_each_device():
    mesh = jax.sharding.Mesh(np.array(jax.devices() * 3), ("n",))
    with pytest.raises(SettingError, match=r"a minibatch of 2 examples is fewer than the 3 devices; choose"):
        check_batch(mesh, 2)
