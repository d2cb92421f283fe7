"""Exercises on convolutions in one dimension: forward, backward for kernel and input, and the output's size."""

from dataclasses import dataclass

import jax
import numpy as np

from deltarule.grade.exercise import Asked, Draw, Exercise, Given
from deltarule.layers import Convolution
from deltarule.layers.layer import Context

SLIDES = ((9, 3, 2, 1), (8, 3, 2, 1), (13, 4, 3, 2))  # (d, k, s, P): of the last two s does not divide
CHANNELS = ((2, 6), (4, 2), (2, 3))  # (c, o)
NUMBERS = tuple(
    Given(name, (), meaning)
    for name, meaning in (
        ("d", "the input's length"),
        ("k", "the kernel's length"),
        ("s", "the stride"),
        ("P", "the zeros padded on either side"),
        ("e", "the output's length"),
    )
)
INDICES = (
    "An index at the left makes a whole array, and a sum runs over indices:",
    "  A[q] = sum(B[q + m] * C[m] for m in range(k) if q + m < d)",
)
REACH = "for m in range(k) for j in range(e)"


def convolution() -> Exercise:
    """R22: one channel, one kernel."""
    return Exercise(
        "R22",
        "convolution in one dimension, backward for kernel and input",
        (
            "A kernel K slides over X, which has one axis; Xhat is X with P zeros on either side:",
            "  Z[j] = the sum of K[m] * Xhat[j*s + m] over the taps m = 0 ... k-1, and b, for j = 0 ... e-1",
            "dZ, the derivative of the loss by Z, is given.",
            *INDICES,
            "Or with correlate(X, K, stride, padding), dilate(Z, stride), pad(X, before, after), flip(K) and",
            "cuts such as X[P:P + d].",
        ),
        (
            Given("X", ("d",), "the input"),
            Given("Xhat", ("d + 2P",), "the padded input"),
            Given("K", ("k",), "the kernel"),
            Given("b", (), "the bias"),
            Given("dZ", ("e",), "the derivative by Z"),
            *NUMBERS,
        ),
        (
            Asked(
                "Z",
                ("e",),
                "the output",
                ("Z[j] = sum(K[m] * Xhat[j * s + m] for m in range(k)) + b", "correlate(X, K, s, P) + b"),
            ),
            Asked("db", (), "the derivative by b", ("sum(dZ)",)),
            Asked(
                "dK",
                ("k",),
                "the derivative by K",
                (
                    "dK[m] = sum(Xhat[j * s + m] * dZ[j] for j in range(e))",
                    "correlate(Xhat, dilate(dZ, s))[:k]",
                ),
                2.0,
            ),
            Asked(
                "dX",
                ("d",),
                "the derivative by X",
                (
                    f"dX[q] = sum(K[m] * dZ[j] {REACH} if j * s + m - P == q)",
                    "correlate(pad(dilate(dZ, s), k - 1, k - 1 + (d + 2 * P - k) % s), flip(K))[P:P + d]",
                ),
                3.0,
            ),
        ),
        Drawing(((1, 1),)),
    )


def convolution_with_channels() -> Exercise:
    """R22 with channels in and out."""
    return Exercise(
        "R22-channels",
        "convolution with channels, backward for kernel and input",
        (
            "Kernels K slide over X; Xhat is X with P zeros on either side:",
            "  Z[j, q] = the sum of K[m, p, q] * Xhat[j*s + m, p] over m = 0 ... k-1 and p = 0 ... c-1, and b[q]",
            "dZ, the derivative of the loss by Z, is given.",
            *INDICES,
        ),
        (
            Given("X", ("d", "c"), "the input"),
            Given("Xhat", ("d + 2P", "c"), "the padded input"),
            Given("K", ("k", "c", "o"), "the kernels"),
            Given("b", ("o",), "the biases"),
            Given("dZ", ("e", "o"), "the derivative by Z"),
            *NUMBERS,
            Given("c", (), "the channels of X"),
            Given("o", (), "the channels of Z"),
        ),
        (
            Asked(
                "Z",
                ("e", "o"),
                "the output",
                ("Z[j, q] = sum(K[m, p, q] * Xhat[j * s + m, p] for m in range(k) for p in range(c)) + b[q]",),
            ),
            Asked("db", ("o",), "the derivative by b", ("db[q] = sum(dZ[j, q] for j in range(e))",)),
            Asked(
                "dK",
                ("k", "c", "o"),
                "the derivative by K",
                ("dK[m, p, q] = sum(Xhat[j * s + m, p] * dZ[j, q] for j in range(e))",),
                2.0,
            ),
            Asked(
                "dX",
                ("d", "c"),
                "the derivative by X",
                (f"dX[r, p] = sum(K[m, p, q] * dZ[j, q] {REACH} for q in range(o) if j * s + m - P == r)",),
                3.0,
            ),
        ),
        Drawing(CHANNELS),
    )


@dataclass(frozen=True)
class Drawing:
    """Draws a convolution, its input and the derivative above it; one channel is no axis."""

    channels: tuple[tuple[int, int], ...]

    def __call__(self, seed: int) -> Draw:
        rng = np.random.default_rng(seed)
        d, k, s, p = SLIDES[seed % len(SLIDES)]
        i, o = self.channels[seed % len(self.channels)]
        layer = Convolution(o, k, stride=s, padding=p)
        x, (_, e, _) = rng.normal(size=(1, d, i)), layer.shape((1, d, i))
        params = {name: rng.normal(size=array.shape) for name, array in layer.init(rng, x.shape).items()}
        dz = rng.normal(size=(1, e, o))

        @jax.jit
        def both(params, x, dz):
            z, saved = layer.forward(params, x, Context())
            return z, layer.backward(params, saved, dz)

        with jax.enable_x64(True):
            z, (dx, dparams) = both(params, x, dz)
        sizes = {"d": d, "k": k, "s": s, "P": p, "e": e, "d + 2P": d + 2 * p}
        if not self.single:
            sizes |= {"c": i, "o": o}
        xhat = np.pad(np.asarray(x), ((0, 0), (p, p), (0, 0)))
        values = {"X": x[0], "Xhat": xhat[0], "K": params["K"], "b": params["b"], "dZ": dz[0]}
        reference = {"Z": z[0], "db": dparams["b"], "dK": dparams["K"], "dX": dx[0]}
        return Draw(sizes, self.axes(values), self.axes(reference))

    @property
    def single(self) -> bool:
        """Whether there is one channel, which is then no axis."""
        return self.channels == ((1, 1),)

    def axes(self, arrays) -> dict[str, np.ndarray]:
        """The arrays, without the axes of a single channel."""
        plain = {name: np.asarray(array) for name, array in arrays.items()}
        if self.single:
            return {name: array.reshape(() if array.size == 1 else len(array)) for name, array in plain.items()}
        return plain


def output_size() -> Exercise:
    """R23: how many positions a kernel has."""
    return Exercise(
        "R23",
        "the output size of a convolution",
        (
            "A kernel of k taps slides with stride s over d numbers, padded by P zeros on either side. It stops",
            "where it would reach beyond the padding. e is the number of its positions.",
            "P_same is the padding at which e = d, for s = 1 and an odd k.",
        ),
        tuple(each for each in NUMBERS if each.name != "e"),
        (
            Asked("e", (), "the output's length", ("floor((d - k + 2 * P) / s) + 1",), 2.0),
            Asked("P_same", (), "the padding that keeps the length", ("(k - 1) / 2",)),
        ),
        draw_output_size,
        draws=12,
    )


def draw_output_size(seed: int) -> Draw:
    rng = np.random.default_rng(seed)
    d, k, s, p = (
        int(rng.integers(9, 40)),
        3 + 2 * int(rng.integers(3)),
        int(rng.integers(1, 5)),
        int(rng.integers(4)),
    )
    e = Convolution(1, k, stride=s, padding=p).shape((1, d, 1))[1]
    same = Convolution(1, k, padding="same").window((1, d, 1)).padding[0][0]
    sizes = {"d": d, "k": k, "s": s, "P": p}
    return Draw(sizes, {}, {"e": np.asarray(float(e)), "P_same": np.asarray(float(same))})
