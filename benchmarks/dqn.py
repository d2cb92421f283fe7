"""Deep Q-learning on CartPole against Stable-Baselines3, CleanRL's algorithm in PyTorch, and the arithmetic.

    python benchmarks/dqn.py [--json] [--quick] [--rounds N] [--only zoo,cleanrl,seeds,score,memory]

Steps a second are those that environments made, acting and learning together, compiled and without measurements of
the greedy policy: everybody trains on through the same steps, in turns. They begin after ε has come down to its
last value (but for `seeds`, where it still falls, which spares PyTorch forward passes). PyTorch has one thread or
two, and Adam plain or fused, whichever it is fastest with, tried at the start; beside that it stands as it is.
Prints a table, and with --json one JSON object as the last line.
"""

import argparse
import functools
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.training.devices import set_up_cpus
from measure import Row, compare, interleave, machine, report, short
from ours_dqn import CLEANRL, PATHS, ZOO, Ours, Product, agent, our_seconds, step_flops

PACKAGES = ("deltarule", "deltarule-onednn", "jax", "jaxlib", "numpy", "gymnasium", "torch", "stable-baselines3")
ZOO_STEPS, CLEANRL_STEPS = 50_000, 20_000  # of a whole run, from which SB3 and CleanRL reckon how ε falls
AS_IS = 2, False  # PyTorch's own threads, and Adam as it comes
SEEDS = 64
SCORE, EVERY, EPISODES = 475, 2_560, 20  # of the mean of so many episodes, measured every so many steps
TARGETS = {
    "zoo": {"gymnasium": 4, "compiled": 6, "floor": 0.5},
    "cleanrl": {"gymnasium": 3, "compiled": 10},
    "seeds": 10,
}


class Player:
    """Somebody who trains on and on, a stretch a run, as `interleave` asks; counts the steps that were made."""

    def __init__(self, trained: Any, stretch: int, how: str = ""):
        self.name = f"{trained.name}, {how}" if how else trained.name
        self.note, self.trained, self.stretch = trained.note, trained, stretch
        self.made: list[int] = []

    def begin(self, steps: int) -> "Player":
        """Brings it so far, in stretches."""
        for _ in range(steps // self.stretch):
            self.trained.advance(self.stretch)
        return self

    def fresh(self): ...

    def run(self):
        self.made.append(self.trained.advance(self.stretch))


def rates(players: Sequence[Player], products: Sequence[Product], rounds: int) -> dict[str, np.ndarray]:
    """Of each round, the players' steps a second and the products' FLOP/s."""
    times = interleave([*players, *products], rounds, least=0, warm=False)
    made = {player.name: np.array(player.made) for player in players}
    return {name: made[name] / seconds for name, seconds in times.items() if name in made} | {
        product.name: product.flops / times[product.name] for product in products
    }


def more(name: str, peer: str, ours: Any, theirs: Any, target: float | None = None, note: str = "") -> Row:
    """The row for two arrays of steps a second, one a round; more is better."""
    row = compare(name, peer, 1 / ours, 1 / theirs, "steps/s", target, note)
    return replace(row, ours=short(np.median(ours)), theirs=short(np.median(theirs)))


def form_of(peer: Callable, forms: Sequence[tuple], warm_up: int, trial: int) -> tuple:
    """The form in which a peer is fastest, tried once it learns."""
    tried = {form: Player(peer(*form), trial) for form in forms}
    for form, player in tried.items():
        player.name = str(form)
        player.trained.advance(warm_up)
    first = interleave([*tried.values()], rounds=1, least=0, warm=False)
    near = [form for form in forms if first[str(form)][0] < 2 * min(first.values())[0]]
    times = interleave([tried[form] for form in near], rounds=3, least=0, warm=False)
    return min(near, key=lambda form: np.median(times[str(form)]))


@functools.cache
def form_of_sb3() -> tuple[int, bool]:
    """(threads, whether Adam is fused), as SB3 is fastest."""
    from peers_dqn import FORMS, StableBaselines

    return form_of(lambda *form: StableBaselines(ZOO_STEPS, 0, *form), FORMS, 768, 256)


def zoo_rows(rounds: int) -> list[Row]:
    """One seed with the settings of SB3's zoo, against SB3 and against the rate of products."""
    from peers_dqn import StableBaselines

    stretch, begin = 2_560, 10_240
    peer = Player(StableBaselines(ZOO_STEPS, 0, *form_of_sb3()), stretch).begin(begin)
    as_is = Player(StableBaselines(ZOO_STEPS, 0, *AS_IS), stretch, "as it is").begin(begin)
    players = [Player(Ours(ZOO, path, stretch), stretch).begin(begin) for path in PATHS]
    products = [Product(2048, 2048, 2), Product(64, 256, 2000)]
    found, targets = rates([*players, peer, as_is], products, rounds), TARGETS["zoo"]
    name = "CartPole, 256-256, batch 64, a gradient step every 2"
    rows = against(name, players, peer, found, targets) + against(name, players, as_is, found, {})
    gradient, each = step_flops(ZOO)
    print(f"zoo: {gradient / 1e6:.1f} MFLOP a gradient step, {each / 1e6:.1f} MFLOP a step of the environment")
    for product, target in zip(products, (targets["floor"], None), strict=True):
        said, ours = f"{np.median(found[product.name]) / 1e9:.0f} GFLOP/s", players[-1].name
        rows.append(more(f"{name}, {ours}", product.name, found[ours], found[product.name] / each, target, said))
    return rows


def cleanrl_rows(rounds: int) -> list[Row]:
    """One seed with CleanRL's settings, against PyTorch."""
    from peers_dqn import FORMS, CleanRL

    stretch, begin = 5_000, 20_000
    forms = [(*form, compiled) for form in FORMS for compiled in (False, True)]
    form = form_of(lambda *form: CleanRL(CLEANRL_STEPS, 0, *form), forms, 10_020, 200)
    peer = Player(CleanRL(CLEANRL_STEPS, 0, *form), stretch).begin(begin)
    as_is = Player(CleanRL(CLEANRL_STEPS, 0, *AS_IS, False), stretch, "as published").begin(begin)
    players = [Player(Ours(CLEANRL, path, stretch), stretch).begin(begin) for path in PATHS]
    found, name = (
        rates([*players, peer, as_is], [], rounds),
        "CartPole, 120-84, batch 128, a gradient step every 10",
    )
    return against(name, players, peer, found, TARGETS["cleanrl"]) + against(name, players, as_is, found, {})


def against(
    name: str, players: Sequence[Player], peer: Player, found: dict[str, np.ndarray], targets: dict[str, float]
) -> list[Row]:
    """Each of our paths against a peer."""
    return [
        more(
            f"{name}, {player.name}", peer.name, found[player.name], found[peer.name], targets.get(path), peer.note
        )
        for path, player in zip(PATHS, players, strict=True)
    ]


def seeds_rows(rounds: int) -> list[Row]:
    """64 seeds in one program against SB3: two runs at once, or one after the other, whichever is faster."""
    from peers_dqn import StableBaselines, TwoRuns

    stretch, begin = 1_024, 2_048
    form = form_of_sb3()
    alone, pair = StableBaselines(ZOO_STEPS, 0, *form), TwoRuns(ZOO_STEPS, form[1])
    alone.name = "SB3, one run after the other"
    ours, *peers = (
        Player(trained, stretch).begin(begin) for trained in (Ours(ZOO, "compiled", stretch, SEEDS), alone, pair)
    )
    found = rates([ours, *peers], [], min(rounds, 3))
    pair.close()
    best = max(peers, key=lambda peer: np.median(found[peer.name]))
    name = f"CartPole, 256-256, {SEEDS} seeds at once, all together"
    return [
        more(
            name,
            peer.name,
            found[ours.name],
            found[peer.name],
            TARGETS["seeds"] if peer is best else None,
            f"{peer.note}, extrapolated",
        )
        for peer in peers
    ]


def score_rows(rounds: int) -> list[Row]:
    """Seconds until the greedy policy's mean of 20 episodes reaches 475, compiling and measuring included."""
    from peers_dqn import seconds_to

    form, seeds = form_of_sb3(), min(rounds, 3)
    steps = ZOO_STEPS // EVERY * EVERY
    asked, found = (SCORE, steps, EVERY, EPISODES), {name: [] for name in (*PATHS, "SB3")}
    for seed in range(seeds):
        for path in PATHS:
            found[path].append(our_seconds(*asked, path, seed))
        found["SB3"].append(seconds_to(*asked, seed, *form))
    rows, theirs = [], np.median([seconds for seconds, _ in found["SB3"]])
    for path in PATHS:
        said = f"after {steps_of(found[path])} steps, SB3 {steps_of(found['SB3'])}"
        ours = np.median([seconds for seconds, _ in found[path]])
        name = f"CartPole, 256-256, until {SCORE}, {path} path"
        rows.append(compare(name, "Stable-Baselines3", ours, theirs, "s", note=said))
    return rows


def steps_of(runs: list[tuple[float, int | None]]) -> str:
    """In words after how many steps each run reached the score."""
    return ", ".join("never" if steps is None else f"{steps:,}" for _, steps in runs)


def memory_rows(_: int) -> list[Row]:
    """Bytes of a replay memory of 100,000 steps."""
    from peers_dqn import StableBaselines

    ours, theirs = agent(ZOO, "compiled").replay_bytes, StableBaselines(ZOO_STEPS).replay_bytes
    name = f"CartPole, replay of {ZOO['capacity']:,} steps"
    return [compare(name, "Stable-Baselines3", ours / 1e6, theirs / 1e6, "MB")]


PARTS: dict[str, Callable[[int], list[Row]]] = {  # pixels will be one more
    "zoo": zoo_rows,
    "cleanrl": cleanrl_rows,
    "seeds": seeds_rows,
    "score": score_rows,
    "memory": memory_rows,
}


def rows_apart(rounds: int) -> list[Row]:
    """The rows of the 64 seeds, in a process that has a device a core."""
    command = [sys.executable, __file__, "--json", "--only", "seeds", "--rounds", str(rounds)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [Row(**row) for row in json.loads(said.splitlines()[-1])["rows"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="1 round and 1 seed, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5, help="how often everybody has a turn")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    chosen = parser.parse_args()
    if importlib.util.find_spec("stable_baselines3") is None:
        print(
            "the benchmark compares with stable-baselines3, not installed here; run: "
            "pip install 'deltarule[peers]'",
            file=sys.stderr,
        )
        return 2
    if chosen.only == "seeds":
        set_up_cpus(None)  # a device a core, which takes threads from an agent alone
    os.environ["DELTARULE_CACHE"] = "off"  # so that the seconds until a score have compiling in them
    started, rows, begun = machine(), [], time.perf_counter()
    for part in chosen.only.split(","):
        apart = part == "seeds" and chosen.only != "seeds"
        rows += (rows_apart if apart else PARTS[part])(1 if chosen.quick else chosen.rounds)
        print(f"{part}: done after {time.perf_counter() - begun:.0f} s", flush=True)
    report(rows, PACKAGES, chosen.json, started)
    return 0


if __name__ == "__main__":
    sys.exit(main())
