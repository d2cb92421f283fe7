"""Single changes of an answer's tree: the slips of derivations, each with its kind.

Tried on a student's tree, a change that makes it right says what is wrong in it; tried on a right answer, one that
makes the student's value says the same from the other side.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from deltarule.grade.functions import REDUCTIONS
from deltarule.grade.nodes import (
    Call,
    Item,
    Name,
    Negative,
    Node,
    Number,
    Operation,
    Total,
    Transposed,
    count,
    everywhere,
    letters,
    parts,
    places,
)

KINDS = {  # of a change, in the order in which they are tried, and what they are called in a mark
    "transpose": "transpose",
    "axis": "axis",
    "shape": "shape",
    "function": "function",
    "brackets": "brackets",
    "mean": "factor",
    "sign": "factor",
    "coefficient": "factor",
    "term": "term",
    "variable": "variable",
    "number": "factor",
    "added sum": "axis",
    "added function": "function",
}
ORDER = tuple(KINDS)
# Two slips at once are of these kinds; the others explain too much.
PLAIN = ("transpose", "axis", "function", "mean", "sign", "coefficient", "term", "variable")
COMPARED = (">", ">=", "<", "<=", "==")
LONG = 150  # nodes of a tree in which the same part is not sought elsewhere
MOST_WORK = 120_000  # nodes of all changed trees


@dataclass(frozen=True)
class Edit:
    """A change: the tree after it, and which part became which; `new` is None where a part is dropped."""

    kind: str
    tree: Node
    old: Node
    new: Node | None


@dataclass(frozen=True)
class Pool:
    """What may stand in a name's place, in a function's; and which names are numbers."""

    names: tuple[str, ...]
    functions: tuple[str, ...]
    numbers: tuple[str, ...]


def edits(tree: Node, pool: Pool) -> list[Edit]:
    """All changes of a tree, in one place or wherever the same stands; the likeliest first, no tree twice."""
    found, seen = [], {tree}
    nodes = [node for node, _ in places(tree)]
    most = MOST_WORK // len(nodes)
    for at, (node, put) in enumerate(places(tree)):
        often = count(node) <= 3 and node in nodes[at + 1 :] and node not in nodes[:at] and len(nodes) < LONG
        for kind, new, dropped in changes(node, pool) if len(found) < most else ():
            for whole in (put(new), everywhere(tree, node, new) if often else tree):
                if whole not in seen and len(found) < most:
                    seen.add(whole)
                    found.append(Edit(kind, whole, node if dropped is None else dropped, None if dropped else new))
    return sorted(found, key=lambda edit: ORDER.index(edit.kind))


Change = tuple[str, Node, Node | None]  # kind, what takes the node's place, and what is dropped


def changes(node: Node, pool: Pool) -> Iterator[Change]:
    """The changes of one node."""
    yield from transposed(node)
    yield from of_axis(node)
    yield from of_function(node, pool.functions)
    yield from of_brackets(node)
    yield from of_name(node, pool)
    yield from of_term(node)
    yield from added(node, pool.functions)


def turned(node: Node) -> Node:
    return node.inside if isinstance(node, Transposed) else Transposed(node)


def transposed(node: Node) -> Iterator[Change]:
    """A transpose too many or too few, and operands in the other order."""
    match node:
        case Operation("@", left, right):
            yield "transpose", Operation("@", turned(right), turned(left)), None
            for one, other in ((left, right), (right, left)):
                for first in (one, turned(one)):
                    for then in (other, turned(other)):
                        yield "transpose", Operation("@", first, then), None
            yield "function", Operation("*", left, right), None
        case Operation("*", left, right):
            for one, other in ((left, right), (right, left)):
                for first in (one, turned(one)):
                    for then in (other, turned(other)):
                        yield "function", Operation("@", first, then), None
            yield "transpose", Operation("*", turned(left), right), None
            yield "transpose", Operation("*", left, turned(right)), None
        case Call("outer", (left, right)):
            yield "transpose", Call("outer", (right, left)), None
        case Item(inside, at) if len(at) > 1:
            for first in range(len(at) - 1):
                order = list(at)
                order[first : first + 2] = reversed(order[first : first + 2])
                yield "variable", Item(inside, tuple(order)), None
    if isinstance(node, Transposed | Call | Operation):
        yield "transpose", turned(node), None


def of_axis(node: Node) -> Iterator[Change]:
    """A sum, mean or maximum over another axis, none, or left out."""
    if isinstance(node, Call) and node.function in REDUCTIONS:
        for axis in (0, 1, None):
            for keepdims in (True, False):
                kind = "shape" if axis == node.axis else "axis"
                yield kind, replace(node, axis=axis, keepdims=keepdims), None
        yield "axis", node.arguments[0], None
        if node.function in ("sum", "mean"):
            yield "mean", replace(node, function="mean" if node.function == "sum" else "sum"), None
    if isinstance(node, Total):
        for at in range(len(node.loops)):
            if len(node.loops) > 1:
                yield "axis", replace(node, loops=(*node.loops[:at], *node.loops[at + 1 :])), None


def of_function(node: Node, functions: tuple[str, ...]) -> Iterator[Change]:
    """Another function, two in the other order, a power left out, a comparison the other way round."""
    if isinstance(node, Call) and len(node.arguments) == 1 and isinstance(inner := node.arguments[0], Call):
        yield "function", replace(inner, arguments=(replace(node, arguments=inner.arguments[:1]),)), None
    match node:
        case Call(name, (inside,)) if name in functions:
            for other in functions:
                yield "function", Call(other, (inside,)), None
            yield "function", inside, None
        case Call("maximum" | "minimum" as name, arguments):
            yield "function", Call("minimum" if name == "maximum" else "maximum", arguments), None
        case Call(name, (inside, *_)) if name not in REDUCTIONS:
            if name in ("floor", "ceil"):
                yield "function", Call("ceil" if name == "floor" else "floor", (inside,)), None
            yield "function", inside, None
        case Operation("**", base, power):
            yield "function", base, None
            for other in (Negative(power), Operation("/", power, Number(2.0))):
                yield "function", Operation("**", base, other), None
        case Operation(sign, left, right) if sign in COMPARED:
            for other in COMPARED:
                yield "function", Operation(other, left, right), None
        case Operation("//", left, right):
            yield "function", Operation("/", left, right), None
    if isinstance(node, Operation) and node.sign == "/":
        yield "function", Operation("*", node.left, node.right), None
        yield "function", Operation("/", node.left, Call("sqrt", (node.right,))), None


def of_brackets(node: Node) -> Iterator[Change]:
    """Brackets that take in one summand too few, or too many."""
    match node:
        case Operation("+" | "-" as sign, Operation("*" | "/" as by, left, factor), right):
            yield "brackets", Operation(by, Operation(sign, left, right), factor), None
            if by == "*":
                yield "brackets", Operation("*", left, Operation(sign, factor, right)), None
        case Operation("+" | "-" as sign, left, Operation("*" | "/" as by, right, factor)):
            yield "brackets", Operation(by, Operation(sign, left, right), factor), None
        case Operation("*", factor, Operation("+" | "-" as sign, left, right)):
            yield "brackets", Operation(sign, Operation("*", factor, left), right), None
        case Operation("*" | "/" as by, Operation("+" | "-" as sign, left, right), factor):
            yield "brackets", Operation(sign, left, Operation(by, right, factor)), None
            yield "brackets", Operation(sign, Operation(by, left, factor), right), None
        case Call(_, (Operation("+" | "-" as sign, left, right),)):
            yield "brackets", Operation(sign, replace(node, arguments=(left,)), right), None
        case Operation("+" | "-" as sign, Call(_, (inside,)) as call, right):
            yield "brackets", replace(call, arguments=(Operation(sign, inside, right),)), None


def added(node: Node, functions: tuple[str, ...]) -> Iterator[Change]:
    """A sum or a function that is missing, or too many; found last, for they explain much by chance."""
    if isinstance(node, Name | Operation | Transposed):
        for axis in (0, 1, None):
            yield "added sum", Call("sum", (node,), axis, axis is not None), None
    if isinstance(node, Name) or (isinstance(node, Operation) and node.sign in "+-"):
        yield "added function", Operation("**", node, Number(2.0)), None
    if isinstance(node, Name):
        for function in ("flip", *functions):
            yield "added function", Call(function, (node,)), None
    if isinstance(node, Operation) and node.sign == "/":
        yield "added function", Call("floor", (node,)), None
    if isinstance(node, Operation) and node.sign in "+-*":
        for sign in "*" if node.sign in "+-" else "+-":
            yield "added function", replace(node, sign=sign), None


def of_name(node: Node, pool: Pool) -> Iterator[Change]:
    """Another name; or a number left out."""
    if isinstance(node, Name):
        for letter in pool.names:
            yield "variable", Name(letter), None
        if node.letter in pool.numbers:
            yield "term", Number(1.0), node


def of_term(node: Node) -> Iterator[Change]:
    """A summand or a factor left out, a sign turned, another number."""
    match node:
        case Operation("*", left, right):
            if isinstance(left, Operation) and left.sign == "*":
                yield "term", left.left, Operation("*", left.right, right)
            yield "term" if letters(right) else "coefficient", left, right
            yield "term" if letters(left) else "coefficient", right, left
        case Operation("@" | "+", left, right):
            yield "term", left, right
            yield "term", right, left
        case Operation("-", left, right):
            yield "term", left, right
            yield "term", Negative(right), left
        case Operation("/" | "//", left, right):
            yield "term" if letters(right) else "coefficient", left, right
            yield "term" if letters(left) else "coefficient", Operation("/", Number(1.0), right), left
        case Negative(inside):
            yield "sign", inside, None
        case Total(_, _, conditions):
            for at in range(len(conditions)):
                yield "term", replace(node, conditions=(*conditions[:at], *conditions[at + 1 :])), conditions[at]
        case Number(value):
            for other in (2 * value, value / 2, -value, value + 1, value - 1):
                yield "number", Number(other), None
    if isinstance(node, Operation) and node.sign in "+-":
        yield "sign", replace(node, sign="-" if node.sign == "+" else "+"), None
        if isinstance(node.left, Operation) and node.left.sign in "+-":
            yield "term", node.left.left, Operation("+", node.left.right, node.right)


def bound(tree: Node) -> set[str]:
    """The indices of the sums in a tree."""
    own = {loop.letter for loop in tree.loops} if isinstance(tree, Total) else set()
    return own.union(*(bound(inside) for inside, _ in parts(tree)))
