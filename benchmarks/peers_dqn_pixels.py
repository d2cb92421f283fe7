"""Stable-Baselines3's DQN on an Atari game, with the same preprocessing and settings as ours."""

from typing import Any

from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

from deltarule.dqn.environments.atari import Atari
from peers_dqn import StableBaselines, words


class OnPixels(StableBaselines):
    """Its `CnnPolicy`, which is the published network, on four pictures that `VecFrameStack` puts together."""

    def __init__(self, game: str, settings: dict[str, Any], steps: int, threads: int = 1, fused: bool = False):
        self.note, self.threads = words(threads, fused), threads
        self.model = DQN(
            "CnnPolicy",
            VecFrameStack(DummyVecEnv([lambda: Monitor(Atari(game)())]), settings["stack"]),
            learning_rate=settings["learning_rate"],
            batch_size=settings["batch_size"],
            buffer_size=settings["capacity"],
            learning_starts=settings["warm_up"],
            gamma=settings["gamma"],
            target_update_interval=settings["target_every"],
            train_freq=settings["every"],
            gradient_steps=settings["gradient_steps"],
            exploration_initial_eps=settings["epsilon"],
            exploration_final_eps=settings["epsilon"],
            policy_kwargs={"optimizer_kwargs": {"fused": fused}},
            seed=0,
            device="cpu",
        )
        _, self.callback = self.model._setup_learn(steps, CallbackList([]))
