"""The ready exercises: back-propagation, softmax, batch normalisation, zero initialisation, convolution.

Every reference value comes from a layer's or a loss's own forward and backward.
"""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import SettingError
from deltarule.grade.chain import chain
from deltarule.grade.convolutions import convolution, convolution_with_channels, output_size
from deltarule.grade.exercise import Asked, Draw, Exercise, Given
from deltarule.layers import BatchNorm, Chain, Dense, ReLU, Softmax
from deltarule.layers.layer import Context
from deltarule.losses import SoftmaxCrossEntropy, SquaredError

BOTH = ({"K": 4, "M": 3}, {"K": 3, "M": 5})
UNITS = ({"h": 3, "M": 5}, {"h": 4, "M": 7})
ZERO = ({"d": 3, "h": 4, "M": 5}, {"d": 5, "h": 3, "M": 4})
STATISTIC = "axis=1, keepdims=True"


def back_propagation() -> Exercise:
    """R1: two hidden layers, one output, one example."""
    title = "back-propagation through two hidden layers to one output"
    return chain(("tanh", "tanh"), "squared error", name="R1", title=title)


def softmax() -> Exercise:
    """R9: the softmax, the cross-entropy above it, and the softmax with any other loss above it."""
    stable = "exp(Z - max(Z, axis=0, keepdims=True))"
    return Exercise(
        "R9",
        "softmax and cross-entropy",
        (
            "Each column of Z holds the K logits of one of M examples; Y holds a 1 for its class, and 0 else.",
            "  P[k] = the share of e**Z[k] in its column",
            "  rho = -1/M times the sum of Y * log(P) over k and over the examples",
            "dZ is the derivative of rho by Z. Then any other loss takes the place of rho, of which only",
            "G, its derivative by P, is known: dS is its derivative by Z.",
        ),
        (
            Given("Z", ("K", "M"), "the logits"),
            Given("Y", ("K", "M"), "the classes"),
            Given("G", ("K", "M"), "the derivative of another loss by P"),
            Given("K", (), "the classes' number"),
            Given("M", (), "the examples"),
        ),
        (
            Asked(
                "P",
                ("K", "M"),
                "the softmax of each column",
                (
                    "exp(Z) / sum(exp(Z), axis=0, keepdims=True)",
                    f"{stable} / sum({stable}, axis=0, keepdims=True)",
                ),
            ),
            Asked("dZ", ("K", "M"), "the derivative of rho by Z", ("(P - Y) / M",), 2.0),
            Asked(
                "dS",
                ("K", "M"),
                "the derivative by Z with G above the softmax",
                ("P * (G - sum(G * P, axis=0, keepdims=True))",),
                2.0,
            ),
        ),
        draw_softmax,
    )


def draw_softmax(seed: int) -> Draw:
    rng, sizes = np.random.default_rng(seed), BOTH[seed % len(BOTH)]
    k, m = sizes["K"], sizes["M"]
    z, g, y = rng.normal(size=(m, k)), rng.normal(size=(m, k)), np.eye(k)[rng.integers(k, size=m)]

    @jax.jit
    def both(z, g, y):
        p, saved = Softmax().forward({}, z, Context())
        return p, Softmax().backward({}, saved, g)[0], SoftmaxCrossEntropy()(z, y, jnp.full(m, 1 / m))[1]

    with jax.enable_x64(True):
        p, ds, dz = both(z, g, y)
    return Draw(sizes, columns(Z=z, Y=y, G=g), columns(P=p, dZ=dz, dS=ds))


def batch_normalisation() -> Exercise:
    """R17: forward, and backward through mean and variance."""
    number, column, whole = (), ("h", 1), ("h", "M")
    long = (
        f"gamma * dY / sqrt(var + eps) - sum(gamma * dY, {STATISTIC}) / sqrt(var + eps) / M"
        f" + sum(gamma * dY * (Z - mu), {STATISTIC}) * (-1 / 2) * (var + eps) ** (-3 / 2) * 2 * (Z - mu) / M"
    )
    return Exercise(
        "R17",
        "batch normalisation, forward and backward",
        (
            "Each row of Z holds one of h units, each column one of M examples. For each unit, over all of them,",
            "  mu is the mean of Z, var its variance, Zhat = Z with mean 0 and variance 1 (but for eps),",
            "  Y = gamma * Zhat + beta.",
            "dY, the derivative of the loss by Y, is given. mu and var depend on Z, too.",
        ),
        (
            Given("Z", whole, "the pre-activations"),
            Given("gamma", column, "the scales"),
            Given("beta", column, "the offsets"),
            Given("eps", number, "what is added to the variance"),
            Given("dY", whole, "the derivative by Y"),
            Given("M", number, "the examples"),
        ),
        (
            Asked("mu", column, "the mean", (f"mean(Z, {STATISTIC})",)),
            Asked("var", column, "the variance", (f"mean((Z - mu) ** 2, {STATISTIC})",)),
            Asked("Zhat", whole, "the normalised Z", ("(Z - mu) / sqrt(var + eps)",)),
            Asked("Y", whole, "the output", ("gamma * Zhat + beta",)),
            Asked("dbeta", column, "the derivative by beta", (f"sum(dY, {STATISTIC})",)),
            Asked("dgamma", column, "the derivative by gamma", (f"sum(dY * Zhat, {STATISTIC})",)),
            Asked(
                "dZ",
                whole,
                "the derivative by Z",
                ("gamma / sqrt(var + eps) * (dY - dbeta / M - Zhat * dgamma / M)", long),
                4.0,
                {
                    "dbeta / M": "the path through the mean",
                    "Zhat * dgamma / M": "the path through the variance",
                    "dbeta / M + Zhat * dgamma / M": "the paths through mean and variance",
                },
            ),
        ),
        draw_batch_normalisation,
    )


def draw_batch_normalisation(seed: int) -> Draw:
    rng, sizes = np.random.default_rng(seed), UNITS[seed % len(UNITS)]
    h, m = sizes["h"], sizes["M"]
    layer, eps = BatchNorm(epsilon=0.25), 0.25
    z, dy = rng.normal(size=(m, h)), rng.normal(size=(m, h))
    params = {name: rng.uniform(0.5, 2, h) for name in layer.init(rng, (m, h))}

    @jax.jit
    def both(params, z, dy):
        y, saved = layer.forward(params, z, Context())
        zhat, _ = BatchNorm(epsilon=eps, scale=False, offset=False).forward({}, z, Context())
        return y, saved, zhat, layer.backward(params, saved, dy)

    with jax.enable_x64(True):
        y, (_, mu, variance, _), zhat, (dz, dparams) = both(params, z, dy)
    given = columns(Z=z, dY=dy, **{name: params[name] for name in ("gamma", "beta")})
    derivatives = {f"d{name}": dparams[name] for name in ("gamma", "beta")}
    reference = columns(mu=mu, var=variance, Zhat=zhat, Y=y, dZ=dz, **derivatives)
    return Draw(sizes, given | {"eps": np.asarray(eps)}, reference)


def zero_initialisation() -> Exercise:
    """R20: which gradients are zero where all parameters are, and which is not."""
    return Exercise(
        "R20",
        "all parameters zero",
        (
            "The network (the M examples are the columns of X):",
            "  Z = W @ X + b1,  H = relu(Z)",
            "  F = C @ H + b2",
            "The loss is rho = 1/M (Y - F)**2 (the sum over the examples). W, b1, C and b2 are all zero, and",
            "the derivative of relu at 0 is taken as 0.",
            "Which derivatives are zero, now and after every step of gradient descent? Which is not?",
        ),
        (
            Given("X", ("d", "M"), "the input"),
            Given("Y", (1, "M"), "the target"),
            Given("W", ("h", "d"), "zero"),
            Given("b1", ("h", 1), "zero"),
            Given("Z", ("h", "M"), "zero"),
            Given("H", ("h", "M"), "zero"),
            Given("C", (1, "h"), "zero"),
            Given("b2", (1, 1), "zero"),
            Given("F", (1, "M"), "zero"),
            *(Given(name, (), meaning) for name, meaning in (("M", "the examples"), ("d", ""), ("h", ""))),
        ),
        (
            Asked("d3", (1, "M"), "the derivative by F", ("2 * (F - Y) / M",)),
            Asked("db2", (1, 1), "the derivative by b2", (f"sum(d3, {STATISTIC})",), 2.0),
            Asked("dC", (1, "h"), "the derivative by C", ("d3 @ H.T",)),
            Asked("db1", ("h", 1), "the derivative by b1", (f"sum(C.T @ d3 * (Z > 0), {STATISTIC})",)),
            Asked("dW", ("h", "d"), "the derivative by W", ("(C.T @ d3 * (Z > 0)) @ X.T",)),
            Asked("b2_end", (1, 1), "where gradient descent takes b2 to", (f"mean(Y, {STATISTIC})",), 2.0),
        ),
        draw_zero_initialisation,
    )


def draw_zero_initialisation(seed: int) -> Draw:
    rng, sizes = np.random.default_rng(seed), ZERO[seed % len(ZERO)]
    d, h, m = sizes["d"], sizes["h"], sizes["M"]
    net, loss = Chain(Dense(h), ReLU(), Dense(1)), SquaredError()
    x, target = rng.normal(size=(m, d)), 1 + rng.normal(size=(m, 1))
    zero = jax.tree.map(lambda p: np.zeros(p.shape), net.init(rng, (m, d)))

    @jax.jit
    def derivatives(x, target, b2):
        params = (*zero[:-1], zero[-1] | {"b": b2})
        y, saved = net.forward(params, x, Context())
        _, dy = loss(y, target, jnp.full(m, 1 / m))
        return y, dy, net.backward(params, saved, dy)[1]

    with jax.enable_x64(True):
        f, df, (hidden, _, output) = derivatives(x, target, np.zeros(1))
        first, then = (float(derivatives(x, target, np.full(1, b2))[2][-1]["b"][0]) for b2 in (0.0, 1.0))
        end = -first / (then - first)  # the loss is quadratic in b2: its derivative is a line
    given = columns(X=x, Y=target, F=f, W=zero[0]["W"], b1=zero[0]["b"], C=zero[-1]["W"], b2=zero[-1]["b"])
    given |= {letter: np.zeros((h, m)) for letter in "ZH"}
    reference = columns(d3=df, db2=output["b"], dC=output["W"], db1=hidden["b"], dW=hidden["W"])
    return Draw(sizes, given, reference | {"b2_end": np.full((1, 1), end)})


def columns(**arrays) -> dict[str, np.ndarray]:
    """Rows of examples as columns; what has one axis as a column."""
    return {name: np.atleast_2d(np.asarray(array)).T for name, array in arrays.items()}


EXERCISES: dict[str, Callable[[], Exercise]] = {
    "R1": back_propagation,
    "R9": softmax,
    "R17": batch_normalisation,
    "R20": zero_initialisation,
    "R22": convolution,
    "R22-channels": convolution_with_channels,
    "R23": output_size,
}


@lru_cache
def exercise(name: str) -> Exercise:
    """A ready exercise by its name: R1, R9, R17, R20, R22, R22-channels or R23.

    Raises:
        SettingError: there is none of that name.

    >>> exercise("R23").key().splitlines()[0]
    'e = floor((d - k + 2 * P) / s) + 1'
    """
    if name not in EXERCISES:
        raise SettingError(
            f"exercise: expected one of {', '.join(EXERCISES)}, got {name!r}; or generate one by a seed"
        )
    return EXERCISES[name]()
