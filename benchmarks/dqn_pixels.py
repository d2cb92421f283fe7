"""Deep Q-learning on the pictures of an Atari game against Stable-Baselines3: steps a second, bytes of the replay.

    python benchmarks/dqn_pixels.py [--json] [--quick] [--rounds N] [--game ALE/Pong-v5]
                                    [--only speed,ring,file,memory]

A short run at the published settings: batches of 32, a gradient step every 4 steps, pictures of 84×84, the last
four seen; the memory holds 100,000 steps. Both play the same preprocessed game and act by the same constant ε;
they train on through stretches of steps, in turns, once they learn. PyTorch has one thread or two, and Adam plain
or fused, whichever is fastest. A whole run, of ten million steps with a memory of a million, is for a GPU:
`DQN("ALE/Pong-v5").fit(10_000_000)`. Prints a table, and with --json one JSON object as the last line.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.dqn.agent import DQN
from deltarule.dqn.tuned import tuned
from dqn import Player, form_of, more, rates
from measure import Row, compare, machine, report

PACKAGES = (
    "deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy", "gymnasium", "ale-py", "torch", "stable-baselines3",
)  # fmt: skip
SETTINGS = {**tuned("ALE/"), "capacity": 100_000, "warm_up": 400, "epsilon": 0.05}
STRETCH, BEGIN = 200, 600


class Ours:
    """Our agent at the game; `advance` as everybody's here."""

    note = ""

    def __init__(self, game: str, name: str = "deltarule", **settings: Any):
        self.name, self.agent = name, DQN(game, **SETTINGS | settings)
        self.every = self.agent.rules.every
        self.path = self.agent.new_path(1)
        self.path.begin([self.agent.fresh()])

    def advance(self, steps: int) -> int:
        """Trains for so many steps; gives how many the environment made."""
        told = self.path.blocks(steps // self.every)
        return steps - int(told.lasts.sum())


def speed_rows(game: str, rounds: int) -> list[Row]:
    """Steps a second against SB3."""
    from peers_dqn import FORMS
    from peers_dqn_pixels import OnPixels

    forms = FORMS if rounds > 1 else FORMS[:1]
    form = form_of(lambda *form: OnPixels(game, SETTINGS, 10_000, *form), forms, SETTINGS["warm_up"] + 8, 40)
    peer, ours = OnPixels(game, SETTINGS, 100_000, *form), Ours(game)
    players = [Player(trained, STRETCH).begin(BEGIN) for trained in (ours, peer)]
    found = rates(players, [], rounds)
    ours.path.close()
    name = f"{game}, published network, batch 32, a gradient step every 4"
    return [more(name, peer.name, found[ours.name], found[peer.name], note=peer.note)]


def ring_rows(game: str, rounds: int) -> list[Row]:
    """What a ring of 100,000 costs against one of 2,000: nothing, if it is never copied."""
    large, small = Ours(game, "100,000"), Ours(game, "2,000", capacity=2_000)
    found = rates([Player(each, STRETCH).begin(BEGIN) for each in (large, small)], [], rounds)
    for each in (large, small):
        each.path.close()
    name = f"{game}, replay of 100,000 steps"
    return [more(name, "a replay of 2,000", found[large.name], found[small.name])]


def file_rows(game: str, rounds: int) -> list[Row]:
    """What a replay in a file costs against one on the device."""
    with tempfile.TemporaryDirectory() as folder:
        in_file = Ours(game, "file", replay="file", replay_folder=folder)
        on_device = Ours(game, "device")
        found = rates([Player(each, STRETCH).begin(BEGIN) for each in (in_file, on_device)], [], rounds)
        for each in (in_file, on_device):
            each.path.close()
    return [more(f"{game}, replay in a file", "a replay on the device", found["file"], found["device"])]


def memory_rows(game: str, _: int) -> list[Row]:
    """Bytes of a replay of 100,000 steps. SB3's keeps next observations, too, and four pictures in each."""
    from peers_dqn_pixels import OnPixels

    ours = DQN(game, **SETTINGS)
    ours.host.close()
    theirs = OnPixels(game, SETTINGS, 1).replay_bytes
    name = f"{game}, replay of {SETTINGS['capacity']:,} steps"
    lean = theirs - int(np.prod((SETTINGS["capacity"], 84, 84, SETTINGS["stack"])))
    return [
        compare(name, "Stable-Baselines3", ours.replay_bytes / 1e6, theirs / 1e6, "MB"),
        compare(name, "Stable-Baselines3, optimize_memory_usage", ours.replay_bytes / 1e6, lean / 1e6, "MB"),
    ]


PARTS: dict[str, Callable[[str, int], list[Row]]] = {
    "speed": speed_rows,
    "ring": ring_rows,
    "file": file_rows,
    "memory": memory_rows,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="1 round, one form of PyTorch, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5, help="how often everybody has a turn")
    parser.add_argument("--game", default="ALE/Pong-v5", help="the Atari game")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    chosen = parser.parse_args()
    for package, extra in (("stable_baselines3", "peers"), ("ale_py", "atari")):
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed here; run: pip install 'deltarule[{extra}]'", file=sys.stderr)
            return 2
    os.environ["DELTARULE_CACHE"] = "off"
    started, rows, begun = machine(), [], time.perf_counter()
    for part in chosen.only.split(","):
        rows += PARTS[part](chosen.game, 1 if chosen.quick else chosen.rounds)
        print(f"{part}: done after {time.perf_counter() - begun:.0f} s", flush=True)
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
