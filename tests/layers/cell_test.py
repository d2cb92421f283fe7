import numpy as np
import pytest

from deltarule.errors import SettingError
from deltarule.layers import GRU, LSTM, SimpleRNN
from deltarule.layers.initializers import Constant
from layers.own_cell import MinimalGatedUnit


@pytest.mark.parametrize("cell", [SimpleRNN(4), GRU(4), GRU(4, "before"), LSTM(4), MinimalGatedUnit(4)], ids=str)
def test_fresh_weights_are_drawn_gate_by_gate(cell):
    """W within the limits of Glorot for one gate, which those for all gates at once do not reach; U orthogonal."""
    params = cell.init(np.random.default_rng(0), 40)
    limit = np.sqrt(6 / (40 + 4))
    assert params["W"].shape == (40, cell.gates * 4)
    assert params["b"].shape == (cell.gates * 4,)
    assert all(array.dtype == np.float32 for array in params.values())
    for W, U in zip(*(np.split(params[name], cell.gates, axis=1) for name in ("W", "U")), strict=True):
        assert 0.97 * limit <= abs(W).max() <= limit
        np.testing.assert_allclose(U.T @ U, np.eye(4), atol=1e-6)
    assert len(np.unique(params["U"])) == params["U"].size


@pytest.mark.parametrize("cell", [SimpleRNN(2), GRU(2), GRU(2, "before"), LSTM(2), LSTM(2, True)], ids=str)
def test_fresh_biases_are_zero_but_for_that_of_forgetting(cell):
    params = cell.init(np.random.default_rng(0), 3)
    expected = [0, 0, 1, 1, 0, 0, 0, 0] if isinstance(cell, LSTM) else np.zeros(cell.gates * 2)
    np.testing.assert_array_equal(params["b"], expected)
    for name in params.keys() - {"W", "U", "b"}:
        assert not params[name].any()


def test_weights_come_by_their_rules():
    params = GRU(3, W_init=Constant(2.0), U_init=Constant(3.0)).init(np.random.default_rng(0), 5)
    assert (params["W"] == 2).all()
    assert (params["U"] == 3).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimpleRNN(0), r"^SimpleRNN: features must be a whole number of at least 1, got 0"),
        (lambda: GRU(-1), r"^GRU: features must be a whole number of at least 1, got -1"),
        (lambda: LSTM(0), r"^LSTM: features must be a whole number of at least 1, got 0"),
        (lambda: SimpleRNN(3, "sigmoid"), r"^SimpleRNN: activation must be 'tanh' or 'relu', got 'sigmoid'"),
        (lambda: GRU(3, "v3"), r"^GRU: reset must be 'after' or 'before', got 'v3'"),
    ],
)
def test_a_setting_that_does_not_exist_is_refused(make, message):
    with pytest.raises(SettingError, match=message):
        make()
