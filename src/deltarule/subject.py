"""What a command looks at: a trained model, a network in a Python file, or one written on the command line."""

import ast
import os
import re
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from deltarule import blocks, networks
from deltarule.description import KNOWN
from deltarule.errors import FileError, SettingError
from deltarule.layers import Bidirectional, Chain
from deltarule.layers.layer import Layer, Shape
from deltarule.loading import load
from deltarule.losses.loss import Loss
from deltarule.optimizers.optimizer import Optimizer

BATCH_SIZE = 32
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


@dataclass(frozen=True)
class Subject:
    """A network, the shape of its input, and what it is trained with where that is known."""

    net: Layer
    x: Shape
    loss: Loss | None = None
    optimizer: Optimizer | None = None


def read_subject(text: str, x: str | None = None) -> Subject:
    """The subject that `text` names.

    Args:
        text: a model.safetensors; a run folder; a Python file and a name in it, `net.py:network`, which is run;
            or layers as they are written in Python, "Dense(64), ReLU(), Dense(10)", which are only read.
        x: the input's shape with the examples in front, such as "64x784". A trained model knows its own, and
            takes a number of examples, "64".

    Raises:
        SettingError: an expression that is no network, or no shape where one is needed.
        FileError: no such file, or one that holds no network.

    >>> read_subject("Dense(64), ReLU(), Dense(10)", "32x784").net.shape((32, 784))
    (32, 10)
    """
    path, _, name = text.rpartition(":")
    if path.endswith(".py"):
        return Subject(from_file(path, name), given_shape(x))
    if os.path.isdir(text) or text.endswith(".safetensors"):
        model = load(Path(text) / "model.safetensors" if os.path.isdir(text) else text)
        shape = given_shape(x or str(BATCH_SIZE))
        shape = (*shape, *(model.input_shape or ())) if len(shape) == 1 else shape
        return Subject(model.net, shape, model.loss, model.optimizer)
    layers = from_expression(text)
    return Subject(layers[0] if len(layers) == 1 else Chain(*layers), given_shape(x))


def given_shape(x: str | None) -> Shape:
    """The shape that "64x784" or "64,784" means."""
    if x is None:
        raise SettingError("the input's shape is missing: say --x 64x784, the number of examples first")
    lengths = re.split(r"[x×,]", x.strip("() "))
    if not all(length.strip().isdecimal() and int(length) > 0 for length in lengths):
        raise SettingError(f"expected the input's shape as 64x784, the number of examples first; got {x!r}")
    return tuple(int(length) for length in lengths)


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


def from_expression(text: str) -> list[Layer]:
    """The layers that an expression lists; only calls of Deltarule's own names and plain values are read."""
    try:
        tree = ast.parse(f"[{text}]", mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise SettingError(f"{text!r} is neither a file nor layers such as 'Dense(64), ReLU()': {error}") from None
    layers = value(tree, text)
    if not layers or not all(isinstance(layer, Layer) for layer in layers):
        raise SettingError(f"expected a file, or layers such as 'Dense(64), ReLU(), Dense(10)'; got {text!r}")
    return layers


def value(node: ast.expr, text: str) -> Any:
    """What a part of an expression means."""
    match node:
        case ast.Constant():
            return node.value
        case ast.List():
            return [value(each, text) for each in node.elts]
        case ast.Tuple():
            return tuple(value(each, text) for each in node.elts)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            if name not in CALLS:
                near = get_close_matches(name, CALLS, n=1)
                hint = f"did you mean {near[0]}?" if near else "write Dense(64), ReLU()"
                raise SettingError(f"{text!r}: {name!r} is none of Deltarule's layers; {hint}")
            try:
                arguments = [value(each, text) for each in node.args]
                return CALLS[name](*arguments, **{str(k.arg): value(k.value, text) for k in node.keywords})
            except TypeError as error:
                raise SettingError(f"{text!r}: {name} does not take these settings: {error}") from None
    raise SettingError(f"{text!r}: {ast.unparse(node)!r} is neither a layer nor a plain value")
