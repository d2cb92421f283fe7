"""Exercises on chains: dense layers with activations and a loss, examples being columns, Z^l = W^l H^{l−1} + b^l.

The values and the derivatives are those of the library's layers and losses, transposed to columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import SettingError
from deltarule.grade.exercise import Asked, Draw, Exercise, Given
from deltarule.grade.functions import ACTIVATIONS
from deltarule.layers import Dense
from deltarule.layers.layer import Context, Layer
from deltarule.losses import BinaryCrossEntropy, SoftmaxCrossEntropy, SquaredError
from deltarule.losses.loss import Loss

KINKED = ("relu", "leaky_relu", "elu")
MARGIN = 1e-3  # between a pre-activation and a kink
DEEPEST = 6
SHAPES = 2  # sets of lengths that the draws take in turn
LOSSES: dict[str, Loss] = {
    "squared error": SquaredError(),
    "softmax cross-entropy": SoftmaxCrossEntropy(),
    "binary cross-entropy": BinaryCrossEntropy(),
}
SLOPES = {"tanh": "(1 - H{0} ** 2)", "sigmoid": "H{0} * (1 - H{0})", "relu": "(Z{0} > 0)"}


@dataclass(frozen=True)
class Spec:
    """A chain: the activations between its dense layers, its loss, whether it has many outputs, many examples."""

    activations: tuple[str, ...]
    loss: str
    outputs: bool
    batch: bool

    @property
    def depth(self) -> int:
        return len(self.activations) + 1

    @property
    def net_names(self) -> tuple[str, str, str]:
        """Input, output, target."""
        return ("X", "F", "Y") if self.batch else ("x", "f", "y")

    @property
    def widths(self) -> list[str | int]:
        """The named lengths from the input to the output."""
        return ["d", *(f"h{layer}" for layer in range(1, self.depth)), "K" if self.outputs else 1]


def chain(
    activations: tuple[str, ...] = ("tanh", "tanh"),
    loss: str = "squared error",
    *,
    outputs: bool = False,
    batch: bool = False,
    name: str = "chain",
    title: str = "",
) -> Exercise:
    """The exercise to derive the backward pass of dense layers with these activations between them.

    Args:
        activations: one for each hidden layer, such as ("tanh", "relu").
        loss: "squared error", "softmax cross-entropy" or "binary cross-entropy".
        outputs: whether there are K outputs, or one.
        batch: whether there are M examples, or one.

    Raises:
        SettingError: an activation or a loss that does not exist; a softmax of one output; too many layers.

    >>> [asked.name for asked in chain(("relu",)).asked]
    ['d3', 'db2', 'dW2', 'd2', 'db1', 'dW1']
    """
    spec = Spec(tuple(activations), loss, outputs, batch)
    unknown = [each for each in spec.activations if each not in ACTIVATIONS]
    if unknown or loss not in LOSSES:
        raise SettingError(
            f"chain: expected activations of {', '.join(ACTIVATIONS)} and a loss of {', '.join(LOSSES)}, got "
            f"{', '.join(unknown) or repr(loss)}"
        )
    if loss == "softmax cross-entropy" and not outputs:
        raise SettingError("chain: a softmax cross-entropy needs several outputs; set outputs=True")
    if not 1 <= spec.depth <= DEEPEST:
        raise SettingError(f"chain: expected 1 to {DEEPEST} dense layers, got {spec.depth}")
    one = set(spec.activations)
    title = title or f"backward pass of {spec.depth} dense layers, {loss}"
    sigma = one.pop() if len(one) == 1 else ""
    draw = Drawing(spec)
    return Exercise(name, title, text(spec, sigma), given(spec), asked(spec, sigma), draw, sigma)


def generate(seed: int, depth: int = 3) -> Exercise:
    """A random chain of `depth` dense layers; the same seed makes the same exercise.

    Raises:
        SettingError: a depth that is none; a negative seed.

    >>> generate(7, 3).sheet() == generate(7, 3).sheet()
    True
    """
    if seed < 0:
        raise SettingError(f"generate: expected a seed of 0 or more, got {seed}")
    if not 1 <= depth <= DEEPEST:
        raise SettingError(f"generate: expected a depth of 1 to {DEEPEST} dense layers, got {depth}")
    rng = np.random.default_rng([seed, depth])
    activations = tuple(str(each) for each in rng.choice(list(ACTIVATIONS), depth - 1))
    loss = str(rng.choice(list(LOSSES)))
    outputs = loss == "softmax cross-entropy" or bool(rng.integers(2))
    batch = bool(rng.integers(2))
    name = f"chain, seed {seed}, depth {depth}"
    return chain(activations, loss, outputs=outputs, batch=batch, name=name)


def text(spec: Spec, sigma: str) -> tuple[str, ...]:
    """The network, in words and equations."""
    x, f, y = spec.net_names
    columns = "the M examples are the columns of X" if spec.batch else "the example x is a column"
    rows, below = [f"The network ({columns}):"], x
    for layer in range(1, spec.depth + 1):
        if layer == spec.depth:
            rows.append(f"  {f} = W{layer} @ {below} + b{layer}")
        else:
            name = "sigma" if sigma else spec.activations[layer - 1]
            rows.append(f"  Z{layer} = W{layer} @ {below} + b{layer},  H{layer} = {name}(Z{layer})")
            below = f"H{layer}"
    if sigma:
        rows.append(f"  sigma is {sigma}; dsigma is its derivative")
    elif spec.depth > 1:
        rows.append("  the derivatives of the activations are called d and their name, such as dtanh(Z)")
    mean = {(False, False): "", (False, True): "1/K ", (True, False): "1/M ", (True, True): "1/(M K) "}
    over = " and ".join(["k"] * spec.outputs + ["the examples"] * spec.batch)
    of = f" (the sum over {over})" if over else ""
    rows += {
        "squared error": (f"The loss is rho = {mean[spec.batch, spec.outputs]}({y} - {f})**2{of}.",),
        "softmax cross-entropy": (
            f"P = softmax({f}) in each column, and {y} holds a 1 for the class.",
            f"The loss is rho = -{mean[spec.batch, False]}{y} * log(P){of}.",
        ),
        "binary cross-entropy": (
            f"P = sigmoid({f}), and the loss is",
            f"  rho = -{mean[spec.batch, spec.outputs]}({y} * log(P) + (1 - {y}) * log(1 - P)){of}.",
        ),
    }[spec.loss]
    return (*rows, f"d{spec.depth + 1} is the derivative of rho by {f}, and dl that by Z(l-1).")


def given(spec: Spec) -> tuple[Given, ...]:
    x, f, y = spec.net_names
    m, widths = "M" if spec.batch else 1, spec.widths
    found = [Given(x, ("d", m), "the input")]
    for layer in range(1, spec.depth + 1):
        i, o = widths[layer - 1 : layer + 1]
        found += [Given(f"W{layer}", (o, i)), Given(f"b{layer}", (o, 1))]
        found += [Given(f"{letter}{layer}", (o, m)) for letter in "ZH"] if layer < spec.depth else []
    found.append(Given(f, (widths[-1], m), "the output"))
    if spec.loss != "squared error":
        found.append(Given("P", (widths[-1], m), "the probabilities"))
    found.append(Given(y, (widths[-1], m), "the target"))
    numbers = ["M"] * spec.batch + ["K"] * spec.outputs
    return (*found, *(Given(n, (), {"M": "the examples", "K": "the outputs"}[n]) for n in numbers))


def asked(spec: Spec, sigma: str) -> tuple[Asked, ...]:
    """δ and the derivatives by b and W, from the last layer to the first."""
    x, f, y = spec.net_names
    m, widths, last = "M" if spec.batch else 1, spec.widths, spec.depth + 1
    shared = [letter for letter, there in (("M", spec.batch), ("K", spec.outputs)) if there]
    if spec.loss == "softmax cross-entropy":
        shared = shared[: spec.batch]
    share = "".join(f" / {letter}" for letter in shared)
    top = f"2 * ({f} - {y}){share}" if spec.loss == "squared error" else f"(P - {y}){share}"
    found = [Asked(f"d{last}", (widths[-1], m), f"the derivative by {f}", (top,), 2.0)]
    for layer in range(spec.depth, 0, -1):
        i, o = widths[layer - 1 : layer + 1]
        delta, below = f"d{layer + 1}", f"H{layer - 1}" if layer > 1 else x
        bias = f"sum({delta}, axis=1, keepdims=True)" if spec.batch else delta
        found.append(Asked(f"db{layer}", (o, 1), f"the derivative by b{layer}", (bias,)))
        found.append(Asked(f"dW{layer}", (o, i), f"the derivative by W{layer}", (f"{delta} @ {below}.T",)))
        if layer > 1:
            name, at = spec.activations[layer - 2], layer - 1
            back = f"W{layer}.T @ {delta} * "
            slopes = [f"dsigma(Z{at})"] * bool(sigma) + [f"d{name}(Z{at})"]
            slopes += [SLOPES[name].format(at)] if name in SLOPES else []
            keys = tuple(back + slope for slope in slopes)
            found.append(Asked(f"d{layer}", (i, m), f"the derivative by Z{at}", keys, 2.0))
    return tuple(found)


@dataclass(frozen=True)
class Drawing:
    """Draws the values of a chain, and takes them through the library's layers, forward and backward."""

    spec: Spec

    def __call__(self, seed: int) -> Draw:
        sizes = self.sizes(seed % SHAPES)
        widths, m = [sizes.get(str(width), 1) for width in self.spec.widths], sizes.get("M", 1)
        kinked = [f"Z{at + 1}" for at, name in enumerate(self.spec.activations) if name in KINKED]
        for attempt in range(1000):
            rng = np.random.default_rng([seed, attempt])
            params = [
                {"W": 0.9 * rng.normal(size=(i, o)), "b": 0.5 * rng.normal(size=o)} for i, o in pairwise(widths)
            ]
            with jax.enable_x64(True):
                x, target = rng.normal(size=(m, widths[0])), self.target(rng, m, widths[-1])
                values, reference = map(columns, passes(self.spec, tuple(widths))(params, x, target))
            if all(two_sided(values[name]) for name in kinked):
                values.pop(f"Z{self.spec.depth}")
                return Draw(sizes, values, reference)
        raise AssertionError("no draw away from the kinks")

    def sizes(self, seed: int) -> dict[str, int]:
        """Lengths that all differ."""
        names = [width for width in (*self.spec.widths, *["M"] * self.spec.batch) if isinstance(width, str)]
        lengths = 3 + np.random.default_rng(seed).permutation(len(names) + 1)[: len(names)]
        return {name: int(length) for name, length in zip(names, lengths, strict=True)}

    def target(self, rng: np.random.Generator, m: int, k: int) -> np.ndarray:
        """Classes as their 1 among 0, shares, or numbers."""
        if self.spec.loss == "softmax cross-entropy":
            return np.eye(k)[rng.integers(k, size=m)]
        if self.spec.loss == "binary cross-entropy":
            return rng.uniform(0.1, 0.9, (m, k))
        return rng.normal(size=(m, k))


@lru_cache(32)
def passes(spec: Spec, widths: tuple[int, ...]) -> Callable[..., Any]:
    """(values, reference) of parameters, examples and targets, by the sheet's names, rows being examples."""
    layers: list[Layer] = []
    for at, o in enumerate(widths[1:]):
        layers += [Dense(o), *(ACTIVATIONS[name] for name in spec.activations[at : at + 1])]
    loss = LOSSES[spec.loss]

    def both(dense, x, target):
        params = [dense[at // 2] if at % 2 == 0 else {} for at in range(len(layers))]
        name, f, y = spec.net_names
        values, reference, h, saved = {name: x, y: target}, {}, x, []
        for at, layer in enumerate(layers):
            h, kept = layer.forward(params[at], h, Context())
            saved.append(kept)
            values |= {f"{'ZH'[at % 2]}{at // 2 + 1}": h}
            values |= {f"{letter}{at // 2 + 1}": p for letter, p in params[at].items()}
        values |= {f: h} if spec.loss == "squared error" else {f: h, "P": loss.predict(h)}
        _, dh = loss(h, target, jnp.full(len(x), 1 / len(x)))
        for at in reversed(range(len(layers))):
            if at % 2 == 0:
                reference[f"d{at // 2 + 2}"] = dh
            dh, dparams = layers[at].backward(params[at], saved[at], dh)
            reference |= {f"d{letter}{at // 2 + 1}": dp for letter, dp in dparams.items()}
        return values, reference

    return jax.jit(both)


def columns(arrays) -> dict[str, np.ndarray]:
    """Rows of examples as columns; a bias, of one axis, as a column."""
    return {name: np.atleast_2d(np.asarray(array)).T for name, array in arrays.items()}


def two_sided(z: np.ndarray) -> bool:
    """Whether a unit is active and another is not, and all are away from the kink."""
    return bool(np.abs(z).min() > MARGIN and (z > 0).any() and (z < 0).any())
