import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Chain, GroupNorm
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("names", [("gamma", "beta"), ("gamma",), ("beta",), ()], ids=str)
@pytest.mark.parametrize(("shape", "groups"), [((7, 6), 2), ((2, 3, 6), 3), ((2, 3, 4, 6), 6)], ids=str)
def test_group_norm_is_that_of_torch(torch, shape, groups, names):
    def group_norm(x, params=None):
        params = params or {}
        y = torch.nn.functional.group_norm(x.movedim(-1, 1), groups, params.get("gamma"), eps=0.01).movedim(1, -1)
        return y + params["beta"] if "beta" in names else y

    agree_with_torch(GroupNorm(groups, 0.01, scale="gamma" in names, offset="beta" in names), group_norm, shape)


@pytest.mark.parametrize(
    ("groups", "shape", "message"),
    [
        (4, (7, 3, 6), r"^layer 0, GroupNorm\(4\): .* divide into 4 groups, got \(7, 3, 6\)"),
        (1, (7,), r"GroupNorm\(1\): expected .* \(n, \.\.\., i\) .* got \(7,\)"),
        (6, (7, 1, 6), r"GroupNorm\(6\): .* got \(7, 1, 6\), one a group, .* fewer groups"),
    ],
)
def test_channels_that_do_not_fit_the_groups_are_refused(groups, shape, message):
    with pytest.raises(ShapeError, match=message):
        Chain(GroupNorm(groups)).shape(shape)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 0}, "GroupNorm: groups must be a whole number of at least 1, got 0"),
        ({"groups": 2.5}, r"GroupNorm: groups must be a whole number of at least 1, got 2\.5"),
        ({"groups": 2, "epsilon": 0.0}, r"GroupNorm\(2\): epsilon .* 0\.0"),
    ],
)
def test_settings_out_of_range_are_refused(options, message):
    with pytest.raises(SettingError, match=message):
        GroupNorm(**options)
