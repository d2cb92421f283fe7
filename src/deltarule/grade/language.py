"""The file of an answer: lines `name = expression`, each read for itself."""

import ast
import warnings
from dataclasses import dataclass

from deltarule.errors import FileError
from deltarule.grade.nodes import Node
from deltarule.grade.notation import GREEK, Refused, translate

MOST_BYTES = 16384  # of a file
MOST_STATEMENTS = 100
MOST_PARTS = 400  # of the tree of one line
MOST_DEPTH = 40


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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text, "<answer>").body
    except SyntaxError as error:
        raise FileError(
            f"{where}, line {error.lineno or 1}: expected a line such as dW = d3 @ H.T, got what cannot be read "
            f"({error.msg}); correct that line"
        ) from None
    except (ValueError, MemoryError, RecursionError):
        raise FileError(
            f"{where}: expected lines such as dW = d3 @ H.T, got what is nested too deeply or is no text; "
            "write shorter lines"
        ) from None
    if len(body) > MOST_STATEMENTS:
        raise FileError(f"{where}: expected at most {MOST_STATEMENTS} lines name = expression, got {len(body)}")
    found: dict[str, Statement] = {}
    for line in body:
        check_size(line, where)
        stated = statement(line, where)
        if stated.name in found:
            raise FileError(
                f"{where}, line {stated.line}: {stated.name} is stated twice, first in line "
                f"{found[stated.name].line}; keep one of them"
            )
        found[stated.name] = stated
    return found


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
