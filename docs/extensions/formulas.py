"""The equations of a layer or a loss, and the cost of a layer, as Markdown with formulas in LaTeX."""

from collections.abc import Callable
from typing import Any

import sympy

import deltarule as dr
from deltarule.layers.cell import Cell
from deltarule.layers.layer import Equations, Layer, size


def symbols(names: str) -> list[Any]:
    """Positive whole numbers that have a name and no value."""
    return [sympy.Symbol(name, positive=True, integer=True) for name in names.split()]


n, t, h, w, i, o, K, k, p, q = symbols("n t h w i o K k o_1 o_2")
ROWS, SEQUENCES, IMAGES, PIXELS = (n, i), (n, t, i), (n, h, w, i), (n, 32, 32, i)
SUBJECTS: dict[str, tuple[Callable[[], Layer], tuple[Any, ...]]] = {  # the rest: without settings, on rows
    "Dense": (lambda: dr.Dense(o), ROWS),
    "Convolution": (lambda: dr.Convolution(16, 3), PIXELS),
    "ConvolutionTranspose": (lambda: dr.ConvolutionTranspose(16, 3), PIXELS),
    "MaxPool": (lambda: dr.MaxPool(2), PIXELS),
    "AveragePool": (lambda: dr.AveragePool(2), PIXELS),
    "GlobalMaxPool": (dr.GlobalMaxPool, PIXELS),
    "GlobalAveragePool": (dr.GlobalAveragePool, IMAGES),
    "BatchNorm": (dr.BatchNorm, IMAGES),
    "BatchNormReLU": (dr.BatchNormReLU, IMAGES),
    "GroupNorm": (lambda: dr.GroupNorm(2), IMAGES),
    "Dropout": (lambda: dr.Dropout(0.5), ROWS),
    "SpatialDropout": (lambda: dr.SpatialDropout(0.5), IMAGES),
    "Embedding": (lambda: dr.Embedding(K, o), (n,)),
    "Columns": (lambda: dr.Columns(0, k), ROWS),
    "Recurrent": (lambda: dr.Recurrent(dr.LSTM(o)), SEQUENCES),
    "LSTM": (lambda: dr.Recurrent(dr.LSTM(o)), SEQUENCES),
    "GRU": (lambda: dr.Recurrent(dr.GRU(o)), SEQUENCES),
    "SimpleRNN": (lambda: dr.Recurrent(dr.SimpleRNN(o)), SEQUENCES),
    "Bidirectional": (lambda: dr.Bidirectional(dr.LSTM(o)), SEQUENCES),
    "TimeDistributed": (lambda: dr.TimeDistributed(dr.Dense(o)), SEQUENCES),
    "Flatten": (dr.Flatten, IMAGES),
    "Reshape": (lambda: dr.Reshape(-1), IMAGES),
    "Dueling": (dr.Dueling, (n, 5)),
    "Chain": (lambda: dr.Chain(dr.Dense(h), dr.ReLU(), dr.Dense(o)), ROWS),
    "Residual": (lambda: dr.Residual(dr.Chain(dr.Dense(i), dr.Tanh())), ROWS),
    "Branch": (lambda: dr.Branch(dr.Dense(p), dr.Dense(q)), ROWS),
    "Recompute": (lambda: dr.Recompute(dr.Chain(dr.Dense(o), dr.Tanh())), ROWS),
    "RandomFlip": (dr.RandomFlip, IMAGES),
    "RandomShift": (lambda: dr.RandomShift(2), IMAGES),
    "RandomCrop": (lambda: dr.RandomCrop(28, 28), PIXELS),
    "Cutout": (lambda: dr.Cutout(8), IMAGES),
}


def equations(thing: Any) -> str:
    """The equations of a class that states some, forward and backward, with their source; "" of any other."""
    stated = (
        thing(1).equations
        if isinstance(thing, type) and issubclass(thing, Cell) and thing is not Cell
        else (getattr(thing, "equations", None))
    )
    if not isinstance(stated, Equations):
        return ""
    parts = ["**Forward**", aligned(stated.forward), "**Backward**", aligned(stated.backward)]
    return "\n\n".join([*parts, f"After {stated.source}."] if stated.source else parts)


def aligned(lines: tuple[str, ...]) -> str:
    """Equations one below the other, their signs of equality too."""
    rows = [line.replace("=", "&=", 1) if "=" in line else f"&{line}" for line in lines]
    return "\n".join(["```{math}", r"\begin{aligned}", " \\\\\n".join(rows), r"\end{aligned}", "```"])


def cost(thing: Any) -> str:
    """What a layer costs, in symbols, as a table; "" of anything else."""
    contract = isinstance(thing, type) and issubclass(thing, Layer | Cell) and thing not in (Layer, Cell)
    if not contract and getattr(thing, "__name__", "") not in SUBJECTS:
        return ""
    make, x = SUBJECTS.get(thing.__name__, (thing, ROWS))
    layer = make()
    told = layer.cost(x)
    kept = told.saved + (size(x) if told.keeps_x else 0) + (size(layer.shape(x)) if told.keeps_y else 0)
    rows = [("forward, FLOP", told.forward), ("backward, FLOP", told.backward), ("parameters", told.parameters)]
    rows += [("numbers kept for backward", kept), ("bytes of masks and keys", told.marks)]
    lines = [f"| {name} | ${latex(value)}$ |" for name, value in rows if value != 0]
    if not lines:
        return "**Cost**: none; nothing is computed and nothing is kept."
    shape = ", ".join(map(str, x)) + ("," if len(x) == 1 else "")
    head = f"**Cost** of `{named(layer)}` on x of shape `({shape})`"
    return "\n".join([head, "", "| | |", "|---|---|", *lines])


def latex(value: Any) -> str:
    """A formula as short as it goes."""
    return sympy.latex(sympy.factor_terms(sympy.expand(sympy.sympify(value))), mul_symbol="dot")


def named(value: Any) -> str:
    """A layer, or any other frozen dataclass, as it is written: without the settings that are as by default.

    >>> named(dr.Chain(dr.Dense(o), dr.ReLU()))
    'Chain(Dense(o), ReLU())'
    """
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is None:
        return repr(value)
    given = {name: getattr(value, name) for name, each in fields.items() if each.init or name == "layers"}
    settings = [
        *([named(each) for part in given.values() for each in part] if isinstance(value, dr.Chain) else []),
        *(
            named(each)
            for name, each in given.items()
            if not isinstance(value, dr.Chain) and each != fields[name].default
        ),
    ]
    return f"{type(value).__name__}({', '.join(settings)})"
