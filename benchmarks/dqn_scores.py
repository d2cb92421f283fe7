"""What deep Q-learning reaches on Gymnasium's classic games: 100 greedy episodes of each of five seeds.

    python benchmarks/dqn_scores.py [--environment NAME ...] [--seeds N] [--json]

The settings are those of `deltarule.dqn.tuned`; an agent keeps the parameters that measured best in training, and
the episodes here are others than those. Prints each seed's mean return beside what others publish and what must be
reached, and with --json one JSON object as the last line. A ratio above 1 means that the target is passed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deltarule.dqn.agent import DQN
from deltarule.dqn.fitting import evaluate, fit
from deltarule.training.devices import set_up_cpus
from measure import Row, machine, report, short

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy", "gymnasium")
EPISODES, SEEDS = 100, 5


@dataclass(frozen=True)
class Goal:
    """What is to be reached on a game.

    Attributes:
        of: whether the target holds for every seed (`min`) or for their mean.
        published: of SB3's zoo; `also` what else is.
    """

    steps: int
    target: float
    of: Callable[[list[float]], float]
    published: float
    also: str = ""


def mean(values: list[float]) -> float:
    """The mean."""
    return sum(values) / len(values)


GOALS = {
    "CartPole-v1": Goal(50_000, 490, min, 500.0, "CleanRL 488.7"),
    "Acrobot-v1": Goal(100_000, -80, mean, -76.6),
    "MountainCar-v0": Goal(120_000, -110, mean, -100.8),
    "LunarLander-v3": Goal(100_000, 200, mean, 154.4, "±79.2, of LunarLander-v2"),
}


def score(name: str, goal: Goal, seeds: int) -> Row:
    """Trains the seeds and measures them."""
    agents = [DQN(name, seed=seed) for seed in range(seeds)]
    start = time.perf_counter()
    fit(agents, goal.steps)
    trained = time.perf_counter() - start
    means = [float(played.gained.mean()) for played in evaluate(agents, EPISODES)]
    reached = goal.of(means)
    said = ", ".join(f"{value:.1f}" for value in means)
    which = "worst seed" if goal.of is min else "mean"
    path = f"{agents[0].path} path, {goal.steps:,} steps each"
    print(
        f"{name}: {said}; mean {mean(means):.1f}; {trained:.0f} s of training for {seeds} seeds, {path}",
        flush=True,
    )
    note = f"{which} of {seeds} seeds {reached:.1f}, target {goal.target:g}; seeds {said}; {trained:.0f} s"
    return Row(
        f"{name}, {path}",
        "SB3's zoo" + (f"; {goal.also}" if goal.also else ""),
        short(mean(means)),
        goal.published,
        "mean return",
        short(passed(reached, goal.target)),
        target=1,
        met=reached >= goal.target,
        note=note,
    )


def passed(reached: float, target: float) -> float:
    """How far a return passes its target: above 1 it does, of rewards and of costs alike."""
    return 1 + (reached - target) / abs(target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", nargs="+", choices=GOALS, default=list(GOALS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen: Any = parser.parse_args()
    set_up_cpus(None)
    started = machine()
    rows = [score(name, GOALS[name], chosen.seeds) for name in chosen.environment]
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
