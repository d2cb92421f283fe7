"""The battery: the laws of DESIGN's contract, over every layer and option that is found in `layers/`."""

import functools

import jax
import numpy as np
import pytest

from deltarule import layers
from deltarule.inspect.case import Case
from deltarule.inspect.laws import LAWS, exemption, halves
from deltarule.layers import GRU, LSTM, Bidirectional, Chain, Dense, Recompute, Recurrent, SimpleRNN
from deltarule.layers.layer import Layer
from layers.own_cell import MinimalGatedUnit

LAYERS = [kind for kind in vars(layers).values() if isinstance(kind, type) and issubclass(kind, Layer)]
EXAMPLES = [example for kind in LAYERS for example in kind.examples()]
EXAMPLES += [
    (Recurrent(MinimalGatedUnit(5)), (3, 4, 2)),
    (Chain(Recurrent(LSTM(4), carry=True), Bidirectional(GRU(3), last=True)), (2, 3, 5)),
    (Recompute(Dense(4), Recurrent(SimpleRNN(3))), (3, 5, 2)),
]
every_example = pytest.mark.parametrize(("layer", "shape"), EXAMPLES, ids=lambda value: str(value))
case = functools.cache(Case)  # what one law compiled the next one finds


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


def test_every_layer_file_is_found():
    assert len(LAYERS) >= 21
    assert {kind.__name__ for kind in LAYERS} == {type(layer).__name__ for layer, _ in EXAMPLES}


@every_example
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_law_holds(law, layer, shape):
    if reason := exemption(law, layer):
        pytest.skip(reason)
    assert not list(law(case(layer, shape)))


@every_example
def test_predict_is_forward_to_the_last_bit(layer, shape):
    if reason := exemption(halves, layer):
        pytest.skip(reason)
    tried = case(layer, shape)
    predicted = jax.jit(layer.predict)(tried.params, tried.x, tried.context.memory)
    np.testing.assert_array_equal(predicted, tried.output(tried.params, tried.x))
