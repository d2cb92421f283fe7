import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, Columns, Dense
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize(("start", "stop", "shape"), [(1, 3, (5, 4)), (0, 2, (5, 3, 7)), (6, 7, (5, 3, 7))])
def test_columns_are_those_of_torch(torch, start, stop, shape):
    agree_with_torch(Columns(start, stop), lambda x: torch.narrow(x, -1, start, stop - start), shape)


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        (3, 3, r"^Columns\(3, 3\): expected 0 <= start < stop"),
        (-2, 3, "^Columns: start must be a whole number of at least 0, got -2"),
        (0, 1.5, r"^Columns: stop must be a whole number of at least 0, got 1\.5"),
    ],
)
def test_no_columns_are_refused(start, stop, message):
    with pytest.raises(SettingError, match=message):
        Columns(start, stop)


@pytest.mark.parametrize(("start", "stop"), [(1, 5), (4, 6)])
def test_columns_that_are_not_there_are_refused(start, stop):
    with pytest.raises(ShapeError, match=rf"^layer 1, Columns\({start}, {stop}\): .*, got \(7, 4\)"):
        Chain(Dense(4), Columns(start, stop)).shape((7, 5))
