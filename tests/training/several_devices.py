"""One JSON object: how far runs over several devices are from the same runs on one, in float64, case by case."""

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

import deltarule as dr
from deltarule.errors import SettingError
from deltarule.kernels.shares import TIME_MAJOR
from deltarule.layers import (
    GRU,
    LSTM,
    BatchNorm,
    Chain,
    Convolution,
    Dense,
    Dropout,
    Flatten,
    GroupNorm,
    Recurrent,
    ReLU,
    SimpleRNN,
    SpatialDropout,
    Tanh,
)
from deltarule.layers.layer import Layer
from deltarule.losses import L2, SoftmaxCrossEntropy, SquaredError
from deltarule.model import Model
from deltarule.optimizers import SGD, Adam
from deltarule.training.devices import mesh_of, placed
from deltarule.training.epoch import epoch_program
from deltarule.training.run import Settings, run
from deltarule.training.step import Batch, Step
from deltarule.training.streaming import chunk_program, on_device, shared

NORMED = Chain(Dense(6, bias=False), BatchNorm(), ReLU(), Dropout(0.3), Dense(5), GroupNorm(1), Tanh(), Dense(3))
IMAGES = Chain(
    Convolution(4, 3, bias=False),
    BatchNorm(),
    ReLU(),
    SpatialDropout(0.25),
    Convolution(3, 2),
    Flatten(),
    Dense(3),
)


def examples(shape, target, *, mask=False, weight=True):
    """Examples (n, ...) with weights that differ, and where asked for sequences that end early."""
    rng = np.random.default_rng(0)
    n = shape[0]
    ends = rng.integers(2, shape[1] + 1, n)
    return Batch(
        jnp.asarray(rng.normal(size=shape)),
        jnp.asarray(rng.integers(0, 3, target) if target == (n,) else rng.normal(size=target)),
        jnp.asarray(rng.uniform(0.5, 2, n) if weight else np.ones(n)),
        jnp.asarray(np.arange(shape[1]) < ends[:, None]) if mask else None,
    )


CASES = {
    "uneven, watched": (
        Step(Chain(Dense(5), Tanh(), Dense(4), ReLU(), Dense(2)), SquaredError(), Adam(0.01)),
        ((23, 4), (23, 2)),
        7,
        {"watch": "all"},
    ),
    "normed, validated": (
        Step(NORMED, SoftmaxCrossEntropy(), Adam(0.01), L2(0.01), 0.5),
        ((23, 4), (23,)),
        9,
        {"order": "replacement"},
    ),
    "micro-batches": (Step(NORMED, SoftmaxCrossEntropy(), SGD(0.1), micro_batches=2), ((32, 4), (32,)), 16, {}),
    "float16": (
        Step(Chain(Dense(5), Tanh(), Dense(2)), SquaredError(), SGD(0.1), precision="float16"),
        ((24, 4), (24, 2)),
        8,
        {},
    ),
    "sequences, validated": (
        Step(Chain(Recurrent(LSTM(4)), Recurrent(GRU(4), last=True), Dense(2)), SquaredError(), SGD(0.1)),
        ((22, 5, 3), (22, 2)),
        8,
        {"mask": True},
    ),
    "float32, images": (Step(IMAGES, SoftmaxCrossEntropy(), SGD(0.1)), ((31, 9, 9, 2), (31,)), 16, {}),
    "float32, sequences": (
        Step(Chain(Recurrent(LSTM(4)), Recurrent(GRU(4)), Dense(2)), SquaredError(), SGD(0.1)),
        ((16, 5, 3), (16, 5, 2)),
        8,
        {},
    ),
    "window": (
        Step(Chain(Recurrent(LSTM(4)), Recurrent(SimpleRNN(4)), Dense(2)), SquaredError(), SGD(0.1)),
        ((10, 7, 3), (10, 7, 2)),
        4,
        {"window": (2, 3), "mask": True, "weight": False},
    ),
}


def trained(name: str, devices: int):
    """(the arrays of the state, the figures of the rows) after two epochs of a case on so many devices."""
    step, shapes, batch_size, options = CASES[name]
    settings = {key: value for key, value in options.items() if key in ("order", "watch", "window")}
    data = examples(*shapes, **{key: value for key, value in options.items() if key not in settings})
    if "window" in settings:
        data = data._replace(weight=data.weight[:, None] * data.mask)
    state = step.init(data.x.shape, 0)
    kind = np.float32 if "float32" in name else np.float64
    data = jax.tree.map(lambda a: a.astype(kind) if a.dtype == np.float64 else a, data)
    floats = jax.tree.map(lambda a: np.asarray(a, kind), (state.params, state.memory, state.slots))
    state = state._replace(params=floats[0], memory=floats[1], slots=floats[2])
    mesh = mesh_of(devices)
    state, data = placed((state, data), mesh)
    held_out = jax.tree.map(lambda a: a[:7], data) if "validated" in name else None
    chosen = Settings(epochs=2, batch_size=batch_size, devices=devices, **settings)
    state, history = run(step, state, data, held_out, chosen)
    assert len(jax.tree.leaves(state.params)[0].devices()) == devices
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history.rows]
    return jax.device_get((jax.tree.leaves(state._replace(key=())), jax.tree.leaves(rows)))


def apart(got, expected) -> float:
    """The largest difference, as a share of the largest number of its array."""
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True)
    return max(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)) for a, b in pairs)


def fitted() -> dict:
    """What a model tells that is trained on four devices, the first that this program asks JAX for."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=40)
    models = [Model(Chain(Dense(4), Tanh(), Dense(1)), SquaredError(), SGD(0.1)) for _ in range(2)]
    several = models[0].fit(x, y, epochs=3, batch_size=16, devices=4)
    one = models[1].fit(x, y, epochs=3, batch_size=16)
    try:
        models[0].fit(x, y, devices=5)
    except SettingError as error:
        refused = str(error)
    return {
        "devices": several.placement.devices,
        "told": str(several.placement),
        "loss": apart(several["loss"], one["loss"]),
        "predictions": apart(models[0].predict(x), models[1].predict(x)),
        "holds": len(jax.tree.leaves(models[0].state.params)[0].devices()),
        "refused": refused,
    }


def streamed(folder: Path, order: str) -> dict:
    """How far a model that is trained on a stream on four devices is from one on one, and what lies there."""
    stream, figures, shares = dr.stream(folder, memory="24 kB"), [], set()
    net = Chain(Dense(4, bias=False), BatchNorm(), Dropout(0.2), Dense(3))
    for devices in (4, 1):
        model = Model(net, SoftmaxCrossEntropy(), SGD(0.1))
        history = model.fit(stream, epochs=2, batch_size=16, order=order, validation=0.2, devices=devices)
        figures.append([history["loss"], history["validation_loss"]])
    with jax.set_mesh(mesh_of(4)):
        part, sharding = shared(stream)
        for _, _, data in on_device(model.step(), part.chunks(0, 16), sharding):
            shares |= {leaf.addressable_data(device).shape[1] for leaf in data[:3] for device in range(4)}
    (loss, measured), (expected, of_one) = figures
    return {"loss": apart(loss, expected), "validation": apart(measured, of_one), "shares": sorted(shares)}


def collectives(net: Layer, shape: tuple[int, ...]) -> list[str]:
    """What the devices tell each other in an epoch, by name, in the order of the compiled program."""
    step = Step(net, SoftmaxCrossEntropy(), Adam(0.01))
    data = Batch(np.zeros(shape, np.float32), np.zeros(shape[0], np.int32), np.ones(shape[0], np.float32))
    mesh = mesh_of(2)
    return told(epoch_program(step, 64, "permutation"), mesh, *placed((step.init(data.x.shape, 0), data), mesh))


def of_a_chunk() -> list[str]:
    """The same of a chunk of a stream."""
    step, mesh = Step(Chain(Dense(4), ReLU(), Dense(8)), SoftmaxCrossEntropy(), Adam(0.01)), mesh_of(2)
    data = Batch(np.zeros((5, 64, 3), np.float32), np.zeros((5, 64), np.int32), np.ones((5, 64), np.float32))
    data = jax.device_put(data, NamedSharding(mesh, TIME_MAJOR))
    return told(chunk_program(step), mesh, placed(step.init((64, 3), 0), mesh), data, np.int32(5))


def told(program: Any, mesh: Any, *arguments: Any) -> list[str]:
    """What the devices tell each other in a program, by name."""
    with jax.set_mesh(mesh):
        text = program.lower(*arguments).compile().as_text()
    kinds = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|collective-broadcast"
    return re.findall(rf" ({kinds})(?:-start)?\(", text)


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    from data.sets import classes

    found = {
        "fitted": fitted(),
        "of a small network": collectives(Chain(Dense(4), ReLU(), Dense(8)), (128, 3)),
        "of a wide network": collectives(Chain(Dense(256), ReLU(), Dense(8)), (128, 256)),
        "of images": collectives(IMAGES, (128, 9, 9, 2)),
        "of a chunk": of_a_chunk(),
    }
    with tempfile.TemporaryDirectory() as folder:
        of_classes = classes(Path(folder))
        found |= {f"streamed, {order}": streamed(of_classes, order) for order in ("permutation", "none")}
    jax.config.update("jax_enable_x64", True)
    for name in CASES:
        count = 4 if "normed" in name else 2
        found[name] = apart(trained(name, count), trained(name, 1))
    print(json.dumps(found))
