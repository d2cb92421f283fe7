"""Counts FLOPs in a traced program, by the convention of `Cost`: the independent meter of every closed form."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

ONE_EACH = {
    *("add", "add_any", "sub", "mul", "div", "max", "min", "rem", "pow", "square", "sqrt", "rsqrt", "cbrt"),
    *("exp", "exp2", "expm1", "log", "log1p", "tanh", "logistic", "erf", "erfc", "erf_inv", "sin", "cos", "tan"),
}
INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def count_flops(function: Callable, *arguments: Any) -> int:
    """FLOPs of `function(*arguments)`, traced and not run; what no result needs counts none, as compiled.

    >>> count_flops(lambda x, W: x @ W, np.ones((2, 3)), np.ones((3, 4)))
    48
    """
    jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
    needed, _ = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return count_jaxpr(needed)


def count_jaxpr(jaxpr: Any) -> int:
    """FLOPs of all equations of a jaxpr, inner programs included, loops as often as they run."""
    return sum(count_equation(equation) for equation in jaxpr.eqns)


def count_equation(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    out = equation.outvars[0].aval if equation.outvars else None
    if name == "scan":
        return params["length"] * count_jaxpr(params["jaxpr"].jaxpr)
    if name == "cond":
        if params.get("branches_platforms"):  # the last is the one that every platform can take
            return count_jaxpr(params["branches"][-1].jaxpr)
        return max(count_jaxpr(branch.jaxpr) for branch in params["branches"])
    for key in INNER:
        if key in params:
            inner = params[key]
            return count_jaxpr(getattr(inner, "jaxpr", inner))
    if out is None or not jnp.issubdtype(out.dtype, np.floating):
        return 0
    if name == "dot_general":
        (left, _), _ = params["dimension_numbers"]
        contracted = int(np.prod([equation.invars[0].aval.shape[axis] for axis in left]))
        return 2 * out.size * contracted
    if name == "conv_general_dilated":
        return 2 * count_multiplications(equation)
    if name == "integer_pow":
        return out.size * (abs(params["y"]) - 1)
    if name in ("reduce_sum", "reduce_max", "reduce_min"):
        return equation.invars[0].aval.size - out.size
    if name == "scatter-add":
        return equation.invars[2].aval.size
    return out.size if name in ONE_EACH else 0


def count_multiplications(equation: Any) -> int:
    """Products of a convolution whose two numbers both exist: not padding, and not the gaps of a dilated input.

    Counted position by position, as XLA's own cost analysis does.
    """
    x, K = (variable.aval.shape for variable in equation.invars)
    out, params = equation.outvars[0].aval.shape, equation.params
    numbers = params["dimension_numbers"]
    met = 1
    for axis, (low, _) in enumerate(params["padding"]):
        d, k, o = (
            shape[spec[2 + axis]]
            for shape, spec in ((x, numbers.lhs_spec), (K, numbers.rhs_spec), (out, numbers.out_spec))
        )
        gap = params["lhs_dilation"][axis]
        i, m = np.ogrid[:o, :k]
        at = i * params["window_strides"][axis] + m * params["rhs_dilation"][axis] - low
        met *= int(((at >= 0) & (at <= (d - 1) * gap) & (at % gap == 0)).sum())
    n, o = out[numbers.out_spec[0]], out[numbers.out_spec[1]]
    return met * n * o * K[numbers.rhs_spec[1]]
