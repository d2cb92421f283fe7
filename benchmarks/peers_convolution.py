"""The same convolutional networks by the peers, as their documentation advises, in their fastest form."""

import copy
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx
from torch.nn import functional

import peers_dense
from measure import fastest
from ours_convolution import CLASSES, DEPTH, IMAGE, WIDTH, MatrixProduct, Task

LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def stages() -> Iterator[tuple[int, int, bool]]:
    """(features, stride, whether the shape changes) of each of a ResNet's blocks, in three stages."""
    for stage in range(3):
        for block in range((DEPTH - 2) // 6):
            changes = stage > 0 and block == 0
            yield WIDTH * 2**stage, 2 if changes else 1, changes


def torch_convolution(i: int, o: int, size: int = 3, stride: int = 1, bias: bool = False) -> torch.nn.Conv2d:
    return torch.nn.Conv2d(i, o, size, stride, padding=size // 2, bias=bias)


def torch_head(features: int) -> list[torch.nn.Module]:
    """The global average, and a linear layer on it."""
    return [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(features, CLASSES)]


def torch_three_convolutions() -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for i, o, stride in ((IMAGE[-1], 32, 1), (32, 64, 2), (64, 128, 2)):
        layers += [torch_convolution(i, o, stride=stride, bias=True), torch.nn.ReLU(inplace=True)]
    return torch.nn.Sequential(*layers, *torch_head(128))


class TorchPreActivation(torch.nn.Module):
    """x + F(x); where the shape changes, the path past the body starts after the first BN and ReLU."""

    def __init__(self, i: int, o: int, stride: int, changes: bool):
        super().__init__()
        self.norm1, self.convolution1 = torch.nn.BatchNorm2d(i), torch_convolution(i, o, stride=stride)
        self.norm2, self.convolution2 = torch.nn.BatchNorm2d(o), torch_convolution(o, o)
        self.past = torch_convolution(i, o, 1, stride) if changes else None

    def forward(self, x):
        h = functional.relu(self.norm1(x), inplace=True)
        past = x if self.past is None else self.past(h)
        h = functional.relu(self.norm2(self.convolution1(h)), inplace=True)
        return self.convolution2(h) + past


class TorchPostActivation(torch.nn.Module):
    """ReLU(x + F(x)), with a projection of x where the shape changes."""

    def __init__(self, i: int, o: int, stride: int, changes: bool):
        super().__init__()
        self.convolution1, self.norm1 = torch_convolution(i, o, stride=stride), torch.nn.BatchNorm2d(o)
        self.convolution2, self.norm2 = torch_convolution(o, o), torch.nn.BatchNorm2d(o)
        projection = [torch_convolution(i, o, 1, stride), torch.nn.BatchNorm2d(o)] if changes else []
        self.past = torch.nn.Sequential(*projection)

    def forward(self, x):
        h = functional.relu(self.norm1(self.convolution1(x)), inplace=True)
        return functional.relu(self.norm2(self.convolution2(h)) + self.past(x), inplace=True)


def torch_resnet(block: Callable) -> torch.nn.Sequential:
    layers, i = [torch_convolution(IMAGE[-1], WIDTH)], WIDTH
    if block is TorchPostActivation:
        layers += [torch.nn.BatchNorm2d(i), torch.nn.ReLU(inplace=True)]
    for o, stride, changes in stages():
        layers.append(block(i, o, stride, changes))
        i = o
    if block is TorchPreActivation:
        layers += [torch.nn.BatchNorm2d(i), torch.nn.ReLU(inplace=True)]
    return torch.nn.Sequential(*layers, *torch_head(i))


def flax_convolution(i: int, o: int, size: int = 3, stride: int = 1, bias: bool = False) -> nnx.Conv:
    return nnx.Conv(i, o, (size, size), stride, padding=size // 2, use_bias=bias, rngs=nnx.Rngs(0))


def flax_norm(features: int) -> nnx.BatchNorm:
    return nnx.BatchNorm(features, momentum=0.9, rngs=nnx.Rngs(0))


def global_average(x):
    return x.mean((1, 2))


def flax_three_convolutions() -> nnx.Sequential:
    layers: list[Callable] = []
    for i, o, stride in ((IMAGE[-1], 32, 1), (32, 64, 2), (64, 128, 2)):
        layers += [flax_convolution(i, o, stride=stride, bias=True), nnx.relu]
    return nnx.Sequential(*layers, global_average, nnx.Linear(128, CLASSES, rngs=nnx.Rngs(0)))


class FlaxPreActivation(nnx.Module):
    """As TorchPreActivation; the layers stand in a list, so that their order is ours."""

    def __init__(self, i: int, o: int, stride: int, changes: bool):
        layers = [flax_norm(i), flax_convolution(i, o, stride=stride), flax_norm(o), flax_convolution(o, o)]
        self.layers = nnx.List(layers + [flax_convolution(i, o, 1, stride)] * changes)

    def __call__(self, x):
        norm1, convolution1, norm2, convolution2, *past = self.layers
        h = nnx.relu(norm1(x))
        past = past[0](h) if past else x
        return convolution2(nnx.relu(norm2(convolution1(h)))) + past


class FlaxPostActivation(nnx.Module):
    """As TorchPostActivation."""

    def __init__(self, i: int, o: int, stride: int, changes: bool):
        layers = [flax_convolution(i, o, stride=stride), flax_norm(o), flax_convolution(o, o), flax_norm(o)]
        self.layers = nnx.List(layers + [flax_convolution(i, o, 1, stride), flax_norm(o)] * changes)

    def __call__(self, x):
        convolution1, norm1, convolution2, norm2, *past = self.layers
        h = norm2(convolution2(nnx.relu(norm1(convolution1(x)))))
        for layer in past:
            x = layer(x)
        return nnx.relu(h + x)


def flax_resnet(block: Callable) -> nnx.Sequential:
    layers, i = [flax_convolution(IMAGE[-1], WIDTH)], WIDTH
    if block is FlaxPostActivation:
        layers += [flax_norm(i), nnx.relu]
    for o, stride, changes in stages():
        layers.append(block(i, o, stride, changes))
        i = o
    if block is FlaxPreActivation:
        layers += [flax_norm(i), nnx.relu]
    return nnx.Sequential(*layers, global_average, nnx.Linear(i, CLASSES, rngs=nnx.Rngs(0)))


TORCH = {
    "three convolutions": torch_three_convolutions,
    "pre-activation ResNet-20": functools.partial(torch_resnet, TorchPreActivation),
    "post-activation ResNet-20": functools.partial(torch_resnet, TorchPostActivation),
}
FLAX = {
    "three convolutions": flax_three_convolutions,
    "pre-activation ResNet-20": functools.partial(flax_resnet, FlaxPreActivation),
    "post-activation ResNet-20": functools.partial(flax_resnet, FlaxPostActivation),
}


def require_same_shapes(task: Task, peer: str, shapes: list[tuple[int, ...]]) -> None:
    """Raises AssertionError where a peer's parameters are not ours."""
    ours = [array.shape for array in task.start]
    if shapes != ours:
        counts = [sum(map(np.prod, each)) for each in (shapes, ours)]
        raise AssertionError(f"{task.name}: {peer} has {counts[0]} parameters {shapes}, ours {counts[1]} {ours}")


class Torch(peers_dense.Torch):
    """PyTorch on images in one of its memory formats; its kernels are (o, i, k, k), ours (k, k, i, o)."""

    def __init__(self, task: Task, form: str, layout: str, compiled: str = ""):
        self.layout = layout
        super().__init__(task, form, "once an epoch", compiled)
        self.note = f"{form} {task.optimizer}, {compiled or layout}"
        self.x = self.x.permute(0, 3, 1, 2).contiguous(memory_format=LAYOUTS[layout])
        require_same_shapes(task, self.name, [array.shape for array in self.weights()])

    def network(self):
        return TORCH[self.task.network]().to(memory_format=LAYOUTS[self.layout])

    def on_one_batch(self) -> "Torch":
        """The same, whose epoch is one step, on the first minibatch."""
        twin = copy.copy(self)
        twin.x, twin.target = self.x[: self.task.batch], self.target[: self.task.batch]
        return twin

    @torch.no_grad()
    def fresh(self):
        for parameter, array in zip(self.model.parameters(), self.task.start, strict=True):
            axes = (3, 2, 0, 1) if array.ndim == 4 else range(array.ndim)[::-1]
            parameter.copy_(torch.from_numpy(np.array(array.transpose(axes))))

    def weights(self) -> list[np.ndarray]:
        arrays = [parameter.detach().numpy() for parameter in self.model.parameters()]
        return [a.transpose((2, 3, 1, 0) if a.ndim == 4 else range(a.ndim)[::-1]).copy() for a in arrays]


def torch_eager(task: Task, rounds: int) -> Torch:
    """PyTorch eager in its faster memory format, with its faster form of the optimizer."""
    return fastest([Torch(task, form, layout) for layout in LAYOUTS for form in ("foreach", "fused")], rounds)


def torch_compiled(task: Task, eager: Torch, rounds: int) -> tuple[Torch | None, str]:
    """torch.compile of network and loss in its faster memory format, or why there is none."""
    torch.compiler.reset()  # else what was compiled for another task counts against a limit
    forms = [Torch(task, eager.form, layout, f"{layout}, optimizer eager") for layout in LAYOUTS]
    return peers_dense.fastest_compiled(forms, rounds)


class Flax(peers_dense.Flax):
    """Flax NNX with Optax on images."""

    def __init__(self, task: Task, style: str, name: str = "Flax+Optax"):
        super().__init__(task, style, "inside the step", name)
        self.note = style

    def network(self):
        model = FLAX[self.task.network]()
        places = parameters(model)
        require_same_shapes(self.task, self.name, [place[...].shape for place in places])
        for place, array in zip(places, self.task.start, strict=True):
            place[...] = jnp.asarray(array)
        return model

    def on_one_batch(self) -> "Flax":
        """The same, whose epoch is one step, on the first minibatch."""
        twin = copy.copy(self)
        twin.x, twin.target = self.x[: self.task.batch], self.target[: self.task.batch]
        return twin

    def weights(self) -> list[np.ndarray]:
        return [np.asarray(place[...]) for place in parameters(self.trained())]


def parameters(model: nnx.Module) -> list[Any]:
    """A model's parameters in its layers' order, in each a weight before its bias."""
    found = dict(nnx.to_flat_state(nnx.state(model, nnx.Param)))
    paths = sorted(found, key=lambda path: (path[:-1], path[-1] == "bias"))
    return [functools.reduce(step_into, path, model) for path in paths]


def step_into(place: Any, name: Any) -> Any:
    """The part of a module that a step of a path leads to."""
    return place[name] if isinstance(name, int) else getattr(place, name)


def flax_optax(task: Task, rounds: int) -> Flax:
    """Flax NNX + Optax in its fastest way to call."""
    return fastest([Flax(task, style) for style in Flax.STYLES], rounds)


class TorchMatrixProduct(MatrixProduct):
    """The same by PyTorch, which calls MKL."""

    note = "2048³ by PyTorch"

    def __init__(self):
        self.a, self.b = torch.randn(2, self.SIZE, self.SIZE)

    def run(self):
        torch.mm(self.a, self.b)
