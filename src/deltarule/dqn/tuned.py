"""Settings that are known to work, by the name of the environment."""

from typing import Any

from deltarule.dqn.game import Game
from deltarule.errors import SettingError
from deltarule.layers import GRU, Chain, Dense, Dueling, Embedding, Flatten, Recurrent, ReLU, TimeDistributed
from deltarule.layers.layer import Layer
from deltarule.networks import nature
from deltarule.schedules import LinearDecay

TUNED: dict[str, dict[str, Any]] = {
    "CartPole-v1": {  # RL Baselines3 Zoo's
        "learning_rate": 2.3e-3,
        "gamma": 0.99,
        "batch_size": 64,
        "capacity": 100_000,
        "warm_up": 1_000,
        "every": 256,
        "gradient_steps": 128,
        "target_every": 10,
        "epsilon": LinearDecay(1.0, 8_000, 0.04),
    },
    "MountainCar-v0": {  # the Zoo's, with three rewards in a row
        "learning_rate": 4e-3,
        "gamma": 0.98,
        "batch_size": 128,
        "capacity": 10_000,
        "warm_up": 1_000,
        "every": 16,
        "gradient_steps": 8,
        "target_every": 600,
        "n_step": 3,
        "epsilon": LinearDecay(1.0, 24_000, 0.07),
    },
    "LunarLander-v3": {  # with the Zoo's rate, or without dueling, some agents learn to hover for ever
        "learning_rate": LinearDecay(1e-3, 100_000, 1e-5),
        "gamma": 0.99,
        "batch_size": 128,
        "capacity": 100_000,
        "warm_up": 1_000,
        "every": 4,
        "gradient_steps": 4,
        "target_every": 4,
        "tau": 0.02,
        "n_step": 2,
        "double": True,
        "dueling": True,
        "epsilon": LinearDecay(1.0, 12_000, 0.05),
    },
    "Acrobot-v1": {  # the Zoo's, with a larger memory and a rate that falls
        "learning_rate": LinearDecay(6.3e-4, 100_000, 1e-5),
        "gamma": 0.99,
        "batch_size": 128,
        "capacity": 100_000,
        "warm_up": 1_000,
        "every": 4,
        "gradient_steps": 4,
        "target_every": 250,
        "epsilon": LinearDecay(1.0, 12_000, 0.1),
    },
    "ALE/": {  # every Atari game: memory, batch and period of Mnih et al. 2015, the rest of CleanRL's dqn_atari
        "hidden": (512,),
        "learning_rate": 1e-4,
        "gamma": 0.99,
        "batch_size": 32,
        "capacity": 1_000_000,
        "warm_up": 80_000,
        "every": 4,
        "gradient_steps": 1,
        "target_every": 1_000,
        "epsilon": LinearDecay(1.0, 1_000_000, 0.01),
        "stack": 4,
    },
}


def tuned(name: str) -> dict[str, Any]:
    """The settings for an environment; none where it is not known."""
    return dict(TUNED.get("ALE/" if name.startswith("ALE/") else name, {}))


def network_for(game: Game, hidden: tuple[int, ...], dueling: bool, recurrent: bool = False) -> Layer:
    """A network from a game's observations to its actions: dense layers, behind convolutions for pictures.

    A recurrent one has a GRU for its last hidden layer, as Hausknecht and Stone 2015 have an LSTM.

    Raises:
        SettingError: a recurrent network without a hidden layer.
    """
    outputs = 1 + game.actions if dueling else game.actions
    layers: list[Layer] = []
    if is_picture(game):
        layers += nature(outputs, hidden).layers[:-1]
    else:
        if game.values is not None:
            layers.append(Embedding(game.values, hidden[0]))
        if game.values is not None or len(game.observation) > 1:
            layers.append(Flatten())
        for width in hidden:
            layers += [Dense(width), ReLU()]
    if recurrent:
        if not hidden:
            raise SettingError("dqn: sequence needs a width in hidden at least, that of the state")
        before = layers[:-2]
        layers = [TimeDistributed(Chain(*before))] if before else []
        layers.append(Recurrent(GRU(hidden[-1]), carry=True))
    return Chain(*layers, Dense(outputs), *([Dueling()] if dueling else []))


def is_picture(game: Game) -> bool:
    """Whether a game shows pictures, of a size that the three convolutions leave something of."""
    return game.kind == "uint8" and len(game.observation) == 3 and min(game.observation[:2]) >= 36
