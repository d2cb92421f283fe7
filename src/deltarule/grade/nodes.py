"""An answer as a tree of our own nodes: all that an expression can be, and nothing that runs by itself."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

Node = Any  # one of the classes below
STRENGTH = {"==": 0, "!=": 0, "<": 0, "<=": 0, ">": 0, ">=": 0, "+": 1, "-": 1}
STRENGTH |= {"*": 2, "/": 2, "//": 2, "%": 2, "@": 2, "**": 4}
ATOM = 5


@dataclass(frozen=True)
class Number:
    """A number."""

    value: float


@dataclass(frozen=True)
class Name:
    """A given array, an earlier answer, or an index."""

    letter: str


@dataclass(frozen=True)
class Operation:
    """Two operands with a sign between them."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Negative:
    """−x."""

    inside: Node


@dataclass(frozen=True)
class Transposed:
    """x.T."""

    inside: Node


@dataclass(frozen=True)
class Call:
    """A function of the list; axis and keepdims are those of a sum, a mean or a maximum."""

    function: str
    arguments: tuple[Node, ...]
    axis: int | tuple[int, ...] | None = None
    keepdims: bool = False


@dataclass(frozen=True)
class Cut:
    """start:stop:step within brackets."""

    start: Node | None = None
    stop: Node | None = None
    step: int = 1


@dataclass(frozen=True)
class Item:
    """x[...]; a place is a Cut, None for a new axis, or an index."""

    inside: Node
    places: tuple[Node | Cut | None, ...]


@dataclass(frozen=True)
class Loop:
    """for letter in range(start, stop)."""

    letter: str
    start: Node
    stop: Node


@dataclass(frozen=True)
class Total:
    """sum(body for ... in range(...) if ...)."""

    body: Node
    loops: tuple[Loop, ...]
    conditions: tuple[Node, ...] = ()


CLASSES = (Number, Name, Operation, Negative, Transposed, Call, Cut, Item, Loop, Total)


def parts(node: Node) -> Iterator[tuple[Node, Callable[[Node], Node]]]:
    """Each node directly inside, and what makes of its replacement the whole."""
    for name in node.__dataclass_fields__:
        value = getattr(node, name)
        if isinstance(value, tuple):
            for at, each in enumerate(value):
                if isinstance(each, CLASSES):

                    def put(new, name=name, value=value, at=at):
                        return replace(node, **{name: (*value[:at], new, *value[at + 1 :])})

                    yield each, put
        elif isinstance(value, CLASSES):
            yield value, lambda new, name=name: replace(node, **{name: new})


def mapped(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each node directly inside it changed."""
    for at, (inside, _) in enumerate(list(parts(node))):
        if (new := change(inside)) is not inside:
            node = list(parts(node))[at][1](new)
    return node


def everywhere(tree: Node, old: Node, new: Node) -> Node:
    """The tree with a node replaced wherever it stands, but for an index of a sum that has its name."""
    if tree == old:
        return new
    if isinstance(old, Name) and old.letter in {loop.letter for loop in getattr(tree, "loops", ())}:
        return tree
    return mapped(tree, lambda inside: everywhere(inside, old, new))


def places(node: Node) -> Iterator[tuple[Node, Callable[[Node], Node]]]:
    """Every node of a tree, and what makes of its replacement the whole tree."""
    yield node, lambda new: new
    for inside, put in parts(node):
        for deeper, put_deeper in places(inside):
            yield deeper, lambda new, put=put, put_deeper=put_deeper: put(put_deeper(new))


def count(node: Node) -> int:
    """How many nodes a tree has."""
    return 1 + sum(count(inside) for inside, _ in parts(node))


def depth(node: Node) -> int:
    """How many nodes stand in each other at most."""
    return 1 + max((depth(inside) for inside, _ in parts(node)), default=0)


def letters(node: Node) -> set[str]:
    """The names in a tree that are no indices of its own."""
    if isinstance(node, Name):
        return {node.letter}
    inner = set().union(*(letters(inside) for inside, _ in parts(node)))
    return inner - {loop.letter for loop in node.loops} if isinstance(node, Total) else inner


def write(node: Node, least: int = 0) -> str:
    """The tree as a line of text.

    >>> write(Operation("*", Name("a"), Operation("+", Transposed(Name("W")), Number(2.0))))
    'a * (W.T + 2)'
    """
    text, strength = written(node)
    return text if strength >= least else f"({text})"


def written(node: Node) -> tuple[str, int]:
    match node:
        case Number(value):
            return re.sub(r"\.0$", "", repr(float(value))), ATOM
        case Name(letter):
            return letter, ATOM
        case Negative(inside):
            return f"-{write(inside, 3)}", 3
        case Transposed(inside):
            return f"{write(inside, ATOM)}.T", ATOM
        case Operation(sign, left, right):
            own = STRENGTH[sign]
            return f"{write(left, own + (sign == '**'))} {sign} {write(right, own + (sign != '**'))}", own
        case Call(function, arguments, axis, keepdims):
            extra = [f"axis={axis}"] * (axis is not None) + ["keepdims=True"] * keepdims
            return f"{function}({', '.join([*map(write, arguments), *extra])})", ATOM
        case Item(inside, at):
            return f"{write(inside, ATOM)}[{', '.join(map(place, at))}]", ATOM
        case Total(body, loops, conditions):
            ranges = "".join(
                f" for {loop.letter} in range({'' if loop.start == Number(0) else write(loop.start) + ', '}"
                f"{write(loop.stop)})"
                for loop in loops
            )
            return f"sum({write(body)}{ranges}{''.join(' if ' + write(each) for each in conditions)})", ATOM
    raise TypeError(f"no node of an answer: {node!r}")


def place(at: Node | Cut | None) -> str:
    if not isinstance(at, Cut):
        return "None" if at is None else write(at)
    start, stop = ("" if bound is None else write(bound) for bound in (at.start, at.stop))
    return f"{start}:{stop}" + f":{at.step}" * (at.step != 1)
