"""The peers on the same task, each written as its documentation advises and taken in its fastest form."""

import functools
import itertools
import time
import warnings
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from flax import nnx

from measure import fastest
from ours_dense import Task

TORCH_OPTIMIZERS = {
    "SGD": lambda params, rate, **form: torch.optim.SGD(params, rate, **form),
    "RMSProp": lambda params, rate, **form: torch.optim.RMSprop(params, rate, alpha=0.9, eps=1e-8, **form),
    "Adam": lambda params, rate, **form: torch.optim.Adam(params, rate, betas=(0.9, 0.999), eps=1e-8, **form),
}
TORCH_FORMS = {
    "SGD": ("plain", "foreach", "fused"),
    "RMSProp": ("plain", "foreach"),
    "Adam": ("plain", "foreach", "fused"),
}
OPTAX = {
    "SGD": lambda rate: optax.sgd(rate),
    "RMSProp": lambda rate: optax.rmsprop(rate, decay=0.9, eps=1e-8, eps_in_sqrt=False),
    "Adam": lambda rate: optax.adam(rate, b1=0.9, b2=0.999, eps=1e-8),
}

PLAIN_FLAX = "Flax+Optax, plain nnx.jit"  # as most programs call it; the fastest form stands beside it


def torch_optimizer(name: str, params, rate: float, form: str) -> torch.optim.Optimizer:
    """PyTorch's optimizer in one of its forms."""
    flags = {"foreach": False} if form == "plain" else {form: True}
    return TORCH_OPTIMIZERS[name](params, rate, **flags)


def torch_network(sizes: tuple[int, ...]) -> torch.nn.Sequential:
    """Linear layers with ReLU between."""
    pairs = itertools.pairwise(sizes)
    layers = [layer for i, o in pairs for layer in (torch.nn.Linear(i, o), torch.nn.ReLU())]
    return torch.nn.Sequential(*layers[:-1])


class Torch:
    """PyTorch: a loop over minibatches, gathered one by one or cut from one shuffled copy an epoch."""

    def __init__(self, task: Task, form: str, gather: str, compiled: str = ""):
        self.name = "torch.compile" if compiled else "PyTorch eager"
        self.note = ", ".join(filter(None, (f"{form} {task.optimizer}", f"gathered {gather}", compiled)))
        self.task, self.form, self.gather, self.compiled = task, form, gather, compiled
        self.x, self.target = map(torch.from_numpy, task.data)
        self.target = self.target.long()
        self.model = self.network()
        self.optimizer = torch_optimizer(task.optimizer, self.model.parameters(), task.rate, form)
        self.objective, self.update = self.loss, self.optimizer.step
        if compiled:
            self.objective = torch.compile(self.loss)
        if compiled == "optimizer compiled too":
            self.update = torch.compile(self.optimizer.step)

    def network(self) -> torch.nn.Sequential:
        return torch_network(self.task.sizes)

    def loss(self, x, target):
        return torch.nn.functional.cross_entropy(self.model(x), target)

    @torch.no_grad()
    def fresh(self):
        for layer, (W, b) in zip(self.model[::2], self.task.start, strict=True):
            layer.weight.copy_(torch.from_numpy(W.T.copy()))
            layer.bias.copy_(torch.from_numpy(b))
        for slots in self.optimizer.state.values():
            for slot in filter(torch.is_tensor, slots.values()):
                slot.zero_()

    def batches(self):
        order = torch.randperm(len(self.x))
        if self.gather == "once an epoch":
            shuffled = self.x[order].split(self.task.batch), self.target[order].split(self.task.batch)
            return zip(*shuffled, strict=True)
        return ((self.x[rows], self.target[rows]) for rows in order.split(self.task.batch))

    def run(self):
        for x, target in self.batches():
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.objective(x, target)
            loss.backward()
            self.update()
        loss.item()

    def weights(self):
        return [(p.weight.detach().numpy().T, p.bias.detach().numpy()) for p in self.model[::2]]


def torch_eager(task: Task) -> Torch:
    """PyTorch eager with its fastest form of the optimizer, then its faster way to gather."""
    best = fastest([Torch(task, form, "once an epoch") for form in TORCH_FORMS[task.optimizer]])
    return fastest([best, Torch(task, best.form, "each step")])


def torch_compiled(task: Task, eager: Torch) -> tuple[Torch | None, str]:
    """torch.compile of network and loss, with and without the optimizer: the faster, or why there is none."""
    forms = (("optimizer eager", eager.form), ("optimizer compiled too", "foreach"))
    return fastest_compiled([Torch(task, form, eager.gather, compiled) for compiled, form in forms])


def fastest_compiled(candidates: Sequence[Torch], rounds: int = 3) -> tuple[Any, str]:
    """The fastest of those that compile, or None, and in words how long that took or why there is none."""
    forms, said = [], []
    for candidate in candidates:
        compiled, start = candidate.compiled, time.perf_counter()
        try:
            candidate.fresh()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what it says about its own caches
                candidate.run()
        except Exception as error:  # a missing or broken C++ compiler shows in many ways
            said.append(f"{compiled}: could not compile ({type(error).__name__})")
            continue
        said.append(f"{compiled}: first epoch with compiling {time.perf_counter() - start:.1f} s")
        forms.append(candidate)
    return (fastest(forms, rounds) if forms else None), "; ".join(said)


def torch_kept_bytes(model: torch.nn.Module, shape: tuple[int, ...], classes: int) -> int:
    """Bytes that autograd keeps for backward of network and loss: unique storages, the model's own left out."""
    own = {own.untyped_storage().data_ptr() for own in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    x, target = torch.randn(shape), torch.randint(0, classes, shape[:1])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = torch.nn.functional.cross_entropy(model(x), target)
    loss.backward()
    return sum(storage.nbytes() for storage in kept.values())


class Perceptron(nnx.Module):
    """Linear layers with ReLU between."""

    def __init__(self, sizes: tuple[int, ...], rngs: nnx.Rngs):
        pairs = itertools.pairwise(sizes)
        self.layers = nnx.List([nnx.Linear(i, o, rngs=rngs) for i, o in pairs])

    def __call__(self, x):
        for layer in self.layers[:-1]:
            x = nnx.relu(layer(x))
        return self.layers[-1](x)


def flax_step(model: Any, optimizer: nnx.Optimizer, x, target):
    """One training step as Flax's guide writes it."""

    def objective(model):
        return optax.softmax_cross_entropy_with_integer_labels(model(x), target).mean()

    loss, gradient = nnx.value_and_grad(objective)(model)
    optimizer.update(model, gradient)
    return loss


class Flax:
    """Flax NNX with Optax: one compiled call a step, in each way to call that Flax's performance guide names."""

    STYLES = ("nnx.jit", "nnx.cached_partial", "split and merge")
    GATHERS = ("by NumPy", "inside the step")

    def __init__(self, task: Task, style: str, gather: str, name: str = "Flax+Optax"):
        self.name, self.note = name, f"{style}, gathered {gather}"
        self.task, self.gather, self.style = task, gather, style
        self.x, self.target = task.data
        model = self.network()
        optimizer = nnx.Optimizer(model, OPTAX[task.optimizer](task.rate), wrt=nnx.Param)
        self.both = (model, optimizer)
        graph, state = nnx.split(self.both)
        self.start = jax.tree.map(np.array, state)

        def step(model, optimizer, x, target, rows=None):
            if rows is not None:
                x, target = x[rows], target[rows]
            return flax_step(model, optimizer, x, target)

        @functools.partial(jax.jit, donate_argnums=0)
        def functional(state, *batch):
            both = nnx.merge(graph, state)
            loss = step(*both, *batch)
            return nnx.state(both), loss

        if gather == "inside the step":
            self.x, self.target = jax.device_put(task.data)
        if style == "nnx.jit":
            self.step = functools.partial(nnx.jit(step), *self.both)
        elif style == "nnx.cached_partial":
            self.step = nnx.cached_partial(nnx.jit(step), *self.both)
        else:
            self.step = functional

    def network(self) -> nnx.Module:
        model = Perceptron(self.task.sizes, nnx.Rngs(0))
        for layer, (W, b) in zip(model.layers, self.task.start, strict=True):
            layer.kernel[...], layer.bias[...] = jnp.asarray(W), jnp.asarray(b)
        return model

    def fresh(self):
        self.state = jax.tree.map(jnp.array, self.start)
        nnx.update(self.both, jax.tree.map(jnp.array, self.start))

    def batches(self):
        order, size = np.random.permutation(len(self.x)).astype(np.int32), self.task.batch
        parts = range(0, len(order), size)
        if self.gather == "inside the step":
            return ((self.x, self.target, order[k : k + size]) for k in parts)
        x, target = self.x[order], self.target[order]
        return ((x[k : k + size], target[k : k + size]) for k in parts)

    def run(self):
        if self.style == "split and merge":
            for batch in self.batches():
                self.state, loss = self.step(self.state, *batch)
        else:
            for batch in self.batches():
                loss = self.step(*batch)
        loss.block_until_ready()

    def trained(self) -> Any:
        """The model as it is now."""
        if self.style == "split and merge":
            nnx.update(self.both, self.state)
        return self.both[0]

    def weights(self):
        model = self.trained()
        return [(np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])) for layer in model.layers]


def flax_optax(task: Task) -> Flax:
    """Flax NNX + Optax in its fastest way to call, then its faster way to gather."""
    forms = [Flax(task, style, "inside the step") for style in Flax.STYLES]
    best = fastest(forms)
    return fastest([best, Flax(task, best.style, "by NumPy")])
