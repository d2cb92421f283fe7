"""Learning rates α_k as functions of the step number k = 0, 1, 2, ...

Stochastic gradient descent converges where Σ α_k = ∞ and Σ α_k² < ∞ (Robbins and Monro 1951): far enough to
reach any point, and with noise that dies out. Every schedule says whether it meets both.

The numbers of a schedule are arrays in the training state, so they vary over models without recompiling.
"""

import copy
import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from deltarule.errors import SettingError
from deltarule.settings import at_least_zero, is_number, positive


@dataclass(frozen=True)
class Verdict:
    """Whether a schedule meets the Robbins-Monro conditions, and why."""

    sum_diverges: bool
    squares_converge: bool
    reason: str

    @property
    def meets_both(self) -> bool:
        return self.sum_diverges and self.squares_converge


def numbers(settings: Any) -> dict[str, Any]:
    """The numbers of a dataclass, schedules inside it included, as a tree of floats."""
    tree = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Schedule):
            tree[field.name] = numbers(value)
        elif is_number(value):
            tree[field.name] = float(value)
    return tree | settings.derived() if isinstance(settings, Schedule) else tree


@dataclass(frozen=True)
class Varies:
    """Stands for a number that is an array of the training state: it has no value here, only a zero or none."""

    nonzero: bool

    def __bool__(self):
        return self.nonzero


def structure(settings: Any) -> Any:
    """The same settings with every number replaced by `Varies`: what a compiled program may depend on."""
    copied = copy.copy(settings)
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Schedule):
            object.__setattr__(copied, field.name, structure(value))
        elif is_number(value):
            object.__setattr__(copied, field.name, Varies(bool(value)))
    return copied


class Schedule:
    """A learning rate for every step; `schedule(k)` is the rate of step k."""

    def at(self, k: Any, n: dict[str, Any]) -> Any:
        """The rate of step k, the schedule's numbers being n."""
        raise NotImplementedError

    def __call__(self, k: Any) -> Any:
        return self.at(k, numbers(self))

    def derived(self) -> dict[str, float]:
        """Numbers that follow from the settings, and would lose digits where float32 made them of those."""
        return {}

    def robbins_monro(self) -> Verdict:
        """Whether Σ α_k = ∞ and Σ α_k² < ∞, with the reason."""
        raise NotImplementedError


def as_schedule(owner: str, name: str, rate: Any) -> Schedule:
    """A schedule as it is, and a number as a constant rate; raises SettingError for anything else."""
    if isinstance(rate, Schedule):
        return rate
    if isinstance(rate, (str, bool, type)) or not hasattr(rate, "__float__") or getattr(rate, "ndim", 0):
        example = "such as CosineDecay(0.1, 1000)"
        raise SettingError(f"{owner}: {name} must be a number or a schedule, {example}, got {rate!r}")
    return ConstantRate(float(rate))


@dataclass(frozen=True)
class ConstantRate(Schedule):
    """α_k = rate.

    >>> ConstantRate(0.1).robbins_monro().meets_both
    False
    """

    rate: float

    def __post_init__(self):
        if not (is_number(self.rate) and 0 <= self.rate < math.inf):
            raise SettingError(f"learning rate: expected a number of at least 0, got {self.rate!r}")

    def at(self, k, n):
        return n["rate"]

    def robbins_monro(self):
        reason = "Σ α² grows without bound: the noise of the steps never dies out"
        return Verdict(self.rate > 0, self.rate == 0, reason)


@dataclass(frozen=True)
class InverseTimeDecay(Schedule):
    """α_k = C_0 / (C_1 + k), the classical choice.

    >>> InverseTimeDecay(1.0, 10.0)(0)
    0.1
    >>> InverseTimeDecay(1.0, 10.0).robbins_monro().meets_both
    True
    """

    C_0: float
    C_1: float

    def __post_init__(self):
        positive("InverseTimeDecay", C_0=self.C_0, C_1=self.C_1)

    def at(self, k, n):
        return n["C_0"] / (n["C_1"] + k)

    def robbins_monro(self):
        return Verdict(True, True, "Σ 1/k diverges like log k, and Σ 1/k² converges")


@dataclass(frozen=True)
class PowerDecay(Schedule):
    """α_k = rate · (k + 1)^−p.

    >>> [PowerDecay(1.0, p).robbins_monro().meets_both for p in (0.5, 0.75, 1.0, 1.5)]
    [False, True, True, False]
    """

    rate: float
    p: float

    def __post_init__(self):
        positive("PowerDecay", rate=self.rate, p=self.p)

    def at(self, k, n):
        return n["rate"] * (k + 1.0) ** -n["p"]

    def robbins_monro(self):
        far, calm = self.p <= 1, self.p > 0.5
        return Verdict(far, calm, f"Σ k^-p diverges for p ≤ 1, and Σ k^-2p converges for p > ½; here p = {self.p}")


@dataclass(frozen=True)
class StepDecay(Schedule):
    """α_k = rate · factor^⌊k / every⌋.

    >>> StepDecay(1.0, every=100, factor=0.5)(250)
    0.25
    """

    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self):
        positive("StepDecay", rate=self.rate, every=self.every, factor=self.factor)

    def derived(self):
        return {"log2 factor": math.log2(self.factor)}

    def at(self, k, n):
        return n["rate"] * 2.0 ** (k // n["every"] * n["log2 factor"])

    def robbins_monro(self):
        return geometric(self.factor)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """α_k = rate · factor^k, as 2^(k log₂ factor): float32 holds log₂ factor to 7 digits, but not 1 − factor.

    >>> ExponentialDecay(1.0, factor=0.5)(3)
    0.125
    """

    rate: float
    factor: float

    def __post_init__(self):
        positive("ExponentialDecay", rate=self.rate, factor=self.factor)

    def derived(self):
        return {"log2 factor": math.log2(self.factor)}

    def at(self, k, n):
        return n["rate"] * 2.0 ** (k * n["log2 factor"])

    def robbins_monro(self):
        return geometric(self.factor)


def geometric(factor: float) -> Verdict:
    """The verdict on a rate that shrinks by a factor again and again."""
    if factor < 1:
        return Verdict(False, True, "a geometric series has a finite sum: descent stops short of far minima")
    return Verdict(True, False, "a rate that does not shrink keeps its noise")


@dataclass(frozen=True)
class LinearDecay(Schedule):
    """α_k = rate + (final − rate) k / steps, and `final` after that.

    >>> float(LinearDecay(1.0, steps=100, final=0.5)(50)), float(LinearDecay(1.0, steps=100)(1000))
    (0.75, 0.0)
    """

    rate: float
    steps: float
    final: float = 0.0

    def __post_init__(self):
        positive("LinearDecay", rate=self.rate, steps=self.steps)
        at_least_zero("LinearDecay", final=self.final)

    def at(self, k, n):
        return n["rate"] + (n["final"] - n["rate"]) * jnp.minimum(k / n["steps"], 1.0)

    def robbins_monro(self):
        return comes_to(self.final, self.steps)


@dataclass(frozen=True)
class CosineDecay(Schedule):
    """α_k = final + ½ (rate − final)(1 + cos(π k / steps)), and `final` after that (Loshchilov and Hutter 2017).

    >>> CosineDecay(1.0, steps=100)(0), CosineDecay(1.0, steps=100, final=0.1)(1000)
    (Array(1., dtype=float32, weak_type=True), Array(0.1, dtype=float32, weak_type=True))
    """

    rate: float
    steps: int
    final: float = 0.0

    def __post_init__(self):
        positive("CosineDecay", rate=self.rate, steps=self.steps)
        at_least_zero("CosineDecay", final=self.final)

    def at(self, k, n):
        passed = jnp.minimum(k / n["steps"], 1.0)
        return n["final"] + 0.5 * (n["rate"] - n["final"]) * (1 + jnp.cos(jnp.pi * passed))

    def robbins_monro(self):
        return comes_to(self.final, self.steps)


def comes_to(final: float, steps: float) -> Verdict:
    """The verdict on a rate that is `final` after so many steps."""
    if final > 0:
        return Verdict(True, False, "the rate stays at its final value, whose noise never dies out")
    return Verdict(False, True, f"the rate is 0 after {steps} steps: both sums are finite")


@dataclass(frozen=True)
class WarmUp(Schedule):
    """A schedule, or a number, to which the first `steps` rates rise linearly: α_k · min(1, (k + 1) / steps).

    >>> WarmUp(ConstantRate(1.0), steps=4)(1)
    Array(0.5, dtype=float32, weak_type=True)
    """

    schedule: Schedule | float
    steps: int

    def __post_init__(self):
        object.__setattr__(self, "schedule", self.inner)
        positive("WarmUp", steps=self.steps)

    @property
    def inner(self) -> Schedule:
        return as_schedule("WarmUp", "schedule", self.schedule)

    def at(self, k, n):
        return self.inner.at(k, n["schedule"]) * jnp.minimum((k + 1) / n["steps"], 1.0)

    def robbins_monro(self):
        verdict = self.inner.robbins_monro()
        reason = f"finitely many first steps change neither sum; {verdict.reason}"
        return dataclasses.replace(verdict, reason=reason)
