import numpy as np
import pytest

from deltarule.errors import ShapeError
from deltarule.layers import Chain, Columns, Dense, Identity, Reshape, Residual, Tanh
from layers.reference import agree_with_torch


@pytest.mark.torch
def test_a_body_that_keeps_the_shape_has_the_identity_beside_it(torch):
    def block(x, params):
        body, shortcut = params
        assert shortcut == {}
        return torch.tanh(torch.nn.functional.linear(x, body[0]["W"].T, body[0]["b"])) + x

    agree_with_torch(Residual(Chain(Dense(5), Tanh())), block, (7, 5))


@pytest.mark.torch
def test_a_body_that_changes_the_features_has_a_projection_without_bias_beside_it(torch):
    def block(x, params):
        body, shortcut = params
        assert set(shortcut) == {"W"}
        return torch.tanh(torch.nn.functional.linear(x, body[0]["W"].T, body[0]["b"])) + x @ shortcut["W"]

    agree_with_torch(Residual(Chain(Dense(4), Tanh())), block, (7, 5))


@pytest.mark.torch
def test_a_shortcut_that_is_given_is_taken(torch):
    def block(x, params):
        return torch.tanh(x) + torch.nn.functional.linear(x, params[1]["W"].T, params[1]["b"])

    agree_with_torch(Residual(Tanh(), shortcut=Dense(5)), block, (7, 5))


def test_body_and_shortcut_draw_from_streams_of_their_own():
    body, shortcut = Residual(Dense(5), shortcut=Dense(5)).init(np.random.default_rng(0), (7, 5))
    assert (body["W"] != shortcut["W"]).any()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            Residual(Dense(4), shortcut=Identity()),
            r"^layer 1, Residual: .* \(7, 4\) .* body .* \(7, 5\) .* shortcut",
        ),
        (Residual(Reshape(1, 5)), r"^layer 1, Residual: .* \(7, 1, 5\) .* body .* \(7, 5\) .* shortcut"),
        (Residual(Chain(Dense(4), Columns(3, 9))), r"^layer 1\.0\.1, Columns\(3, 9\): .* \(7, 4\)"),
        (Residual(Dense(2), shortcut=Columns(6, 8)), r"^layer 1\.1, Columns\(6, 8\): .* \(7, 5\)"),
    ],
    ids=["features", "axes", "inside the body", "inside the shortcut"],
)
def test_paths_that_do_not_meet_are_refused(block, message):
    with pytest.raises(ShapeError, match=message):
        Chain(Dense(5), block).shape((7, 6))
