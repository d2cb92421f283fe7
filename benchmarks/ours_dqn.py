"""Our deep Q-learning on CartPole, with the settings of SB3's zoo and with CleanRL's, and its arithmetic."""

import math
import time
from typing import Any

import jax
import numpy as np

import deltarule as dr
from deltarule.dqn.agent import DQN
from deltarule.schedules import LinearDecay
from deltarule.training.epoch import compiler_options

GAME, PATHS = "CartPole-v1", ("gymnasium", "compiled")
ZOO: dict[str, Any] = {
    "hidden": (256, 256),
    "learning_rate": 2.3e-3,
    "gamma": 0.99,
    "batch_size": 64,
    "capacity": 100_000,
    "warm_up": 1_000,
    "every": 256,
    "gradient_steps": 128,
    "target_every": 10,
    "epsilon": LinearDecay(1.0, 8_000, 0.04),
    "loss": dr.Huber(),
    "clip_norm": 10.0,
}
CLEANRL: dict[str, Any] = {
    "hidden": (120, 84),
    "learning_rate": 2.5e-4,
    "gamma": 0.99,
    "batch_size": 128,
    "capacity": 10_000,
    "warm_up": 10_000,
    "every": 10,
    "gradient_steps": 1,
    "target_every": 500,
    "epsilon": LinearDecay(1.0, 10_000, 0.05),
    "loss": dr.SquaredError(),
    "clip_norm": None,
}


def agent(settings: dict[str, Any], path: str, seed: int = 0) -> DQN:
    """An agent with these settings."""
    return DQN(GAME, path=path, seed=seed, **settings)


class Ours:
    """Agents of one seed or many in one of the two loops; `stretch` is how many steps a call makes at most."""

    note = ""

    def __init__(self, settings: dict[str, Any], path: str, stretch: int, seeds: int = 1):
        self.name, self.every = f"{path} path", settings["every"]
        agents = [agent(settings, path, seed) for seed in range(seeds)]
        self.path = agents[0].new_path(stretch // self.every)
        self.path.begin([each.fresh() for each in agents])

    def advance(self, steps: int) -> int:
        """Trains for so many steps; gives how many the environments made: rows of last observations are none."""
        told = self.path.blocks(steps // self.every)
        return told.episodes.size * self.every - int(told.lasts.sum())


def our_seconds(
    score: float, steps: int, every: int, episodes: int, path: str, seed: int
) -> tuple[float, int | None]:
    """Seconds until a measurement reaches the score, compiling and measuring included, and its steps."""
    jax.clear_caches()  # so that every run compiles anew
    start = time.perf_counter()
    made, reached = agent(ZOO, path, seed), []

    def is_reached(rows: list[dict[str, Any]]) -> bool:
        reached.extend(row["steps"] for row in rows if row.get("evaluated", -math.inf) >= score)
        return bool(reached)

    asked = {"report_every": every, "evaluate_every": every, "episodes": episodes}
    made.fit(steps, **asked, callbacks=[is_reached], progress=False)
    return time.perf_counter() - start, reached[0] if reached else None


class Product:
    """Products of float32 matrices (n, i) and (i, i), one after the other in one program."""

    note = ""

    def __init__(self, n: int, i: int, count: int):
        self.name = f"the rate of {n}×{i}×{i}"
        rng = np.random.default_rng(0)
        self.x, self.W = (jax.device_put(rng.normal(size=s).astype(np.float32)) for s in ((n, i), (i, i)))
        self.flops = 2.0 * n * i * i * count

        def products(x, W):
            return jax.lax.fori_loop(0, count, lambda _, x: (x @ W) * i**-0.5, x)  # its variance stays

        self.products = jax.jit(products, compiler_options=compiler_options())
        self.run()

    def fresh(self): ...

    def run(self):
        jax.block_until_ready(self.products(self.x, self.W))


def step_flops(settings: dict[str, Any]) -> tuple[float, float]:
    """FLOPs of a gradient step with θ⁻'s forward, and of a step of the environment with its share of those."""
    made = agent(settings, "compiled")
    learned = dr.plan(made.net, x=(settings["batch_size"], 4), loss=made.step.loss, optimizer=made.step.optimizer)
    gradient = learned.total.flops + learned.total.forward
    acting = dr.plan(made.net, x=(1, 4)).total.forward
    return gradient, acting + gradient * settings["gradient_steps"] / settings["every"]
