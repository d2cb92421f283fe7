"""A dense network's training epoch: the task that everybody gets, ours, and the floor of its matrix products."""

import functools
import math
from dataclasses import dataclass

import jax
import numpy as np

import deltarule as dr
from deltarule.training.epoch import compiler_options, epoch_program
from deltarule.training.step import Batch, Step

OPTIMIZERS = {
    "SGD": lambda rate: dr.SGD(rate),
    "RMSProp": lambda rate: dr.RMSProp(rate, decay=0.9, epsilon=1e-8, epsilon_place="beside_root"),
    "Adam": lambda rate: dr.Adam(rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8),
}


@dataclass(frozen=True)
class Task:
    """Dense layers of `sizes` with ReLU between, softmax cross-entropy on random classes, epochs of `examples`."""

    key: str
    sizes: tuple[int, ...]
    batch: int
    optimizer: str
    rate: float
    examples: int = 4096

    @property
    def name(self) -> str:
        """The task in words."""
        return f"({self.key}) {'-'.join(map(str, self.sizes))}, batch {self.batch}, {self.optimizer}"

    @property
    def steps(self) -> int:
        """Training steps in an epoch."""
        return self.examples // self.batch

    @functools.cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """x (n, i) and classes (n,), the same for everybody."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(self.examples, self.sizes[0])).astype(np.float32)
        return x, rng.integers(0, self.sizes[-1], self.examples).astype(np.int32)

    @functools.cached_property
    def start(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """W (i, o) and b (o,) of each layer to start from, the same for everybody."""
        net = network(self.sizes)
        params = net.init(np.random.default_rng(1), (self.batch, self.sizes[0]))
        return [(layer["W"], layer["b"]) for layer in params if layer]

    def loss(self, weights: list[tuple[np.ndarray, np.ndarray]]) -> float:
        """The loss over all examples, in float64 and by nobody's library: did a contender do the job?"""
        h, target = self.data
        for index, (W, b) in enumerate(weights):
            h = (np.maximum(h, 0) if index else h.astype(np.float64)) @ W + b  # (n, o)
        h = h - h.max(1, keepdims=True)  # (n, o)
        return float(np.mean(np.log(np.exp(h).sum(1)) - h[np.arange(len(h)), target]))


def network(sizes: tuple[int, ...]) -> dr.Chain:
    """Dense layers with ReLU between."""
    layers = [layer for size in sizes[1:] for layer in (dr.Dense(size), dr.ReLU())]
    return dr.Chain(*layers[:-1])


class Deltarule:
    """Ours: the compiled epoch as `fit` runs it, its loss fetched once an epoch."""

    name, note = "deltarule", ""

    def __init__(self, task: Task):
        self.task = task
        self.step = Step(network(task.sizes), dr.SoftmaxCrossEntropy(), OPTIMIZERS[task.optimizer](task.rate))
        self.program = epoch_program(self.step.structure(), task.batch, "permutation")
        x, target = task.data
        self.data = jax.device_put(Batch(x, target, np.ones(len(x), np.float32)))

    def fresh(self):
        self.state = jax.device_put(self.step.init((self.task.batch, self.task.sizes[0]), seed=0))
        start = iter(self.task.start)
        params = tuple(dict(zip(("W", "b"), next(start), strict=True)) if p else p for p in self.state.params)
        self.state = self.state._replace(params=jax.device_put(params))

    def run(self):
        self.state, *told = self.program(self.state, self.data)
        jax.device_get(told)

    def weights(self):
        return [(np.asarray(layer["W"]), np.asarray(layer["b"])) for layer in self.state.params if layer]


class Floor:
    """The step's matrix products alone, over the minibatches of an epoch, in one compiled loop.

    Forward, dW, and dX but for the first layer. Every product depends on the minibatch, so none can be taken
    out of the loop; every dW leaves the loop in its carry, so none can be left away.
    """

    name = "floor"
    FORMS = ("dW = Xᵀ dY", "dW = (dYᵀ X)ᵀ", "dWᵀ = dYᵀ X")

    def __init__(self, task: Task, form: str):
        self.note = form
        x, _ = task.data
        self.batches = jax.device_put(x.reshape(task.steps, task.batch, -1))
        self.Ws = jax.device_put([W for W, _ in task.start])

        def weight_gradient(x, dy):
            if form == "dW = Xᵀ dY":
                return x.T @ dy  # (i, o)
            if form == "dW = (dYᵀ X)ᵀ":
                return (dy.T @ x).T  # (i, o)
            return dy.T @ x  # (o, i)

        @functools.partial(jax.jit, compiler_options=compiler_options())
        def products(Ws, carry, batches):
            def one(_, x):
                hs = [x]
                for W in Ws:
                    hs.append(hs[-1] @ W)  # (n, o)
                dh, dWs = hs.pop(), []
                for index in reversed(range(len(Ws))):
                    dWs.append(weight_gradient(hs[index], dh))
                    if index:
                        dh = dh @ Ws[index].T  # (n, i)
                return dWs, ()

            return jax.lax.scan(one, carry, batches)[0]

        transposed = form == "dWᵀ = dYᵀ X"
        self.carry = [np.zeros(W.shape[::-1] if transposed else W.shape, np.float32) for W in self.Ws[::-1]]
        self.program = products

    def fresh(self):
        self.carry = jax.device_put(self.carry)

    def run(self):
        self.carry = jax.block_until_ready(self.program(self.Ws, self.carry, self.batches))


def kept_bytes(net: dr.Layer, shape: tuple[int, ...], classes: int) -> int:
    """Bytes that forward keeps for backward, the loss's δ among them; closed form and trace must agree."""
    cost, output = net.cost(shape), net.shape(shape)
    numbers = cost.saved + cost.keeps_x * math.prod(shape) + cost.keeps_y * math.prod(output)
    params = net.init(np.random.default_rng(0), shape)
    context = dr.Context(jax.random.key(0), net.memory(shape))
    trace = jax.make_jaxpr(lambda p, x: net.forward(p, x, context)[1])(params, np.zeros(shape, np.float32)).jaxpr
    parameters = set(trace.invars[: len(jax.tree.leaves(params))])
    traced = sum(v.aval.size * v.aval.dtype.itemsize for v in set(trace.outvars) - parameters)
    if traced != 4 * numbers + cost.marks:
        raise AssertionError(f"closed form: {4 * numbers + cost.marks} bytes kept; traced program: {traced}")
    return traced + 4 * shape[0] * classes
