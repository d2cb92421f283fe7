"""The notation of answers: an expression's `ast` is translated into our own nodes, and never executed.

What is not in the list here has no translation, so that there is nothing to forbid.
"""

import ast
from typing import Any

from deltarule.errors import DataError
from deltarule.grade.functions import ALIASES, FUNCTIONS, METHODS, REDUCTIONS, REWRITTEN
from deltarule.grade.nodes import (
    Call,
    Cut,
    Item,
    Loop,
    Name,
    Negative,
    Node,
    Number,
    Operation,
    Total,
    Transposed,
)

LARGEST = 1e9  # of a number
SIGNS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.MatMult: "@",
    ast.Pow: "**", ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
LIST = "names, numbers, + - * / // % @ **, comparisons, .T, [...], sums over range(...) and the listed functions"
GREEK = str.maketrans({"δ": "d", "∂": "d", "σ": "sigma", "γ": "gamma", "β": "beta", "ε": "eps", "μ": "mu"})


class Refused(DataError):
    """An expression that is no answer: outside the language, too large, or without a value.

    Attributes:
        kind: what is wrong with the equation, as in its mark.
    """

    def __init__(self, kind: str, message: str):
        self.kind, self.message = kind, message
        super().__init__(message)


def outside(node: ast.AST, instead: str = "") -> Refused:
    """The error for what has no translation."""
    hints = {ast.BitXor: "a power is written **", ast.And: "and may only stand in the if of a sum"}
    hint = instead or hints.get(type(getattr(node, "op", None)), f"an expression has {LIST}")
    try:
        text = ast.unparse(node)
    except (ValueError, RecursionError):
        text = type(node).__name__
    return Refused("language", f"{text[:60]!r} is outside the language of answers; {hint}")


def translate(node: ast.AST) -> Node:
    """The node of an expression; raises Refused where it has none."""
    match node:
        case ast.Constant(value=value) if type(value) in (int, float):
            return number(value)
        case ast.Name(id=letter):
            return Name(letter.translate(GREEK))
        case ast.UnaryOp(op=ast.USub(), operand=inside):
            return Negative(translate(inside))
        case ast.UnaryOp(op=ast.UAdd(), operand=inside):
            return translate(inside)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SIGNS:
            return Operation(SIGNS[type(op)], translate(left), translate(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in SIGNS:
            return Operation(SIGNS[type(op)], translate(left), translate(right))
        case ast.Compare(left=left, ops=[low, high], comparators=[middle, right]):
            both = ast.Compare(left, [low], [middle]), ast.Compare(middle, [high], [right])
            return Operation("*", *map(translate, both))
        case ast.Attribute(value=inside, attr="T"):
            return Transposed(translate(inside))
        case ast.Subscript(value=inside, slice=at):
            elements = at.elts if isinstance(at, ast.Tuple) else [at]
            return Item(translate(inside), tuple(map(place, elements)))
        case ast.Call(func=ast.Name(id="sum"), args=[ast.GeneratorExp() as total], keywords=[]):
            return sum_over(total)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            return call(node, name.translate(GREEK), arguments, keywords)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name), args=args, keywords=named):
            return call(node, name, args, named)
        case ast.Call(func=ast.Attribute(value=ast.Compare() as mask, attr="astype"), args=[_], keywords=[]):
            return translate(mask)
        case ast.Call(func=ast.Attribute(value=inside, attr=name), args=args, keywords=named) if name in METHODS:
            return call(node, name, [inside, *args], named)
        case ast.Call(func=ast.Constant() | ast.BinOp() | ast.Call() | ast.Attribute(attr="T")):
            raise outside(node, "a product is written with a sign, as in 2 * (f - y)")
    raise outside(node)


def number(value: Any) -> Number:
    """A number as it stands; raises Refused where it is none, or too large."""
    if not abs(value) <= LARGEST:
        raise Refused("size", f"expected numbers up to {LARGEST:g}, got a larger one")
    return Number(float(value))


def call(node: ast.AST, name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Node:
    """A function of the list, its other names and notations brought to one."""
    name = ALIASES.get(name, name)
    if name not in FUNCTIONS and name not in REWRITTEN:
        raise outside(node, f"the functions are {', '.join(sorted(FUNCTIONS))}")
    if name in REDUCTIONS:
        return reduction(node, name, arguments, keywords)
    if keywords:
        raise outside(node, "only sum, mean and max take named arguments, axis and keepdims")
    if name in ("ones", "zeros", "reshape") and arguments and isinstance(arguments[-1], ast.Tuple):
        arguments = [*arguments[:-1], *arguments[-1].elts]
    given = tuple(map(translate, arguments))
    match name, given:
        case "matmul", (left, right):
            return Operation("@", left, right)
        case "transpose", (inside,):
            return Transposed(inside)
        case "square", (inside,):
            return Operation("**", inside, Number(2.0))
        case "power", (left, right):
            return Operation("**", left, right)
    least, most = FUNCTIONS[name].arguments if name in FUNCTIONS else (2, 2) if name != "square" else (1, 1)
    if not least <= len(given) <= most:
        expected = f"{least}" if least == most else f"{least} to {most}"
        raise Refused("language", f"{name}: expected {expected} arguments, got {len(given)}")
    return Call(name, given)


def reduction(node: ast.AST, name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Node:
    """A sum, mean or maximum over an axis."""
    named = {keyword.arg: keyword.value for keyword in keywords}
    if len(arguments) == 2 and "axis" not in named:
        named["axis"] = arguments.pop()
    if len(arguments) != 1 or not named.keys() <= {"axis", "keepdims"}:
        raise outside(node, f"write {name}(x, axis=1, keepdims=True)")
    axis: Any = literal(named.get("axis", ast.Constant(None)))
    keepdims = literal(named.get("keepdims", ast.Constant(False)))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not (axis is None or all(type(each) is int and -4 <= each <= 3 for each in axes)) or type(keepdims) not in (
        bool,
        int,
    ):
        raise outside(node, "an axis is a whole number, such as axis=1, and keepdims True or False")
    return Call(name, (translate(arguments[0]),), axis, bool(keepdims))


def literal(node: ast.AST) -> object:
    """A number, truth value, None, or a tuple of them, as it stands; the node itself where it is none."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
        case ast.Tuple(elts=elements):
            return tuple(map(literal, elements))
    return node


def place(node: ast.expr) -> Node | Cut | None:
    """What stands within brackets: a cut, a new axis, or an index."""
    if isinstance(node, ast.Slice):
        step = literal(node.step) if node.step is not None else 1
        if type(step) is not int or not 1 <= abs(step) <= 8:
            raise outside(node, "the step of a cut is a whole number from -8 to 8, and not 0")
        start, stop = (None if bound is None else translate(bound) for bound in (node.lower, node.upper))
        return Cut(start, stop, step)
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    if isinstance(node, ast.Attribute) and node.attr == "newaxis":
        return None
    return translate(node)


def sum_over(node: ast.GeneratorExp) -> Node:
    """sum(... for m in range(k) if ...)."""
    loops, conditions = [], []
    for each in node.generators:
        if each.is_async:
            raise outside(node)
        match each.target, each.iter:
            case ast.Name(id=letter), ast.Call(
                func=ast.Name(id="range"), args=[_] | [_, _] as bounds, keywords=[]
            ):
                start, stop = [Number(0.0)] * (2 - len(bounds)) + list(map(translate, bounds))
                loops.append(Loop(letter.translate(GREEK), start, stop))
            case _:
                raise outside(node, "a sum runs as in sum(K[m] * X[m] for m in range(k))")
        for condition in each.ifs:
            both = isinstance(condition, ast.BoolOp) and isinstance(condition.op, ast.And)
            conditions += map(translate, condition.values if both else [condition])  # type: ignore[union-attr]
    return Total(translate(node.elt), tuple(loops), tuple(conditions))
