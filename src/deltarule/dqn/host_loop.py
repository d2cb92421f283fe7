"""The loop around an environment of Gymnasium's: it acts on the host, and learns in one program a block."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.dqn.agent_state import Agent, Play, Target, new_play
from deltarule.dqn.delta import best_action
from deltarule.dqn.draws import ahead, of_blocks
from deltarule.dqn.environments.games import Games
from deltarule.dqn.loop import Block, look, values
from deltarule.dqn.packing import Arrays, Packed, Packing
from deltarule.dqn.replay import LAST, RUNS, TRUNCATED, Rows, empty_rows
from deltarule.dqn.rules import Rules
from deltarule.dqn.study import Studied, is_due, is_ready, learned, nearer, stored
from deltarule.training.epoch import compiler_options
from deltarule.training.step import Step

SPAN = 64  # blocks whose exploration is drawn at once
NONE = np.int32(0), np.float32(0), np.int32(0), np.int32(0)  # what a block tells in which no episode ended
NOTHING = Studied(np.float32(0), np.float32(0), np.int32(0))  # what learning tells where there is none

Told = tuple[Any, Any, Any, Any]
Acted = tuple[Any, Any]  # the greedy actions (e,), and what a recurrent network carries
Learn = Callable[[Packed, Rows, Any, Any], tuple[Packed, Studied, Acted | None]]


@lru_cache(maxsize=64)
def programs(step: Step, rules: Rules, packing: Packing) -> tuple[Callable, Callable, Callable, Callable, Learn]:
    """(act, see, draw, move, learn), compiled, of an agent's arrays as they are packed.

    `act(acting, seen, carried, fresh)` gives (greedy action, carried); `see(seen, x, fresh)` puts observations
    side by side; `draw(packed, first)` is what learning draws then; `move(packed)` moves θ⁻; `learn(packed, rows,
    drawn, asked)` is told in `HostLoop`.
    """

    def act(acting: Arrays, seen: Any, carried: Any, fresh: Any) -> Acted:
        q, carried = values(step, rules, Target(*packing.acting.unpack(acting)), seen, carried, fresh)
        return best_action(q), carried

    @jax.jit
    def see(seen: Any, x: Any, fresh: Any):
        return look(seen, x, fresh, rules.stack)

    @jax.jit
    def draw(packed: Packed, first: Any):
        return of_blocks(rules, packing.unpack(packed).state, first)

    @jax.jit
    def move(packed: Packed) -> Arrays:
        agent = packing.unpack(packed)
        target = nearer(agent.target, agent.theta, agent.numbers["tau"])
        return packing.pack(agent._replace(target=target)).still

    @partial(jax.jit, donate_argnums=(0, 1), compiler_options=compiler_options())
    def moved(acting: Arrays, moving: Arrays, still: Arrays, rows: Rows, drawn: Any, asked: Any):
        agent, told = stored(rules, packing.unpack(Packed(acting, moving, still)), rows), None
        if drawn is not None:
            agent, told = learned(step, rules, agent, drawn)
        acting, moving, _ = packing.pack(agent)
        return acting, moving, told, act(acting, *asked)

    def learn(packed: Packed, rows: Rows, drawn: Any, asked: Any) -> tuple[Packed, Studied, Acted]:
        acting, moving, told, acted = moved(*packed, rows, drawn, asked)
        studied = NOTHING if told is None else Studied(told[0], told[1], np.int32(rules.gradient_steps))
        return Packed(acting, moving, packed.still), studied, acted

    return jax.jit(act), see, draw, move, learn


class Exploration:
    """Where an agent explores, and by which actions: a function of the seed and of the number of the block."""

    def __init__(self, rules: Rules, actions: int, seed: int, numbers: Any):
        self.rules, self.actions, self.seed, self.numbers = rules, actions, seed, numbers["epsilon"]
        self.epsilon = jax.jit(lambda at, n: jnp.clip(rules.schedule().at(at, n), 0, 1))
        self.span: int | None = None
        self.drawn: tuple[Any, ...] = ()  # (SPAN, r, ...)

    def of(self, block: int) -> tuple[Any, ...]:
        """(whether it explores (r, e), an action at random (r, e), whether a game does not, whether one does)."""
        span, within = divmod(block, SPAN)
        if span != self.span:
            self.draw(span)
        return tuple(each[within] for each in self.drawn)

    def draw(self, span: int) -> None:
        r, e = self.rules.rows, self.rules.environments
        rng = np.random.default_rng([self.seed, 1, span])
        at = (span * SPAN * r + np.arange(SPAN * r, dtype=np.float32)) * e
        epsilon = np.broadcast_to(self.epsilon(at, self.numbers), at.shape).reshape(SPAN, r, 1)
        explores = rng.random((SPAN, r, e), np.float32) < epsilon
        action = rng.integers(0, self.actions, (SPAN, r, e), np.int32)
        self.drawn = explores, action, (~explores).any(2).tolist(), explores.any(2).tolist()
        self.span = span


@jax.jit
def cut(ends: jax.Array, head: jax.Array) -> jax.Array:
    """`ends` (c, e) of a ring whose episodes do not go on: the newest row is the last that was seen of each.

    What was done in that row is not learned from; the row before it leads to an observation, and is cut off.
    """
    before, newest = (head - 2) % len(ends), (head - 1) % len(ends)
    return ends.at[before].set(jnp.where(ends[before] == RUNS, TRUNCATED, ends[before])).at[newest].set(LAST)


class HostLoop:
    """An agent at Gymnasium's games.

    Args:
        seed: of the environments' first episodes, and of exploration.

    Attributes:
        learn: what is done with the rows of a block: they go into a replay on the device, and θ learns by what is
            drawn, unless that is None. It may act at `asked`, what is seen after them, by the θ that it leaves.
    """

    def __init__(self, step: Step, rules: Rules, games: Games, seed: int, agent: Agent):
        self.step, self.rules, self.games, self.seed = step, rules, games, seed
        self.packing = Packing.of(agent)
        given = step.structure(), rules.structure(), self.packing
        self.act, self.see, self.draw, self.move, self.learn = programs(*given)
        self.exploration = Exploration(rules, games.game.actions, seed, agent.numbers)
        self.agent = agent
        self.play: Play | None = None
        self.acted: Acted | None = None  # at what is seen after the last block, where learning told that, too
        self.drawn: tuple[int | None, Any] = None, None  # what learning draws in many blocks, and which

    @property
    def agent(self) -> Agent:
        """The agent, until it goes on."""
        return self.packing.unpack(self.packed, np)

    @agent.setter
    def agent(self, agent: Agent) -> None:
        self.packed, self.steps = jax.device_put(self.packing.pack(agent, np)), int(agent.steps)
        self.filled = 0 if agent.replay is None else int(agent.replay.filled)

    def begin(self) -> Play:
        """First episodes; after some steps other ones than at the start, and those in the replay are over."""
        if self.steps > 0:
            agent = self.agent
            rows = agent.replay.rows._replace(ends=cut(agent.replay.rows.ends, agent.replay.head))
            self.agent = agent._replace(replay=agent.replay._replace(rows=rows))
        x = self.games.reset(int(np.random.default_rng([self.seed, self.steps]).integers(2**31)))
        return new_play(self.step, self.rules, x, None)

    def block(self) -> Block:
        """What a block tells."""
        rules, games = self.rules, self.games
        r, e = rules.rows, rules.environments
        _, seen, _, length, total, carried, fresh = self.play or self.begin()
        x = np.asarray(seen)[..., -games.game.observation[-1] :]
        explores, at_random, asked, mixed = self.exploration.of(self.steps // rules.every)
        rows, acted = empty_rows(r, e, games.game.observation, games.game.kind), self.acted
        for row in range(r):
            action = at_random[row]
            if asked[row] or rules.sequence:
                greedy, carried = acted or self.act(
                    self.packed.acting, seen, carried, fresh if rules.sequence else None
                )
                action = np.where(explores[row], action, greedy) if mixed[row] else np.asarray(greedy)
            rows.x[row], rows.action[row] = x, action
            (x, rows.reward[row], rows.ends[row]), acted = games.step(action), None
            if rules.sequence or rules.stack > 1:
                fresh = rows.ends[row] == LAST
            seen = self.see(seen, x, fresh) if rules.stack > 1 else x
        games.require_finite(rows.reward, rows.x, x)
        told, length, total = episodes(rows, length, total)
        self.play = Play(None, seen, None, length, total, carried, fresh)
        return Block(*told, self.study(rows, self.play))

    def study(self, rows: Rows, play: Play) -> Studied:
        """What learning tells after these rows, which led to `play`: `study.study`; the host knows what is due."""
        rules, before = self.rules, self.steps
        self.steps, self.filled = before + rules.every, min(self.filled + rules.rows, rules.ring)
        if is_due(rules, before, self.steps):
            self.packed = self.packed._replace(still=self.move(self.packed))
        ready = is_ready(rules, self.steps, self.filled)
        drawn = self.drawn_at(before) if ready else None
        asked = play.seen, play.memory, play.fresh if rules.sequence else None
        self.packed, studied, self.acted = self.learn(self.packed, rows, drawn, asked)
        return studied

    def drawn_at(self, start: int) -> np.ndarray:
        """What learning draws in the block that begins at so many steps."""
        number, within = divmod(start // self.rules.every, ahead(self.rules))
        if number != self.drawn[0]:
            first = start - self.rules.every * within
            self.drawn = number, np.asarray(self.draw(self.packed, np.int32(first)))
        return self.drawn[1][within]


def episodes(rows: Rows, length: np.ndarray, total: np.ndarray) -> tuple[Told, np.ndarray, np.ndarray]:
    """(what a block tells of episodes, length and rewards' sum of those that go on (e,)), from those before it."""
    ends = rows.ends  # (r, e)
    if not ends.any():
        return NONE, length + len(ends), total + rows.reward.sum(0, np.float64)
    last = ends == LAST
    over = (ends != RUNS) & ~last
    gained, made = total + rows.reward.cumsum(0, np.float64), length + (~last).cumsum(0)  # (r, e)
    of_episodes, steps = finished(gained, over), finished(made, over)  # (e,)
    told = np.int32(over.sum()), np.float32(of_episodes.sum()), np.int32(steps.sum()), np.int32(last.sum())
    return told, made[-1] - steps, gained[-1] - of_episodes


def finished(sums: np.ndarray, over: np.ndarray) -> np.ndarray:
    """What came together, of running sums (r, e), until the last row in which a game was over: (e,)."""
    row = len(over) - 1 - over[::-1].argmax(0)
    return np.where(over.any(0), sums[row, np.arange(len(row))], 0)
