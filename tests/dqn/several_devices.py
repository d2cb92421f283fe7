"""Agents that train together on two devices; written into the file that is named: what they came to."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import numpy as np

import deltarule as dr
from deltarule.dqn.fitting import fit
from dqn.small import RUN, small

VARIED = [
    {"seed": 1},
    {"seed": 2, "learning_rate": 1e-2, "gamma": 0.9},
    {"seed": 3, "epsilon": dr.ExponentialDecay(0.6, 0.98), "tau": 0.5, "beta": 0.7, "alpha": 0.3},
]


def three(**settings):
    """Agents that differ in their numbers."""
    return [small(**settings | varied) for varied in VARIED]


def leaves(agents):
    """All that agents came to, but for the games that go on."""
    return jax.tree.leaves([(agent.agent._replace(play=None), agent.best) for agent in agents])


if __name__ == "__main__":
    together = three()
    fit(together, 240, **RUN)
    assert jax.local_device_count() == 2
    np.savez(sys.argv[1], *leaves(together))
