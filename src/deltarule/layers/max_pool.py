"""Max pooling, Y_{n,j,i} = max_m X_{n, js + mr − P, i}: the largest number of every window."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from deltarule.kernels.max_pool import give_back
from deltarule.kernels.taps import pool_window, read_taps, tap_count, write_back_flops
from deltarule.kernels.wide import wide
from deltarule.kernels.window import Padding, Sizes, Window, check_window
from deltarule.layers.layer import Cost, Equations, Layer, Shape, Static, size


@dataclass(frozen=True)
class MaxPool(Layer):
    """The largest number of every window, channel by channel, in series, images and volumes.

    Where several numbers of a window are largest, the first in row-major order takes the whole δ: so do PyTorch
    and XLA's select_and_scatter, while an average over them would be a subgradient too. Backward keeps for each
    output the number of its tap, a byte up to 255 taps; PyTorch keeps the input and eight bytes.

    Args:
        pool_size: k, one for all axes of space or one for each.
        stride: s; the pool size by default, as in PyTorch and Keras. ONNX takes 1.
        padding: P, as in `Convolution`; it counts as −∞ and is never chosen.
        dilation: r, the distance of the taps.

    Raises:
        SettingError: a size, stride or dilation below 1, or a padding below 0.
        ShapeError: x has no space, the window is larger than the padded input, or one holds nothing but padding.

    >>> MaxPool(2).shape((8, 32, 33, 3))
    (8, 16, 16, 3)
    >>> MaxPool(2).forward({}, jnp.array([[[1.0], [3.0], [2.0], [2.0]]]), None)[0].tolist()
    [[[3.0], [2.0]]]
    """

    pool_size: Sizes
    stride: Sizes | None = None
    padding: Padding = 0
    dilation: Sizes = 1

    equations = Equations(
        forward=(
            r"m_{n,j,i} = \min \operatorname{argmax}_m X_{n,\,js + mr - P,\,i}",
            r"Y_{n,j,i} = \max_m X_{n,\,js + mr - P,\,i}",
        ),
        backward=(r"dX_{n,q,i} = \sum_{j:\; js + m_{n,j,i} r - P = q} dY_{n,j,i}",),
        source="Ranzato, Huang, Boureau and LeCun 2007",
    )

    def __post_init__(self):
        stride = self.pool_size if self.stride is None else self.stride
        sizes = {"pool_size": self.pool_size, "stride": stride, "dilation": self.dilation}
        check_window("MaxPool", **sizes, padding=self.padding)

    def window(self, x: Shape) -> Window:
        """How the pool slides over inputs of shape x."""
        name = f"MaxPool({self.pool_size})"
        return pool_window(name, x, self.pool_size, self.stride, self.padding, self.dilation)

    def shape(self, x):
        return (x[0], *self.window(x).output(x[1:-1]), x[-1])

    def forward(self, params, x, context):
        slide = self.window(x.shape)
        y, *taps = read_taps(slide, x, -np.inf)  # (n, e.., i)
        number = np.min_scalar_type(tap_count(slide)).type
        index = jnp.zeros(y.shape, number)  # (n, e.., i)
        for m, tap in enumerate(taps, 1):
            index = jnp.where(tap > y, number(m), index)  # (n, e.., i)
            y = jnp.maximum(y, tap)  # (n, e.., i)
        return y, (index, Static(x.shape))

    def backward(self, params, saved, dy):
        index, x = saved
        dx = give_back(self.window(x.shape), x.shape[1:-1], index, wide(dy))  # (n, d.., i)
        return dx.astype(dy.dtype), {}

    def cost(self, x):
        slide, y = self.window(x), size(self.shape(x))
        taps, backward = tap_count(slide), write_back_flops(slide, x)
        return Cost(
            forward=(taps - 1) * y,
            backward=backward,
            input_gradient=backward,
            marks=np.min_scalar_type(taps).itemsize * y,
            rebuilt=max(taps - 2, 0) * y,  # the index needs no last maximum
        )

    @classmethod
    def examples(cls):
        yield cls(2), (3, 7, 5)
        yield cls(2), (3, 4, 6, 2)
        yield cls((3, 2), stride=(2, 1), padding=1), (2, 6, 4, 3)
        yield cls(2, stride=3, padding=((1, 0), (0, 1))), (2, 6, 5, 3)
        yield cls(2, dilation=2, padding=1), (2, 4, 7, 3)
        yield cls((1, 2, 3), stride=2, padding="same"), (2, 3, 4, 5, 2)
