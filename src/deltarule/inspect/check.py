"""Puts a network, and every layer in it, through the laws of the layer contract; tells what is wrong, and why."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from numbers import Integral
from typing import Any

import jax

from deltarule.errors import DeltaruleError, SettingError
from deltarule.ingredients import check_part, shape_said
from deltarule.inspect.case import Breach, Case
from deltarule.inspect.cause import cause_of_error, likely_cause
from deltarule.inspect.findings import NO_ERROR, Finding, Findings
from deltarule.inspect.judged import judged
from deltarule.inspect.laws import (
    LAWS,
    Law,
    compiled,
    derivative_by_autodiff,
    derivative_by_differences,
    exemption,
    mapped,
    sentence,
    shapes,
)
from deltarule.inspect.visit import Path, Visit, visits
from deltarule.layers.cell import Cell
from deltarule.layers.layer import Layer, Shape, inner_layers
from deltarule.losses.loss import Loss

Laws = tuple[Law, ...]
OF_LOSSES = (shapes, compiled, derivative_by_autodiff, derivative_by_differences, mapped)
OF_ONE_LAYER = (derivative_by_differences, compiled, mapped)  # what layers keep one by one a container keeps
CONTRACT = {*dir(Layer), *dir(Cell), *dir(Loss), "__call__"} - set(dir(object)) - {"kernel"}
FEW = 8  # examples; a law that holds for them holds for more


def check(net: Layer | Loss, x: Shape, *, seed: int = 0) -> Findings:
    """Every law that a layer of the network breaks: where, what was expected and got, and the likely cause.

    The laws are those of the layer contract, in float64, on random numbers: backward is the derivative of forward
    by autodiff and by central differences, halves of a batch make the whole, the stated cost is what the traced
    program does, and so on. Of each layer the first law that it breaks is told, since others mostly break with it;
    of a container that holds a broken layer nothing, since it breaks with it.

    Args:
        net: a network or a single layer.
        x: the shape of its input, the examples first.
        seed: of the random numbers.

    Raises:
        ShapeError: a layer cannot take its input.
        SettingError: no network, or no shape.

    >>> from deltarule.layers import Chain, Dense, Tanh
    >>> check(Chain(Dense(4), Tanh()), (5, 3)).ok
    True
    """
    check_part("check", "net", net, Layer, Loss)
    x = shape_said("check", x)
    if not all(isinstance(length, Integral) and length >= 1 for length in x):
        raise SettingError(f"check: expected x as whole numbers of at least 1, got {x}; write x=(8, 784)")
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise SettingError(f"check: seed must be a whole number of at least 0, got {seed!r}; write seed=0")
    if isinstance(net, Loss):
        layers = judged(net, x, seed)
        findings = told(net, x, [Visit((), layer, x) for layer in layers], OF_LOSSES, seed, [])
        dy = (replace(each, parameter=each.parameter.replace("dx", "dy")) for each in findings.findings)
        return replace(findings, findings=tuple(dy))
    try:
        places = visits(net, x)
    except DeltaruleError:
        raise
    except Exception as error:
        return told_of_error(net, x, error)
    fitting = (few(places), *x[1:])
    notes = []
    if fitting != x:
        notes.append(f"tried on {fitting[0]} examples in place of {x[0]}: no other axis is as long")
        places = visits(net, fitting)
    if inner_layers(net):
        single = ", ".join(f"'{sentence(law)}'" for law in OF_ONE_LAYER)
        notes.append(f"tried of each innermost layer and not of a whole, to save time: {single}")
    return told(net, fitting, places, LAWS, seed, notes)


def told(net: Layer | Loss, x: Shape, places: list[Visit], laws: Laws, seed: int, notes: list[str]) -> Findings:
    """What is found at the layers, the innermost first."""
    found: dict[Any, list[Finding]] = {}  # by layer and shape: what is alike is tried once
    broken: list[Path] = []
    tried = dict.fromkeys(map(sentence, laws), 0)
    with jax.enable_x64(True):
        for visit in reversed(places):
            if any(path[: len(visit.path)] == visit.path for path in broken):
                if inner_layers(visit.layer):
                    notes.append(f"{place(visit)} is not tried as a whole: a layer inside it breaks a law")
                continue
            key = alike(visit)
            if key not in found:
                found[key] = findings_at(visit, laws, seed, tried)
            else:
                found[key] = [each.at(path_of(visit)) for each in found[key]]
            if found[key]:
                broken.append(visit.path)
    order = [path_of(visit) for visit in places]
    findings = sorted(
        (each for group in found.values() for each in group), key=lambda each: order.index(each.path)
    )
    return Findings(type(net).__name__, x, tuple(findings), tried, tuple(notes))


def alike(visit: Visit) -> Any:
    """What layers that need be tried only once have in common."""
    try:
        hash(visit.layer)
    except TypeError:  # it has a setting that does not hash, such as an array
        return id(visit.layer), visit.x
    return visit.layer, visit.x


def few(places: list[Visit]) -> int:
    """A small number of examples that no other axis is as long as: the given one where it will do."""
    lengths = {length for visit in places for length in (*visit.x[1:], *visit.layer.shape(visit.x)[1:])}
    given = places[0].x[0]
    return given if 2 <= given <= FEW and given not in lengths else next(n for n in count(3) if n not in lengths)


def findings_at(visit: Visit, laws: Laws, seed: int, tried: dict[str, int]) -> list[Finding]:
    """What the first law finds that this layer breaks; `tried` counts the laws that it was put through."""
    case = Case(visit.layer, visit.x, seed)
    for law in laws:
        if exemption(law, visit.layer) or (law in OF_ONE_LAYER and inner_layers(visit.layer)):
            continue
        tried[sentence(law)] += 1
        cases = [case, *(Case(visit.layer, x, seed) for x in others(visit))] if law is shapes else [case]
        for each in cases:
            if broken := list(attempted(law, each)):
                return [Finding.of(sentence(law), path_of(visit), written(visit.layer), *one) for one in broken]
    return []


def others(visit: Visit) -> Iterator[Shape]:
    """Inputs with one axis longer, where two axes are alike and one could be taken for the other."""
    if inner_layers(visit.layer):
        return
    lengths = [*visit.x[1:], *visit.layer.shape(visit.x)[1:]]
    for axis in range(1, len(visit.x)):
        if lengths.count(visit.x[axis]) > 1:
            longer = (*visit.x[:axis], visit.x[axis] + 1, *visit.x[axis + 1 :])
            try:
                visit.layer.shape(longer)
            except DeltaruleError:
                continue
            yield longer


def attempted(law: Law, case: Case) -> Iterator[tuple[Shape, Breach, str]]:
    """(x, breach, cause) of what the law finds; a layer that raises breaks it."""
    try:
        for breach in law(case):
            yield case.shape, breach, likely_cause(law, case, breach)
    except Exception as error:
        yield case.shape, breach_of(error), cause_of_error(law, error)


def failing(error: Exception) -> tuple[Any, str]:
    """The innermost layer or loss that was at work, and its method or its cell's, by its name in the contract."""
    at_work, method = None, ""
    traceback = error.__traceback__
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        owner = frame.f_locals.get("self")
        if isinstance(owner, Layer | Cell | Loss):
            methods = {getattr(getattr(type(owner), each, None), "__code__", None): each for each in CONTRACT}
            if frame.f_code in methods:
                at_work, method = (at_work if isinstance(owner, Cell) else owner), methods[frame.f_code]
    return at_work, method


def told_of_error(net: Layer, x: Shape, error: Exception) -> Findings:
    """What is told where the network cannot even be walked through."""
    layer, method = failing(error)
    where = ".".join(map(str, path_to(layer, net) or ()))
    breach, cause = breach_of(error), cause_of_error(shapes, error)
    law = "Every layer can be laid out for its input"
    finding = Finding.of(law, where, written(layer or net), x, breach, cause)
    return Findings(type(net).__name__, x, (finding,), {}, (f"nothing else is tried: {method} comes first",))


def path_to(layer: Any, net: Layer) -> Path | None:
    """Where a layer stands in a network."""
    if layer is net:
        return ()
    for index, inner in enumerate(inner_layers(net)):
        if (path := path_to(layer, inner)) is not None:
            return (index, *path)
    return None


def breach_of(error: Exception) -> Breach:
    said = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}".strip(": ")
    return Breach(failing(error)[1], None, NO_ERROR, said)


def path_of(visit: Visit) -> str:
    return ".".join(map(str, visit.path))


def written(layer: Layer) -> str:
    """The layer's class and its first setting."""
    first = next((value for value in vars(layer).values() if isinstance(value, int | float)), None)
    return getattr(layer, "name", f"{type(layer).__name__}({'' if first is None else first})")


def place(visit: Visit) -> str:
    return f"layer {path_of(visit)}, {written(visit.layer)}" if visit.path else "the whole network"
