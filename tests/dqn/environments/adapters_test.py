"""Environments that others wrote in JAX, by the contract of ours."""

import sys
from types import SimpleNamespace

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
from deltarule.dqn.fitting import fit
from deltarule.dqn.paths import agents_program


@pytest.fixture
def gymnax():
    """gymnax, which takes its time to be imported."""
    import gymnax

    return gymnax


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


SMALL = {"hidden": (3,), "capacity": 100, "warm_up": 16, "batch_size": 4, "every": 8, "gradient_steps": 1}
RUN = {"episodes": 1, "progress": False}


def cart_pole():
    from gymnasium.envs.phys2d.cartpole import CartPoleFunctional

    return CartPoleFunctional()


def require_one_program(given):
    """Two seeds of each of two environments that are made apart train in one program."""
    agents_program.cache_clear()
    for _ in range(2):
        agents = [dr.DQN(given(), seed=seed, **SMALL) for seed in range(2)]
        fit(agents, 32, **RUN)
        assert agents[0].history["loss"] != agents[1].history["loss"]
    assert agents_program.cache_info().misses == 1
    population = dr.DQNPopulation(given(), {"seed": range(2)}, **SMALL).fit(32, **RUN)
    assert population.programs == agents_program.cache_info().misses == 1


def test_seeds_of_a_functional_environment_are_one_program():
    require_one_program(lambda: (cart_pole(), 20))


def test_seeds_of_an_environment_of_gymnax_are_one_program(gymnax):
    """The frozen lake numbers its states, as Gymnasium's does."""
    require_one_program(lambda: "FrozenLake-misc")


def test_functional_environments_that_differ_are_not_equal():
    first, other = FromFunctional(cart_pole(), 20), FromFunctional(cart_pole(), 20)
    assert first == other
    assert hash(first) == hash(other)
    assert first != FromFunctional(cart_pole(), 21)
    assert first != CartPole()
    other.inner.more = 1
    assert first != other
    assert hash(first) != hash(other)  # so that no program that was compiled before is found for it
    heavy = cart_pole()
    heavy.default_params = heavy.get_default_params(masscart=2.0)
    assert first != FromFunctional(heavy, 20)
    with pytest.raises(dr.SettingError, match="agents that train together may differ in seeds and numbers alone"):
        fit([dr.DQN((inner, 20), **SMALL) for inner in (cart_pole(), heavy)], 8)


def test_environments_of_gymnax_that_differ_are_not_equal(gymnax):
    for name in ("CartPole-v1", "FourRooms-misc", "DeepSea-bsuite"):
        first, other = FromGymnax(*gymnax.make(name)), FromGymnax(*gymnax.make(name))
        assert first == other
        assert hash(first) == hash(other)
        inner, numbers = gymnax.make(name)
        assert first != FromGymnax(inner, numbers.replace(max_steps_in_episode=30))
    assert FromGymnax(*gymnax.make("Catch-bsuite")) != FromGymnax(*gymnax.make("Catch-bsuite", rows=9))


def test_continuous_actions_of_gymnax_are_refused(gymnax):
    with pytest.raises(
        dr.SettingError, match=r"Pendulum-v1 has continuous actions, Box\(low=-2.*has a Discrete action"
    ):
        dr.DQN("Pendulum-v1")


@pytest.mark.parametrize(("kind", "given"), [("Tuple", [[]]), ("Dict", [{}]), ("Box", [0, 1, ()])])
def test_observations_of_gymnax_that_are_no_array_are_refused(gymnax, kind, given):
    inner, numbers = gymnax.make("CartPole-v1")
    space = getattr(gymnax.environments.spaces, kind)(*given)
    inner.observation_space = lambda _: space
    with pytest.raises(dr.SettingError, match=f"CartPole-v1 gives .* of the kind {kind}; .*wrap it such that it"):
        dr.DQN((inner, numbers))


def test_numbered_states_of_gymnax_are_seen_as_gymnasiums():
    """A stand-in for an environment of gymnax: a corridor of four states, whose right end gives 1."""
    spaces = SimpleNamespace(n=4, shape=(), dtype=jnp.int32), SimpleNamespace(n=2, shape=(), dtype=jnp.int32)

    def step_env(key, state, action, numbers):
        moved = jnp.clip(state + 2 * action - 1, 0, 3)
        return moved, moved, moved == 3, moved == 3, {}

    inner = SimpleNamespace(
        name="Corridor",
        observation_space=lambda numbers: spaces[0],
        action_space=lambda numbers: spaces[1],
        default_params=SimpleNamespace(max_steps_in_episode=9),
        reset_env=lambda key, numbers: (jnp.int32(0), jnp.int32(0)),
        step_env=step_env,
    )
    agent = dr.DQN(inner, **{**SMALL, "hidden": (8,), "learning_rate": 0.05, "gradient_steps": 4})
    assert agent.game == ("Corridor", (1,), "int32", 2, 9, 4)
    agent.fit(800, **RUN)
    assert agent.act([[0], [1], [2]]).tolist() == [1, 1, 1]
    np.testing.assert_array_equal(agent.evaluate(2).length, 3)


def test_how_to_have_gymnax_is_said_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnax", None)
    said = r"no environment 'Catch-bsuite' here.*; if it is one of gymnax's, pip install 'deltarule\[gymnax\]'"
    with pytest.raises(dr.SettingError, match=said):
        dr.DQN("Catch-bsuite")
    monkeypatch.undo()
    with pytest.raises(dr.SettingError) as caught:
        dr.DQN("Catch-bsuit")
    assert "gymnax" not in str(caught.value)
