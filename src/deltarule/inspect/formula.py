"""A formula as a tree: the LaTeX of `Equations` is read, its symbols are replaced, and it is written again.

The layers write a small language: letters, commands such as \\odot, brackets, scripts, \\frac, \\sqrt, \\hat, and
a `d` before a symbol for the derivative with respect to it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from deltarule.errors import SettingError

TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\s+|.")
ARGUMENTS = {
    r"\frac": 2,
    r"\tfrac": 2,
    r"\sqrt": 1,
    r"\hat": 1,
    r"\operatorname": 1,
    r"\text": 1,
    r"\mathbb": 1,
    r"\mathrel": 1,
}
CLOSING = {
    "(": ")",
    "[": "]",
    r"\{": r"\}",
    r"\left(": r"\right)",
    r"\left[": r"\right]",
    r"\lVert": r"\rVert",
    r"\lfloor": r"\rfloor",
}


@dataclass(frozen=True)
class Mark:
    """One character, one command without arguments, or a space."""

    text: str


@dataclass(frozen=True)
class Command:
    name: str
    arguments: tuple["Formula", ...]


@dataclass(frozen=True)
class Fence:
    left: str
    inside: "Formula"


@dataclass(frozen=True)
class Derivative:
    """d and the symbol behind it."""

    of: "Node"


@dataclass(frozen=True)
class Scripted:
    base: "Node"
    sub: "Formula" = ()
    sup: "Formula" = ()
    primes: int = 0


Node = Mark | Command | Fence | Derivative | Scripted
Formula = tuple[Node, ...]


@dataclass(frozen=True)
class Name:
    """What an array is called: a letter, the number of its layer, and whether its derivative is meant."""

    letter: str
    number: str = ""
    derivative: bool = False

    @property
    def d(self) -> "Name":
        """The derivative of the objective with respect to it."""
        return replace(self, derivative=True)

    @property
    def latex(self) -> str:
        letter = f"d{self.letter}" if self.derivative else self.letter
        return f"{letter}^{{{self.number}}}" if self.number else letter


def read(latex: str) -> Formula:
    """The tree of a formula; raises SettingError where a bracket or an argument is missing.

    >>> write(read(r"dX = dY\\, W^\\top"))
    'dX = dY\\\\, W^{\\\\top}'
    """
    tokens = TOKEN.findall(latex)
    return sequence(tokens, 0, None, latex)[0]


def sequence(tokens: list[str], at: int, closing: str | None, latex: str) -> tuple[Formula, int]:
    """(nodes, place behind the closing token)."""
    nodes: list[Node] = []
    while at < len(tokens):
        token = joined(tokens, at)
        if token == closing:
            return tuple(nodes), at + len(TOKEN.findall(token))
        if token in ("_", "^", "'") and nodes:
            script = nodes.pop()
            base = script if isinstance(script, Scripted) else Scripted(script)
            if token == "'":
                nodes.append(replace(base, primes=base.primes + 1))
                at += 1
                continue
            inside, at = argument(tokens, at + 1, latex)
            nodes.append(replace(base, **{"sub" if token == "_" else "sup": inside}))
            continue
        node, at = one(tokens, at, latex)
        nodes.append(node)
    if closing is not None:
        raise SettingError(f"the formula {latex!r} lacks {closing!r}: close every bracket that it opens")
    return tuple(nodes), at


def one(tokens: list[str], at: int, latex: str) -> tuple[Node, int]:
    """(node, place behind it), without its scripts."""
    token = joined(tokens, at)
    at += len(TOKEN.findall(token))
    if token in CLOSING:
        inside, at = sequence(tokens, at, CLOSING[token], latex)
        return Fence(token, inside), at
    if token in ARGUMENTS:
        arguments = []
        for _ in range(ARGUMENTS[token]):
            inside, at = argument(tokens, at, latex)
            arguments.append(inside)
        return Command(token, tuple(arguments)), at
    if token == "d" and at < len(tokens) and is_symbol(tokens[at]):
        of, at = one(tokens, at, latex)
        return Derivative(of), at
    return Mark(" " if token.isspace() else token), at


def argument(tokens: list[str], at: int, latex: str) -> tuple[Formula, int]:
    """(nodes, place behind them) of what stands in braces, or of the next token."""
    while at < len(tokens) and tokens[at].isspace():
        at += 1
    if at == len(tokens):
        raise SettingError(f"the formula {latex!r} ends where an argument or a script is expected")
    if tokens[at] == "{":
        return sequence(tokens, at + 1, "}", latex)
    node, at = one(tokens, at, latex)
    return (node,), at


def joined(tokens: list[str], at: int) -> str:
    """The token, with its bracket where it is \\left or \\right."""
    return "".join(tokens[at : at + 2]) if tokens[at] in (r"\left", r"\right") else tokens[at]


def is_symbol(token: str) -> bool:
    """Whether d before this token means a derivative."""
    return token in (r"\beta", r"\gamma", r"\hat") or (token.isalpha() and len(token) == 1)


def write(formula: Formula) -> str:
    """The LaTeX of a formula."""
    text = ""
    for node in formula:
        piece = write_node(node)
        if re.search(r"\\[A-Za-z]+$", text) and piece[:1].isalpha():
            text += " "
        text += piece
    return text


def write_node(node: Node) -> str:
    match node:
        case Mark(text):
            return text
        case Command(name, arguments):
            return name + "".join(f"{{{write(each)}}}" for each in arguments)
        case Fence(left, inside):
            body = write(inside)
            before = " " if left[-1].isalpha() and body[:1] != " " else ""
            return f"{left}{before}{body}{CLOSING[left]}"
        case Derivative(of):
            return f"d{write_node(of)}"
        case Scripted(base, sub, sup, primes):
            text = write_node(base) + "'" * primes
            for sign, script in (("_", sub), ("^", sup)):
                if script:
                    text += f"{sign}{{{write(script)}}}"
            return text


def symbol(node: Node) -> str:
    """The symbol that a node stands for, without its scripts: 'X', 'dX', '\\\\sigma', or '' for anything else."""
    match node:
        case Scripted(base):
            return symbol(base)
        case Mark(text):
            return text
        case Derivative(of):
            return f"d{symbol(of)}" if symbol(of) else ""
        case Command(r"\hat", ((Mark(text),),)):
            return rf"\hat {text}"
    return ""


def symbols(formula: Formula) -> set[str]:
    """Every symbol in a formula, at any depth."""
    found: set[str] = set()

    def look(nodes: Formula) -> Formula:
        found.update(symbol(node) for node in nodes)
        return nodes

    change(formula, look)
    return found


def change(formula: Formula, rewrite: Callable[[Formula], Formula]) -> Formula:
    """The formula with `rewrite` applied to every sequence in it, the innermost first; a letter keeps its hat."""

    def inner(node: Node) -> Node:
        match node:
            case Command(name, arguments) if name != r"\hat":
                return Command(name, tuple(change(each, rewrite) for each in arguments))
            case Fence(left, inside):
                return Fence(left, change(inside, rewrite))
            case Scripted(base, sub, sup, primes):
                return Scripted(inner(base), change(sub, rewrite), change(sup, rewrite), primes)
        return node

    return rewrite(tuple(inner(node) for node in formula))


def substitute(formula: Formula, names: dict[str, Name]) -> Formula:
    """The formula with other names for its symbols; scripts and accents of a symbol stay with it."""
    return change(formula, lambda nodes: tuple(renamed(node, names) for node in nodes))


def renamed(node: Node, names: dict[str, Name]) -> Node:
    base = node.base if isinstance(node, Scripted) else node
    key = symbol(base)
    accent = r"\hat " in key
    if accent:
        key = "X" if r"\hat X" in key else ""
    name = names.get(key)
    if name is None:
        return node
    sub, sup, primes = (node.sub, node.sup, node.primes) if isinstance(node, Scripted) else ((), (), 0)
    letter: Node = read(name.letter)[0]
    if accent:
        letter = Command(r"\hat", ((letter,),))
    if name.derivative or (accent and isinstance(base, Derivative)):
        letter = Derivative(letter)
    if not name.number:
        return Scripted(letter, sub, sup, primes) if sub or sup or primes else letter
    numbered = Scripted(letter, sub, read(name.number), primes)
    return Scripted(Fence("(", (numbered,)), (), sup) if sup else numbered


def sides(formula: Formula) -> tuple[Formula, Formula]:
    """What stands before the first equality sign or arrow, and what behind it."""
    for at, node in enumerate(formula):
        if node in (Mark("="), Mark(r"\leftarrow")):
            return trimmed(formula[:at]), trimmed(formula[at + 1 :])
    return (), formula


def trimmed(formula: Formula) -> Formula:
    """Without spaces at its ends."""
    while formula and formula[0] == Mark(" "):
        formula = formula[1:]
    while formula and formula[-1] == Mark(" "):
        formula = formula[:-1]
    return formula
