"""The laws of the layer contract, each a function of a case that yields what it finds broken.

Autodiff stands in this file alone: it is the oracle that written-down derivatives are held against.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.inspect.case import Breach, Case, apart, code_levels, gradients, largest, named
from deltarule.inspect.count import count_flops
from deltarule.layers.layer import Context, Layer, Params

BY_AUTODIFF, BY_DIFFERENCES, TO_ROUNDING = 1e-10, 1e-7, 1e-12
STEP = 1e-5  # of central differences: their error is of the order of its square
ROUNDING = f"{TO_ROUNDING:g} of it, float64's rounding"
Law = Callable[[Case], Iterator[Breach]]


def shapes(case: Case) -> Iterator[Breach]:
    """Output and gradients have the shapes of what they belong to."""
    y, dx, dparams = jax.eval_shape(case.passes, case.params, case.x, case.dy)
    expected = {"y": case.layer.shape(case.shape), "dx": case.shape}
    expected |= {name: a.shape for name, a in named(case.params, "d").items()}
    got = {"y": y.shape} | {name: a.shape for name, a in gradients(dx, dparams).items()}
    for name in expected | got:
        if expected.get(name) != got.get(name):
            yield Breach(name, None, expected.get(name), got.get(name))


def compiled(case: Case) -> Iterator[Breach]:
    """Compiled, the layer computes what it computes line by line."""
    arrays = case.params, case.x, case.dy
    yield from same(case.passes(*arrays), case.results)


def same(expected: tuple, got: tuple) -> Iterator[Breach]:
    """Two results (y, dx, dparams), to rounding."""
    one, other = ({"y": y} | gradients(dx, dparams) for y, dx, dparams in (expected, got))
    tolerance = TO_ROUNDING * max(largest(one), 1e-12)
    for name, value in one.items():
        yield from apart(
            name, value, other[name], tolerance, f"{TO_ROUNDING:g} of the largest, float64's rounding"
        )


def derivative_by_autodiff(case: Case) -> Iterator[Breach]:
    """Backward is the derivative that JAX finds for forward."""
    expected = derivative(case, case.params)
    for names in (["dx"], [name for name in expected if name != "dx"]):
        tolerance = BY_AUTODIFF * max(largest([expected[name] for name in names]), 1e-12)
        reason = f"{BY_AUTODIFF:g} of the largest derivative, both in float64"
        for name in names:
            yield from apart(name, expected[name], case.gradients[name], tolerance, reason)


def derivative(case: Case, params: Params) -> dict[str, jax.Array]:
    """The gradients that autodiff finds for forward with these parameters, by name."""
    forward = case.forward
    derive = jax.jit(lambda params, x, dy: jax.vjp(forward, params, x)[1](dy))
    dparams, dx = derive(params, case.x, case.dy)
    return gradients(dx, dparams)


def derivative_by_differences(case: Case) -> Iterator[Breach]:
    """Backward is the slope of forward along random directions."""
    rng = np.random.default_rng([case.seed, 4])
    for name in case.gradients:
        if name == "dx" and code_levels(case.layer):
            continue  # a code has no neighbours
        breach = steeper(case, name, rng)
        if breach and steeper(case, name, rng):  # one direction may cross a kink inside the layer
            yield breach


def steeper(case: Case, name: str, rng: np.random.Generator) -> Breach | None:
    """Where the slope of forward is another than the gradient's, along a random direction of one array."""
    arrays, gradient = gradients(case.x, case.params), np.asarray(case.gradients[name])
    value, structure = np.asarray(arrays[name]), jax.tree.structure(case.params)
    direction = rng.uniform(0.2, 1, value.shape) * rng.choice([-1, 1], value.shape)
    step = min(STEP, 0.1 / value.size)  # less than from one number of x to the next

    def at(distance):
        x, *params = (arrays | {name: value + distance * direction}).values()
        return np.asarray(case.output(jax.tree.unflatten(structure, params), x))

    slope = float(np.vdot(at(step) - at(-step), case.dy)) / (2 * step)
    terms = gradient * direction
    tolerance = BY_DIFFERENCES * max(float(np.abs(terms).sum()), 1e-3)
    if abs(slope - float(terms.sum())) <= tolerance:
        return None
    reason = f"{BY_DIFFERENCES:g} of the terms' sum: central differences, a step of {step:.0e}, off the kinks"
    return Breach(name, None, slope, float(terms.sum()), tolerance, reason)


def halves(case: Case) -> Iterator[Breach]:
    """The two halves of a batch give what the whole gives."""
    forward = jax.jit(lambda params, x, memory: case.layer.forward(params, x, Context(memory=memory))[0])
    half, x, parts = case.shape[0] // 2, np.asarray(case.x), []
    for rows in (slice(half), slice(half, None)):
        memory = jax.tree.map(lambda a, rows=rows: np.asarray(a)[rows], case.context.memory)  # each example's own
        parts.append(forward(case.params, x[rows], memory))
    yield from to_rounding("y", case, case.results[0], np.concatenate(parts))


def to_rounding(what: str, case: Case, expected: Any, got: Any) -> Iterator[Breach]:
    """Each number to its own rounding, and a floor that grows with how many numbers an example brings together."""
    floor = 1e-14 * max(1, math.prod(case.shape[1:]) / 100)
    yield from apart(what, expected, got, TO_ROUNDING * np.abs(expected) + floor, ROUNDING)


def predicts(case: Case) -> Iterator[Breach]:
    """Predict is forward without its saved part."""
    if type(case.layer).predict is not Layer.predict:  # that is forward
        yield from to_rounding("y", case, case.results[0], case.prediction)


def advances(case: Case) -> Iterator[Breach]:
    """Advance is predict, and leaves the memory of the next step."""
    params, x, context = case.params, case.x, case.context
    if type(case.layer).advance is Layer.advance and not jax.tree.leaves(context.memory):
        return  # that is predict, and nothing is remembered
    y, moved = jax.jit(lambda params, x: case.layer.advance(params, x, context))(params, x)
    yield from to_rounding("y", case, case.prediction, y)
    before, after = named(context.memory), named(moved)
    for name in before | after:
        old, new = (f"{a[name].dtype}{a[name].shape}" if name in a else None for a in (before, after))
        if old != new:
            yield Breach(f"memory {name}", None, old, new)
            return
    if before and not exemption(halves, case.layer):
        remember = jax.jit(lambda p, x: case.layer.remember(context.memory, case.layer.forward(p, x, context)[1]))
        remembered = remember(params, x)
        for name, value in named(remembered).items():
            tolerance = TO_ROUNDING * max(largest(remembered), 1e-12)
            yield from apart(f"memory {name}", value, after[name], tolerance, ROUNDING)


def costs(case: Case) -> Iterator[Breach]:
    """The stated FLOPs and parameters are those of the traced program."""
    layer, context, cost = case.layer, case.context, case.layer.cost(case.shape)
    _, saved = jax.eval_shape(lambda p, x: layer.forward(p, x, context), case.params, case.x)
    outputs = slice(1) if jax.tree.leaves(context.memory) else slice(2)  # Recompute saves the memory moved on
    parameters = sum(leaf.size for leaf in jax.tree.leaves(case.params))
    found = {
        "forward": count_flops(lambda p, x: layer.forward(p, x, context)[outputs], case.params, case.x),
        "backward": count_flops(layer.backward, case.params, saved, case.dy),
        "parameters": parameters,
    }
    if not parameters:
        found["input_gradient"] = cost.backward
    elif cost.input_gradient > cost.backward:
        yield Breach("cost.input_gradient", None, f"at most {cost.backward}", cost.input_gradient)
    for name, number in found.items():
        if getattr(cost, name) != number:
            yield Breach(f"cost.{name}", None, number, getattr(cost, name))


def saved_numbers(case: Case) -> Iterator[Breach]:
    """The stated saved numbers are those that backward keeps alive."""
    layer, context = case.layer, case.context
    jaxpr = jax.make_jaxpr(lambda p, x: layer.forward(p, x, context))(case.params, case.x).jaxpr
    root = memory_of(jaxpr)
    parameters = set(jaxpr.invars[: len(jax.tree.leaves(case.params))])
    kept = {root(v) for v in jaxpr.outvars[1:]} - parameters
    numbers = {v for v in kept if jnp.issubdtype(v.aval.dtype, np.floating)}
    cost, y = case.layer.cost(case.shape), int(np.prod(case.layer.shape(case.shape)))
    stated = cost.saved + cost.keeps_x * case.x.size + cost.keeps_y * y
    found = sum(v.aval.size for v in numbers)
    if stated != found:
        yield Breach("cost.saved with keeps_x and keeps_y", None, found, stated)
    marks = sum(v.aval.size * v.aval.dtype.itemsize for v in kept - numbers)
    if cost.marks != marks:
        yield Breach("cost.marks", None, marks, cost.marks)


def memory_of(jaxpr: Any) -> Callable:
    """For each variable of a jaxpr the variable whose memory it is, seen through reshapes."""
    origin = {}
    for equation in jaxpr.eqns:
        if equation.primitive.name == "reshape":
            origin[equation.outvars[0]] = origin.get(equation.invars[0], equation.invars[0])
    return lambda v: origin.get(v, v)


def costs_in_symbols(case: Case) -> Iterator[Breach]:
    """The cost of n examples is a formula in n."""
    import sympy

    n: Any = sympy.Symbol("n", positive=True, integer=True)
    symbolic, exact = case.layer.cost((n, *case.shape[1:])), case.layer.cost(case.shape)
    for name in ("forward", "backward", "parameters", "saved", "marks"):
        found = sympy.sympify(getattr(symbolic, name)).subs(n, case.shape[0])
        if found != getattr(exact, name):
            yield Breach(f"cost.{name}", None, getattr(exact, name), str(found))


def mapped(case: Case) -> Iterator[Breach]:
    """Models mapped side by side give what each gives alone."""
    cases = [case, *(Case(case.layer, case.shape, case.seed + 1 + m) for m in range(2))]
    models = [(each.params, each.x, each.dy) for each in cases]
    together = jax.jit(jax.vmap(case.passes))(*jax.tree.map(lambda *a: np.stack(a), *models))
    for m, arrays in enumerate(models):
        yield from same(case.compiled(*arrays), jax.tree.map(lambda a, m=m: np.asarray(a)[m], together))


def equations(case: Case) -> Iterator[Breach]:
    """The equations are stated."""
    for name in ("forward", "backward"):
        if not getattr(getattr(case.layer, "equations", None), name, ()):
            yield Breach(f"equations.{name}", None, "LaTeX", None)


LAWS: tuple[Law, ...] = (
    shapes,
    derivative_by_autodiff,
    derivative_by_differences,
    compiled,
    halves,
    predicts,
    advances,
    mapped,
    costs,
    saved_numbers,
    costs_in_symbols,
    equations,
)


def sentence(law: Law) -> str:
    """What the law says."""
    return (law.__doc__ or law.__name__).rstrip(".")


def exemption(law: Law, layer: Layer) -> str:
    """Why a law does not bind this layer, or nothing where it does."""
    if law in (halves, predicts) and layer.mixes_examples:
        return "its examples see each other, and it predicts by its memory"
    if law in (halves, predicts) and layer.draws:
        return "it draws random numbers, and predicts without them"
    return ""
