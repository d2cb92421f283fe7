"""The loop around an environment of Gymnasium's: it acts on the host, and learns in one program a block."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.dqn.agent_state import Agent, Play, joined, new_play, parted
from deltarule.dqn.draws import ahead, of_block, of_blocks
from deltarule.dqn.environments.games import Games
from deltarule.dqn.loop import Block, look, values
from deltarule.dqn.replay import LAST, RUNS, TRUNCATED, Rows, empty_rows
from deltarule.dqn.rules import Rules
from deltarule.dqn.study import Studied, study
from deltarule.layers.layer import Memory, Params
from deltarule.training.epoch import compiler_options
from deltarule.training.step import State, Step

SPAN = 64  # blocks whose exploration is drawn at once
NONE = np.int32(0), np.float32(0), np.int32(0), np.int32(0)  # what a block tells in which no episode ended

Told = tuple[Any, Any, Any, Any]
Learn = Callable[[Agent, Rows, jax.Array], tuple[Agent, Studied]]


@lru_cache(maxsize=64)
def programs(step: Step, rules: Rules) -> tuple[Callable, Callable, Callable, Learn]:
    """(act, see, draw, learn), compiled.

    `act(params, memory of the network, seen, carried, fresh)` gives (greedy action, carried); it takes no more
    than it needs, for each array costs time in each call, as `learn` gives back what it moves alone.
    `see(seen, x, fresh)` puts observations side by side; `draw(state, first)` is what learning draws then.
    """

    @jax.jit
    def act(params: Params, memory: Memory, seen: Any, carried: Any, fresh: Any):
        state = State(params, memory, (), {}, None, None, None)  # type: ignore[arg-type]
        q, carried = values(step, rules, params, state, seen, carried, fresh)
        return jnp.argmax(q, -1).astype(jnp.int32), carried

    @jax.jit
    def see(seen: Any, x: Any, fresh: Any):
        return look(seen, x, fresh, rules.stack)

    @jax.jit
    def draw(state: State, first: Any):
        return of_blocks(rules, state, first)

    @partial(jax.jit, donate_argnums=0, compiler_options=compiler_options())
    def move(moving: Agent, still: Any, rows: Rows, drawn: jax.Array):
        agent = joined(moving, still)
        agent, studied = study(step, rules, agent, rows, of_block(rules, agent.steps, drawn))
        return parted(agent)[0], studied

    def learn(agent: Agent, rows: Rows, drawn: jax.Array) -> tuple[Agent, Studied]:
        moving, still = parted(agent)
        moving, studied = move(moving, still, rows, drawn)
        return joined(moving, still), studied

    return act, see, draw, learn


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
        learn: what is done with the rows of a block; they go into a replay on the device.
    """

    def __init__(self, step: Step, rules: Rules, games: Games, seed: int, numbers: Any):
        self.step, self.rules, self.games, self.seed = step, rules, games, seed
        self.act, self.see, self.draw, self.learn = programs(step.structure(), rules.structure())
        self.exploration = Exploration(rules, games.game.actions, seed, numbers)
        self.play: Play | None = None
        self.drawn: tuple[int | None, Any] = None, None  # what learning draws, and from which step on

    def begin(self, agent: Agent, steps: int) -> tuple[Agent, Play]:
        """First episodes; after `steps` steps other ones than at the start, and those in the replay are over."""
        replay = agent.replay
        if steps > 0:
            rows = replay.rows._replace(ends=cut(replay.rows.ends, replay.head))
            agent = agent._replace(replay=replay._replace(rows=rows))
        x = self.games.reset(int(np.random.default_rng([self.seed, steps]).integers(2**31)))
        return agent, new_play(self.step, self.rules, x, None)

    def block(self, agent: Agent, start: int) -> tuple[Agent, Block]:
        """The agent after a block that begins at the step `start`, and what it tells."""
        rules, games = self.rules, self.games
        r, e = rules.rows, rules.environments
        agent, play = (agent, self.play) if self.play is not None else self.begin(agent, start)
        _, seen, _, length, total, carried, fresh = play
        x = np.asarray(seen)[..., -games.game.observation[-1] :]
        explores, at_random, asked, mixed = self.exploration.of(start // rules.every)
        rows = empty_rows(r, e, games.game.observation, games.game.kind)
        params, memory = agent.state.params, agent.state.memory
        for row in range(r):
            action = at_random[row]
            if asked[row] or rules.sequence:
                greedy, carried = self.act(params, memory, seen, carried, fresh if rules.sequence else None)
                action = np.where(explores[row], action, greedy) if mixed[row] else np.asarray(greedy)
            rows.x[row], rows.action[row] = x, action
            x, rows.reward[row], rows.ends[row] = games.step(action)
            if rules.sequence or rules.stack > 1:
                fresh = rows.ends[row] == LAST
            seen = self.see(seen, x, fresh) if rules.stack > 1 else x
        games.require_finite(rows.reward, rows.x, x)
        told, length, total = episodes(rows, length, total)
        self.play = Play(None, seen, None, length, total, carried, fresh)
        agent, studied = self.learn(agent, rows, self.drawn_at(agent, start))
        return agent, Block(*told, studied)

    def drawn_at(self, agent: Agent, start: int) -> jax.Array:
        """What learning draws in the blocks among which the one at `start` is."""
        first = start - start % (self.rules.every * ahead(self.rules))
        if first != self.drawn[0]:
            self.drawn = first, self.draw(agent.state, first)
        return self.drawn[1]


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
