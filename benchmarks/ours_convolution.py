"""A convolutional network's training epoch: the task that everybody gets, its networks, and ours."""

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np

import deltarule as dr
from deltarule.networks import resnet
from deltarule.training.epoch import compiler_options, epoch_program
from deltarule.training.step import Batch, Step

IMAGE, CLASSES = (32, 32, 3), 10
DEPTH, WIDTH = 20, 16


def three_convolutions() -> dr.Chain:
    """Three convolutions 3×3, the second and third with stride 2, and a dense layer on their global average."""
    return dr.Chain(
        dr.Convolution(32, 3, padding=1),
        dr.ReLU(),
        dr.Convolution(64, 3, stride=2, padding=1),
        dr.ReLU(),
        dr.Convolution(128, 3, stride=2, padding=1),
        dr.ReLU(),
        dr.GlobalAveragePool(),
        dr.Dense(CLASSES),
    )


NETWORKS: dict[str, Callable[[], dr.Layer]] = {
    "three convolutions": three_convolutions,
    "pre-activation ResNet-20": functools.partial(resnet, DEPTH, WIDTH, CLASSES, "preactivation"),
    "post-activation ResNet-20": functools.partial(resnet, DEPTH, WIDTH, CLASSES, "basic"),
}


@dataclass(frozen=True)
class Task:
    """Stochastic gradient descent on images, for one of the networks, in epochs of `steps` minibatches."""

    key: str
    network: str
    batch: int
    steps: int
    optimizer: str = "SGD"
    rate: float = 0.05

    @property
    def name(self) -> str:
        """The task in words."""
        return f"({self.key}) {self.network}, batch {self.batch}"

    @property
    def shape(self) -> tuple[int, ...]:
        """A minibatch's shape."""
        return (self.batch, *IMAGE)

    @functools.cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """x (n, h, w, i) and classes (n,), the same for everybody."""
        rng, n = np.random.default_rng(0), self.batch * self.steps
        return rng.normal(size=(n, *IMAGE)).astype(np.float32), rng.integers(0, CLASSES, n).astype(np.int32)

    @functools.cached_property
    def step(self) -> Step:
        """Our training step."""
        return Step(NETWORKS[self.network](), dr.SoftmaxCrossEntropy(), dr.SGD(self.rate))

    @functools.cached_property
    def start(self) -> list[np.ndarray]:
        """The parameters to start from, the same for everybody."""
        return in_order(self.step.init(self.shape, seed=0).params)

    @property
    def flops(self) -> int:
        """FLOPs of the network's forward and backward pass in a step."""
        cost = self.step.net.cost(self.shape)
        return cost.forward + cost.backward - cost.input_gradient


def in_order(params) -> list[np.ndarray]:
    """The arrays of a network in its layers' order, in each a weight before its bias."""
    if isinstance(params, dict):
        return [np.asarray(params[name]) for name in ("K", "W", "gamma", "b", "beta") if name in params]
    return [array for part in params for array in in_order(part)]


class Deltarule:
    """Ours: the compiled epoch as `fit` runs it, its loss fetched once an epoch."""

    name, note = "deltarule", ""

    def __init__(self, task: Task):
        self.task = task
        self.program = epoch_program(task.step.structure(), task.batch, "permutation")
        self.hold(*task.data)

    def hold(self, x, target):
        self.data = jax.device_put(Batch(x, target, np.ones(len(x), np.float32)))

    def on_one_batch(self) -> "Deltarule":
        """The same, whose epoch is one step, on the first minibatch."""
        twin = copy.copy(self)
        twin.hold(*(a[: self.task.batch] for a in self.task.data))
        return twin

    def fresh(self):
        self.state = jax.device_put(self.task.step.init(self.task.shape, seed=0))

    def run(self):
        self.state, *told = self.program(self.state, self.data)
        jax.device_get(told)

    def weights(self) -> list[np.ndarray]:
        return in_order(self.state.params)


class MatrixProduct:
    """The fastest that this machine computes: a product of two large matrices, here by XLA."""

    name, note, SIZE = "floor", "2048³ by XLA", 2048
    FLOPS = 2 * SIZE**3

    def __init__(self):
        a, b = np.random.default_rng(0).normal(size=(2, self.SIZE, self.SIZE)).astype(np.float32)
        self.a, self.b = jax.device_put((a, b))
        self.program = jax.jit(lambda a, b: a @ b, compiler_options=compiler_options())

    def fresh(self): ...

    def run(self):
        self.program(self.a, self.b).block_until_ready()
