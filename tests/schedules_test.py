"""Schedules: their formulas, what they say of the Robbins-Monro conditions, and their errors."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deltarule import schedules
from deltarule.errors import SettingError
from deltarule.schedules import (
    ConstantRate,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    LinearDecay,
    PowerDecay,
    Schedule,
    StepDecay,
    WarmUp,
    numbers,
)

K = np.arange(3000)
FORMULAS = [
    (ConstantRate(0.1), 0.1 + 0 * K),
    (InverseTimeDecay(2.0, 5.0), 2 / (5 + K)),
    (PowerDecay(0.5, 0.75), 0.5 * (K + 1.0) ** -0.75),
    (StepDecay(0.5, every=300, factor=0.2), 0.5 * 0.2 ** (K // 300)),
    (StepDecay(0.5, every=7, factor=1.001), 0.5 * 1.001 ** (K // 7)),
    (ExponentialDecay(0.5, factor=0.999), 0.5 * 0.999**K),
    (LinearDecay(0.5, steps=1000, final=0.1), 0.5 - 0.4 * np.minimum(K / 1000, 1)),
    (LinearDecay(0.1, steps=700, final=0.5), 0.1 + 0.4 * np.minimum(K / 700, 1)),
    (CosineDecay(0.5, steps=1000, final=0.1), 0.3 + 0.2 * np.cos(np.pi * np.minimum(K / 1000, 1))),
    (WarmUp(ConstantRate(0.5), steps=100), 0.5 * np.minimum((K + 1) / 100, 1)),
    (WarmUp(InverseTimeDecay(2.0, 5.0), steps=10), 2 / (5 + K) * np.minimum((K + 1) / 10, 1)),
]
SCHEDULES = [schedule for schedule, _ in FORMULAS]


def test_every_schedule_is_tried():
    found = {s for s in vars(schedules).values() if isinstance(s, type) and issubclass(s, Schedule)}
    assert {type(schedule) for schedule in SCHEDULES} == found - {Schedule}


@pytest.mark.parametrize(("schedule", "expected"), FORMULAS, ids=map(str, SCHEDULES))
def test_rates_are_the_formula(schedule, expected):
    """In float32, from step numbers that are traced integers, as in training."""
    n = jax.tree.map(jnp.float32, numbers(schedule))
    rates = jax.jit(jax.vmap(lambda k: schedule.at(k, n)))(jnp.arange(len(K), dtype=jnp.int32))
    np.testing.assert_allclose(rates, expected, rtol=3e-6)


@pytest.mark.parametrize(
    "schedule",
    [ExponentialDecay(1.0, 0.999999), StepDecay(1.0, every=1, factor=0.999999), ExponentialDecay(1e-7, 1.000001)],
    ids=str,
)
def test_a_factor_near_one_keeps_its_digits_over_ten_million_steps(schedule):
    """0.999999 is 0.99999899 in float32, which is off by 14 % after so many."""
    k = 10_000_000
    expected = schedule.rate * np.exp(k * np.log(schedule.factor))
    for given in (schedule, WarmUp(schedule, 10)):
        n = jax.tree.map(jnp.float32, numbers(given))
        np.testing.assert_allclose(jax.jit(given.at)(jnp.int32(k), n), expected, rtol=3e-6)


def test_a_factor_varies_over_models():
    """Each member of a population has its own, an array."""
    members = [jax.tree.map(np.float32, numbers(ExponentialDecay(0.5, factor))) for factor in (0.5, 0.9, 1e-9)]
    n = jax.tree.map(lambda *each: jnp.stack(each), *members)
    for k in (0, 3):
        rates = jax.vmap(lambda n, k=k: ExponentialDecay(1.0, 0.1).at(k, n))(n)
        np.testing.assert_allclose(rates, 0.5 * np.array([0.5, 0.9, 1e-9]) ** k, rtol=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_other_numbers_do_not_compile_again(schedule):
    program = jax.jit(schedule.at)
    n = jax.tree.map(jnp.float32, numbers(schedule))
    rate = program(jnp.int32(3), n)
    other = program(jnp.int32(3), jax.tree.map(lambda number: number + 1, n))
    assert program._cache_size() == 1
    assert rate != other


ROBBINS_MONRO = [
    ConstantRate(0.1),
    ConstantRate(0.0),
    InverseTimeDecay(2.0, 5.0),
    *(PowerDecay(0.5, p) for p in (0.25, 0.5, 0.75, 1.0, 1.5)),
    StepDecay(0.5, every=50, factor=0.2),
    StepDecay(0.5, every=50, factor=1.0),
    ExponentialDecay(0.5, factor=0.99),
    ExponentialDecay(0.5, factor=1.0),
    LinearDecay(0.5, steps=100),
    LinearDecay(0.5, steps=100, final=0.1),
    CosineDecay(0.5, steps=100),
    CosineDecay(0.5, steps=100, final=0.1),
    WarmUp(InverseTimeDecay(2.0, 5.0), steps=10),
    WarmUp(ExponentialDecay(0.5, factor=0.99), steps=10),
]


def grows_without_bound(schedule, power):
    """Whether Σ α^power does: its part between K and K² shrinks for larger K only where the sum is finite.

    Even log K, the slowest of our sums, doubles between K and K²; a tail beyond 1000 of a finite one vanishes.
    """
    bounds = np.array([1e3, 1e6])
    edges = [np.unique(np.geomspace(b, b**2, 20_000).round()) for b in bounds]
    with jax.enable_x64(True):
        n = jax.tree.map(jnp.float64, numbers(schedule))
        at = jax.jit(jax.vmap(lambda k: jnp.float64(schedule.at(k, n))))
        early, late = (float((np.asarray(at(e[:-1])) ** power * np.diff(e)).sum()) for e in edges)
    return late > 0.5 * early and early > 0


@pytest.mark.parametrize("schedule", ROBBINS_MONRO, ids=str)
def test_verdicts_are_those_of_partial_sums(schedule):
    verdict = schedule.robbins_monro()
    assert verdict.sum_diverges == grows_without_bound(schedule, 1)
    assert verdict.squares_converge == (not grows_without_bound(schedule, 2))
    assert verdict.meets_both == (verdict.sum_diverges and verdict.squares_converge)
    assert verdict.reason


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConstantRate(-0.1), "learning rate: expected a number of at least 0, got -0.1"),
        (lambda: ConstantRate(float("inf")), "learning rate: expected a number of at least 0, got inf"),
        (lambda: InverseTimeDecay(1.0, 0.0), "InverseTimeDecay: C_1 must be a positive number, got 0.0"),
        (lambda: PowerDecay(1.0, -1.0), "PowerDecay: p must be a positive number, got -1.0"),
        (lambda: StepDecay(1.0, every=0), "StepDecay: every must be a positive number, got 0"),
        (lambda: ExponentialDecay(float("nan"), 0.9), "ExponentialDecay: rate must be a positive number, got nan"),
        (lambda: LinearDecay(0.0, steps=9), "LinearDecay: rate must be a positive number, got 0.0"),
        (lambda: LinearDecay(1.0, steps=0), "LinearDecay: steps must be a positive number, got 0"),
        (
            lambda: LinearDecay(1.0, steps=9, final=-0.1),
            "LinearDecay: final must be a number of at least 0, got -0.1",
        ),
        (lambda: CosineDecay(1.0, steps=0), "CosineDecay: steps must be a positive number, got 0"),
        (lambda: WarmUp(ConstantRate(1.0), steps=0), "WarmUp: steps must be a positive number, got 0"),
        (lambda: WarmUp(ConstantRate(1.0), steps=None), "WarmUp: steps must be a positive number, got None"),
        (lambda: WarmUp(None, steps=5), "WarmUp: schedule must be a number or a schedule, such as CosineDecay"),
        (lambda: WarmUp(-1.0, steps=5), "learning rate: expected a number of at least 0, got -1.0"),
        (lambda: ConstantRate("0.1"), "learning rate: expected a number of at least 0, got '0.1'"),
        (lambda: ExponentialDecay(1.0, "0.9"), "ExponentialDecay: factor must be a positive number, got '0.9'"),
        (lambda: CosineDecay(1.0, 9, float("nan")), "CosineDecay: final must be a number of at least 0, got nan"),
    ],
)
def test_a_wrong_number_is_named(make, message):
    with pytest.raises(SettingError, match=re.escape(message)):
        make()
