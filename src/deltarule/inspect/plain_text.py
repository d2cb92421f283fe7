"""A formula in Unicode: δ³ = (W³)ᵀ δ⁴ ⊙ σ′(Z²)."""

import re

from deltarule.errors import SettingError
from deltarule.inspect.formula import CLOSING, Command, Derivative, Fence, Formula, Mark, Node, Scripted

SIGNS = {
    r"\alpha": "α",
    r"\beta": "β",
    r"\gamma": "γ",
    r"\delta": "δ",
    r"\epsilon": "ε",
    r"\lambda": "λ",
    r"\mu": "μ",
    r"\pi": "π",
    r"\rho": "ρ",
    r"\sigma": "σ",
    r"\Phi": "Φ",
    r"\odot": "⊙",
    r"\cdot": "·",
    r"\times": "×",
    r"\sum": "Σ",
    r"\partial": "∂",
    r"\top": "ᵀ",
    r"\in": "∈",
    r"\le": "≤",
    r"\leftarrow": "←",
    r"\sim": "~",
    r"\ldots": "…",
    r"\quad": "\u2003",
    r"\,": " ",
    r"\;": " ",
    r"\{": "{",
    r"\}": "}",
    r"\left(": "(",
    r"\right)": ")",
    r"\left[": "[",
    r"\right]": "]",
    r"\lVert": "‖",
    r"\rVert": "‖",
    r"\lfloor": "⌊",
    r"\rfloor": "⌋",
    "-": "−",
    "*": "∗",
    **{rf"\{name}": name for name in ("exp", "log", "max", "min", "tanh", "sin", "cos")},
}
RELATIONS = tuple(map(Mark, ("=", "+", "-", r"\in", r"\leftarrow", ",", ":", "<", ">", r"\le", r"\sim", r"\quad")))
HIGH = dict(zip("0123456789+−abcdefghijklmnoprstuvwxyzᵀ", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵀ", strict=True))
LOW = dict(zip("0123456789+−aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))


def plain(formula: Formula) -> str:
    """The formula in one line of Unicode.

    Raises:
        SettingError: a command that has no sign here.

    >>> from deltarule.inspect.formula import read
    >>> plain(read(r"\\delta^3 = (W^3)^\\top \\delta^4 \\odot \\sigma'(Z^2)"))
    'δ³ = (W³)ᵀ δ⁴ ⊙ σ′(Z²)'
    >>> plain(read(r"\\frac{1}{N} \\sum_n X_n"))
    '(1/N) Σₙ Xₙ'
    """
    text = ""
    for at, node in enumerate(formula):
        piece = plain_node(node)
        if isinstance(node, Command) and node.name in (r"\frac", r"\tfrac") and beside_factor(formula, at):
            piece = piece if len(piece) == 1 else f"({piece})"
        text += piece
    text = re.sub(r"(?<=[⌊(\[]) | (?=[⌋)\],:])", "", text)
    return re.sub(" +", " ", text).replace(" \u2003", "\u2003").strip(" ")


def plain_node(node: Node) -> str:
    match node:
        case Mark(text):
            return sign(text)
        case Derivative(of):
            return f"d{plain_node(of)}"
        case Fence(left, inside):
            return f"{sign(left)}{plain(inside)}{sign(CLOSING[left])}"
        case Scripted(base, sub, sup, primes):
            whole = plain_node(base)
            if isinstance(base, Command) and base.name in (r"\frac", r"\tfrac"):
                whole = f"({whole})"
            low, high = script(sub, LOW, "_"), script(sup, HIGH, "^")
            number = bool(sup) and plain(sup).isdecimal()
            return whole + "′" * primes + (high + low if number else low + high)
        case Command(r"\frac" | r"\tfrac", (above, below)):
            above, below = plain(above), plain(below).replace("∂ ", "∂")
            if (above, below) == ("1", "2"):
                return "½"
            return f"{bracketed(above)}/{bracketed(below)}"
        case Command(r"\sqrt", (inside,)):
            return f"√{inside}" if len(inside := plain(inside)) == 1 else f"√({inside})"
        case Command(r"\hat", (inside,)):
            return f"{plain(inside)}\u0302"
        case Command(r"\mathbb", (inside,)):
            return {"R": "ℝ"}.get(plain(inside), plain(inside))
        case Command(r"\text", (inside,)):
            return "".join(plain_node(each) for each in inside)
        case Command(_, (inside,)):
            return plain(inside)
    raise TypeError(node)


def sign(text: str) -> str:
    """The Unicode of a character or command."""
    if text in SIGNS:
        return SIGNS[text]
    if text.startswith("\\"):
        raise SettingError(
            f"{text} has no sign in plain text; write the equation with the commands of the other layers, "
            "or add its sign to inspect/plain_text.py"
        )
    return text


def script(formula: Formula, letters: dict[str, str], sign: str) -> str:
    """A script in small letters where Unicode has them all, else in braces."""
    text = plain(formula)
    for spaced in (" + ", " − ", " = ", " × "):
        text = text.replace(spaced, spaced.strip())
    if not text or all(letter in letters for letter in text):
        return "".join(letters[letter] for letter in text)
    return f"{sign}{{{text}}}" if len(text) > 1 else f"{sign}{text}"


def bracketed(text: str) -> str:
    """In brackets where it is more than one factor."""
    whole = re.fullmatch(r"[^\s+−/·⊙]+|\([^()]*\)|√\([^()]*\)", text)
    return text if whole else f"({text})"


def beside_factor(formula: Formula, at: int) -> bool:
    """Whether a factor stands beside the node at this place."""
    before = [node for node in formula[:at] if node != Mark(" ")][-1:]
    behind = [node for node in formula[at + 1 :] if node != Mark(" ")][:1]
    return any(node not in RELATIONS for node in (*before, *behind))
