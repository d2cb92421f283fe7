"""The cost of a fully connected network as a text states it (row R28), beside ours, term by term.

The network has L hidden layers of d_H units, d inputs, K outputs and a minibatch of M. Every hidden layer behind
the first adds the same, so ours is f(1) + (L − 1) (f(2) − f(1)), which f(3) confirms.
"""

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deltarule.errors import SettingError
from deltarule.layers import Chain, Dense
from deltarule.layers.layer import Elementwise, Layer

if TYPE_CHECKING:
    from deltarule.inspect.plan import Plan

NAMES = ("L - 1", "M", "d_H", "d", "K")  # a term is known by its powers of these
OPERATIONS = {
    (1, 1, 2, 0, 0): "forward, δ and dW, as there; a multiply-add is two FLOPs here and one operation there",
    (0, 1, 2, 0, 0): "none here: of d_H × d_H products there are L − 1, those between hidden layers",
    (0, 1, 1, 1, 0): "forward and dW of the first layer, two FLOPs each; the text has one product of the two",
    (0, 1, 1, 0, 1): "forward, δ and dW of the last layer, as there, at two FLOPs",
    (1, 1, 1, 0, 0): "bias, its gradient, activation and its derivative; the text has one for all",
    (0, 1, 1, 0, 0): "the same of the first hidden layer",
    (0, 1, 0, 0, 1): "the outputs' bias and its gradient, the loss and its δ",
    (0, 1, 0, 0, 0): "the loss's mean over the minibatch",
    (1, 0, 1, 0, 0): "a sum over M examples takes M − 1 additions: gradients of the biases",
    (0, 0, 1, 0, 0): "the same of the first hidden layer",
    (0, 0, 0, 0, 1): "the same of the outputs",
}
NUMBERS = {
    (1, 0, 2, 0, 0): "weights, and their gradients besides",
    (1, 0, 1, 0, 0): "biases, and their gradients besides",
    (0, 0, 1, 1, 0): "the first layer's weights, and their gradients",
    (0, 0, 1, 0, 1): "the last layer's weights, and their gradients",
    (0, 0, 1, 0, 0): "the first layer's bias, which the text leaves out, and its gradient",
    (0, 0, 0, 0, 1): "the outputs' bias, and its gradient",
    (1, 1, 1, 0, 0): "back-propagation keeps what all L layers gave; two suffice only if it is computed again",
    (0, 1, 1, 0, 0): "what the first hidden layer gave; the text has two layers here, whatever L is",
    (0, 1, 0, 1, 0): "the minibatch itself, which the first layer's dW needs",
}


@dataclass(frozen=True)
class Term:
    """A product of sizes, how often the text and we count it, and what it stands for."""

    product: Any
    text: int
    ours: int
    meaning: str


@dataclass(frozen=True)
class Comparison:
    """Operations of forward and backward, and numbers in memory, each as the text has them and as we do.

    Attributes:
        operations, numbers: (the text's formula, ours, their terms) of each.
    """

    operations: tuple[Any, Any, tuple[Term, ...]]
    numbers: tuple[Any, Any, tuple[Term, ...]]

    def to_json(self) -> dict[str, Any]:
        """Both formulas and their terms, as text and whole numbers."""
        return {name: self.told(getattr(self, name)) for name in ("operations", "numbers")}

    def told(self, compared: tuple[Any, Any, tuple[Term, ...]]) -> dict[str, Any]:
        text, ours, terms = compared
        each = [{"term": str(t.product), "text": t.text, "ours": t.ours, "meaning": t.meaning} for t in terms]
        return {"text": str(text), "ours": str(ours), "terms": each}

    def table(self, width: int = 80) -> str:
        """Both comparisons for a terminal of so many columns."""
        heads = {"operations": "Operations, forward and backward", "numbers": "Numbers in memory"}
        return "\n\n".join(compared(head, getattr(self, name), width) for name, head in heads.items())

    def __str__(self) -> str:
        return self.table()


def compared(head: str, comparison: tuple[Any, Any, tuple[Term, ...]], width: int) -> str:
    """One comparison as lines: the formulas, then a line a term."""
    from deltarule.inspect.plan_text import simplified

    text, ours, terms = comparison
    lines = [head]
    for name, formula in (("text", text), ("ours", ours)):
        start = f"  {name}  "
        lines.append(textwrap.fill(simplified(formula), width, initial_indent=start, subsequent_indent=" " * 8))
    lines += ["", f"  {'term':16}{'text':>5}{'ours':>6}"]
    for term in terms:
        start = f"  {simplified(term.product):16}{term.text or '·':>5}{term.ours or '·':>6}   "
        lines.append(textwrap.fill(term.meaning, width, initial_indent=start, subsequent_indent=" " * len(start)))
    return "\n".join(lines)


def compare(plan: "Plan") -> Comparison:
    """A fully connected network's cost beside the text's, for any sizes.

    Raises:
        SettingError: the network is not dense layers with one activation between them.
    """
    import sympy

    L, M, d, d_H, K = sympy.symbols("L M d d_H K", positive=True, integer=True)
    activation = activation_of(plan.step.net)
    cases = [case(plan, activation, depth, (M, d), d_H, K) for depth in (1, 2, 3)]
    ours = []
    for first, second, third in zip(*cases, strict=True):
        if sympy.expand(first + 2 * (second - first) - third) != 0:
            raise SettingError("textbook: the hidden layers do not add the same each, so there is no formula in L")
        ours.append(first + (L - 1) * (second - first))
    text = (
        M * ((L - 1) * (3 * d_H**2 + d_H) + d_H * (2 * d_H + d + 3 * K + 1) + 2 * K),
        (L - 1) * (d_H**2 + d_H) + d_H * (d + K) + K + 2 * M * d_H,
    )
    notes = (OPERATIONS, NUMBERS)
    return Comparison(
        *((t, o, terms(t, o, (L, M, d_H, d, K), known)) for t, o, known in zip(text, ours, notes, strict=True))
    )


def case(plan: "Plan", activation: Layer, depth: int, x: Any, width: Any, outputs: Any) -> tuple[Any, Any]:
    """(operations, numbers) of a network of so many hidden layers."""
    hidden = [layer for _ in range(depth) for layer in (Dense(width), activation)]
    step = replace(plan.step, net=Chain(*hidden, Dense(outputs)), l2=None, clip_norm=None)
    total = plan.of(step, x).total
    return total.forward + total.backward, 2 * total.parameters + total.saved_bytes / 4


def activation_of(net: Layer) -> Layer:
    """The activation between the dense layers of a network that has nothing else."""
    layers = list(net.layers) if isinstance(net, Chain) else []
    hidden, activations = layers[:-1:2], layers[1::2]
    fits = (
        len(layers) > 2
        and len(layers) % 2
        and all(isinstance(layer, Dense) and layer.bias for layer in [*hidden, layers[-1]])
        and len({layer.features for layer in hidden if isinstance(layer, Dense)}) == 1
        and isinstance(activations[0], Elementwise)
        and all(layer == activations[0] for layer in activations)
    )
    if not fits:
        raise SettingError(
            "textbook: the text's formula is that of dense layers of one width with an activation behind each but "
            "the last, Dense(d_H), Tanh(), Dense(d_H), Tanh(), Dense(K); this network is another"
        )
    return activations[0]


def terms(text: Any, ours: Any, symbols: tuple[Any, ...], notes: dict[tuple[int, ...], str]) -> tuple[Term, ...]:
    """Every product of sizes in either formula, by powers of L − 1 and the others; the largest first."""
    import sympy

    L, *others = symbols
    deeper = sympy.Symbol("l")
    counts = [
        dict(sympy.Poly(sympy.expand(formula.subs(L, deeper + 1)), deeper, *others).terms())
        for formula in (text, ours)
    ]
    found = []
    for powers in sorted(
        set(counts[0]) | set(counts[1]), key=lambda p: (p[1] == 0, -sum(p), tuple(-q for q in p))
    ):
        each = [int(count.get(powers, 0)) for count in counts]
        product = sympy.Mul(*(s**p for s, p in zip((L - 1, *others), powers, strict=True)))
        found.append(Term(product, each[0], each[1], notes.get(powers, "")))
    return tuple(found)
