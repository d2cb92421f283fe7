"""The likely cause of a broken law, read from how what came differs from what was expected."""

import itertools
import math
from collections.abc import Iterator

import jax
import numpy as np

from deltarule.inspect import laws
from deltarule.inspect.case import Breach, Case, named
from deltarule.inspect.laws import Law
from deltarule.inspect.pattern import by_pattern

OF_LAW: dict[Law, str] = {
    laws.compiled: "it computes with what changes from call to call: NumPy's random numbers, or an array kept on "
    "the side; random numbers come from context.key",
    laws.derivative_by_differences: "autodiff agrees with backward, the slope does not: forward holds a "
    "stop_gradient, a rounding, or a derivative rule of its own",
    laws.halves: "an example's output depends on the others of its batch, as by a mean over axis 0; a layer that "
    "means it says so by mixes_examples",
    laws.predicts: "predict leaves out, or adds, something that forward does",
    laws.advances: "advance moves the memory otherwise than remember",
    laws.mapped: "it computes with an array from outside its arguments, or counts the axes from the front",
    laws.equations: "state them: equations = Equations(forward=(...), backward=(...))",
}
OF_ERROR = {
    "TracerArrayConversionError": "NumPy takes no array that is being compiled: compute with jax.numpy",
    "TracerBoolConversionError": "a Python `if` or `while` asks for an array's value: take jnp.where",
    "ConcretizationTypeError": "a shape or a Python number is made from an array's value",
    "UnexpectedTracerError": "an array is kept outside of the passes: give it on as saved",
    "FrozenInstanceError": "a layer is frozen and keeps no arrays: forward gives on as saved what backward needs",
    "KeyError": "it asks for a parameter that init does not make",
    "NotImplementedError": "this part of the contract is not written",
}


def likely_cause(law: Law, case: Case, breach: Breach) -> str:
    """What would make this difference, in words, or nothing where no pattern is found."""
    if breach.arrays is not None and law is laws.derivative_by_autodiff:
        if not repeats(case):
            return OF_LAW[laws.compiled]
        return next(by_pattern(case, breach), "")
    if law is laws.shapes:
        return next(by_shape(case, breach), "")
    if law in (laws.costs, laws.saved_numbers):
        return next(by_terms(case, breach), "")
    return OF_LAW.get(law, "")


def repeats(case: Case) -> bool:
    """Whether the passes are the same program when they are traced anew."""
    one, other = (jax.make_jaxpr(lambda *a: case.passes(*a))(case.params, case.x, case.dy) for _ in range(2))
    alike = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one.consts, other.consts, strict=True))
    return str(one) == str(other) and alike


def cause_of_error(law: Law, error: Exception) -> str:
    """What most often raises such an error in a layer."""
    if law is laws.costs_in_symbols and not isinstance(error, NotImplementedError):
        return "int(), math or NumPy is applied to a length, which may be a symbol: write plain arithmetic"
    known = next((OF_ERROR[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in OF_ERROR), "")
    if not known and isinstance(error, TypeError | ValueError) and "shape" in str(error):
        return "arrays that do not fit each other: a transposed product, or a sum over the wrong axis"
    return known


def by_shape(case: Case, breach: Breach) -> Iterator[str]:
    """A gradient of another shape than what it belongs to."""
    expected, got = breach.expected, breach.got
    if got is None:
        yield "backward leaves it out"
    elif expected is None:
        yield "there is no parameter of that name"
    elif breach.what == "y":
        yield "shape states another output than forward gives"
    elif got == expected[::-1]:
        yield "a transposed product: AᵀB where BᵀA belongs"
    elif len(got) > len(expected) and got[len(got) - len(expected) :] == expected:
        yield "the sum over the examples is missing"
    elif len(got) == len(expected) == 1:
        yield "it is summed over the wrong axis"
    elif math.prod(got) == math.prod(expected):
        yield "the right numbers in another shape: a reshape or a transposition is missing"


def by_terms(case: Case, breach: Breach) -> Iterator[str]:
    """The term of a cost that is missing or too many, in the axes' letters."""
    try:
        off = int(breach.got) - int(breach.expected)
    except (TypeError, ValueError):
        return
    x, y = case.shape, case.dy.shape
    which = "too many" if off > 0 else "too few"
    if breach.what.startswith("cost.saved"):
        for name, shape in (("x", x), ("y", y)):
            if abs(off) == math.prod(shape):
                yield f"as many as {name} has {which}: keeps_{name} is {'' if off > 0 else 'not '}set"
    if breach.what == "cost.parameters":
        for name, value in named(case.params).items():
            if abs(off) == value.size:
                yield f"as many as {name} has {which}"
    middle = {3: ["t"], 4: ["h", "w"], 5: ["d", "h", "w"]}.get(len(x), [])
    letters = dict(zip(["n", *middle, "i"], x, strict=False)) | {"o": y[-1]}
    for coefficient in range(1, 9):
        for count in range(len(letters) + 1):
            for names in itertools.combinations(letters, count):
                if abs(off) == coefficient * math.prod(letters[name] for name in names):
                    term = "·".join([str(coefficient)] * (coefficient > 1 or not names) + list(names))
                    yield f"{term} = {abs(off)} {which}"
    yield f"{abs(off)} {which}"
