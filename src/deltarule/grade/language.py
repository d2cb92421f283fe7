"""The file of an answer: lines `name = expression`, each read for itself."""

import ast
import re
import warnings
from dataclasses import dataclass

from deltarule.errors import FileError
from deltarule.grade.nodes import Node
from deltarule.grade.notation import GREEK, Refused, translate

MOST_BYTES = 16384  # of a file
MOST_STATEMENTS = 100
MOST_PARTS = 400  # of the tree of one line
MOST_DEPTH = 40
STATED = re.compile(r"\s*(\w+)\s*(?:\[[^\]]*\]\s*)?=(?!=)\s*([^#]*)")
TYPESET = str.maketrans(
    {"−": "-", "⊙": "*", "∘": "*", "ᵀ": ".T", "²": "**2", "∂": "d", "\u00a0": " ", "·": " · "}
    | {chr(0x2080 + digit): str(digit) for digit in range(10)}
)  # what word processors make of the notation


@dataclass(frozen=True)
class Statement:
    """One line of an answer.

    Attributes:
        name: what it states.
        line: its number in the file.
        tree: the right side; None where it is blank (`...`) or refused.
        indices: of the left side, `dK[m] = ...`.
        refused: why the right side has no tree.
    """

    name: str
    line: int
    tree: Node | None
    indices: tuple[str, ...] = ()
    refused: Refused | None = None


def parse(text: str, where: str = "the answer") -> dict[str, Statement]:
    """The lines of an answer by name, in their order.

    Raises:
        FileError: it cannot be read as lines `name = expression`, a name stands twice, or it is too large.

    >>> parse("d4 = 2 * (f - y)  # the derivative by f")["d4"].tree.sign
    '*'
    """
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise FileError(f"{where}: expected at most {MOST_BYTES} bytes, got more; hand in the equations alone")
    body, unread = read(text, where)
    if len(body) > MOST_STATEMENTS:
        raise FileError(f"{where}: expected at most {MOST_STATEMENTS} lines name = expression, got {len(body)}")
    for line in body:
        check_size(line, where)
    found: dict[str, Statement] = {}
    for stated in sorted([*unread, *(statement(line, where) for line in body)], key=lambda each: each.line):
        if stated.name in found:
            raise FileError(
                f"{where}, line {stated.line}: {stated.name} is stated twice, first in line "
                f"{found[stated.name].line}; keep one of them"
            )
        found[stated.name] = stated
    return found


def read(text: str, where: str) -> tuple[list[ast.stmt], list[Statement]]:
    """The lines that are Python's, and statements of the others, each blank or refused; raises FileError."""
    lines = text.translate(TYPESET).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    unread: list[Statement] = []
    for _ in range(2 * MOST_STATEMENTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse("\n".join(lines), "<answer>").body, unread
        except SyntaxError as error:
            if error.lineno is None or "\0" in text:
                break
            at = min(error.lineno, len(lines)) - 1
            stated = STATED.match(lines[at])
            if isinstance(error, IndentationError) and lines[at] != lines[at].lstrip():
                lines[at] = lines[at].lstrip()
            elif stated is not None and stated[1].isidentifier():
                unread.append(unreadable(stated[1].translate(GREEK), stated[2].strip(), at + 1, error.msg))
                lines[at] = ""
            else:
                raise FileError(
                    f"{where}, line {at + 1}: expected a line such as dW = d3 @ H.T, got what cannot be read "
                    f"({error.msg}); correct that line"
                ) from None
        except (ValueError, MemoryError, RecursionError):
            break
    raise FileError(
        f"{where}: expected lines such as dW = d3 @ H.T, got what is nested too deeply or is no text; "
        "write shorter lines"
    )


def unreadable(name: str, right: str, line: int, why: str) -> Statement:
    """The statement of a line that is no Python: blank, or refused."""
    words = f"line {line}: {right[:60]!r} cannot be read ({why.split(';')[0]}); write it as NumPy would have it"
    return Statement(name, line, None, refused=Refused("language", words) if right else None)


def check_size(line: ast.stmt, where: str) -> None:
    """Raises FileError where a line's tree is too deep or too large."""
    level, parts = [line], 0
    for _ in range(2 * MOST_DEPTH):
        parts += len(level)
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
        if not level or parts > 4 * MOST_PARTS:
            break
    if level:
        raise FileError(
            f"{where}, line {line.lineno}: the expression is too long or nested too deeply; give its parts names "
            "in lines of their own"
        )


def statement(line: ast.stmt, where: str) -> Statement:
    """One line; a right side outside the language is kept as refused."""
    match line:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            indices: tuple[str, ...] = ()
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id=index))], value=value):
            indices = (index,)
        case ast.Assign(
            targets=[ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=elements))], value=value
        ) if all(isinstance(each, ast.Name) for each in elements):
            indices = tuple(each.id for each in elements if isinstance(each, ast.Name))
        case _:
            raise FileError(
                f"{where}, line {line.lineno}: expected name = expression, got {words(line)}; an answer is "
                "nothing but such lines and # comments"
            )
    name = name.translate(GREEK)
    if isinstance(value, ast.Constant) and value.value is ...:
        return Statement(name, line.lineno, None, indices)
    try:
        return Statement(name, line.lineno, translate(value), indices)
    except Refused as refused:
        told = Refused(refused.kind, f"line {line.lineno}: {refused.message}")
        return Statement(name, line.lineno, None, indices, told)


def words(node: ast.AST) -> str:
    """What a construct is called."""
    return {
        "AugAssign": "an assignment that adds to a name",
        "AnnAssign": "an annotation",
        "Expr": "an expression without a name",
        "FunctionDef": "a function of its own",
        "Import": "an import",
        "ImportFrom": "an import",
        "Assign": "several names, or an item, at the left",
    }.get(type(node).__name__, f"a Python construct ({type(node).__name__})")
