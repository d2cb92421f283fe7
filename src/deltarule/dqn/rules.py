"""The rules of an agent: how it learns from its memory, how often, and how it explores."""

from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import jax
import numpy as np

from deltarule.errors import SettingError
from deltarule.schedules import ConstantRate, LinearDecay, Schedule, numbers, structure

COUNTS = ("batch_size", "capacity", "warm_up", "every", "gradient_steps", "target_every", "n_step", "stack")
COUNTS += ("sequence", "burn_in", "environments")
NUMBERS = (
    "gamma",
    "tau",
    "alpha",
    "beta",
    "beta_steps",
    "eta",
)  # that agents may differ in, like those of ε


@dataclass(frozen=True)
class Rules:
    """Settings of deep Q-learning; steps are those of the environments, all together.

    Args:
        gamma: γ, how much a reward counts that comes a step later.
        batch_size: transitions, or sequences, of a gradient step.
        capacity: steps that the replay memory holds.
        warm_up: steps before the first gradient step.
        every: steps between two times of learning.
        gradient_steps: so many each time.
        target_every: steps between two updates of the target network, at most one each time of learning.
        tau: θ⁻ ← τ θ + (1 − τ) θ⁻; 1 copies. Running statistics are copied.
        epsilon: ε, the probability of a random action: a number, or a schedule of the step.
        double: whether the arg max is taken from θ and its value from θ⁻ (van Hasselt et al. 2016).
        dueling: whether Q is V + A − mean A (Wang et al. 2016).
        n_step: so many rewards are summed before Q is asked for the rest.
        prioritised: whether transitions are drawn by p = (|error| + 1e-6)^α (Schaul et al. 2016), α = `alpha`,
            with weights (N P)^−β over their largest, β going linearly from `beta` to 1 in `beta_steps`. Of a
            sequence, |error| is η max + (1 − η) mean over its steps, η = `eta` (Kapturowski et al. 2019).
        stack: how many of the last observations the agent sees, side by side in the last axis.
        sequence: steps of a sequence that a recurrent network learns from; None learns from single transitions.
        burn_in: steps before a sequence that only bring the network's state up to it.
        environments: how many are played side by side.
        time_limits_end: whether a time limit is taken for an end, so that nothing is expected after it. It is
            wrong, and for comparison alone.

    Raises:
        SettingError: a number that cannot be, or settings that do not go together.
    """

    gamma: float = 0.99
    batch_size: int = 64
    capacity: int = 100_000
    warm_up: int = 1_000
    every: int = 4
    gradient_steps: int = 1
    target_every: int = 500
    tau: float = 1.0
    epsilon: float | Schedule = field(default_factory=lambda: LinearDecay(1.0, 10_000, 0.05))
    double: bool = False
    dueling: bool = False
    n_step: int = 1
    prioritised: bool = False
    alpha: float = 0.6
    beta: float = 0.4
    beta_steps: float = 100_000
    eta: float = 0.9
    stack: int = 1
    sequence: int | None = None
    burn_in: int = 0
    environments: int = 1
    time_limits_end: bool = False

    def __post_init__(self):
        for name in COUNTS:
            self.require(name, 0 if name in ("warm_up", "burn_in") else 1)
        for name in ("gamma", "tau", "alpha", "beta", "eta", "epsilon"):
            value = getattr(self, name)
            if not isinstance(value, Schedule) and not 0 <= value <= 1:
                raise SettingError(f"dqn: {name} must be from 0 to 1, got {value!r}")
        if not self.beta_steps > 0:
            raise SettingError(f"dqn: beta_steps must be positive, got {self.beta_steps!r}")
        if self.every % self.environments:
            raise SettingError(
                f"dqn: every ({self.every}) must be a multiple of environments ({self.environments}), which step "
                "together"
            )
        if self.burn_in and not self.sequence:
            raise SettingError("dqn: burn_in is for a recurrent network; say sequence, too")
        if self.capacity < self.needed:
            raise SettingError(
                f"dqn: capacity {self.capacity} is too small; a gradient step needs at least {self.needed} steps"
            )

    def require(self, name: str, least: int) -> None:
        value = getattr(self, name)
        if value is not None and not (isinstance(value, Integral) and int(value) >= least):
            raise SettingError(f"dqn: {name} must be a whole number of at least {least}, got {value!r}")

    @property
    def rows(self) -> int:
        """Rows that are written between two times of learning."""
        return self.every // self.environments

    @property
    def ring(self) -> int:
        """Rows that the memory holds: the capacity, made a multiple of those that are written at once."""
        return -(-self.capacity // (self.environments * self.rows)) * self.rows

    @property
    def reach(self) -> int:
        """Rows after the one where a transition or sequence begins that learning from it looks at."""
        return self.n_step + (self.burn_in + self.sequence - 1 if self.sequence else 0)

    @property
    def needed(self) -> int:
        """Steps that are there before anything can be drawn."""
        return self.environments * (self.reach + self.stack + self.rows)

    def schedule(self) -> Schedule:
        """ε as a schedule."""
        return self.epsilon if isinstance(self.epsilon, Schedule) else ConstantRate(float(self.epsilon))

    def numbers(self) -> dict[str, Any]:
        """The numbers that may differ from agent to agent, as float32."""
        own = {name: float(getattr(self, name)) for name in NUMBERS}
        return jax.tree.map(np.float32, {**own, "epsilon": numbers(self.schedule())})

    def structure(self) -> "Rules":
        """These rules without those numbers: agents that differ in nothing else share one program."""
        free = dict.fromkeys(NUMBERS, 1.0)
        kept = replace(self, **free)
        object.__setattr__(kept, "epsilon", structure(self.schedule()))
        return kept
