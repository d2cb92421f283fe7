"""Every optimizer × option against PyTorch and Optax, its declared cost, and its errors."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule import optimizers
from deltarule.errors import SettingError
from deltarule.inspect.count import count_flops
from deltarule.optimizers import SGD, AdaGrad, Adam, AdamW, RMSProp
from deltarule.optimizers.clip import clip_norm, global_norm
from deltarule.optimizers.optimizer import Optimizer
from deltarule.schedules import ConstantRate, InverseTimeDecay, WarmUp

STEPS = 25
EVERY = [
    (SGD(0.1), "SGD", {"lr": 0.1}),
    (SGD(0.1, momentum=0.9), "SGD", {"lr": 0.1, "momentum": 0.9}),
    (SGD(0.1, momentum=0.7, nesterov=True), "SGD", {"lr": 0.1, "momentum": 0.7, "nesterov": True}),
    (
        RMSProp(0.02, decay=0.8, epsilon=1e-3, epsilon_place="beside_root"),
        "RMSprop",
        {"lr": 0.02, "alpha": 0.8, "eps": 1e-3},
    ),
    (AdaGrad(0.1, epsilon=1e-3), "Adagrad", {"lr": 0.1, "eps": 1e-3}),
    (AdaGrad(0.1, initial=0.5), "Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5}),
    (Adam(0.02), "Adam", {"lr": 0.02}),
    (Adam(0.02, 0.7, 0.9, 1e-2), "Adam", {"lr": 0.02, "betas": (0.7, 0.9), "eps": 1e-2}),
    (AdamW(0.02, weight_decay=0.3, exclude=()), "AdamW", {"lr": 0.02, "weight_decay": 0.3}),
]
OTHERS = [RMSProp(0.02, decay=0.8, epsilon=1e-3), AdamW(0.02)]
every_optimizer = pytest.mark.parametrize("optimizer", [row[0] for row in EVERY] + OTHERS, ids=str)


def start(seed=0):
    """Parameters, and a gradient for every step; one gradient is zero in the first steps."""
    rng = np.random.default_rng(seed)
    params = {"W": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}
    gradients = [{name: rng.normal(size=a.shape) for name, a in params.items()} for _ in range(STEPS)]
    for gradient in gradients[:3]:
        gradient["W"][0, 0] = 0
    return params, gradients


def walk(optimizer, params, gradients, dtype=np.float64):
    """The parameters after each step along these gradients."""
    params, gradients = jax.tree.map(lambda a: jnp.asarray(a, dtype), (params, gradients))
    numbers = jax.tree.map(dtype, optimizer.numbers())

    @jax.jit
    def step(params, slots, gradient, k):
        return optimizer.update(gradient, slots, params, optimizer.rates(numbers, k))

    slots, path = optimizer.init(params), []
    for k, gradient in enumerate(gradients):
        params, slots = step(params, slots, gradient, jnp.int32(k))
        path.append(params)
    return path


def close(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13), ours, theirs)


def test_one_name_is_excluded_as_one_name():
    assert AdamW(exclude="gamma") == AdamW(exclude=("gamma",))


def test_a_warm_up_to_a_number_is_that_to_a_constant_rate():
    assert SGD(WarmUp(0.1, 5)) == SGD(WarmUp(ConstantRate(0.1), 5))
    assert SGD(WarmUp(0.1, 5)).numbers()["learning_rate"] == {"schedule": {"rate": 0.1}, "steps": 5.0}


def test_every_optimizer_is_tried():
    found = {o for o in vars(optimizers).values() if isinstance(o, type) and issubclass(o, Optimizer)}
    assert {type(row[0]) for row in EVERY} == found


@pytest.mark.torch
@pytest.mark.parametrize(("optimizer", "name", "options"), EVERY, ids=lambda value: str(value))
@pytest.mark.usefixtures("float64")
def test_parameters_move_as_in_pytorch(optimizer, name, options, torch):
    params, gradients = start()
    path = walk(optimizer, params, gradients)
    theirs = {key: torch.tensor(a, requires_grad=True) for key, a in params.items()}
    their_optimizer = getattr(torch.optim, name)(theirs.values(), **options)
    for ours, gradient in zip(path, gradients, strict=True):
        for key, tensor in theirs.items():
            tensor.grad = torch.tensor(gradient[key])
        their_optimizer.step()
        close(ours, {key: tensor.detach().numpy() for key, tensor in theirs.items()})


@pytest.mark.torch
@pytest.mark.usefixtures("float64")
def test_a_changing_rate_moves_momentum_as_in_pytorch(torch):
    params, gradients = start()
    path = walk(SGD(InverseTimeDecay(1.0, 5.0), momentum=0.9), params, gradients)
    W = torch.tensor(params["W"], requires_grad=True)
    theirs = torch.optim.SGD([W], lr=1.0, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(theirs, lambda k: 1 / (5 + k))
    for gradient in gradients:
        W.grad = torch.tensor(gradient["W"])
        theirs.step()
        schedule.step()
    close(path[-1]["W"], W.detach().numpy())


@pytest.mark.usefixtures("float64")
def test_rmsprop_with_epsilon_under_the_root_is_its_formula():
    params, gradients = start()
    theta, r = params["W"], 0.0
    for ours, gradient in zip(walk(OTHERS[0], params, gradients), gradients, strict=True):
        g = gradient["W"]
        r = 0.8 * r + (1 - 0.8) * g**2
        theta = theta - 0.02 * g / np.sqrt(r + 1e-3)
        close(ours["W"], theta)


@pytest.mark.usefixtures("float64")
def test_rmsprop_with_epsilon_under_the_root_is_that_of_optax():
    optax = pytest.importorskip("optax")
    params, gradients = start()
    theirs = optax.rmsprop(0.02, decay=0.8, eps=1e-3, eps_in_sqrt=True)
    expected, state, update = params, theirs.init(params), jax.jit(theirs.update)
    for gradient in gradients:
        updates, state = update(gradient, state)
        expected = optax.apply_updates(expected, updates)
    close(walk(OTHERS[0], params, gradients)[-1], expected)


@pytest.mark.usefixtures("float64")
def test_adamw_leaves_biases_alone_by_default():
    params, gradients = start()
    decayed, plain = (walk(o, params, gradients)[-1] for o in (AdamW(0.02, weight_decay=0.3), Adam(0.02)))
    close(decayed["b"], plain["b"])
    assert (abs(decayed["W"] - plain["W"]) > 0.01).all()


@every_optimizer
def test_a_zero_gradient_from_the_start_moves_nothing_but_what_decays(optimizer):
    params, gradients = start()
    zeros = jax.tree.map(np.zeros_like, gradients)
    end = walk(optimizer, params, zeros, np.float32)[-1]
    decay = 0.02 * getattr(optimizer, "weight_decay", 0.0)
    np.testing.assert_allclose(end["W"], params["W"] * (1 - decay) ** STEPS, rtol=1e-5)
    excluded = "b" in getattr(optimizer, "exclude", ("b",))
    np.testing.assert_allclose(end["b"], params["b"] * (1 - decay * (not excluded)) ** STEPS, rtol=1e-5)


def test_adam_in_float32_keeps_to_float64_over_a_thousand_steps():
    rng = np.random.default_rng(0)
    gradients = (1 + 0.5 * rng.normal(size=(1000, 20))).astype(np.float32)

    def path(dtype):
        numbers = jax.tree.map(dtype, Adam(1e-3).numbers())

        @jax.jit
        def run(gradients):
            def step(carry, gradient):
                k, theta, slots = carry
                theta, slots = Adam().update(gradient, slots, theta, Adam().rates(numbers, k))
                return (k + 1, theta, slots), theta

            theta = {"W": jnp.zeros(20, dtype)}
            return jax.lax.scan(step, (0, theta, Adam().init(theta)), {"W": gradients})[1]["W"]

        return np.asarray(run(gradients.astype(dtype)))

    with jax.enable_x64(True):
        exact = path(np.float64)
    assert abs(path(np.float32) - exact).max() <= 1e-6 * abs(exact).max()


def flops_of_update(optimizer, parameters, name):
    """FLOPs of an update, with what is computed once a step and not once a parameter."""
    params = {name: jnp.zeros(parameters)}
    numbers = jax.tree.map(jnp.float32, optimizer.numbers())

    def update(gradient, slots, params, numbers):
        return optimizer.update(gradient, slots, params, optimizer.rates(numbers, 0))

    return count_flops(update, params, optimizer.init(params), params, numbers)


@every_optimizer
def test_declared_flops_are_those_of_the_traced_update(optimizer):
    for name, weights in (("W", 1), ("b", "b" not in getattr(optimizer, "exclude", ()))):
        traced = (flops_of_update(optimizer, 7, name) - flops_of_update(optimizer, 2, name)) / 5
        assert optimizer.update_flops(1, weights) == traced
    assert optimizer.flops == optimizer.update_flops(1, 1)


@every_optimizer
def test_declared_slots_are_those_that_are_kept(optimizer):
    kept = optimizer.init({"W": jnp.zeros((3, 4)), "b": jnp.zeros(4)})
    assert optimizer.slots == sum(leaf.size for leaf in jax.tree.leaves(kept)) / 16


@pytest.mark.torch
@pytest.mark.parametrize("limit", [0.5, 100.0])
@pytest.mark.usefixtures("float64")
def test_clipping_is_that_of_pytorch(limit, torch):
    """PyTorch divides by the norm plus 1e-6."""
    gradient = start()[1][5]
    theirs = [torch.zeros(a.shape, dtype=torch.float64, requires_grad=True) for a in gradient.values()]
    for tensor, a in zip(theirs, gradient.values(), strict=True):
        tensor.grad = torch.tensor(a)
    norm = torch.nn.utils.clip_grad_norm_(theirs, limit).item()
    np.testing.assert_allclose(global_norm(gradient), norm, rtol=1e-13)
    for ours, tensor in zip(clip_norm(gradient, limit).values(), theirs, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), rtol=1.1e-6 / norm)


@pytest.mark.parametrize("g", [[3e20, 4e20], [np.inf, 1.0]])
def test_clipping_by_a_norm_that_overflows_is_to_be_noticed(g):
    assert np.isnan(jax.jit(clip_norm)({"W": jnp.array(g), "b": jnp.ones(1)}, 1.0)["b"]).all()


def test_clipping_a_zero_gradient_keeps_it():
    assert clip_norm({"W": jnp.zeros(3)}, 1.0)["W"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(momentum=1.0), "SGD: momentum must be in [0, 1), got 1.0"),
        (lambda: SGD(nesterov=True), "SGD: nesterov=True needs a momentum above 0"),
        (lambda: RMSProp(decay=1.0), "RMSProp: decay must be in [0, 1), got 1.0"),
        (lambda: RMSProp(epsilon=0.0), "RMSProp: epsilon must be a positive number, got 0.0"),
        (lambda: RMSProp(epsilon_place="outside"), "must be 'under_root' or 'beside_root', got 'outside'"),
        (lambda: AdaGrad(epsilon=0.0), "AdaGrad: epsilon must be a positive number, got 0.0"),
        (lambda: AdaGrad(initial=-1.0), "AdaGrad: initial must be a number of at least 0, got -1.0"),
        (lambda: Adam(beta_1=1.0), "Adam: beta_1 must be in [0, 1), got 1.0"),
        (lambda: AdamW(beta_2=-0.1), "AdamW: beta_2 must be in [0, 1), got -0.1"),
        (lambda: Adam(epsilon=-1.0), "Adam: epsilon must be a positive number, got -1.0"),
        (lambda: AdamW(weight_decay=-1.0), "AdamW: weight_decay must be a number of at least 0, got -1.0"),
        (lambda: AdamW(weight_decay=float("nan")), "AdamW: weight_decay must be a number of at least 0, got nan"),
        (
            lambda: AdamW(exclude=None),
            'AdamW: exclude must be names of parameters, such as ("b", "gamma"), got None',
        ),
        (lambda: Adam(epsilon=float("nan")), "Adam: epsilon must be a positive number, got nan"),
        (lambda: Adam(beta_1="0.9"), "Adam: beta_1 must be in [0, 1), got '0.9'"),
        (lambda: RMSProp(None), "RMSProp: learning_rate must be a number or a schedule, such as CosineDecay"),
        (
            lambda: RMSProp("abc"),
            "learning_rate must be a number or a schedule, such as CosineDecay(0.1, 1000), got",
        ),
        (lambda: SGD("0.1"), "SGD: learning_rate must be a number or a schedule"),
        (lambda: SGD(InverseTimeDecay), "SGD: learning_rate must be a number or a schedule"),
        (lambda: SGD(np.ones(2)), "SGD: learning_rate must be a number or a schedule"),
        (lambda: SGD(momentum=None), "SGD: momentum must be in [0, 1), got None"),
        (lambda: SGD(-0.1).schedule(), "learning rate: expected a number of at least 0, got -0.1"),
        (lambda: SGD(float("nan")).schedule(), "learning rate: expected a number of at least 0, got nan"),
    ],
)
def test_a_wrong_setting_is_named(make, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        make()
