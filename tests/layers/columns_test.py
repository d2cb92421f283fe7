import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, Columns, Dense
from layers.reference import agree_with_torch, forward
from onnx_cases import cases

OUT_OF_SCOPE = {
    "slice_neg_steps": "backwards, and by steps",
    "slice_start_out_of_bounds": "no columns at all: refused, as is every column that is not there",
    "slice_end_out_of_bounds": "columns that are not there",
}


@pytest.mark.parametrize("case", cases("Slice", OUT_OF_SCOPE), ids=str)
def test_columns_are_the_slices_of_onnx(case):
    """One `Columns` for each axis that is sliced, that axis moved to the end; each array is one example."""
    x, starts, ends, *more = case.inputs
    y, axes = x[None], more[0] if more else range(len(starts))
    for axis, first, last in zip(axes, starts, ends, strict=True):
        axis = axis + 1 if axis >= 0 else axis
        start, stop, _ = slice(int(first), int(last)).indices(y.shape[axis])
        y = np.moveaxis(forward(Columns(start, stop), np.moveaxis(y, axis, -1)), -1, axis)
    np.testing.assert_array_equal(y[0], case.outputs[0])


@pytest.mark.torch
@pytest.mark.parametrize(("start", "stop", "shape"), [(1, 3, (5, 4)), (0, 2, (5, 3, 7)), (6, 7, (5, 3, 7))])
def test_columns_are_those_of_torch(torch, start, stop, shape):
    agree_with_torch(Columns(start, stop), lambda x: torch.narrow(x, -1, start, stop - start), shape)


@pytest.mark.parametrize(("start", "stop"), [(3, 3), (-2, 3)])
def test_no_columns_are_refused(start, stop):
    with pytest.raises(SettingError, match=rf"^Columns\({start}, {stop}\): expected 0 <= start < stop"):
        Columns(start, stop)


@pytest.mark.parametrize(("start", "stop"), [(1, 5), (4, 6)])
def test_columns_that_are_not_there_are_refused(start, stop):
    with pytest.raises(ShapeError, match=rf"^layer 1, Columns\({start}, {stop}\): .*, got \(7, 4\)"):
        Chain(Dense(4), Columns(start, stop)).shape((7, 5))
