"""The environments in JAX are Gymnasium's, step for step, from states all over and from those of play."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule.dqn.environments.acrobot import Acrobot
from deltarule.dqn.environments.cart_pole import CartPole
from deltarule.dqn.environments.mountain_car import MountainCar
from deltarule.dqn.environments.opening import IN_JAX

PI = np.pi
ALL_OVER = {  # the ranges of states, and how far apart float32 and float64 may be
    CartPole: ([-2.5, -3, -0.22, -3], [2.5, 3, 0.22, 3], 1e-5),
    MountainCar: ([-1.2, -0.07], [0.6, 0.07], 1e-6),
    Acrobot: ([-PI, -PI, -4 * PI, -9 * PI], [PI, PI, 4 * PI, 9 * PI], 1e-3),
}


def theirs(name, states, actions):
    """What Gymnasium makes of each of these states, and of an episode of these actions: a row each."""
    env = gymnasium.make(name).unwrapped
    env.reset(seed=3)
    rows = []
    for number, action in enumerate(actions):
        if number < len(states):
            env.state = states[number].copy()
        elif rows[-1][-1]:
            env.reset()
        before = np.array(env.state)
        env.steps_beyond_terminated = None
        observed, reward, terminal, truncated, _ = env.step(int(action))
        assert not truncated
        rows.append((before, np.array(env.state), observed, reward, terminal))
    env.close()
    return [np.array(part) for part in zip(*rows, strict=True)]


@pytest.mark.parametrize("kind", IN_JAX.values(), ids=lambda kind: kind.name)
def test_a_step_is_gymnasiums(kind):
    environment, (low, high, apart) = kind(), ALL_OVER[kind]
    rng = np.random.default_rng(0)
    actions = rng.integers(0, environment.actions, 900)
    before, after, observed, rewards, terminals = theirs(
        kind.name, rng.uniform(low, high, (400, len(low))), actions
    )

    @jax.jit
    @jax.vmap
    def ours(world, action):
        moved, reward, terminal = environment.step(world, action, jax.random.key(0))
        return moved, environment.observe(moved), reward, terminal

    moved, x, reward, terminal = ours(jnp.float32(before), jnp.int32(actions))
    assert 0 < terminals.sum() < 800
    np.testing.assert_allclose(x, observed, atol=apart)
    np.testing.assert_array_equal(terminal, terminals)
    np.testing.assert_array_equal(reward, rewards)
    turns = 2 * PI if kind is Acrobot else np.inf  # an angle of π is one of −π
    difference = np.abs(moved - after)
    assert np.minimum(difference, np.abs(turns - difference)).max() < apart


@pytest.mark.parametrize("kind", IN_JAX.values(), ids=lambda kind: kind.name)
def test_an_episode_begins_and_is_cut_off_as_gymnasiums(kind):
    environment, env = kind(), gymnasium.make(kind.name)
    space = env.observation_space
    assert (environment.observation, environment.actions) == (space.shape, env.action_space.n)
    assert environment.limit == env.spec.max_episode_steps
    worlds = jax.vmap(environment.reset)(jax.random.split(jax.random.key(0), 200))
    drawn = np.array([env.unwrapped.state for seed in range(200) if env.reset(seed=seed)])
    for measure in (np.min, np.max, np.mean):
        np.testing.assert_allclose(measure(worlds, 0), measure(drawn, 0), atol=0.02)
    env.close()
