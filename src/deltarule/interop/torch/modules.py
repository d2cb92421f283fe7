"""The modules that PyTorch has no class for: small ones, made with PyTorch's when they are first asked for.

Importing this file needs no PyTorch, `modules.Residual` does. They are classes of this file, so that a module that
holds them can be pickled where Deltarule is installed.
"""

import functools
import math
from importlib import import_module
from typing import Any


@functools.cache
def classes() -> dict[str, Any]:
    """The classes by name."""
    torch: Any = import_module("torch")
    nn = torch.nn

    class Permute(nn.Module):
        """Other axes first: between what reads channels first and what reads them last."""

        def __init__(self, axes):
            super().__init__()
            self.axes = axes

        def forward(self, x):
            return x.permute(self.axes)

        def extra_repr(self):
            return str(self.axes)

    class Reorder(nn.Module):
        """The features (n, i) in another order."""

        def __init__(self, order):
            super().__init__()
            self.register_buffer("order", torch.tensor(order), persistent=False)

        def forward(self, x):
            return x[:, self.order]

    class Reshape(nn.Module):
        """Each example in another shape."""

        def __init__(self, sizes):
            super().__init__()
            self.sizes = sizes

        def forward(self, x):
            return x.reshape(len(x), *self.sizes)

        def extra_repr(self):
            return str(self.sizes)

    class Columns(nn.Module):
        """The features from start up to, but not including, stop."""

        def __init__(self, start, stop, axis):
            super().__init__()
            self.start, self.stop, self.axis = start, stop, axis

        def forward(self, x):
            return x.narrow(self.axis, self.start, self.stop - self.start)

    class CentreCrop(nn.Module):
        """The middle of an image, `sizes` long along each axis that it names."""

        def __init__(self, sizes):
            super().__init__()
            self.sizes = sizes

        def forward(self, x):
            for axis, size in self.sizes.items():
                x = x.narrow(axis, (x.shape[axis] - size) // 2, size)
            return x

    class Embedding(nn.Embedding):
        """The rows of codes in any number type, as they come in a table beside other numbers."""

        def forward(self, x):
            return super().forward(x.long())

    class Scale(nn.Module):
        """weight ⊙ x + bias, a number each for every feature."""

        def __init__(self, features, axis):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))
            self.axis = axis

        def forward(self, x):
            shape = [-1 if axis == self.axis else 1 for axis in range(x.ndim)]
            return self.weight.reshape(shape) * x + self.bias.reshape(shape)

    class Dueling(nn.Module):
        """From a value and advantages to Q: V + A − mean A."""

        def __init__(self, axis):
            super().__init__()
            self.axis = axis

        def forward(self, x):
            v, a = x.narrow(self.axis, 0, 1), x.narrow(self.axis, 1, x.shape[self.axis] - 1)
            return v + a - a.mean(self.axis, keepdim=True)

    class AveragePool(nn.Module):
        """Means of windows with dilation, or with padding that differs from side to side: a convolution's."""

        def __init__(self, kernel_size, stride, sides, dilation, count_padding):
            super().__init__()
            self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
            self.padding = [number for pair in reversed(sides) for number in pair]
            self.count_padding = count_padding

        def sums(self, x):
            channels, convolve = x.shape[1], getattr(nn.functional, f"conv{len(self.kernel_size)}d")
            ones = torch.ones((channels, 1, *self.kernel_size), dtype=x.dtype, device=x.device)
            x = nn.functional.pad(x, self.padding)
            return convolve(x, ones, stride=self.stride, dilation=self.dilation, groups=channels)

        def forward(self, x):
            counts = math.prod(self.kernel_size) if self.count_padding else self.sums(torch.ones_like(x))
            return self.sums(x) / counts

    class Residual(nn.ModuleList):
        """The body's output, 0, plus the shortcut's, 1."""

        def forward(self, x):
            body, shortcut = self
            return body(x) + shortcut(x)

    class Concatenate(nn.ModuleList):
        """The outputs of all modules inside, side by side along the features."""

        def __init__(self, modules, axis):
            super().__init__(modules)
            self.axis = axis

        def forward(self, x):
            return torch.cat([module(x) for module in self], self.axis)

    class TimeDistributed(nn.ModuleList):
        """The module inside, at each step of time (n, t, ...) by itself."""

        def forward(self, x):
            (module,) = self
            y = module(x.reshape(-1, *x.shape[2:]))
            return y.reshape(*x.shape[:2], *y.shape[1:])

    return named(__name__, locals(), nn.Module)


def named(module: str, names: dict[str, Any], base: type) -> dict[str, Any]:
    """The classes among these names, as if each stood in its file by itself."""
    found = {name: value for name, value in names.items() if isinstance(value, type) and issubclass(value, base)}
    for name, kind in found.items():
        kind.__module__, kind.__qualname__ = module, name
    return found


def __getattr__(name: str) -> Any:
    if name[:1].isupper() and name in classes():
        return classes()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
