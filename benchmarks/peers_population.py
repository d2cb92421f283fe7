"""Many networks at once, as PyTorch's and Flax's documentation advise: one mapped step over stacked parameters."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

from ours_dense import Task
from peers_dense import OPTAX, Perceptron, fastest_compiled, flax_step, torch_network

MODELS = 64


class TorchVmap:
    """PyTorch: `vmap(grad(loss))` over `stack_module_state`, and RMSProp on the stacked parameters."""

    def __init__(self, task: Task, shared: bool, compiled: str = ""):
        self.name = "torch.func.vmap, compiled" if compiled else "torch.func.vmap"
        self.note = "minibatches shared" if shared else "minibatches of their own"
        self.task, self.shared, self.compiled = task, shared, compiled
        self.x, self.target = map(torch.from_numpy, task.data)
        self.target = self.target.long()
        base = copy.deepcopy(torch_network(task.sizes)).to("meta")

        def objective(params, x, target):
            return torch.nn.functional.cross_entropy(torch.func.functional_call(base, params, (x,)), target)

        data = None if shared else 0
        gradient = torch.func.vmap(torch.func.grad(objective), in_dims=(0, data, data))

        def step(params, slots, x, target):
            gradients = gradient(params, x, target)
            for name, g in gradients.items():
                slots[name].mul_(0.9).addcmul_(g, g, value=0.1)
                params[name].addcdiv_(g, slots[name].sqrt().add_(1e-8), value=-task.rate)

        self.step = torch.compile(step) if compiled else step

    def fresh(self):
        networks = [torch_network(self.task.sizes) for _ in range(MODELS)]
        with torch.no_grad():
            for layer, (W, b) in zip(networks[0][::2], self.task.start, strict=True):
                layer.weight.copy_(torch.from_numpy(W.T.copy()))
                layer.bias.copy_(torch.from_numpy(b))
        params, _ = torch.func.stack_module_state(networks)
        self.params = {name: p.detach().clone() for name, p in params.items()}
        self.slots = {name: torch.zeros_like(p) for name, p in self.params.items()}

    @torch.no_grad()
    def run(self):
        size = self.task.batch
        if self.shared:
            order = torch.randperm(len(self.x))
        else:
            order = torch.stack([torch.randperm(len(self.x)) for _ in range(MODELS)])
        for rows in order.split(size, dim=-1):
            self.step(self.params, self.slots, self.x[rows], self.target[rows])

    def weights(self):
        p = self.params
        names = sorted({name.split(".")[0] for name in p}, key=int)
        return [(p[f"{n}.weight"][0].numpy().T, p[f"{n}.bias"][0].numpy()) for n in names]


def torch_compiled_vmap(task: Task, shared: bool) -> tuple[TorchVmap | None, str]:
    """The mapped step under torch.compile, or why there is none."""
    return fastest_compiled([TorchVmap(task, shared, "the whole step")])


class FlaxVmap:
    """Flax NNX with Optax: one jitted call a step, mapped over the models' split states."""

    name, note = "Flax, vmap", "a jitted call a step, minibatches shared"

    def __init__(self, task: Task):
        self.task = task
        self.x, self.target = jax.device_put(task.data)

        def both(seed: int) -> Any:
            model = Perceptron(task.sizes, nnx.Rngs(seed))
            return model, nnx.Optimizer(model, OPTAX[task.optimizer](task.rate), wrt=nnx.Param)

        first = both(0)
        for layer, (W, b) in zip(first[0].layers, task.start, strict=True):
            layer.kernel[...], layer.bias[...] = jnp.asarray(W), jnp.asarray(b)
        self.graph, state = nnx.split(first)
        states = [state, *(nnx.split(both(seed))[1] for seed in range(1, MODELS))]
        self.start = jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *states)

        def one(state, x, target):
            merged = nnx.merge(self.graph, state)
            loss = flax_step(*merged, x, target)
            return nnx.state(merged), loss

        def step(state, x, target, rows):
            return jax.vmap(one, in_axes=(0, None, None))(state, x[rows], target[rows])

        self.step = jax.jit(step, donate_argnums=0)

    def fresh(self):
        self.state = jax.tree.map(jnp.array, self.start)

    def run(self):
        order = np.random.permutation(len(self.x)).astype(np.int32)
        for k in range(0, len(order), self.task.batch):
            self.state, loss = self.step(self.state, self.x, self.target, order[k : k + self.task.batch])
        loss.block_until_ready()

    def weights(self):
        model, _ = nnx.merge(self.graph, jax.tree.map(lambda a: a[0], self.state))
        return [(np.asarray(layer.kernel[...]), np.asarray(layer.bias[...])) for layer in model.layers]
