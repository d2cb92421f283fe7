"""What a command looks at: a trained model, a network in a Python file, or one written on the command line."""

import ast
import os
import re
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from deltarule import blocks, networks
from deltarule.description import KNOWN
from deltarule.errors import FileError, SettingError
from deltarule.layers import Bidirectional, Chain
from deltarule.layers.layer import Layer, Shape
from deltarule.loading import load
from deltarule.losses.loss import Loss
from deltarule.optimizers.optimizer import Optimizer

BATCH_SIZE = 32
EXAMPLES: dict[type, str] = {Loss: "SquaredError()", Optimizer: "Adam(1e-3)"}
CALLS: dict[str, Callable] = {
    **{
        name: made
        for module in (blocks, networks)
        for name, made in vars(module).items()
        if callable(made) and made.__module__ == module.__name__
    },
    **KNOWN,
    "Bidirectional": Bidirectional,
}


Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Subject:
    """A network, the shape of its input, and what it is trained with where that is known."""

    net: Layer
    x: Shape
    loss: Loss | None = None
    optimizer: Optimizer | None = None


def read_subject(text: str, x: str | None = None, symbols: bool = False) -> Subject:
    """The subject that `text` names.

    Args:
        text: a model.safetensors; a run folder; a Python file and a name in it, `net.py:network`, which is run;
            or layers as they are written in Python, "Dense(64), ReLU(), Dense(10)", which are only read.
        x: the input's shape with the examples in front, such as "64x784". A trained model knows its own, and
            takes a number of examples, "64".
        symbols: whether a name may stand where a number is needed, "Mxd" and "Dense(d_H)", as a SymPy symbol.

    Raises:
        SettingError: an expression that is no network, or no shape where one is needed.
        FileError: no such file, or one that holds no network.

    >>> read_subject("Dense(64), ReLU(), Dense(10)", "32x784").net.shape((32, 784))
    (32, 10)
    """
    path, _, name = text.rpartition(":")
    if path.endswith(".py"):
        return Subject(from_file(path, name), given_shape(x, symbols))
    if os.path.isdir(text) or text.endswith(".safetensors"):
        model = load(Path(text) / "model.safetensors" if os.path.isdir(text) else text)
        shape = given_shape(x or str(BATCH_SIZE), symbols)
        shape = (*shape, *(model.input_shape or ())) if len(shape) == 1 else shape
        return Subject(model.net, shape, model.loss, model.optimizer)
    layers = from_expression(text, symbols)
    return Subject(layers[0] if len(layers) == 1 else Chain(*layers), given_shape(x, symbols))


def read_words(text: str, kind: type[Kind]) -> Kind:
    """The loss, the optimizer or whatever `kind` is, that `text` writes as in Python; a name alone is called.

    Raises:
        SettingError: an expression that is none.

    >>> read_words("Adam(1e-3)", Optimizer)
    Adam(learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08)
    """
    wanted = EXAMPLES[kind]
    read = expression(text if "(" in text else f"{text}()", f"{wanted} nor its like")
    if len(read) == 1 and isinstance(read[0], kind):
        return read[0]
    raise SettingError(f"expected words such as {wanted}; got {text!r}")


def given_shape(x: str | None, symbols: bool = False) -> Shape:
    """The shape that "64x784" or "64,784" means, or "Mxd"."""
    if x is None:
        raise SettingError("the input's shape is missing: say --x 64x784, the number of examples first")
    lengths = [length.strip() for length in re.split(r"[x×,]", x.strip("() "))]
    if symbols and any(length.isidentifier() for length in lengths):
        return tuple(symbol(length) if length.isidentifier() else given_shape(length)[0] for length in lengths)
    if not all(length.isdecimal() and int(length) > 0 for length in lengths):
        raise SettingError(f"expected the input's shape as 64x784, the number of examples first; got {x!r}")
    return tuple(int(length) for length in lengths)


def symbol(name: str) -> Any:
    """A positive whole number that has a name and no value."""
    import sympy

    return sympy.Symbol(name, positive=True, integer=True)


def from_file(path: str, name: str) -> Layer:
    """The network that a Python file calls `name`; a function is called, a class is made."""
    if not os.path.isfile(path):
        raise FileError(f"{path}: no such file")
    try:
        found = runpy.run_path(path).get(name)
        if isinstance(found, Callable):
            found = found()
    except Exception as error:
        raise FileError(f"{path}: it cannot be run to find {name!r}: {type(error).__name__}: {error}") from error
    if not isinstance(found, Layer):
        raise FileError(f"{path}: expected a network by the name of {name!r}, got {found!r}")
    return found


def from_expression(text: str, symbols: bool = False) -> list[Layer]:
    """The layers that an expression lists."""
    layers = expression(text, "a file nor layers such as 'Dense(64), ReLU()'", symbols)
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        raise SettingError(f"expected a file, or layers such as 'Dense(64), ReLU(), Dense(10)'; got {text!r}")
    return layers


def expression(text: str, wanted: str, symbols: bool = False) -> list[Any]:
    """What an expression lists; only calls of Deltarule's own names and plain values are read."""
    try:
        tree = ast.parse(f"[{text}]", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise SettingError(f"{text!r} is neither {wanted}: {error}") from None
    return value(tree, text, symbols)


def value(node: ast.expr, text: str, symbols: bool = False) -> Any:
    """What a part of an expression means."""
    match node:
        case ast.Constant():
            return node.value
        case ast.List():
            return [value(each, text, symbols) for each in node.elts]
        case ast.Tuple():
            return tuple(value(each, text, symbols) for each in node.elts)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Name(id=name) if name not in CALLS:
            if not symbols:
                raise SettingError(
                    f"{text!r}: {name!r} is a symbol where a number is needed; only plan takes symbols"
                )
            return symbol(name)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            if name not in CALLS:
                near = get_close_matches(name, CALLS, n=1)
                hint = f"did you mean {near[0]}?" if near else "write Dense(64), ReLU()"
                raise SettingError(f"{text!r}: {name!r} is none of Deltarule's layers; {hint}")
            try:
                arguments = [value(each, text, symbols) for each in node.args]
                named = {str(k.arg): value(k.value, text, symbols) for k in node.keywords}
                return CALLS[name](*arguments, **named)
            except TypeError as error:
                raise SettingError(f"{text!r}: {name} does not take these settings: {error}") from None
    raise SettingError(f"{text!r}: {ast.unparse(node)!r} is neither a layer nor a plain value")
