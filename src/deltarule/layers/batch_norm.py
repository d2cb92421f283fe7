"""Batch normalisation, X̂ = (X − μ_B) / √(σ²_B + ε), Y = γ ⊙ X̂ + β, with the mean and variance of the minibatch.

Of padded sequences only the N steps that a mask calls real take part. With m = 1 for those and 0 for padding,

    μ = 1/N Σ m X,   σ² = 1/N Σ m (X − μ)²,   Y = m (γ ⊙ X̂ + β),   N = Σ m.

Padding moves neither μ nor σ² nor Y, so its dX is 0. With G = m dY in the place of dY all else stands as it did:

    dβ = Σ G,   dγ = Σ G ⊙ X̂,   dX = m γ / √(σ² + ε) ⊙ (G − dβ/N − X̂ ⊙ dγ/N).
"""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import SettingError, ShapeError
from deltarule.kernels import batch_norm as kernel
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Cost, Equations, Layer, size
from deltarule.layers.scale import fresh_scale, scaled
from deltarule.layers.standardise import standardise, standardise_backward


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Each channel with mean 0 and variance 1 over the minibatch, then scaled by γ and moved by β.

    The statistics range over all axes but the last; the variance is the mean of the squared deviations.
    Predictions take running statistics instead: running ← momentum · running + (1 − momentum) · batch.
    Backward keeps X and makes X̂ of it again: that is cheaper than to write one more array.

    Where the context has a mask, padding counts for nothing, and Y is 0 there. How many steps are real is not
    known before the step: of a single one the variance is 0, and X̂ too.

    The running variance is that by which training divides, as in Keras, Flax and ONNX. The paper and PyTorch
    take N/(N − 1) of it, the unbiased one. PyTorch's momentum is 1 − ours; Flax and Keras begin with 0.99.

    Args:
        momentum: the share of the running statistics that a step keeps, in [0, 1).
        epsilon: ε, added to the variance; Keras has 1e-3.
        scale, offset: whether there are γ, β.
        axis_name: the name of a mapped axis (`jax.vmap`, `jax.shard_map`) over whose members the statistics are
            those of the whole minibatch. dγ and dβ stay each member's own, for the step to sum.

    Raises:
        SettingError: momentum or epsilon out of range.
        ShapeError: x has no axis besides the examples; or training on one value a channel, whose variance is 0.

    >>> import jax.numpy as jnp
    >>> from deltarule.layers.layer import Context
    >>> x = jnp.array([[1.0, 10.0], [3.0, 30.0]])
    >>> BatchNorm(scale=False, offset=False).forward({}, x, Context())[0].round(3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    scale: bool = True
    offset: bool = True
    axis_name: str | None = None

    rectified: ClassVar[bool] = False  # whether ReLU follows in the same pass

    equations = Equations(
        forward=(
            r"\mu = \frac{1}{N} \sum_n X_n",
            r"\sigma^2 = \frac{1}{N} \sum_n (X_n - \mu)^2",
            r"\hat X = (X - \mu) / \sqrt{\sigma^2 + \epsilon}",
            r"Y = \gamma \odot \hat X + \beta",
        ),
        backward=(
            r"d\beta = \sum_n dY_n",
            r"d\gamma = \sum_n dY_n \odot \hat X_n",
            r"dX = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} \odot "
            r"\left(dY - \tfrac{1}{N} d\beta - \hat X \odot \tfrac{1}{N} d\gamma\right)",
        ),
        source="Ioffe and Szegedy 2015, Batch normalization",
    )

    def __post_init__(self):
        if not 0 <= self.momentum < 1:
            raise SettingError(
                f"BatchNorm: momentum must be in [0, 1), got {self.momentum}; it is the share that is kept, "
                "1 − PyTorch's"
            )
        if not self.epsilon > 0:
            raise SettingError(f"BatchNorm: epsilon must be positive, got {self.epsilon}")

    @property
    def mixes_examples(self):
        return True

    def padded(self, x):
        return True if len(x) > 2 else super().padded(x)  # the channels of (n, t) are the steps

    def shape(self, x):
        if len(x) < 2:
            raise ShapeError(f"BatchNorm: expected an input of shape (n, ..., i), got {x}; reshape it to (n, 1)")
        return x

    def init(self, rng, x):
        return fresh_scale(x[-1:], self.scale, self.offset)

    def memory(self, x):
        return {"mean": np.zeros(x[-1], np.float32), "variance": np.ones(x[-1], np.float32)}

    def over_members(self, mean):
        """The whole minibatch's mean from this member's."""
        return mean if self.axis_name is None else jax.lax.pmean(mean, self.axis_name)

    def forward(self, params, x, context):
        members = 1 if self.axis_name is None else jax.lax.axis_size(self.axis_name)
        if size(x.shape[:-1]) * members < 2:
            raise ShapeError(
                f"BatchNorm: expected at least two values a channel in training, got {x.shape}; choose a "
                "batch_size that leaves no single example over, or LayerNorm or GroupNorm, which need but one",
                path=tuple(index for index in context.path if isinstance(index, int)),
            )
        real = None if context.mask is None else beside(context.mask, x)
        if context.digest:
            mu, variance = context.digest
            y = kernel.again(self, params, x, mu, variance)
        elif real is None:
            y, mu, variance = kernel.forward(self, params, x)
        else:
            y, mu, variance = self.normalise(params, x, real)
        return only(real, y), (x, mu, variance, real)

    def digest(self, saved):
        _, mu, variance, _ = saved
        return mu, variance

    def backward(self, params, saved, dy):
        x, mu, variance, real = saved
        if real is None:
            dx, dgamma, dbeta = kernel.backward(self, params, x, mu, variance, dy)
        else:
            dx, dgamma, dbeta = self.derive(params, x, mu, variance, dy, real)
        return dx, {name: d for name, d in (("gamma", dgamma), ("beta", dbeta)) if name in params}

    def normalise(self, params, x, real=None):
        """(Y, μ, σ²), of the steps that are real."""

        def mean(a):
            if real is None:
                return self.over_members(channel_mean(a))
            return self.over_members(channel_mean(only(real, a))) / self.over_members(share(real))

        xhat, mu, variance = standardise(x, mean, self.epsilon)
        return self.output(params, xhat).astype(x.dtype), mu, variance  # (n, ..., i), (i,), (i,)

    def normalise_by(self, params, x, mu, variance):
        """Y by statistics that are known."""
        r = jax.lax.rsqrt(variance + self.epsilon)  # (i,)
        return self.output(params, (x - mu) * r).astype(x.dtype)  # (n, ..., i)

    def output(self, params, xhat):
        """Y from X̂."""
        return scaled(params, xhat)

    def derive(self, params, x, mu, variance, dy, real=None):
        """(dX, dγ, dβ)."""
        axes, dy = range(dy.ndim - 1), only(real, dy)
        r = jax.lax.rsqrt(variance + self.epsilon)  # (i,)
        xhat = (x - mu) * r  # (n, ..., i)
        dbeta = wide(dy).sum(axes)  # (i,)
        dgamma = (dy * xhat).sum(axes)  # (i,)
        if self.scale:
            r = params["gamma"] * r  # (i,)
        n = size(dy.shape[:-1])
        mean_dy, mean_dy_xhat = self.over_members((dbeta / n, dgamma / n))  # (i,), (i,)
        if real is not None:
            of_all = self.over_members(share(real))
            mean_dy, mean_dy_xhat = mean_dy / of_all, mean_dy_xhat / of_all
        dx = standardise_backward(xhat, r, dy, mean_dy, mean_dy_xhat)  # (n, ..., i)
        return only(real, dx).astype(dy.dtype), dgamma, dbeta

    def remember(self, memory, saved):
        _, mu, variance, _ = saved
        kept = self.momentum
        return {
            "mean": kept * memory["mean"] + (1 - kept) * mu,  # (i,)
            "variance": kept * memory["variance"] + (1 - kept) * variance,  # (i,)
        }

    def predict(self, params, x, memory):
        return self.normalise_by(params, x, memory["mean"], memory["variance"])

    def cost(self, x):
        numbers, i, learned = size(x), x[-1], int(self.scale) + int(self.offset)
        dparams = int(self.scale) * (4 * numbers + i) + int(self.offset) * (numbers - i)
        backward = 9 * numbers + 2 * i + int(self.scale) * i
        return Cost(
            forward=(5 + learned) * numbers + 2 * i,
            backward=backward,
            input_gradient=backward - dparams,
            parameters=learned * i,
            keeps_x=True,
            saved=2 * i,
            rebuilt=4 * numbers,
            digest=2 * i,
            again=(2 + learned) * numbers + 2 * i,
            remade=0,
        )

    @classmethod
    def examples(cls):
        yield cls(), (7, 5)
        yield cls(momentum=0.5, epsilon=0.1), (2, 3, 4, 5)
        yield cls(scale=False), (7, 5)
        yield cls(offset=False), (7, 5)
        yield cls(scale=False, offset=False), (2, 3, 5)


def channel_mean(a: jax.Array) -> jax.Array:
    """The mean over all axes but the last."""
    return a.mean(range(a.ndim - 1))  # (i,)


def only(real: jax.Array | None, a: jax.Array) -> jax.Array:
    """The array (n, t, ...), 0 where a step is not real."""
    return a if real is None else jnp.where(real, a, 0)


def share(real: jax.Array) -> jax.Array:
    """How many of all steps are real."""
    return real.sum() / real.size


def beside(mask: jax.Array, x: jax.Array) -> jax.Array:
    """The mask (n, t) with as many axes as x, (n, t, 1, ..., 1)."""
    return mask.reshape(*mask.shape, *(1 for _ in x.shape[2:]))
