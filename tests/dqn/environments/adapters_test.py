"""Environments that others wrote in JAX, by the contract of ours."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import deltarule as dr
from deltarule.dqn.environments.adapters import FromFunctional, FromGymnax
from deltarule.dqn.environments.cart_pole import CartPole
from deltarule.dqn.environments.mountain_car import MountainCar
from deltarule.dqn.environments.opening import opened


@pytest.fixture
def gymnax():
    """gymnax, or the test is skipped; it does not install six, which it needs."""
    return pytest.importorskip("gymnax", exc_type=ImportError)


def played(environment, world, actions):
    """(observations, rewards, terminals) of these actions from a state on, whatever ends."""
    key = jax.random.key(0)

    def one(world, action):
        moved, reward, terminal = environment.step(world, action, key)
        return moved, (environment.observe(moved), reward, terminal)

    return jax.jit(lambda world: jax.lax.scan(one, world, actions)[1])(world)


ACTIONS = jnp.arange(40, dtype=jnp.int32) // 2 % 2


def test_the_cart_pole_of_gymnax_is_ours(gymnax):
    theirs = FromGymnax(*gymnax.make("CartPole-v1"))
    ours = CartPole()
    for name in ("name", "observation", "kind", "actions", "limit"):
        assert getattr(theirs, name) == getattr(ours, name)
    world = theirs.reset(jax.random.key(1))
    x = theirs.observe(world)
    found, expected = played(theirs, world, ACTIONS), played(ours, x, ACTIONS)
    upright = np.cumsum(expected[2]) == 0
    assert 10 < upright.sum() < 40  # it falls
    for part, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(part[upright], right[upright], atol=1e-5)
    np.testing.assert_array_equal(found[2], expected[2])


def test_the_time_limit_of_gymnax_is_no_terminal_state(gymnax):
    inner, numbers = gymnax.make("MountainCar-v0")
    theirs = FromGymnax(inner, numbers.replace(max_steps_in_episode=30))
    assert theirs.limit == 30
    assert not played(theirs, theirs.reset(jax.random.key(1)), ACTIONS)[2].any()
    assert theirs.limit != MountainCar().limit


def test_a_name_or_an_environment_of_gymnax_is_played(gymnax):
    pair = gymnax.make("Catch-bsuite")
    for given in ("Catch-bsuite", pair, pair[0]):
        agent = dr.DQN(given, hidden=(3,))
        assert (agent.path, agent.name, agent.game.observation) == ("compiled", "Catch-bsuite", (10, 5))


def test_a_functional_environment_of_gymnasium_steps_as_it_does_there():
    """Against its own vector environment; the masses of its cart pole are not those of CartPole-v1."""
    phys2d = pytest.importorskip("gymnasium.envs.phys2d.cartpole")
    inner = phys2d.CartPoleFunctional()
    theirs = FromFunctional(inner, 500)
    assert (theirs.observation, theirs.kind, theirs.actions, theirs.limit) == ((4,), "float32", 2, 500)
    world = theirs.reset(jax.random.key(1))
    x, rewards, terminals = played(theirs, world, ACTIONS)
    game = phys2d.CartPoleJaxEnv()
    game.reset(seed=0)
    game.state = world
    for t in range(20):
        observed, reward, terminal, truncated, _ = game.step(int(ACTIONS[t]))
        np.testing.assert_allclose(x[t], observed, rtol=1e-5, atol=1e-5)
        assert (rewards[t], terminals[t], truncated) == (reward, terminal, False)
    assert terminals[-1]
    theirs.numbers = inner.get_default_params(sutton_barto_reward=True)  # −1 for a step from a terminal state
    _, rewards, terminals = played(theirs, world, ACTIONS)
    np.testing.assert_array_equal(rewards[1:], -1.0 * terminals[:-1])
    name, environment = opened((inner, 200))
    assert (name, environment.limit) == ("CartPoleFunctional", 200)


def test_a_functional_environment_that_numbers_its_states_is_refused():
    cliff = pytest.importorskip("gymnasium.envs.tabular.cliffwalking").CliffWalkingFunctional()
    cliff.action_space, cliff.observation_space = gymnasium.spaces.Discrete(4), gymnasium.spaces.Discrete(48)
    with pytest.raises(dr.SettingError, match="CliffWalkingFunctional numbers its states"):
        dr.DQN((cliff, 50))
