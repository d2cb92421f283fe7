import numpy as np
import pytest

from deltarule.errors import SettingError, ShapeError
from deltarule.layers import Branch, Chain, Columns, Dense, Identity, Reshape, Tanh
from layers.reference import agree_with_torch


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5)], ids=str)
def test_branch_is_cat_over_what_torch_makes_of_one_input(torch, shape):
    def branches(x, params):
        (first, _), second, _ = params
        linear = torch.nn.functional.linear
        y1 = torch.tanh(linear(x, first["W"].T, first["b"]))
        return torch.cat([y1, linear(x, second["W"].T, second["b"]), x], -1)

    agree_with_torch(Branch(Chain(Dense(3), Tanh()), Dense(2), Identity()), branches, shape)


def test_branches_draw_from_streams_of_their_own():
    first, second = Branch(Dense(3), Dense(3)).init(np.random.default_rng(0), (7, 5))
    assert (first["W"] != second["W"]).any()


@pytest.mark.parametrize(
    ("branch", "message"),
    [
        (Branch(Identity(), Reshape(5, 1)), r"^layer 1, Branch: .* last axis .*\(7, 5\), \(7, 5, 1\)"),
        (Branch(Identity(), Chain(Tanh(), Columns(3, 9))), r"^layer 1\.1\.1, Columns\(3, 9\): .* \(7, 5\)"),
    ],
    ids=["other axes", "inside a branch"],
)
def test_branches_that_cannot_be_joined_are_refused(branch, message):
    with pytest.raises(ShapeError, match=message):
        Chain(Dense(5), branch).shape((7, 6))


def test_a_single_branch_is_refused():
    with pytest.raises(SettingError, match=r"Branch: expected at least two branches, got 1"):
        Branch(Identity())


def test_what_is_no_layer_is_refused():
    with pytest.raises(SettingError, match=r"Branch: expected a layer at place 1, got <class .*Tanh'>"):
        Branch(Identity(), Tanh)


def test_an_input_without_features_is_refused():
    with pytest.raises(ShapeError, match=r"Branch: expected an input of shape \(n, ..., i\), got \(5,\)"):
        Branch(Identity(), Identity()).shape((5,))
