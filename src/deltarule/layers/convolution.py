"""A convolution in one, two or three dimensions: a small kernel slides over the input.

    Y_{n,j,o} = Σ_m Σ_i K_{m,i,o} X_{n, js + mr − P, i} + b_o

j is a position in space, m a tap of the kernel, s the stride, r the dilation, P the padding: one of each for every
axis of space. The kernel is not mirrored: a mathematician calls this a cross-correlation, the field a convolution.
"""

import math
from dataclasses import dataclass

import numpy as np

from deltarule.errors import SettingError, ShapeError
from deltarule.kernels.convolution import convolve, convolve_dparams, convolve_dx
from deltarule.kernels.window import Padding, Sizes, Window, check_window, window
from deltarule.layers.initializers import Glorot, Initializer
from deltarule.layers.layer import Cost, Equations, Layer, Shape, size


@dataclass(frozen=True)
class Convolution(Layer):
    """`features` kernels over (n, d.., i), channels last: to (n, e.., o), with e = ⌊(d − k + 2P)/s⌋ + 1.

    The input's rank says in how many dimensions: series (n, t, i), images (n, h, w, i), volumes (n, d, h, w, i).

    Args:
        features: o, the number of outputs at each position.
        kernel_size: k, one number, or one for each axis of space; so are stride and dilation.
        padding: zeros around the input: "same" (⌈d/s⌉ positions; the default, as in Flax, where PyTorch and
            Keras pad nothing), "valid" (none), a number, one for each axis, or a pair (in front, behind) for each.
        dilation: r, the distance between two taps.
        groups: g; each o/g outputs see their own i/g inputs. groups = i is the depthwise convolution.
        bias: whether b is added.
        W_init: rule for K (k.., i/g, o), with d_in = k.. i/g and d_out = k.. o/g.

    Raises:
        SettingError: a size below 1, a padding that is none, features that the groups do not divide.
        ShapeError: no axis of space, a kernel larger than the padded input (with the formula's numbers), or
            channels that the groups do not divide.

    >>> Convolution(8, 3, padding="valid").shape((1, 30, 30, 3))
    (1, 28, 28, 8)
    >>> Convolution(8, 3, stride=2).cost((1, 30, 3)).parameters  # 3·3·8 + 8
    80
    """

    features: int
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Padding = "same"
    dilation: Sizes = 1
    groups: int = 1
    bias: bool = True
    W_init: Initializer = Glorot()

    rectifies = True

    equations = Equations(
        forward=(r"Y_{n,j,o} = \sum_m \sum_i K_{m,i,o}\, X_{n,\,js + mr - P,\,i} + b_o",),
        backward=(
            r"dX_{n,q,i} = \sum_{j,m:\; js + mr - P = q} \sum_o K_{m,i,o}\, dY_{n,j,o}",
            r"dK_{m,i,o} = \sum_n \sum_j X_{n,\,js + mr - P,\,i}\, dY_{n,j,o}",
            r"db_o = \sum_n \sum_j dY_{n,j,o}",
        ),
        source="LeCun et al. 1989; Dumoulin and Visin 2016 for strides and padding",
    )

    def __post_init__(self):
        check(self)

    @property
    def name(self) -> str:
        return f"Convolution({self.features}, {self.kernel_size})"

    def window(self, x: Shape) -> Window:
        """How the kernel slides over inputs of shape x."""
        return window(self.name, x, self.kernel_size, self.stride, self.padding, self.dilation)

    def shape(self, x):
        found = self.window(x)
        require_groups(self.name, self.groups, x[-1])
        return (x[0], *found.output(x[1:-1]), self.features)

    def init(self, rng, x):
        k = self.window(x).size
        shape, taps = (*k, x[-1] // self.groups, self.features), math.prod(k)
        params = {"K": self.W_init(rng, shape, taps * shape[-2], taps * self.features // self.groups)}
        if self.bias:
            params["b"] = np.zeros(self.features, np.float32)
        return params

    def forward(self, params, x, context):
        x = x.astype(params["K"].dtype)
        return convolve(x, params["K"], self.window(x.shape), self.groups, params.get("b")), x  # (n, e.., o)

    def forward_rectified(self, params, x):
        x = x.astype(params["K"].dtype)
        return convolve(x, params["K"], self.window(x.shape), self.groups, params.get("b"), rectified=True), x

    def backward(self, params, saved, dy):
        return self.derive(params, saved, None, dy)

    def backward_rectified(self, params, saved, y, dy):
        return self.derive(params, saved, y, dy)

    def derive(self, params, x, y, dy):
        """(dx, dparams); y is given where it is rectified."""
        dy = dy.astype(x.dtype)
        slide = self.window(x.shape)
        dx = convolve_dx(dy, params["K"], slide, x.shape[1:-1], self.groups, y)  # (n, d.., i)
        return dx, convolve_dparams(x, dy, slide, self.groups, self.bias, y)

    def cost(self, x):
        taps = math.prod(sum(axis) for axis in self.window(x).taps(x[1:-1]))
        i, o, bias, outputs = x[-1] // self.groups, self.features, int(self.bias), size(self.shape(x))
        product = 2 * x[0] * taps * i * o
        return Cost(
            forward=product + bias * outputs,
            backward=2 * product + bias * (outputs - o),
            input_gradient=product,
            parameters=(math.prod(self.window(x).size) * i + bias) * o,
            keeps_x=True,
        )

    @classmethod
    def examples(cls):
        yield cls(4, 3), (3, 7, 2)
        yield cls(4, (3, 2)), (3, 5, 6, 2)
        yield cls(4, (1, 2, 3)), (2, 3, 4, 5, 2)
        yield cls(4, 3, stride=2, padding=((1, 2), (0, 1)), bias=False), (3, 6, 7, 2)
        yield cls(4, (2, 3), stride=(2, 3), padding="valid", dilation=(2, 1)), (3, 7, 8, 3)
        yield cls(6, 3, stride=(1, 2), padding=2, dilation=2, groups=2), (2, 5, 6, 4)
        yield cls(6, 3, groups=3), (3, 4, 5, 3)
        yield cls(2, 1, padding=((3, 0),)), (3, 4, 3)


def check(layer) -> None:
    """Raises SettingError for settings of a convolution that fit no input."""
    check_window(
        layer.name,
        kernel_size=layer.kernel_size,
        stride=layer.stride,
        dilation=layer.dilation,
        groups=layer.groups,
        features=layer.features,
        padding=layer.padding,
    )
    if layer.features % layer.groups:
        raise SettingError(
            f"{layer.name}: expected features that the groups divide, got {layer.features} features in "
            f"{layer.groups} groups"
        )


def require_groups(name: str, groups: int, channels: int) -> None:
    """Raises ShapeError where the groups do not divide the input's channels."""
    if channels % groups:
        raise ShapeError(
            f"{name}: expected channels that the {groups} groups divide, got {channels}; take as many groups as "
            f"divide both {channels} and the features"
        )
