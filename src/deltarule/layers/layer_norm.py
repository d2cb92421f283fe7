"""Layer normalisation, X̂ = (X − μ_n) / √(σ²_n + ε), Y = γ ⊙ X̂ + β, with mean and variance over the features."""

from dataclasses import dataclass

import jax

from deltarule.errors import ShapeError
from deltarule.layers.layer import Cost, Equations, Layer, size
from deltarule.layers.scale import fresh_scale, scaled, scaled_backward, scaled_cost
from deltarule.layers.standardise import standardise, standardise_backward
from deltarule.settings import positive, settle_whole


@dataclass(frozen=True)
class LayerNorm(Layer):
    """Each example with mean 0 and variance 1 over its own features, whatever the batch.

    Args:
        epsilon: ε, added to the variance; 1e-5 as in PyTorch and ONNX, where Flax has 1e-6 and Keras 1e-3.
        scale, offset: whether there are γ, β, of the shape of the normalised axes. Without both, backward
            keeps the output, and one number for each mean.
        axes: how many axes, counted from the last, a mean ranges over.

    Raises:
        SettingError: epsilon is not positive, or there are no axes.
        ShapeError: the axes would reach the examples, or hold one number, which is its own mean.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([[1.0, 3.0], [10.0, 30.0]])
    >>> LayerNorm().forward(LayerNorm().init(None, x.shape), x, None)[0].round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    epsilon: float = 1e-5
    scale: bool = True
    offset: bool = True
    axes: int = 1

    equations = Equations(
        forward=(
            r"\mu_n = \frac{1}{d} \sum_i X_{ni}",
            r"\sigma^2_n = \frac{1}{d} \sum_i (X_{ni} - \mu_n)^2",
            r"\hat X = (X - \mu) / \sqrt{\sigma^2 + \epsilon}",
            r"Y = \gamma \odot \hat X + \beta",
        ),
        backward=(
            r"d\hat X = \gamma \odot dY",
            r"d\gamma = \sum_n dY_n \odot \hat X_n",
            r"d\beta = \sum_n dY_n",
            r"dX = \frac{1}{\sqrt{\sigma^2 + \epsilon}} \left(d\hat X - \tfrac{1}{d} \sum_i d\hat X_i "
            r"- \hat X \tfrac{1}{d} \sum_i d\hat X_i \hat X_i\right)",
        ),
        source="Ba, Kiros and Hinton 2016, Layer normalization",
    )

    def __post_init__(self):
        settle_whole(self, "axes")
        positive("LayerNorm", epsilon=self.epsilon)

    def mixes_steps(self, x):
        return len(x) - self.axes < 2

    def shape(self, x):
        if len(x) <= self.axes:
            raise ShapeError(
                f"LayerNorm: expected axis 0, the examples', before the {self.axes} to normalise, got {x}"
            )
        if size(x[-self.axes :]) == 1:
            raise ShapeError(f"LayerNorm: expected two or more numbers to normalise, got {x}: 1 is its own mean")
        return x

    def init(self, rng, x):
        return fresh_scale(x[-self.axes :], self.scale, self.offset)

    def mean(self, a):
        return a.mean(range(a.ndim - self.axes, a.ndim), keepdims=True)  # (n, 1)

    def forward(self, params, x, context):
        xhat, _, variance = standardise(x, self.mean, self.epsilon)  # (n, i), (n, 1), (n, 1)
        return scaled(params, xhat).astype(x.dtype), (xhat.astype(x.dtype), variance)

    def backward(self, params, saved, dy):
        xhat, variance = saved
        dxhat, dparams = scaled_backward(params, xhat, dy)
        r = jax.lax.rsqrt(variance + self.epsilon)  # (n, 1)
        dx = standardise_backward(xhat, r, dxhat, self.mean(dxhat), self.mean(dxhat * xhat))  # (n, i)
        return dx.astype(dy.dtype), dparams

    def cost(self, x):
        features = size(x[-self.axes :])
        return row_cost(size(x), size(x[: -self.axes]), features, self.scale, self.offset)

    @classmethod
    def examples(cls):
        yield cls(), (7, 5)
        yield cls(epsilon=0.1, axes=2), (2, 3, 4, 5)
        yield cls(scale=False), (2, 3, 5)
        yield cls(offset=False), (7, 5)
        yield cls(scale=False, offset=False), (7, 5)


def row_cost(numbers, rows, features, scale: bool, offset: bool) -> Cost:
    """The cost of `rows` means and variances over `numbers` numbers, then γ and β of `features` numbers each."""
    learned = int(scale) + int(offset)
    statistics = 5 * numbers + 2 * rows
    forward, backward, input_gradient = scaled_cost(numbers, features, scale, offset)
    through_statistics = 7 * numbers + 2 * rows
    return Cost(
        forward=statistics + forward,
        backward=backward + through_statistics,
        input_gradient=input_gradient + through_statistics,
        parameters=learned * features,
        keeps_y=not learned,
        saved=rows + (numbers if learned else 0),
        rebuilt=statistics,
    )
