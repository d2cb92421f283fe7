"""The loop around an environment of Gymnasium's: it acts on the host, and learns in one program a block."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.dqn.agent_state import Agent, Play, new_play
from deltarule.dqn.environments.games import Games
from deltarule.dqn.loop import Block, look, values
from deltarule.dqn.replay import LAST, RUNS, TERMINAL, TRUNCATED, Rows, empty_rows
from deltarule.dqn.rules import Rules
from deltarule.dqn.study import Studied, study
from deltarule.layers.layer import Memory, Params
from deltarule.training.epoch import compiler_options
from deltarule.training.step import State, Step

SPAN = 64  # blocks whose exploration is drawn at once

Learn = Callable[[Agent, Rows], tuple[Agent, Studied]]


@lru_cache(maxsize=64)
def programs(step: Step, rules: Rules) -> tuple[Callable, Callable, Learn]:
    """(act, see, learn), compiled.

    `act(params, memory of the network, seen, carried, fresh)` gives (greedy action, carried); it takes no more
    than it needs, for each array costs time in each call. `see(seen, x, fresh)` puts observations side by side.
    """

    @jax.jit
    def act(params: Params, memory: Memory, seen: Any, carried: Any, fresh: Any):
        state = State(params, memory, (), {}, None, None, None)  # type: ignore[arg-type]
        q, carried = values(step, rules, params, state, seen, carried, fresh)
        return jnp.argmax(q, -1).astype(jnp.int32), carried

    @jax.jit
    def see(seen: Any, x: Any, fresh: Any):
        return look(seen, x, fresh, rules.stack)

    def learn(agent: Agent, rows: Rows) -> tuple[Agent, Studied]:
        return study(step, rules, agent, rows)

    return act, see, jax.jit(learn, donate_argnums=0, compiler_options=compiler_options())


class Exploration:
    """Where an agent explores, and by which actions: a function of the seed and of the number of the block."""

    def __init__(self, rules: Rules, actions: int, seed: int, numbers: Any):
        self.rules, self.actions, self.seed, self.numbers = rules, actions, seed, numbers["epsilon"]
        self.epsilon = jax.jit(lambda at, n: jnp.clip(rules.schedule().at(at, n), 0, 1))
        self.span: int | None = None
        self.explores: Any = None  # (SPAN, r, e)

    def of(self, block: int) -> tuple[Any, np.ndarray]:
        """(whether it explores, an action at random), each (r, e)."""
        span, within = divmod(block, SPAN)
        if span != self.span:
            self.draw(span)
        return self.explores[within], self.action[within]

    def draw(self, span: int) -> None:
        r, e = self.rules.rows, self.rules.environments
        rng = np.random.default_rng([self.seed, 1, span])
        at = (span * SPAN * r + np.arange(SPAN * r, dtype=np.float32)) * e
        epsilon = np.broadcast_to(self.epsilon(at, self.numbers), at.shape).reshape(SPAN, r, 1)
        self.explores = rng.random((SPAN, r, e), np.float32) < epsilon
        self.action = rng.integers(0, self.actions, (SPAN, r, e), np.int32)
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
        self.act, self.see, self.learn = programs(step.structure(), rules.structure())
        self.exploration = Exploration(rules, games.game.actions, seed, numbers)
        self.play: Play | None = None

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
        _, seen, ended, length, total, carried, fresh = play
        x = np.asarray(seen)[..., -games.game.observation[-1] :]
        explores, at_random = self.exploration.of(start // rules.every)
        asked, mixed = (~explores).any(1) | bool(rules.sequence), explores.any(1)  # (r,)
        rows = empty_rows(r, e, games.game.observation, games.game.kind)
        params, memory = agent.state.params, agent.state.memory
        episodes, gained, lengths, lasts, some = 0, 0.0, 0, 0, bool(ended.any())
        for row in range(r):
            action = at_random[row]
            if asked[row]:
                greedy, carried = self.act(params, memory, seen, carried, fresh if rules.sequence else None)
                action = np.where(explores[row], action, greedy) if mixed[row] else np.asarray(greedy)
            rows.x[row], rows.action[row] = x, action
            x, rows.reward[row], terminal, truncated = games.step(action)
            total += rows.reward[row]
            length += 1
            if some:  # of these games the row begins the next episode
                rows.ends[row, ended] = LAST
                length[ended] = 0
                lasts += int(ended.sum())
            seen = self.see(seen, x, ended) if rules.stack > 1 else x
            fresh, ended = ended, terminal | truncated
            if some := bool(ended.any()):
                rows.ends[row, terminal], rows.ends[row, truncated] = TERMINAL, TRUNCATED
                episodes += int(ended.sum())
                gained += float(total[ended].sum())
                lengths += int(length[ended].sum())
                total[ended] = 0
        self.play = Play(None, seen, ended, length, total, carried, fresh)
        agent, studied = self.learn(agent, rows)
        told = np.int32(episodes), np.float32(gained), np.int32(lengths), np.int32(lasts)
        return agent, Block(*told, studied)
