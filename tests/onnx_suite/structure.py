"""What joins, cuts and folds arrays."""

from math import prod

import numpy as np

from deltarule.layers import Branch, Columns, Flatten, Reshape, Residual
from layers.reference import forward
from onnx_suite.operators import WHOLE_NUMBERS, operator

ONE_SHAPE = "body and shortcut have one shape"
NO_COLUMNS = "columns that are not there"


@operator("Flatten")
def flatten(case):
    """ONNX folds the axes before `axis` too: here they are folded beforehand, into the examples' axis."""
    x, axis = case.inputs[0], case.attributes.get("axis", 1) % case.inputs[0].ndim
    return forward(Flatten(), x.reshape(prod(x.shape[:axis]), *x.shape[axis:]))


@operator("Reshape", {"reshape_allowzero_reordered": "an example without numbers"})
def reshape(case):
    """Each array is one example; a size of 0, which copies that of the input, is filled in beforehand."""
    x, sizes = case.inputs
    return forward(Reshape(*(int(given) or x.shape[axis] for axis, given in enumerate(sizes))), x[None])[0]


@operator("Concat")
def branch(case):
    """The joined axis is moved to the end, each array is one example, and the parts arrive in reverse."""
    axis = case.attributes["axis"]
    first, second = (np.moveaxis(a, axis, -1)[None] for a in case.inputs)
    k = second.shape[-1]
    layer = Branch(Columns(k, k + first.shape[-1]), Columns(0, k))
    return np.moveaxis(forward(layer, np.concatenate([second, first], axis=-1))[0], -1, axis)


@operator(
    "Slice",
    {
        "slice_neg_steps": "backwards, and by steps",
        "slice_start_out_of_bounds": NO_COLUMNS,
        "slice_end_out_of_bounds": NO_COLUMNS,
    },
)
def columns(case):
    """One `Columns` for each axis that is sliced, that axis moved to the end; each array is one example."""
    x, starts, ends, *more = case.inputs
    y, axes = x[None], more[0] if more else range(len(starts))
    for axis, first, last in zip(axes, starts, ends, strict=True):
        axis = axis + 1 if axis >= 0 else axis
        start, stop, _ = slice(int(first), int(last)).indices(y.shape[axis])
        y = np.moveaxis(forward(Columns(start, stop), np.moveaxis(y, axis, -1)), -1, axis)
    return y[0]


@operator(
    "Add",
    {f"add_{kind}": WHOLE_NUMBERS for kind in ("int8", "int16", "uint8", "uint16", "uint32", "uint64")}
    | {
        "add_bcast": ONE_SHAPE,
        "operator_add_broadcast": ONE_SHAPE,
        "operator_add_size1_broadcast": ONE_SHAPE,
        "operator_add_size1_right_broadcast": ONE_SHAPE,
        "operator_add_size1_singleton_broadcast": ONE_SHAPE,
    },
)
def residual(case):
    """Body and shortcut take one summand each from the columns of their input."""
    k = case.inputs[0].shape[-1]
    return forward(Residual(Columns(0, k), shortcut=Columns(k, 2 * k)), np.concatenate(case.inputs, axis=-1))
