"""Deep Q-learning of others on Gymnasium's CartPole: Stable-Baselines3, and CleanRL's algorithm in plain PyTorch.

python benchmarks/peers_dqn.py STEPS SEED FUSED      trains when told to: a number of steps a line, done back
"""

import copy
import subprocess
import sys
import time
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import DQN
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from torch.nn.functional import mse_loss

GAME = "CartPole-v1"
FORMS = [(threads, fused) for threads in (1, 2) for fused in (False, True)]


def words(threads: int, fused: bool) -> str:
    """A form of PyTorch's."""
    return f"{threads} {'thread' if threads == 1 else 'threads'}{', fused Adam' if fused else ''}"


class StableBaselines:
    """SB3's DQN with the settings of its zoo; the loop of `learn`, cut into stretches."""

    name = "Stable-Baselines3"

    def __init__(self, steps: int, seed: int = 0, threads: int = 1, fused: bool = False):
        self.note, self.threads = words(threads, fused), threads
        self.model = DQN(
            "MlpPolicy",
            GAME,
            learning_rate=2.3e-3,
            batch_size=64,
            buffer_size=100_000,
            learning_starts=1_000,
            gamma=0.99,
            target_update_interval=10,
            train_freq=256,
            gradient_steps=128,
            exploration_fraction=0.16,
            exploration_final_eps=0.04,
            policy_kwargs={"net_arch": [256, 256], "optimizer_kwargs": {"fused": fused}},
            seed=seed,
            device="cpu",
        )
        _, self.callback = self.model._setup_learn(steps, CallbackList([]))

    def advance(self, steps: int) -> int:
        """Trains for so many steps; gives how many the environment made."""
        torch.set_num_threads(self.threads)
        model, start = self.model, self.model.num_timesteps
        while model.num_timesteps < start + steps:
            model.collect_rollouts(
                model.env,
                self.callback,
                model.train_freq,
                model.replay_buffer,
                model.action_noise,
                model.learning_starts,
                log_interval=4,
            )
            if model.num_timesteps > model.learning_starts:
                model.train(model.gradient_steps, model.batch_size)
        return model.num_timesteps - start

    @property
    def replay_bytes(self) -> int:
        """Bytes of the replay memory's arrays."""
        return sum(array.nbytes for array in vars(self.model.replay_buffer).values() if hasattr(array, "nbytes"))

    def measure(self, episodes: int) -> float:
        """The greedy policy's mean return of episodes that are played side by side."""
        if not hasattr(self, "games"):
            self.games = make_vec_env(GAME, episodes, seed=1)
        return float(evaluate_policy(self.model, self.games, episodes, deterministic=True)[0])


class CleanRL:
    """CleanRL's algorithm and settings: 128 transitions a gradient step, every 10 steps; the squared error, Adam.

    ε has come down to 0.05 after half of `steps`. What it writes down about itself is left out.
    """

    name = "PyTorch"
    BATCH, CAPACITY, WARM_UP, EVERY, TARGET_EVERY, GAMMA = 128, 10_000, 10_000, 10, 500, 0.99

    def __init__(self, steps: int, seed: int = 0, threads: int = 1, fused: bool = False, compiled: bool = False):
        self.note = words(threads, fused) + (", compiled" if compiled else "")
        self.threads, self.falls = threads, steps // 2
        torch.manual_seed(seed)
        self.rng, self.steps = np.random.default_rng(seed), 0
        self.net = torch.nn.Sequential(
            torch.nn.Linear(4, 120),
            torch.nn.ReLU(),
            torch.nn.Linear(120, 84),
            torch.nn.ReLU(),
            torch.nn.Linear(84, 2),
        )
        self.target = copy.deepcopy(self.net)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=2.5e-4, fused=fused)
        self.learn = torch.compile(self.gradient_step) if compiled else self.gradient_step
        mode = gymnasium.vector.AutoresetMode.SAME_STEP
        self.games = gymnasium.vector.SyncVectorEnv([self.game], autoreset_mode=mode)
        self.x, _ = self.games.reset(seed=seed)
        observations = (self.CAPACITY, 4)
        self.ring = tuple(
            np.zeros(shape, kind)
            for shape, kind in (
                (observations, np.float32),
                (observations, np.float32),
                ((self.CAPACITY, 1), np.int64),
                (self.CAPACITY, np.float32),
                (self.CAPACITY, np.float32),
            )
        )

    def game(self) -> gymnasium.Env:
        """The game, with the returns of its episodes."""
        return gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make(GAME))

    def act(self) -> np.ndarray:
        """The action (1,), by ε."""
        epsilon = max(1 - 0.95 * self.steps / self.falls, 0.05)
        if self.rng.random() < epsilon:
            return self.rng.integers(0, 2, 1)
        with torch.inference_mode():
            return self.net(torch.from_numpy(self.x)).argmax(1).numpy()

    def advance(self, steps: int) -> int:
        """Trains for so many steps; gives how many the environment made."""
        torch.set_num_threads(self.threads)
        for _ in range(steps):
            action = self.act()
            after, reward, terminal, truncated, told = self.games.step(action)
            led_to = told["final_obs"][0] if terminal[0] or truncated[0] else after[0]
            row = self.steps % self.CAPACITY
            for array, value in zip(self.ring, (self.x[0], led_to, action, reward[0], terminal[0]), strict=True):
                array[row] = value
            self.x = after
            if self.steps > self.WARM_UP:
                if self.steps % self.EVERY == 0:
                    rows = self.rng.integers(0, self.CAPACITY, self.BATCH)
                    self.learn(*(torch.from_numpy(array[rows]) for array in self.ring))
                if self.steps % self.TARGET_EVERY == 0:
                    self.target.load_state_dict(self.net.state_dict())
            self.steps += 1
        return steps

    def gradient_step(self, x: Any, after: Any, action: Any, reward: Any, terminal: Any) -> None:
        """A step towards Y on a batch of transitions."""
        with torch.no_grad():
            y = reward + self.GAMMA * self.target(after).amax(1) * (1 - terminal)
        loss = mse_loss(self.net(x).gather(1, action)[:, 0], y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


class TwoRuns:
    """Two runs of SB3 at once, each in a process of its own."""

    name, note = "Stable-Baselines3", "2 processes"

    def __init__(self, steps: int, fused: bool):
        self.runs = [
            subprocess.Popen(
                [sys.executable, __file__, str(steps), str(seed), str(int(fused))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for seed in (1, 2)
        ]

    def advance(self, steps: int) -> int:
        """Trains both for so many steps; gives how many their environments made, together."""
        for run in self.runs:
            print(steps, file=run.stdin, flush=True)
        return sum(int(run.stdout.readline()) for run in self.runs)

    def close(self) -> None:
        """Ends the processes."""
        for run in self.runs:
            run.stdin.close()
            run.wait(10)


def seconds_to(
    score: float, steps: int, every: int, episodes: int, seed: int, threads: int, fused: bool
) -> tuple[float, int | None]:
    """SB3's seconds until a measurement reaches the score, and after how many steps; measured as often as ours."""
    start = time.perf_counter()
    run = StableBaselines(steps, seed, threads, fused)
    for done in range(every, steps + 1, every):
        run.advance(every)
        if run.measure(episodes) >= score:
            return time.perf_counter() - start, done
    return time.perf_counter() - start, None


if __name__ == "__main__":
    total, seed, fused = map(int, sys.argv[1:])
    run = StableBaselines(total, seed, threads=1, fused=bool(fused))
    for line in sys.stdin:
        print(run.advance(int(line)), flush=True)
