"""Group normalisation, X̂ = (X − μ_ng) / √(σ²_ng + ε), Y = γ ⊙ X̂ + β, by groups of channels."""

from dataclasses import dataclass

import jax

from deltarule.errors import ShapeError
from deltarule.layers.layer import Equations, Layer, size
from deltarule.layers.layer_norm import row_cost
from deltarule.layers.scale import fresh_scale, scaled, scaled_backward
from deltarule.layers.standardise import standardise, standardise_backward
from deltarule.settings import positive, settle_whole


@dataclass(frozen=True)
class GroupNorm(Layer):
    """Each example's groups of channels with mean 0 and variance 1 over space and the group, whatever the batch.

    With as many groups as channels this is instance normalisation (Ulyanov et al. 2016); with one group it is
    layer normalisation over space and channels, but for γ and β, which are one number a channel here.

    Args:
        groups: how many groups of neighbouring channels.
        epsilon: ε, added to the variance; 1e-5 as in PyTorch and ONNX, where Flax has 1e-6 and Keras 1e-3.
        scale, offset: whether there are γ, β. Without both, backward keeps the output, and one number for
            each mean.

    Raises:
        SettingError: epsilon is not positive, or there are no groups.
        ShapeError: the channels do not divide into the groups; or a group holds one number, its own mean.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([[1.0, 3.0, 10.0, 30.0]])
    >>> GroupNorm(2).forward(GroupNorm(2).init(None, x.shape), x, None)[0].round(3).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    groups: int
    epsilon: float = 1e-5
    scale: bool = True
    offset: bool = True

    equations = Equations(
        forward=(
            r"\mu_{ng} = \frac{1}{d} \sum_{i \in g} X_{ni}",
            r"\sigma^2_{ng} = \frac{1}{d} \sum_{i \in g} (X_{ni} - \mu_{ng})^2",
            r"\hat X = (X - \mu) / \sqrt{\sigma^2 + \epsilon}",
            r"Y = \gamma \odot \hat X + \beta",
        ),
        backward=(
            r"d\hat X = \gamma \odot dY",
            r"d\gamma = \sum_n dY_n \odot \hat X_n",
            r"d\beta = \sum_n dY_n",
            r"dX = \frac{1}{\sqrt{\sigma^2 + \epsilon}} \left(d\hat X - \tfrac{1}{d} \sum_{i \in g} d\hat X_i "
            r"- \hat X \tfrac{1}{d} \sum_{i \in g} d\hat X_i \hat X_i\right)",
        ),
        source="Wu and He 2018, Group normalization",
    )

    def __post_init__(self):
        settle_whole(self, "groups")
        positive(f"GroupNorm({self.groups})", epsilon=self.epsilon)

    def shape(self, x):
        if len(x) < 2 or x[-1] % self.groups:
            raise ShapeError(
                f"GroupNorm({self.groups}): expected an input of shape (n, ..., i) whose channels divide into "
                f"{self.groups} groups, got {x}"
            )
        if size(x[1:]) == self.groups:
            raise ShapeError(
                f"GroupNorm({self.groups}): expected two or more numbers a group, got {x}, one a group, "
                "which is its own mean; choose fewer groups"
            )
        return x

    def init(self, rng, x):
        return fresh_scale(x[-1:], self.scale, self.offset)

    def grouped(self, x):
        """x with space in one axis, and the channels in groups."""
        return x.reshape(len(x), -1, self.groups, x.shape[-1] // self.groups)  # (n, s, g, i)

    def forward(self, params, x, context):
        xhat, _, variance = standardise(self.grouped(x), group_mean, self.epsilon)  # (n, s, g, i)
        xhat = xhat.reshape(x.shape)
        return scaled(params, xhat).astype(x.dtype), (xhat.astype(x.dtype), variance)

    def backward(self, params, saved, dy):
        xhat, variance = saved
        dxhat, dparams = scaled_backward(params, xhat, dy)
        xhat, dxhat = self.grouped(xhat), self.grouped(dxhat)
        r = jax.lax.rsqrt(variance + self.epsilon)  # (n, 1, g, 1)
        dx = standardise_backward(xhat, r, dxhat, group_mean(dxhat), group_mean(dxhat * xhat))  # (n, s, g, i)
        return dx.reshape(dy.shape).astype(dy.dtype), dparams

    def cost(self, x):
        return row_cost(size(x), x[0] * self.groups, x[-1], self.scale, self.offset)

    @classmethod
    def examples(cls):
        yield cls(2), (7, 6)
        yield cls(3, epsilon=0.1), (2, 4, 5, 6)
        yield cls(6), (2, 4, 6)
        yield cls(1, scale=False), (2, 3, 5)
        yield cls(2, offset=False), (2, 3, 4)
        yield cls(2, scale=False, offset=False), (2, 3, 4)


def group_mean(a: jax.Array) -> jax.Array:
    """The mean over space and the channels of a group."""
    return a.mean((1, 3), keepdims=True)  # (n, 1, g, 1)
