"""A job of deep Q-learning in words: the settings of `deltarule dqn`, as flags or as the run.toml of a run."""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

from deltarule.dqn.agent import DQN, RULES
from deltarule.dqn.exploration import AtLeast
from deltarule.dqn.tuned import tuned
from deltarule.errors import FileError, SettingError
from deltarule.experiment.run import OPTIMIZERS
from deltarule.experiment.run_folder import SETTINGS
from deltarule.job import expected, fits
from deltarule.losses import Huber, SquaredError
from deltarule.schedules import ExponentialDecay, InverseTimeDecay, LinearDecay, Schedule

LOSSES = {"huber": Huber(), "squared": SquaredError()}
OTHERS = ("hidden", "learning_rate", "clip_norm", "path", "vector", "replay_folder")  # of DQN, besides the rules


@dataclass(frozen=True)
class DqnJob:
    """Training agents on an environment, from its name to the run folder.

    Attributes:
        environment: The name of one of Gymnasium's environments, such as CartPole-v1 or ALE/Pong-v5.
        steps: Steps of the environment, for each agent.
        seeds: How many agents are trained, each from a seed of its own.
        seed: That of the first; the others follow it.
        path: Compiled is one loop with an environment written in JAX, gymnasium a loop around Gymnasium's; auto
            takes the first where there is one.
        vector: How several of Gymnasium's environments are played: in this process, or each in one of its own.
        optimizer: How the parameters move.
        loss: Of Q against its target, by Huber, linear for errors above 1, or squared.
        hidden: Width of each hidden layer; by default 256 and 256. This and what follows, where it is not said, is
            what is known to work on the environment, or else the default that is named.
        learning_rate: The size of a step, by default 0.001.
        clip_norm: The largest global norm of a gradient; by default 10, and inf leaves gradients as they are.
        gamma: γ, how much a reward counts that comes a step later; by default 0.99.
        batch_size: Transitions, or sequences, of a gradient step; by default 64.
        capacity: Steps that the replay memory holds; by default 100 000.
        warm_up: Steps before the first gradient step; by default 1 000.
        every: Steps between two times of learning; by default 4.
        gradient_steps: So many each time; by default 1.
        target_every: Steps between two updates of the target network; by default 500.
        tau: How much of the network the target takes over then; by default 1, a copy.
        double: Let the network choose the action that the target network values.
        dueling: Let the network tell the value of a state apart from the advantages of actions.
        n_step: So many rewards are summed before the network is asked for the rest; by default 1.
        prioritised: Draw transitions, or sequences, by how wrong the network was about them.
        alpha: How much it matters for the draw how wrong it was; by default 0.6.
        beta: How much of the bias of such draws is taken out at first; by default 0.4.
        beta_steps: Steps after which all of it is; by default 100 000.
        eta: How wrong a sequence was is so much of its largest error, and the rest of the mean; by default 0.9.
        sequence: Steps of the sequences that a recurrent network learns from, whose last hidden layer is a GRU; by
            default it is not recurrent, and learns from single transitions.
        burn_in: Steps before a sequence that only bring the network's state up to it; by default 0.
        replay_folder: Keep the replay's observations in files in this folder, for a replay larger than memory, at
            games of Gymnasium's; by default they are beside the network.
        stack: How many of the last observations the agent sees together; by default 1.
        environments: How many are played side by side; by default 1.
        time_limits_end: Take a time limit for an end, so that nothing is expected after it. It is wrong, and for
            comparison alone.
        epsilon_start: The probability of a random action at first; by default 1.
        epsilon_final: And at last; by default 0.05.
        epsilon_steps: Steps until then; by default 10 000.
        epsilon_decay: How it falls in between: on a line, by a factor, or as 1/k.
        keep: Whether an agent keeps the parameters that measured best in training, or the last ones.
        evaluate_every: Steps between two measurements of the greedy policy; by default a twentieth of all.
        episodes: Those of the greedy policy by which each agent is measured at the end.
        runs: The folder for run folders.
    """

    environment: str
    steps: int = 50_000
    seeds: int = 1
    seed: int = 0
    path: Literal["auto", "compiled", "gymnasium"] = "auto"
    vector: Literal["sync", "async"] = "sync"
    optimizer: Literal["adam", "adamw", "rmsprop", "adagrad", "sgd"] = "adam"
    loss: Literal["huber", "squared"] = "huber"
    hidden: tuple[int, ...] | None = None
    learning_rate: float | None = None
    clip_norm: float | None = None
    gamma: float | None = None
    batch_size: int | None = None
    capacity: int | None = None
    warm_up: int | None = None
    every: int | None = None
    gradient_steps: int | None = None
    target_every: int | None = None
    tau: float | None = None
    double: bool | None = None
    dueling: bool | None = None
    n_step: int | None = None
    prioritised: bool = False
    alpha: float | None = None
    beta: float | None = None
    beta_steps: float | None = None
    eta: float | None = None
    sequence: int | None = None
    burn_in: int | None = None
    replay_folder: str | None = None
    stack: int | None = None
    environments: int | None = None
    time_limits_end: bool = False
    epsilon_start: float | None = None
    epsilon_final: float | None = None
    epsilon_steps: float | None = None
    epsilon_decay: Literal["linear", "exponential", "inverse"] = "linear"
    keep: Literal["best", "last"] = "best"
    evaluate_every: int | None = None
    episodes: int = 100
    runs: str = "runs"


def agents_of(job: DqnJob) -> list[DQN]:
    """The job's agents, before training; raises SettingError where there can be none."""
    for name, least in (("seeds", 1), ("seed", 0)):
        if getattr(job, name) < least:
            raise SettingError(f"dqn: {name} must be a whole number of at least {least}, got {getattr(job, name)}")
    said = {name: getattr(job, name, None) for name in (*OTHERS, *RULES)}
    said |= {"epsilon": exploration(job), "replay": "file" if job.replay_folder else None}
    given = {name: value for name, value in said.items() if value is not None}
    given |= {"optimizer": OPTIMIZERS[job.optimizer], "loss": LOSSES[job.loss]}
    return [DQN(job.environment, seed=job.seed + number, **given) for number in range(job.seeds)]


def exploration(job: DqnJob) -> Schedule | float | None:
    """ε as the job says, from its start to its end in so many steps; None where it says nothing.

    exponential:  ε_0 (ε_n / ε_0)^(k / n)
    inverse:      ε_0 C / (C + k),   C = n ε_n / (ε_0 − ε_n)

    >>> schedule = exploration(DqnJob("CartPole-v1", epsilon_final=0.1, epsilon_steps=90, epsilon_decay="inverse"))
    >>> [round(float(schedule(k)), 3) for k in (0, 10, 90, 1000)]
    [1.0, 0.5, 0.1, 0.1]
    """
    names = ("epsilon_start", "epsilon_final", "epsilon_steps", "epsilon_decay")
    if all(getattr(job, name) == getattr(DqnJob, name) for name in names):
        return None
    known = tuned(job.environment).get("epsilon")
    usual = known if isinstance(known, LinearDecay) else LinearDecay(1.0, 10_000, 0.05)
    said = (job.epsilon_start, job.epsilon_final, job.epsilon_steps)
    start, final, steps = (
        other if value is None else float(value)
        for value, other in zip(said, (usual.rate, usual.final, usual.steps), strict=True)
    )
    if not (0 <= final <= start <= 1 and steps > 0):
        raise SettingError(
            "dqn: ε must fall from epsilon_start to epsilon_final, both from 0 to 1, in epsilon_steps above 0, "
            f"got {start:g}, {final:g} and {steps:g}"
        )
    if start == final:
        return start
    if job.epsilon_decay == "linear":
        return LinearDecay(start, steps, final)
    if final == 0:
        raise SettingError(f"dqn: an {job.epsilon_decay} decay never comes to 0; say epsilon_final, such as 0.05")
    if job.epsilon_decay == "exponential":
        return AtLeast(ExponentialDecay(start, (final / start) ** (1 / steps)), final)
    late = steps * final / (start - final)
    return AtLeast(InverseTimeDecay(start * late, late), final)


def job_of(run: str) -> DqnJob:
    """The job that a run was begun with.

    Raises:
        FileError: no such folder, or one that no run of this kind was begun in.
    """
    folder = Path(run)
    if not (folder / SETTINGS).is_file():
        what = "it has no " + SETTINGS if folder.is_dir() else "there is no such folder"
        raise FileError(f"{run}: expected the folder of a run that deltarule dqn began, but {what}")
    try:
        settings = tomllib.loads((folder / SETTINGS).read_text())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{folder / SETTINGS} cannot be read: {error}") from None
    kinds = get_type_hints(DqnJob)
    for name, value in settings.items():
        if name not in kinds:
            raise FileError(
                f"{folder / SETTINGS}: {name!r} is no setting of deltarule dqn, which did not begin this run"
            )
        is_choice = kinds[name] in (bool, bool | None)
        if not (isinstance(value, bool) if is_choice else fits(value, kinds[name])):
            what = "true or false" if is_choice else expected(kinds[name])
            raise FileError(f"{folder / SETTINGS}: {name} = {value!r} does not fit; expected {what}")
    if "environment" not in settings:
        raise FileError(f"{folder / SETTINGS}: the name of the environment is missing")
    given: dict[str, Any] = {
        n: tuple(value) if isinstance(value, list) else value for n, value in settings.items()
    }
    return DqnJob(**given)


def in_words(agent: DQN) -> dict[str, Any]:
    """An agent's settings by name, as they are used."""
    rules = {field.name: getattr(agent.rules, field.name) for field in dataclasses.fields(agent.rules)}
    left_out = set() if agent.rules.time_limits_end else {"time_limits_end"}
    if not agent.rules.sequence:
        left_out |= {"sequence", "burn_in", "eta"}
    if not agent.rules.prioritised:
        left_out |= {"alpha", "beta", "beta_steps", "eta"}
    rules = {name: value for name, value in rules.items() if name not in left_out}
    return {
        "optimizer": str(agent.step.optimizer),
        "loss": str(agent.step.loss),
        "clip_norm": agent.step.clip_norm,
        **rules,
        "epsilon": str(agent.rules.epsilon),
    }
