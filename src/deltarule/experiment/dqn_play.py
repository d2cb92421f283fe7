"""An agent that a run left, put to play."""

from dataclasses import dataclass
from pathlib import Path

from deltarule.dqn.agent import DQN
from deltarule.dqn.agent_file import load_agent
from deltarule.dqn.film import filmed, watched
from deltarule.dqn.greedy import Played
from deltarule.errors import FileError, SettingError
from deltarule.experiment.report.dqn import AGENT
from deltarule.experiment.run_folder import METRICS
from deltarule.files import write_whole


@dataclass(frozen=True)
class Playing:
    """What a played agent gave, episode by episode."""

    agent: DQN
    returns: list[float]
    lengths: list[int]

    @classmethod
    def of(cls, agent: DQN, played: Played) -> "Playing":
        """The episodes of an agent."""
        return cls(agent, played.gained.astype(float).tolist(), played.length.astype(int).tolist())


def agent_in(run: str) -> DQN:
    """The agent of a run's folder, or of an agent's file.

    Raises:
        FileError: there is none, or it is damaged.
        SettingError: its environment is not installed.
    """
    path = Path(run)
    if path.is_dir():
        if not (path / AGENT).exists():
            went = (path / METRICS).exists()
            raise FileError(
                f"{run}: there is no {AGENT} in it; "
                + (
                    f"deltarule dqn --resume {run} goes on with it"
                    if went
                    else "name a folder that deltarule dqn made"
                )
            )
        path = path / AGENT
    return load_agent(path)


def play(run: str, episodes: int, seed: int = 0, gif: str | None = None, window: bool = False) -> Playing:
    """Plays episodes of the greedy policy: as pictures in a file, in a window, or without either.

    Raises:
        FileError: there is no agent, or the GIF cannot be written.
        SettingError: the game cannot be drawn, or the episodes are too long for a film.
        DataError: the environment failed.
    """
    if gif and window:
        raise SettingError("play: a GIF and a window are two ways to draw; choose one")
    if episodes < 1:
        raise SettingError(f"play: episodes must be a whole number of at least 1, got {episodes}")
    agent = agent_in(run)
    if window:
        return Playing.of(agent, watched(agent, episodes, seed))
    if gif is None:
        return Playing.of(agent, agent.evaluate(episodes, seed))
    played, film = filmed(agent, episodes, seed)
    if film.note is not None:
        raise SettingError(film.note)
    write_whole(gif, film.gif())
    return Playing.of(agent, played if played is not None else agent.evaluate(episodes, seed))
