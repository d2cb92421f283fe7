"""The reference: a page's classes and functions as Markdown, each from its signature, docstring and equations."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docstring
import formulas
from areas import members

from deltarule.layers.cell import Cell
from deltarule.layers.layer import Layer
from deltarule.losses.loss import Loss
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import Schedule

ROOT = Path(__file__).parents[2]
CONTRACTS = (Layer, Cell, Loss, Optimizer, Schedule)  # their methods are told once, with them
LEARNING_RATE = 0.1


def area(name: str) -> str:
    """Everything on the page of an area, in the order of the alphabet."""
    return "\n\n".join(entry(*member) for member in members(name))


def entry(module: str, name: str, thing: Any) -> str:
    """A class or a function: signature, docstring, equations, cost, members, and where its source is."""
    kind = "class" if inspect.isclass(thing) else "function"
    known = [
        "" if module in ("", "deltarule") else docstring.fenced("python", [f"from {module} import {name}"]),
        docstring.markdown(thing),
        formulas.equations(thing),
        formulas.cost(thing),
        price(thing),
        source(thing),
    ]
    inner = [text for text in [*known, *(told(thing) if kind == "class" else ())] if text]
    signed = f"{name}{signature(thing)}"
    return f"## {name}\n\n" + described(kind, signed, f":module: {module}" if module else "", inner, ":::::")


def described(kind: str, signed: str, options: str, inner: list[str], fence: str) -> str:
    """A directive of Sphinx's Python domain around what is told of a thing."""
    return "\n".join([f"{fence}{{py:{kind}}} {signed}", options, "", "\n\n".join(inner), fence])


def told(cls: type) -> Iterator[str]:
    """The public methods and properties that a class states itself, with their docstrings."""
    taken = {name for base in CONTRACTS if issubclass(cls, base) and cls is not base for name in vars(base)}
    for name, each in vars(cls).items():
        function = each.__func__ if isinstance(each, classmethod | staticmethod) else each
        if name.startswith("_") or name in taken or (not callable(function) and not isinstance(each, property)):
            continue
        text = docstring.markdown(function)
        if not text or inspect.isclass(function):
            continue
        if isinstance(each, property):
            yield described("property", name, ":no-index-entry:", [text], "::::")
        else:
            option = ":classmethod:" if isinstance(each, classmethod) else ":no-index-entry:"
            yield described("method", f"{name}{signature(function)}", option, [text], "::::")


def signature(thing: Any) -> str:
    """What it is called with: names, kinds without the modules that hold them, and defaults."""
    try:
        found = inspect.signature(thing)
    except ValueError:
        return "()"
    if inspect.isclass(thing) and getattr(thing, "_is_protocol", False):
        return ""
    parts, star = [], False
    for name, each in found.parameters.items():
        if name in ("self", "cls", "_"):
            continue
        if each.kind is each.KEYWORD_ONLY and not star:
            parts.append("*")
        star = star or each.kind in (each.KEYWORD_ONLY, each.VAR_POSITIONAL)
        stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        kind = f": {annotation(each.annotation)}" if each.annotation is not each.empty else ""
        given = each.default
        if given is not each.empty and repr(given) != "<factory>":
            kind += f" = {formulas.named(given)}" if kind else f"={formulas.named(given)}"
        parts.append(f"{stars}{name}{kind}")
    gives = found.return_annotation
    back = "" if inspect.isclass(thing) or gives in (found.empty, None) else f" -> {annotation(gives)}"
    return f"({', '.join(parts)}){back}"


def annotation(kind: Any) -> str:
    """A kind as text, without modules."""
    text = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    text = re.sub(r"ForwardRef\('([^']*)'[^)]*\)", r"\1", text)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+([A-Za-z_]\w*)", r"\1", text)


def price(thing: Any) -> str:
    """What an optimizer costs for each parameter; "" of anything else."""
    if not (inspect.isclass(thing) and issubclass(thing, Optimizer)) or thing is Optimizer:
        return ""
    make: Any = thing
    made = make(LEARNING_RATE)
    return f"**Cost**: {made.flops} FLOP an update and parameter; {made.slots} numbers kept beside each."


def source(thing: Any) -> str:
    """The file and the line at which it begins."""
    thing = inspect.unwrap(thing)
    path = Path(str(inspect.getsourcefile(thing))).resolve().relative_to(ROOT)
    return f"*Source:* `{path}`, line {inspect.getsourcelines(thing)[1]}"
