"""A layer's own equations as it is set: a cell's in a recurrent layer, and without what its options leave out."""

from deltarule.inspect.formula import (
    Formula,
    Mark,
    Name,
    Node,
    change,
    read,
    sides,
    substitute,
    symbol,
    symbols,
    trimmed,
)
from deltarule.inspect.stages import Stage, equations_of, placed
from deltarule.layers import Recurrent
from deltarule.layers.layer import Equations, Layer

ONES = (r"\gamma",)  # what a layer without it multiplies by; any other parameter that is left out is 0


def own_equations(stage: Stage, stated: Equations | None = None) -> tuple[list[Formula], list[Formula]]:
    """(forward, backward) of the layer as it is set: without the parameters that it does not have."""
    place = placed(stage.layer, stage.path)
    stated = stated or equations_of(stage.layer, place)
    forward, backward = [read(each) for each in stated.forward], [read(each) for each in stated.backward]
    if isinstance(stage.layer, Recurrent) and hasattr(stage.layer.cell, "equations"):
        ends = "Y_t = H_t" if not stage.layer.last else "Y = H_1" if stage.layer.reverse else "Y = H_T"
        forward = [*map(read, stage.layer.cell.equations.forward), read(ends)]
        backward = [read(each) for each in stage.layer.cell.equations.backward]
    present = {latex_name(name) for name in stage.params}
    made = set(map(left_symbol, forward)) | {"X", output_symbol(stage.layer)}
    used = set().union(*map(symbols, forward)) - made - present
    absent = {left.removeprefix("d") for left in map(left_symbol, backward) if left.removeprefix("d") in used}
    needed = set().union(*(symbols(sides(each)[1]) for each in backward))
    backward = [
        each
        for each in backward
        if left_symbol(each).removeprefix("d") not in absent or left_symbol(each) in needed
    ]
    return [without(absent, each) for each in forward], [without(absent, each) for each in backward]


def without(absent: set[str], formula: Formula) -> Formula:
    """The formula of a layer that does not have these parameters."""
    return change(formula, lambda nodes: drop_terms(absent, nodes)) if absent else formula


def drop_terms(absent: set[str], nodes: Formula) -> Formula:
    """The sum without the terms that are 0, and its products without the factors that are 1."""
    terms: list[list[Node]] = [[]]
    for node in nodes:
        if node in (Mark("+"), Mark("-"), Mark("="), Mark(",")):
            terms.append([])
        terms[-1].append(node)
    kept: list[Node] = []
    for term in terms:
        zero = {symbol(node) for node in term} & (absent - set(ONES))
        ones = [at for at, node in enumerate(term) if symbol(node) in absent & set(ONES)]
        if zero:
            continue
        for at in reversed(ones):
            end = at + 1
            while end < len(term) and term[end] in (Mark(" "), Mark(r"\odot")):
                end += 1
            alone = not any(node for node in (*term[:at], *term[end:]) if node != Mark(" "))
            term[at:end] = [Mark("1")] if alone else []
        kept += term
    return trimmed(tuple(kept)) if len(kept) < len(nodes) else tuple(kept)


def written(equations: tuple[str, ...], names: dict[str, Name]) -> list[Formula]:
    """The equations in the network's symbols."""
    return [substitute(read(each), names) for each in equations]


def left_symbol(formula: Formula) -> str:
    """What an equation is of: 'dW' for dW_k = ..., 'dC' for dC_t += ..."""
    left = sides(formula)[0]
    return symbol(left[0]) if left else ""


def output_symbol(layer: Layer) -> str:
    """What a layer's equations call its output: Y for most."""
    if isinstance(layer, Recurrent):
        return "Y"
    return left_symbol(read(layer.equations.forward[-1])) or "Y"


def latex_name(parameter: str) -> str:
    """A parameter's name in LaTeX: W as it is, gamma as \\gamma."""
    return parameter if len(parameter) == 1 else rf"\{parameter}"
