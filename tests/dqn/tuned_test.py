"""The network that an agent gets where it brings none."""

import numpy as np
import pytest

from deltarule import networks
from deltarule.dqn.game import Game
from deltarule.dqn.tuned import network_for
from deltarule.layers import GRU, Chain, Dense, Dueling, Flatten, Recurrent, ReLU, TimeDistributed

VECTOR = Game("Vector", (4,), "float32", 2, None)
PICTURES = Game("Pictures", (84, 84, 4), "uint8", 3, None)


def test_a_recurrent_network_has_a_gru_for_its_last_hidden_layer():
    state = Recurrent(GRU(6), carry=True)
    assert network_for(VECTOR, (6,), False, True) == Chain(state, Dense(2))
    front = TimeDistributed(Chain(Dense(5), ReLU()))
    assert network_for(VECTOR, (5, 6), True, True) == Chain(front, state, Dense(3), Dueling())
    of_pictures = network_for(PICTURES, (6,), False, True)
    assert of_pictures == Chain(TimeDistributed(Chain(*networks.nature(3, ()).layers[:-1])), state, Dense(3))
    assert isinstance(of_pictures.layers[0].layer.layers[-1], Flatten)


@pytest.mark.parametrize(
    "game", [VECTOR, PICTURES, Game("Rows", (3, 5), "uint8", 2, None), Game("Numbers", (1,), "int32", 4, None, 16)]
)
@pytest.mark.parametrize("dueling", [False, True])
def test_a_recurrent_network_gives_a_number_for_each_action_at_each_step(game, dueling):
    net = network_for(game, (5, 6), dueling, True)
    shape = (2, 3, *game.observation)
    params, memory = net.init(np.random.default_rng(0), shape), net.memory(shape)
    q = net.predict(params, np.zeros(shape, game.kind if game.values else np.float32), memory)
    assert q.shape == net.shape(shape) == (2, 3, game.actions)
