"""An equation as a line of NumPy, `dH1 = dZ2 @ W2.T`: what a layer states, run as it stands.

Rows are examples, so that Σ_n is a sum over rows and a sum over any other index one within each row. Two arrays
side by side are a matrix product where neither has an index, as X W; else they multiply number by number.
"""

import re
from dataclasses import dataclass, replace

from deltarule.errors import SettingError
from deltarule.inspect.formula import Command, Fence, Formula, Mark, Node, Scripted, trimmed, write

FUNCTIONS = {
    **{rf"\{name}": f"np.{name}" for name in ("tanh", "exp", "log", "sin", "cos")},
    **{name: f"np.{name}" for name in ("clip", "sign")},
    **{name: name for name in ("softmax", "erfc")},
    r"\sigma": "sigma",
    r"\max": "np.maximum",
}
SPACES = (Mark(" "), Mark(r"\,"), Mark(r"\;"))
SIGNS = {Mark(r"\odot"): "*", Mark(r"\cdot"): "*", Mark("/"): "/"}
COMPARISONS = {Mark("<"): "<", Mark(">"): ">", Mark(r"\le"): "<="}
INDICES = {Mark(index) for index in "nijk"}
WITHIN = "(-1, keepdims=True)"


class NoNumPy(SettingError):
    """The equation says more than a line of NumPy can: places in a window, a step in time, a random draw."""


def as_numpy(formula: Formula, names: dict[str, str], number: str = "") -> str:
    """The assignment that an equation is; what it makes anew is added to the names.

    Args:
        formula: the equation, as `explain` prints it.
        names: for each symbol, in LaTeX with its number, the variable or the number that it is.
        number: what a variable that is made anew ends in.

    Raises:
        NoNumPy: it has no such form.

    >>> from deltarule.inspect.formula import read
    >>> names = {"dH^{1}": "dH1", "dZ^{2}": "dZ2", "W^{2}": "W2", "d": "4", "X": "X"}
    >>> as_numpy(read(r"dH^1 = dZ^2\\, (W^2)^\\top"), names)
    'dH1 = dZ2 @ W2.T'
    >>> as_numpy(read(r"\\mu_n = \\frac{1}{d} \\sum_i X_{ni}"), names, number="2")
    'mu2 = (1 / 4) * X.sum(-1, keepdims=True)'
    """
    *made, value = between(formula, Mark("="), Mark(r"\leftarrow"))
    right = Reader(names).sum(value)
    for left in map(trimmed, made):
        if not left or isinstance(left[0], Fence):
            raise NoNumPy(f"no line of NumPy for {write(formula)}")
        symbol = whole(left[0])
        names.setdefault(symbol, identifier(symbol) + number)
    if not made:
        raise NoNumPy(f"no line of NumPy for {write(formula)}")
    return " = ".join([*(names[whole(trimmed(left)[0])] for left in made), right])


def identifier(latex: str) -> str:
    """A name of Python's for a symbol: H1 for H^{1}, dH1_2_0 for dH^{1;2.0}.

    >>> identifier("dH^{1;2.0}"), identifier(r"\\\\gamma^{2}"), identifier(r"\\\\hat X")
    ('dH1_2_0', 'gamma2', 'hatX')
    """
    return re.sub(r"[;.]", "_", re.sub(r"[\\^{} ]", "", latex.replace("'", "slope")))


def whole(node: Node) -> str:
    """A symbol with its number, in LaTeX, without its indices."""
    return write((replace(node, sub=()) if isinstance(node, Scripted) else node,))


@dataclass
class Reader:
    """Reads the right side of an equation, its sums, their products, and the factors of these."""

    names: dict[str, str]

    def sum(self, nodes: Formula) -> str:
        text, term = "", []
        for node in (*nodes, Mark("+")):
            if node not in (Mark("+"), Mark("-")):
                term.append(node)
                continue
            if any(each not in SPACES for each in term):
                text += self.product(tuple(term))
            term = []
            text += f" {node.text} " if text else node.text  # type: ignore[union-attr]
        return text.removesuffix(" + ").lstrip("+")

    def product(self, nodes: Formula) -> str:
        text, sign, bare_before, at = "", "", False, 0
        while at < len(nodes):
            if nodes[at] in SPACES:
                at += 1
                continue
            if nodes[at] in SIGNS:
                sign, at = SIGNS[nodes[at]], at + 1  # type: ignore[index]
                continue
            factor, bare, at = self.next(nodes, at)
            sign = sign or ("@" if bare and bare_before else "*")
            text, sign, bare_before = f"{text} {sign} {factor}" if text else factor, "", bare
        return text

    def next(self, nodes: Formula, at: int) -> tuple[str, bool, int]:
        """(factor, whether it is an array without an index, place behind it)."""
        node = nodes[at]
        if (known := self.named(node)) is not None:
            applied = whole(node) == r"\Phi" and isinstance(
                (*nodes, Mark(" "))[at + 1], Fence
            )  # Φ(X) is one array
            return (*known, at + 1 + applied)
        base = node.base if isinstance(node, Scripted) else node
        if base == Mark(r"\sum"):
            return f"{inner(self.product(nodes[at + 1 :]))}.sum{self.axis(node)}", False, len(nodes)
        if node == Mark("|"):
            end = nodes.index(node, at + 1)
            return f"np.abs({self.sum(nodes[at + 1 : end])})", False, end + 1
        if isinstance(node, Mark) and node.text.isdigit():
            end = at
            while end < len(nodes) and re.fullmatch(r"[\d.]", getattr(nodes[end], "text", "")):
                end += 1
            return write(nodes[at:end]), False, end
        name = write(base.arguments[0] if isinstance(base, Command) and base.name == r"\operatorname" else (base,))
        if name in FUNCTIONS and not getattr(node, "primes", 0):
            return self.function(nodes, at, name)
        return self.factor(node), False, at + 1

    def axis(self, node: Node) -> str:
        """What Σ runs over: the rows, or within each."""
        sub = node.sub if isinstance(node, Scripted) else ()
        if len(sub) != 1 or sub[0] not in INDICES:
            raise NoNumPy(f"no line of NumPy for {write((node,))}")
        return "(0)" if sub == (Mark("n"),) else WITHIN

    def named(self, node: Node) -> tuple[str, bool] | None:
        """(variable with its power, whether it is an array without an index) of a symbol that is known."""
        if whole(node) in self.names:
            text = self.names[whole(node)]
            sub, sup = getattr(node, "sub", ()), ()
        elif isinstance(node, Scripted) and not node.primes:
            base = (
                node.base.inside[0] if isinstance(node.base, Fence) and len(node.base.inside) == 1 else node.base
            )
            if whole(base) not in self.names:
                return None
            text, sub, sup = self.names[whole(base)], node.sub, node.sup
        else:
            return None
        if not set(sub) <= INDICES:
            raise NoNumPy(f"no line of NumPy for {write((node,))}")
        if sup == (Mark(r"\top"),):
            return f"{text}.T", True
        return text + self.power(sup), text.isidentifier() and not sub and not sup

    def power(self, sup: Formula) -> str:
        if any(not isinstance(each, Mark) or not each.text.isdigit() for each in sup):
            raise NoNumPy(f"no line of NumPy for a power of {write(sup)}")
        return f" ** {write(sup)}" if sup else ""

    def function(self, nodes: Formula, at: int, name: str) -> tuple[str, bool, int]:
        """A function of what stands behind it: in brackets, a sum, or one factor."""
        power = self.power(nodes[at].sup) if isinstance(nodes[at], Scripted) else ""  # type: ignore[union-attr]
        at += 1
        while at < len(nodes) and nodes[at] in SPACES:
            at += 1
        if at == len(nodes):
            raise NoNumPy(f"no line of NumPy for {name} of nothing")
        node = nodes[at]
        if isinstance(node, Fence) and node.left == "(":
            arguments, at = [self.sum(each) for each in between(node.inside, Mark(","))], at + 1
        else:
            factor, _, at = self.next(nodes, at)
            arguments = [factor]
        if name == r"\max" and len(arguments) == 1:
            return f"{arguments[0]}.max{WITHIN}", False, at
        return f"{FUNCTIONS[name]}({', '.join(arguments)}){power}", False, at

    def factor(self, node: Node) -> str:
        match node:
            case Command(r"\frac" | r"\tfrac", (above, below)):
                return f"({inner(self.sum(above))} / {inner(self.sum(below))})"
            case Command(r"\sqrt", (inside,)):
                return f"np.sqrt({self.sum(inside)})"
            case Mark(r"\pi"):
                return "np.pi"
            case Fence("(" | r"\left(", inside):
                return f"({self.sum(inside)})"
            case Fence("[", inside) if sum(each in COMPARISONS for each in inside) == 1:
                at = next(at for at, each in enumerate(inside) if each in COMPARISONS)
                sign = COMPARISONS[inside[at]]  # type: ignore[index]
                return f"({self.sum(inside[:at])} {sign} {self.sum(inside[at + 1 :])})"
            case Scripted(Fence("(" | r"\left(") as base, (), sup):
                return self.factor(base) + self.power(sup)
            case Scripted(Mark("e"), (), sup):
                return f"np.exp({self.sum(sup)})"
            case Scripted(Fence(r"\lVert", inside), (), (Mark("2"),)):
                return f"(({self.sum(inside)}) ** 2).sum{WITHIN}"
            case Scripted(Fence(r"\lVert", inside), (Mark("1"),), ()):
                return f"np.abs({self.sum(inside)}).sum{WITHIN}"
        raise NoNumPy(f"no line of NumPy for {write((node,))}")


def between(nodes: Formula, *marks: Mark) -> list[Formula]:
    """The parts of a formula between these marks."""
    parts: list[list[Node]] = [[]]
    for node in nodes:
        if node in marks:
            parts.append([])
        else:
            parts[-1].append(node)
    return [tuple(part) for part in parts]


def inner(text: str) -> str:
    """In brackets, where it is more than one factor."""
    return text if re.fullmatch(r"[\w.]+|\([^()]*\)", text) else f"({text})"
