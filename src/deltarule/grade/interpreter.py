"""What an answer's tree is worth: an interpreter that walks our own nodes over float64 arrays, within limits.

Within a sum over indices everything is a number for each index: an index of depth t is an array along axis
−(t + 1), and all its values are computed at once.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deltarule.grade.functions import FUNCTIONS, whole
from deltarule.grade.nodes import Call, Cut, Item, Loop, Name, Negative, Node, Number, Operation, Total, Transposed
from deltarule.grade.nodes import letters as letters_of
from deltarule.grade.nodes import write as text_of
from deltarule.grade.notation import Refused

MOST_NUMBERS = 2**14  # of an array
MOST_WORK = 2**20  # of one expression: numbers made, products in @, and STEP for each node
STEP = 16
MOST_AXES = 4
MOST_INDICES = 6
HIGHEST_POWER = 16
OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "//": np.floor_divide, "%": np.mod,
    "**": np.power, ">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal, "==": np.equal,
    "!=": np.not_equal,
}  # fmt: skip


@dataclass
class Budget:
    """How much work an expression may still make."""

    left: int = MOST_WORK

    def spend(self, numbers: int) -> None:
        """Raises Refused where the work is more than an answer needs."""
        self.left -= numbers + STEP
        if self.left < 0:
            raise Refused(
                "size", "it takes more work than an answer needs; sum over fewer indices, or repeat less"
            )


@dataclass(frozen=True)
class Scope:
    """What names stand for.

    Attributes:
        values: the arrays by name.
        functions: what an exercise's own functions are, such as sigma and dsigma.
        indices: the arrays of the indices of the sums around.
        valid: where the conditions of the sums around hold.
    """

    values: Mapping[str, np.ndarray]
    functions: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    indices: Mapping[str, np.ndarray] = field(default_factory=dict)
    valid: np.ndarray = field(default_factory=lambda: np.ones(()))

    def without_indices(self) -> "Scope":
        return replace(self, indices={}, valid=np.ones(()))


def evaluate(
    node: Node,
    values: Mapping[str, np.ndarray],
    functions: Mapping[str, Callable[..., Any]],
    budget: Budget | None = None,
) -> np.ndarray:
    """The value of an expression, from a budget of its own or a shared one.

    Raises:
        Refused: it has none: shapes that do not fit, an unknown name, too much work, a number that is not finite.

    >>> evaluate(Operation("@", Name("W"), Name("x")), {"W": np.ones((2, 3)), "x": np.ones((3, 1))}, {}).tolist()
    [[3.0], [3.0]]
    """
    with np.errstate(all="ignore"):
        return finite(node, value(node, Scope(values, functions, budget or Budget())))


def evaluate_each(
    node: Node,
    indices: tuple[str, ...],
    shape: tuple[int, ...],
    values: Mapping[str, np.ndarray],
    functions: Mapping[str, Callable[..., Any]],
    budget: Budget | None = None,
) -> np.ndarray:
    """The array whose number at `indices` is the expression, `dK[m] = ...`.

    Raises:
        Refused: as for evaluate; or another number of indices than the array has axes.
    """
    if len(indices) != len(shape) or len(set(indices)) != len(indices):
        raise Refused("shape", f"expected {len(shape)} different indices at the left, got {', '.join(indices)}")
    scope = Scope(values, functions, budget or Budget())
    for letter, length in zip(reversed(indices), reversed(shape), strict=True):
        scope = looped(scope, Loop(letter, Number(0.0), Number(float(length))))
    with np.errstate(all="ignore"):
        return finite(node, np.broadcast_to(value(node, scope), shape))


def finite(node: Node, array: np.ndarray) -> np.ndarray:
    if not np.isfinite(array).all():
        raise Refused("other", f"{text_of(node)[:60]} is not finite: a division by zero, or a logarithm or root")
    return array


def value(node: Node, scope: Scope) -> np.ndarray:
    """The value of a node, which must fit into the limits."""
    try:
        found = np.asarray(worth(node, scope), np.float64)
    except (ValueError, TypeError, IndexError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused("shape", f"{text_of(node)[:60]}: {error}") from None
    if found.ndim > MOST_AXES + len(scope.indices):
        raise Refused("size", f"{text_of(node)[:60]} has {found.ndim} axes; at most {MOST_AXES}")
    scope.budget.spend(found.size)
    return found


def worth(node: Node, scope: Scope) -> Any:
    match node:
        case Number(number):
            return number
        case Name(letter):
            return named(letter, scope)
        case Negative(inside):
            return -value(inside, scope)
        case Transposed(inside):
            return whole_array(node, inside, scope).T
        case Operation("@", left, right):
            return product(node, whole_array(node, left, scope), whole_array(node, right, scope), scope)
        case Operation(sign, left, right):
            return operation(node, sign, value(left, scope), value(right, scope))
        case Call():
            return call(node, scope)
        case Item(inside, places):
            return element(node, scope) if scope.indices else value(inside, scope)[tuple(cuts(places, scope))]
        case Total(body, loops, conditions):
            return total(body, loops, conditions, scope)
    raise TypeError(f"no node of an answer: {node!r}")


def named(letter: str, scope: Scope) -> Any:
    if letter in scope.indices:
        return scope.indices[letter]
    if letter not in scope.values:
        raise Refused("name", f"the name {letter} is not known")
    array = scope.values[letter]
    if scope.indices and array.size > 1:
        raise Refused(
            "shape", f"{letter} of shape {array.shape} stands in a sum over indices; write {letter}[...]"
        )
    return array.reshape(()) if scope.indices else array


def whole_array(node: Node, inside: Node, scope: Scope) -> np.ndarray:
    if scope.indices:
        raise Refused("shape", f"{text_of(node)[:60]} stands in a sum over indices, where everything is a number")
    return value(inside, scope)


def require_room(node: Node, numbers: int) -> None:
    """Raises Refused before an array of too many numbers is made."""
    if numbers > MOST_NUMBERS:
        raise Refused("size", f"{text_of(node)[:60]} has {numbers} numbers; at most {MOST_NUMBERS}")


def require_fit(node: Node, *arrays: np.ndarray) -> None:
    """Raises Refused where arrays cannot be combined number by number, or make too large a one."""
    first = arrays[0].shape
    if all(array.shape == first for array in arrays):
        return
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise Refused("shape", f"{text_of(node)[:60]}: the shapes {shapes} do not fit each other") from None
    require_room(node, math.prod(shape))


def operation(node: Node, sign: str, left: np.ndarray, right: np.ndarray) -> Any:
    require_fit(node, left, right)
    if sign == "**" and right.size and not np.abs(right).max() <= HIGHEST_POWER:
        raise Refused("size", f"{text_of(node)[:60]}: expected powers up to {HIGHEST_POWER}")
    return OPERATIONS[sign](left, right)


def product(node: Node, left: np.ndarray, right: np.ndarray, scope: Scope) -> np.ndarray:
    if not (1 <= left.ndim <= 2 and 1 <= right.ndim <= 2 and left.shape[-1] == right.shape[0]):
        raise Refused(
            "shape", f"{text_of(node)[:60]}: the shapes {left.shape} and {right.shape} have no matrix product"
        )
    outside = math.prod(left.shape[:-1]) * math.prod(right.shape[1:])
    require_room(node, outside)
    scope.budget.spend(outside * left.shape[-1])
    return left @ right


def call(node: Call, scope: Scope) -> Any:
    function = FUNCTIONS[node.function]
    if not function.elementwise and scope.indices:
        raise Refused("shape", f"{node.function} stands in a sum over indices, where everything is a number")
    arguments = [value(argument, scope) for argument in node.arguments]
    if function.room is None and not node.function.startswith("reshape"):
        require_fit(node, *arguments)
    elif function.room is not None:
        numbers = function.room(*arguments)
        require_room(node, numbers)
        scope.budget.spend(numbers)
    if node.axis is not None or node.keepdims:
        return function.compute(*arguments, axis=node.axis, keepdims=node.keepdims)
    if node.function in ("sigma", "dsigma") and node.function not in scope.functions:
        raise Refused("name", f"{node.function} is not known here; name the activation, as in dtanh(Z)")
    return scope.functions.get(node.function, function.compute)(*arguments)


def cuts(places: tuple[Any, ...], scope: Scope) -> list[Any]:
    """The places within brackets as NumPy takes them."""
    found: list[Any] = []
    for place in places:
        if isinstance(place, Cut):
            start, stop = (None if at is None else whole(value(at, scope)) for at in (place.start, place.stop))
            found.append(slice(start, stop, place.step))
        else:
            found.append(None if place is None else whole(value(place, scope)))
    return found


def element(node: Item, scope: Scope) -> np.ndarray:
    """The numbers of an array at indices; where a condition of the sum fails no place need be there."""
    array = value(node.inside, scope.without_indices())
    if len(node.places) != array.ndim or any(place is None or isinstance(place, Cut) for place in node.places):
        raise Refused("shape", f"{text_of(node)[:60]}: expected {array.ndim} indices, for the shape {array.shape}")
    found = []
    for axis, place in enumerate(node.places):
        at = value(place, scope)
        require_fit(node, at, scope.valid)
        wrong = ((at < 0) | (at >= array.shape[axis]) | (at != np.floor(at))) & (scope.valid != 0)
        if wrong.any():
            first = float(np.broadcast_to(at, wrong.shape)[wrong][0])
            raise Refused(
                "index",
                f"{text_of(node)[:60]}: the index {text_of(place)} is {first:g} somewhere, outside of 0 to "
                f"{array.shape[axis] - 1}; add a condition to the sum, or correct the index",
            )
        found.append(np.clip(np.nan_to_num(at), 0, array.shape[axis] - 1).astype(int))
    require_fit(node, *found)
    return array[tuple(found)]


def looped(scope: Scope, loop: Loop) -> Scope:
    """The scope within one more loop."""
    if inside := sorted((letters_of(loop.start) | letters_of(loop.stop)) & scope.indices.keys()):
        raise Refused(
            "index",
            f"range({text_of(loop.stop)}) runs by another index, {inside[0]}; let {loop.letter} run over all, and "
            f"add a condition, such as if {loop.letter} < {inside[0]}",
        )
    start, stop = (whole(value(bound, scope.without_indices())) for bound in (loop.start, loop.stop))
    depth, length = len(scope.indices), max(0, stop - start)
    if depth >= MOST_INDICES or length > MOST_NUMBERS or loop.letter in scope.indices:
        raise Refused("size", f"an index {loop.letter} over {length} places: too long, too many, or there already")
    index = np.arange(start, start + length, dtype=np.float64).reshape(length, *[1] * depth)
    return replace(scope, indices={**scope.indices, loop.letter: index})


def total(body: Node, loops: tuple[Loop, ...], conditions: tuple[Node, ...], scope: Scope) -> np.ndarray:
    inner = scope
    for loop in loops:
        inner = looped(inner, loop)
    shape = tuple(len(index) for index in reversed(list(inner.indices.values())))
    require_room(body, math.prod(shape))
    for condition in conditions:
        holds = value(condition, inner) != 0
        require_fit(condition, holds, inner.valid)
        inner = replace(inner, valid=inner.valid * holds)
    terms = value(body, inner)
    scope.budget.spend(math.prod(shape))
    kept = np.where(np.broadcast_to(inner.valid, shape) != 0, np.broadcast_to(terms, shape), 0.0)
    return kept.sum(tuple(range(len(loops))))
