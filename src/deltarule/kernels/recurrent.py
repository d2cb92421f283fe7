"""A recurrent cell through all steps: its own scans in XLA, and on a CPU one native walk through time and back.

The native walk takes whole sequences of a cell that names its kernel; where a mask or a start interrupts them, and
for every other cell, the cell's own form is taken. Over several devices each walks through its own sequences: what
a cell saves of each step is (n, ...), as its state is.
"""

from typing import Any

import jax

from deltarule.kernels import native
from deltarule.kernels.shares import EXAMPLES, TIME_MAJOR, WHOLE, apart


def forward(cell: Any, params: Any, x: jax.Array, first: Any, mask: Any, follows: Any, reverse: bool) -> Any:
    """(y, others, saved) of all steps, as `Cell.forward` states them."""

    def computed(params, x, first, mask, follows):
        def own(*_):
            return cell.forward(params, x, first, mask, follows, reverse)

        if cell.kernel is None or mask is not None or follows is not None:
            return own()
        name, weights, settings = cell.kernel
        arrays = x, *(params[weight] for weight in weights), *first
        return native.choose(f"deltarule_{name}_forward", own, own, *arrays, reverse=reverse, **settings)

    ins = WHOLE, EXAMPLES, EXAMPLES, TIME_MAJOR, TIME_MAJOR
    return apart(computed, (params, x, first, mask, follows), ins, (EXAMPLES, TIME_MAJOR, TIME_MAJOR))


def backward(
    cell: Any,
    params: Any,
    x: jax.Array,
    first: Any,
    y: jax.Array,
    others: Any,
    saved: Any,
    dy: jax.Array,
    mask: Any,
    follows: Any,
    reverse: bool,
) -> Any:
    """(dx, dparams) of all steps, as `Cell.backward` states them."""

    def computed(params, x, first, y, others, saved, dy, mask, follows):
        def own(*_):
            return cell.backward(params, x, first, y, others, saved, dy, mask, follows, reverse)

        if cell.kernel is None or mask is not None or follows is not None:
            return own()
        name, _, settings = cell.kernel
        arrays = x, params["W"], params["U"], *first, y, *others, *saved, dy
        return native.choose(f"deltarule_{name}_backward", own, own, *arrays, reverse=reverse, **settings)

    of_time = TIME_MAJOR, TIME_MAJOR, EXAMPLES, TIME_MAJOR, TIME_MAJOR  # others, saved, dy, mask, follows
    ins = WHOLE, EXAMPLES, EXAMPLES, EXAMPLES, *of_time
    return apart(computed, (params, x, first, y, others, saved, dy, mask, follows), ins, (EXAMPLES, WHOLE))
