"""The likely cause of a wrong gradient, read from how it differs from the right: a factor, an order, a term."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.inspect import laws
from deltarule.inspect.case import Breach, Case, gradients, named
from deltarule.inspect.laws import derivative

CLOSE = 1e-6  # of the largest number: a pattern explains a difference or it does not
LEAST = 3  # numbers in a group before a pattern in it means anything


def by_pattern(case: Case, breach: Breach) -> Iterator[str]:
    """A gradient of the right shape with wrong numbers."""
    assert breach.arrays is not None
    expected, got = breach.arrays
    if not np.isfinite(got).all():
        yield "a number that is not finite: a division by zero, or a logarithm or root of what is negative"
        return
    if np.abs(got - expected).max() < CLOSE * np.abs(expected).max():
        yield "right to float32's rounding only: something is cast to float32"
    yield from by_factor(case, expected, got)
    yield from by_order(case, expected, got)
    yield from by_zeros(expected, got)
    yield from by_known(case, expected, got)
    yield from by_linearity(case, breach)
    yield from by_statistics(case, breach, expected, got)
    yield from by_alteration(case, breach, got)
    yield from by_time(case, breach)
    yield from by_part(case, expected, got)


def alike(one: Any, other: Any) -> bool:
    """Whether two arrays are one to within what a pattern may leave."""
    one, other = np.asarray(one), np.asarray(other)
    scale = max(float(np.abs(one).max()), float(np.abs(other).max()))
    return one.shape == other.shape and float(np.abs(one - other).max()) <= CLOSE * scale


def times(one: np.ndarray, other: np.ndarray) -> float:
    """The c for which c · one is nearest to the other."""
    return float((one * other).sum() / max((one * one).sum(), 1e-300))


def by_factor(case: Case, expected: np.ndarray, got: np.ndarray) -> Iterator[str]:
    """One factor everywhere: a mean for a sum, a 2, a sign, a setting of the layer's own."""
    if not got.any():
        yield "it is zero: the derivative is left out"
    factor = times(expected, got)
    if not factor or not alike(factor * expected, got):
        return
    for value, words in factors(case):
        if math.isclose(factor, value, rel_tol=CLOSE):
            yield f"a factor {words}"
        if math.isclose(factor, -value, rel_tol=CLOSE):
            yield f"the sign, and a factor {words}"
    yield f"a factor {factor:.6g} everywhere"


def factors(case: Case) -> Iterator[tuple[float, str]]:
    """Factors that a derivation loses or gains, with their names."""
    yield -1.0, "−1: the sign"
    yield 2.0, "2"
    yield 0.5, "1/2"
    x, y = case.shape, case.dy.shape
    lengths = {"n, the number of examples": x[0], "all but the last axis of x": math.prod(x[:-1])}
    lengths |= {f"the length of axis {axis} of x": x[axis] for axis in range(1, len(x))}
    lengths |= {f"the length of axis {axis} of y": y[axis] for axis in range(1, len(y))}
    for name, setting in vars(case.layer).items():
        whole = setting if isinstance(setting, tuple) else (setting,) * max(1, len(x) - 2)
        if name.endswith("size"):
            yield math.prod(whole), f"{math.prod(whole)}, the numbers in {name}"
            yield 1 / math.prod(whole), f"1/{math.prod(whole)}, the numbers in {name}"
        elif isinstance(setting, float) and 0 < setting < 1:
            yield setting, f"{name} = {setting:g}"
            yield 1 - setting, f"1 − {name} = {1 - setting:g}"
            yield 1 / setting, f"1/{name} = {1 / setting:g}"
            yield 1 / (1 - setting), f"1/(1 − {name}) = {1 / (1 - setting):g}"
    for words, length in lengths.items():
        if length > 1:
            yield 1 / length, f"1/{length}, {words}: a mean where the derivative is a sum"
            yield float(length), f"{length}, {words}: a sum where the derivative is a mean"


def by_order(case: Case, expected: np.ndarray, got: np.ndarray) -> Iterator[str]:
    """The right numbers in the wrong places."""
    if expected.size < LEAST:
        return
    for axes in itertools.permutations(range(expected.ndim)):
        if axes != tuple(range(expected.ndim)) and alike(np.transpose(expected, axes), got):
            yield "a transposed product: AᵀB where BᵀA belongs"
    for count in range(1, expected.ndim + 1):
        for axes in itertools.combinations(range(expected.ndim), count):
            if alike(np.flip(expected, axes), got):
                yield f"the order along {words_of(axes)} is reversed: a kernel not flipped, or time backwards"
    for gates in range(2, 5):
        if expected.shape[-1] % gates == 0:
            blocks = np.split(expected, gates, -1)
            for order in itertools.permutations(range(gates)):
                if order != tuple(range(gates)) and alike(np.concatenate([blocks[g] for g in order], -1), got):
                    yield f"parts of the last axis (gates) stand in the order {order}"
    for axis in range(expected.ndim):
        for shift in range(1, min(expected.shape[axis], 9)):
            if alike(np.roll(expected, shift, axis), got) or alike(np.roll(expected, -shift, axis), got):
                yield f"it is shifted along {words_of((axis,))} by {shift}"


def words_of(axes: tuple[int, ...]) -> str:
    return ("axis " if len(axes) == 1 else "axes ") + ", ".join(map(str, axes))


def by_zeros(expected: np.ndarray, got: np.ndarray) -> Iterator[str]:
    """Right but for where one of the two is zero: a mask too few or too many."""
    both = (expected != 0) & (got != 0)
    if both.sum() < LEAST:
        return
    factor = times(expected[both], got[both])
    if not alike(factor * expected[both], got[both]):
        return
    words = "" if math.isclose(factor, 1, rel_tol=CLOSE) else f", and a factor {factor:.6g}"
    if ((expected == 0) & (got != 0)).any():
        yield f"a mask is missing: it is not zero where the derivative is{words}"
    if ((expected != 0) & (got == 0)).any():
        yield f"a part is left out: it is zero where the derivative is not{words}"


def by_known(case: Case, expected: np.ndarray, got: np.ndarray) -> Iterator[str]:
    """An array at hand that is added to the gradient, or is missing from it as a summand or a factor."""
    own = {name: value for name, value in vars(case.layer).items() if isinstance(value, np.ndarray | jax.Array)}
    y = case.output(case.params, case.x)
    known = {"dy": case.dy, "x": case.x, "y": y, **named(case.params), **own}
    known = {name: np.asarray(array) for name, array in known.items()}
    difference = got - expected
    for name, array in known.items():
        factor = times(array, difference) if array.shape == difference.shape else 0
        if factor and alike(factor * array, difference):
            if math.isclose(factor, -1, rel_tol=CLOSE):
                yield f"the summand {name} is left out"
            yield f"{name} itself leaks into it, {factor:.6g} times"
    for name, array in known.items():
        for factor in stretched(array, got.shape):
            if alike(got * factor, expected):
                yield f"the factor {name} is left out"
            if alike(got, expected * factor):
                yield f"the factor {name} is there once too often"


def stretched(array: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """The array along the last axes of a shape, and along the first, where it fits."""
    missing = (1,) * (len(shape) - array.ndim)
    for wide in ((*missing, *array.shape), (*array.shape, *missing)):
        fits = len(wide) == len(shape) and all(one in (1, whole) for one, whole in zip(wide, shape, strict=True))
        if fits and array.size > 1:
            yield array.reshape(wide)


def by_linearity(case: Case, breach: Breach) -> Iterator[str]:
    """Backward must be linear in dy; one that is not has lost dy, or takes a loss above it for granted."""
    twice = gradients(*case.compiled(case.params, case.x, 2 * case.dy)[1:])[breach.what]
    once = case.gradients[breach.what]
    if alike(once, twice):
        yield "dy is lost: it does not depend on dy, as if dy were 1 everywhere"
    elif not alike(2 * np.asarray(once), twice):
        yield "it is not linear in dy: a particular loss above the layer is taken for granted"


def by_statistics(case: Case, breach: Breach, expected: np.ndarray, got: np.ndarray) -> Iterator[str]:
    """A difference that is even along some axes, or follows x or y there: a term through a mean, variance, sum."""
    x, y = np.asarray(case.x), np.asarray(case.output(case.params, case.x))
    if breach.what != "dx":
        return
    difference, last = expected - got, x.ndim - 1
    for axes in dict.fromkeys([tuple(range(last)), (last,), tuple(range(1, last + 1)), tuple(range(1, last))]):
        if not axes or math.prod(x.shape[axis] for axis in axes) < LEAST:
            continue

        def follows(array, axes=axes):
            if array.shape != difference.shape:
                return False
            along = (difference * array).sum(axes, keepdims=True) / (array * array).sum(axes, keepdims=True)
            return alike(along * array, difference)

        where = words_of(axes)
        centred = x - x.mean(axes, keepdims=True)
        if follows(np.ones_like(x)):
            yield f"the term through the mean (or a sum) over {where} is left out"
        if follows(centred):
            yield f"the term through the variance over {where} is left out"
        if follows(x):
            yield f"the term through the mean square over {where} is left out"
        if follows(y) or follows(np.exp(y)):
            yield f"the term through the sum over {where}, which follows y, is left out"
        even = difference - difference.mean(axes, keepdims=True)
        along = (even * centred).sum(axes, keepdims=True) / (centred**2).sum(axes, keepdims=True)
        if math.prod(x.shape[axis] for axis in axes) > LEAST and alike(along * centred, even):
            yield f"the terms through mean and variance over {where} are left out, or one of them is wrong"


def by_alteration(case: Case, breach: Breach, got: np.ndarray) -> Iterator[str]:
    """The derivative of a layer with a parameter turned: backward multiplies by it the wrong way round."""
    leaves, structure = jax.tree.flatten(case.params)
    for place, (name, value) in enumerate(named(case.params).items()):
        turned = {}
        if value.ndim == 2 and value.shape[0] == value.shape[1]:
            turned[f"a transposed product: {name} where its transpose belongs"] = value.T
        if value.ndim > 2:
            axes = tuple(range(value.ndim - 2))
            turned[f"the kernel {name} is reversed along {words_of(axes)}"] = jnp.flip(value, axes)
        for words, other in turned.items():
            params = jax.tree.unflatten(structure, [*leaves[:place], other, *leaves[place + 1 :]])
            if alike(derivative(case, params)[breach.what], got):
                yield words


def by_time(case: Case, breach: Breach) -> Iterator[str]:
    """A sequence of one step that is right, where longer ones are not: something between the steps is wrong."""
    if len(case.shape) != 3 or case.shape[1] == 1:
        return
    try:
        short = Case(case.layer, (case.shape[0], 1, case.shape[2]), case.seed)
        broken = any(other.what == breach.what for other in laws.derivative_by_autodiff(short))
    except Exception:  # a layer that takes no shorter sequence says nothing about time
        return
    if not broken:
        yield "wrong only beyond one time step: what goes from step to step is wrong or left out"


def by_part(case: Case, expected: np.ndarray, got: np.ndarray) -> Iterator[str]:
    """Wrong in one part of the last axis alone, such as a gate's."""
    axes = tuple(range(expected.ndim - 1))
    wrong = np.flatnonzero(np.abs(expected - got).max(axes) > CLOSE * np.abs(expected).max())
    length = expected.shape[-1]
    if len(wrong) < length and len(wrong) and wrong[-1] - wrong[0] + 1 == len(wrong):
        yield f"wrong only from {wrong[0]} to {wrong[-1]} along its last axis of {length}: one gate, or one part"
