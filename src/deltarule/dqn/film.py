"""Pictures of a greedy policy at play, as Gymnasium draws the same game: a GIF, and single pictures of it."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.dqn.agent import DQN
from deltarule.dqn.agent_state import EVALUATE
from deltarule.dqn.environments.games import Games
from deltarule.dqn.environments.opening import maker
from deltarule.dqn.greedy import Played, play_on_host
from deltarule.errors import DataError, SettingError

WIDTH, RATE = 320, 25  # pixels at most; pictures a second at most
MOST = 1_000  # pictures of a film


class Full(Exception):
    """The film has as many pictures as it may."""


@dataclass(frozen=True)
class Film:
    """Pictures (h, w, 3) of episodes.

    Attributes:
        rate: pictures a second.
        note: why there are none, where there are none.
    """

    frames: list[np.ndarray]
    rate: float = RATE
    note: str | None = None

    def gif(self) -> bytes:
        """The pictures one after the other, without end; the last one stays for a second."""
        from PIL import Image

        pictures = [Image.fromarray(frame).quantize(128, dither=Image.Dither.NONE) for frame in self.frames]
        each = round(100 / self.rate) * 10  # a GIF counts hundredths of a second
        file = io.BytesIO()
        durations = [each] * (len(pictures) - 1) + [1000]
        pictures[0].save(
            file, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=True
        )
        return file.getvalue()


def strip(gif: bytes, most: int) -> list[tuple[float, bytes]]:
    """Pictures of a GIF, spread over its time: the seconds when each is shown, and the picture as PNG."""
    from PIL import Image

    found = []
    with Image.open(io.BytesIO(gif)) as film:
        count = getattr(film, "n_frames", 1)
        chosen, seconds = set(np.linspace(0, count - 1, most).round().astype(int).tolist()), 0.0
        for number in range(count):
            film.seek(number)
            if number in chosen:
                file = io.BytesIO()
                film.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
                found.append((seconds, file.getvalue()))
            seconds += film.info.get("duration", 0) / 1000
    return found


def filmed(agent: DQN, episodes: int = 1, seed: int = 0) -> tuple[Played | None, Film]:
    """Episodes of the greedy policy, drawn by Gymnasium; a film of none, with a note, where it cannot draw them.

    A film that is full ends the episodes, and then what they gave is not known.

    Raises:
        SettingError: the agent has not been trained.
        DataError: the environment failed.
    """
    agent.trained()
    try:
        games = drawable(agent, "rgb_array")
    except SettingError as error:
        return None, Film([], note=str(error).removeprefix("dqn: "))
    single: Any = games.single
    per_second = float(single.metadata.get("render_fps") or RATE)
    every = max(1, -int(-per_second // RATE))
    frames: list[np.ndarray] = []
    taken = 0

    def show(_: Any) -> None:
        nonlocal taken
        if games.anew or taken % every == 0:
            frames.append(smaller(single.render()))
        taken += 1
        if len(frames) >= MOST:
            raise Full

    played = None
    try:
        with without_devices():
            played = at_play(agent, games, episodes, seed, show)
    except Full:
        pass
    except Exception as error:
        if isinstance(error, DataError):
            raise
        return None, Film([], note=f"Gymnasium cannot draw {agent.name}: {reason(error)}")
    finally:
        games.close()
    return played, Film(frames, per_second / every)


def watched(agent: DQN, episodes: int, seed: int = 0) -> Played:
    """Episodes of the greedy policy in a window.

    Raises:
        SettingError: the agent has not been trained, or the game cannot be drawn.
        DataError: the environment failed.
    """
    agent.trained()
    if sys.platform == "linux" and not {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"} & set(os.environ):
        raise SettingError("dqn: there is no display for a window here (DISPLAY is not set); draw a GIF")
    games = drawable(agent, "human")
    try:
        return at_play(agent, games, episodes, seed, None)
    finally:
        games.close()


def at_play(agent: DQN, games: Games, episodes: int, seed: int, show: Callable[[Any], None] | None) -> Played:
    """The episodes, one after the other."""
    return play_on_host(agent.step, agent.rules, [games], episodes, agent.trained(), EVALUATE + seed, show)


def drawable(agent: DQN, mode: str) -> Games:
    """Gymnasium's game of the agent's environment, in a mode in which it draws.

    Raises:
        SettingError: Gymnasium has no such game, or one that looks otherwise to the agent, or it cannot draw it.
    """
    make: Any = getattr(made := maker(agent.name), "measured", made)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a game cannot draw is told below
            games = Games(agent.name, lambda: make(render_mode=mode))
    except SettingError:
        raise
    except Exception as error:
        raise SettingError(f"dqn: Gymnasium cannot draw {agent.name}: {reason(error)}") from None
    single: Any = games.single
    if mode not in single.metadata.get("render_modes", ()):
        games.close()
        raise SettingError(f"dqn: {agent.name} has no drawing of the kind {mode!r}")
    same = (games.game.observation, games.game.actions) == (agent.game.observation, agent.game.actions)
    if not same:
        games.close()
        raise SettingError(f"dqn: Gymnasium's {agent.name} is another game than the one that was learned")
    return games


@contextlib.contextmanager
def without_devices() -> Iterator[None]:
    """Has pygame look for neither a screen nor sound, and complain of neither, where nothing else is set."""
    wanted = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def reason(error: Exception) -> str:
    """Why it failed, in a line."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def smaller(frame: Any) -> np.ndarray:
    """A picture (h, w, 3) of at most `WIDTH` pixels across; raises SettingError where it is no picture."""
    from PIL import Image

    array = np.asarray(frame)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise SettingError("its drawing is no picture of red, green and blue")
    h, w, _ = array.shape
    if w <= WIDTH:
        return array
    return np.asarray(Image.fromarray(array).resize((WIDTH, round(h * WIDTH / w)), Image.Resampling.LANCZOS))
