"""From what a user names to an environment: one in JAX where there is one, else Gymnasium's."""

from dataclasses import dataclass
from typing import Any, Literal

from deltarule.dqn.environments.acrobot import Acrobot
from deltarule.dqn.environments.adapters import FromFunctional, FromGymnax
from deltarule.dqn.environments.atari import Atari
from deltarule.dqn.environments.cart_pole import CartPole
from deltarule.dqn.environments.environment import Environment
from deltarule.dqn.environments.games import Make
from deltarule.dqn.environments.mountain_car import MountainCar
from deltarule.errors import SettingError

Path = Literal["auto", "compiled", "gymnasium"]
IN_JAX: dict[str, type[Environment]] = {kind.name: kind for kind in (Acrobot, CartPole, MountainCar)}


def opened(given: Any, path: Path = "auto") -> tuple[str, Environment | Make]:
    """(name, an environment in JAX or a function that makes one of Gymnasium's).

    Args:
        given: a name, such as "CartPole-v1"; an `Environment`; an environment of gymnax, alone or with its
            parameters; a functional one of Gymnasium; or a function that makes a `gymnasium.Env`.
        path: "compiled" insists on an environment in JAX, "gymnasium" on one of Gymnasium's.

    Raises:
        SettingError: there is no such environment, or it is not installed; the message says how to install it.
    """
    if path not in ("auto", "compiled", "gymnasium"):
        raise SettingError(f"dqn: path must be auto, compiled or gymnasium, got {path!r}")
    found = in_jax(given) if path != "gymnasium" else None
    if found is not None:
        return found.name or type(found).__name__, found
    if path == "compiled":
        raise SettingError(
            f"dqn: {given} is not written in JAX here, so that its loop cannot be compiled; there are "
            f"{', '.join(IN_JAX)}, and those of gymnax (pip install 'deltarule[gymnax]'); or leave the path out"
        )
    if isinstance(given, str):
        return given, maker(given)
    if callable(given):
        return getattr(given, "__name__", "the environment"), given
    raise SettingError(
        f"dqn: expected the name of an environment, one in JAX, or a function that makes one of Gymnasium's, got "
        f"{type(given).__name__}; write lambda: gymnasium.make(...)"
    )


def in_jax(given: Any) -> Environment | None:
    """The environment in JAX that is meant, if there is one."""
    if isinstance(given, Environment):
        return given
    if isinstance(given, str):
        return IN_JAX[given]() if given in IN_JAX else of_gymnax(given)
    inner, *numbers = given if isinstance(given, tuple) else (given,)
    if hasattr(inner, "step_env") and hasattr(inner, "reset_env"):
        return FromGymnax(inner, *numbers)
    if hasattr(inner, "transition") and hasattr(inner, "initial"):
        return FromFunctional(inner, *(numbers or [None]))
    return None


def of_gymnax(name: str) -> Environment | None:
    """gymnax's environment of this name, if gymnax is installed and has it."""
    try:
        import gymnax  # type: ignore[import-not-found]
    except ImportError:
        return None
    return FromGymnax(*gymnax.make(name)) if name in gymnax.registered_envs else None


def maker(name: str) -> Make:
    """A function that makes Gymnasium's environment of this name; an Atari game as `atari.Atari` shows it.

    Raises:
        SettingError: Gymnasium, or what the environment needs, is not installed; or there is no such name.
    """
    try:
        import gymnasium
    except ImportError:
        raise SettingError(
            f"dqn: {name} is one of Gymnasium's environments, which is not installed; pip install 'deltarule[rl]'"
        ) from None
    make = Atari(name) if name.startswith("ALE/") else Named(name)
    try:
        make().close()
    except gymnasium.error.DependencyNotInstalled as error:
        raise SettingError(f"dqn: {name} needs what is not installed: {error}") from None
    except (gymnasium.error.Error, ImportError) as error:
        raise SettingError(f"dqn: there is no environment {name!r} here: {error}{without_gymnax()}") from None
    return make


def without_gymnax() -> str:
    """How to have gymnax's environments, where gymnax, or what it needs, is not installed."""
    try:
        import gymnax  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        return f"; if it is one of gymnax's, pip install 'deltarule[gymnax]' brings them ({error})"
    return ""


@dataclass(frozen=True)
class Named:
    """A function that makes Gymnasium's environment of a name; two of one name are equal."""

    name: str

    def __call__(self, render_mode: str | None = None) -> Any:
        import gymnasium

        return gymnasium.make(self.name, render_mode=render_mode)
