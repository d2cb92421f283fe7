"""The page of agents that learned to play: returns over seeds, curves, Q-values against returns, and a film."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.description import from_json
from deltarule.dqn.agent_file import FORMAT, OWN
from deltarule.dqn.agent_state import batch_shape
from deltarule.dqn.film import strip
from deltarule.dqn.rules import Rules
from deltarule.experiment.report.dqn_figures import of_agents, promises
from deltarule.experiment.report.predictions import read
from deltarule.experiment.report.training import words
from deltarule.experiment.run_folder import METRICS, RECORD, read_record
from deltarule.inspect import plan_page
from deltarule.inspect.drawing import drawing
from deltarule.inspect.figures import HELD_OUT
from deltarule.inspect.html import Html, facts, number, scrolling, table, tag
from deltarule.inspect.page import Section
from deltarule.inspect.page import report as page
from deltarule.inspect.plan import Plan
from deltarule.layers.layer import Shape
from deltarule.model_file import read_model
from deltarule.training.history import Row
from deltarule.training.step import Step

AGENT, FILM = "agent.safetensors", "film.gif"
PICTURES = 12
CURVES = {  # of metrics.jsonl: (title, colour, caption)
    "return": ("return while exploring", None, "The mean return of the episodes that ended since the last point."),
    "evaluated": (
        "return of the greedy policy",
        HELD_OUT,
        "The mean return of {episodes} episodes without exploring.",
    ),
    "loss": ("loss", None, "The mean loss of the gradient steps since the last point."),
    "epsilon": ("ε", None, "The probability of a random action."),
}


def report(folder: Path) -> bytes:
    """The page; it depends on nothing but what the folder holds.

    Raises:
        FileError: a file of the folder is damaged.
    """
    record, agents = read_record(folder / RECORD), rows_of(folder)
    title = f"Learning to play {record['summary']['environment']}: {folder.resolve().name}"
    sections = [
        Section.of("result", "Result", *results(record)),
        Section.of("learning", "Learning", *curves(record, agents)),
        Section.of("values", "Q-values against returns", *values(record, agents)),
        Section.of("film", "The greedy policy at play", film(folder, record)),
        Section.of("network", "Network", *network(folder)),
        Section.of("settings", "Settings", settings(record)),
        Section.of("environment", "Environment", facts(record["environment"].items(), "small")),
    ]
    return page(title, lead(record), sections, f"{folder.resolve().name}, written by Deltarule.")


def rows_of(folder: Path) -> list[list[Row]]:
    """The rows of metrics.jsonl, a list for each seed."""
    found: dict[int, list[Row]] = {}
    for row in read_rows(folder / METRICS):
        found.setdefault(row["seed"], []).append(row)
    return list(found.values())


def read_rows(path: Path) -> list[Row]:
    """The rows of a file of JSON lines, without a line that is half written."""
    rows = []
    for text in read(path).splitlines():
        try:
            rows.append(json.loads(text))
        except ValueError:
            break
    return rows


def lead(record: dict[str, Any]) -> str:
    """What came out, in two sentences."""
    summary = record["summary"]
    agents = plural(summary["seeds"], "agent")
    learned = f"{agents} learned {summary['environment']} by deep Q-learning"
    if "error" in record:
        return f"{learned}, and the run broke off: {record['error']}. What was learned before is kept."
    learned += f" in {number(summary['steps'])} steps{' each' if summary['seeds'] > 1 else ''}"
    if summary["seeds"] == 1:
        return f"{learned}. Its greedy policy has a mean return of {number(summary['mean'])}."
    low, high = summary["interval"]
    return (
        f"{learned}. The interquartile mean of their returns is {number(summary['interquartile_mean'])}, with a "
        f"95 % interval from {number(low)} to {number(high)} over seeds."
    )


def plural(count: int, name: str) -> str:
    """A number of things in words.

    >>> plural(1, "agent"), plural(5, "agent")
    ('1 agent', '5 agents')
    """
    return f"{number(count)} {name}{'' if count == 1 else 's'}"


def results(record: dict[str, Any]) -> list[Html]:
    """The figures of the end, and the table of return against seed."""
    summary = record["summary"]
    found: list[tuple[str, Any]] = []
    if summary.get("interval"):
        low, high = summary["interval"]
        found += [
            ("interquartile mean of returns", summary["interquartile_mean"]),
            ("95 % interval over seeds", f"{number(low)} – {number(high)}"),
        ]
    if "mean" in summary:
        found += [("mean return", summary["mean"]), ("best seed", str(summary["best_seed"]))]
    found += [
        ("steps of environments a second", rounded(summary["steps_per_second"])),
        ("steps of an agent", summary["steps"]),
        ("seconds of training", summary["seconds"]),
        ("path", summary["path"]),
    ]
    head = ["seed", "return", "deviation over episodes", "length", "measured in training", "kept from step"]
    rows = [
        [str(each[name]) if name == "seed" else each.get(name) for name in COLUMNS] for each in record["seeds"]
    ]
    caption = (
        f"Return against seed: the mean of {number(summary['episodes'])} episodes of the greedy policy after "
        "training, with the parameters that were kept"
    )
    if "error" in record:
        caption = "What each agent had measured best before the run broke off"
    told = (
        f"The path is {summary['path']}: {PATHS[summary['path']]} Steps a second are those that the environments "
        "made, all together, over the seconds of the run, compiling and measuring included."
    )
    if summary["seeds"] > 1:
        told += (
            " The interquartile mean leaves out the lowest and the highest quarter of the seeds; its interval is "
            "by the bootstrap over seeds."
        )
    return [facts(found), table(caption, head, rows), tag("p", told)]


def rounded(value: float | None) -> int | None:
    """A number without its fraction."""
    return None if value is None else round(value)


COLUMNS = ("seed", "return", "deviation", "length", "measured", "step")
PATHS = {
    "compiled": "the environment is written in JAX, so acting, learning and the environment are one program.",
    "gymnasium": "the environments are Gymnasium's, played on the host, and learning is one program a block.",
}


def curves(record: dict[str, Any], agents: list[list[Row]]) -> list[Html]:
    """Returns, loss and ε over the steps."""
    many = " Thin lines are agents, the thick one is their mean." if len(agents) > 1 else ""
    drawn = []
    for name, (title, colour, caption) in CURVES.items():
        found = [row[name] for rows in agents for row in rows if row.get(name) is not None]
        if not found:
            continue
        drawing_of = of_agents(agents, name, title, **({"colour": colour} if colour else {}))
        ends = [np.mean([end[name] for rows in agents if (end := told(rows, name, at))]) for at in (0, -1)]
        spoken = f"Curve of the {title} over the steps, from {number(ends[0])} to {number(ends[1])}"
        said = caption.format(episodes=number(record["measured_by"]))
        drawn.append(drawing(drawing_of, spoken, said + ("" if name == "epsilon" else many)))
    return [tag("div", *drawn, class_="pair")] if drawn else [tag("p", "The run ended before its first figures.")]


def told(rows: list[Row], name: str, at: int) -> Row | None:
    """The first (0) or last (−1) row that has a figure."""
    found = [row for row in rows if row.get(name) is not None]
    return found[at] if found else None


def values(record: dict[str, Any], agents: list[list[Row]]) -> list[Html]:
    """What Q promised at the starts of episodes, and what came."""
    measured = [[row for row in rows if row.get("promised") is not None] for rows in agents]
    if not any(measured):
        return []
    limit, gamma = record["limit"], record["settings"]["gamma"]
    names = ("promised", "promised_double", "came")
    over = {name: np.mean([np.mean([row[name] for row in rows]) for rows in measured if rows]) for name in names}
    last = {name: np.mean([rows[-1][name] for rows in measured if rows]) for name in names}
    rows = [
        [label, float(last[name]), float(last["came"]), *map(excess, (last, over), (name, name))]
        for label, name in (("the maximum", "promised"), ("Double's estimate", "promised_double"))
    ]
    caption = "Promised at the start of an episode, and what came: at the last measurement, and the mean of all"
    head = ["promise by", "promised", "came", "too much", "too much, mean of all"]
    picture = drawing(
        promises(agents),
        f"Curves of the promised values and of the returns that came: at the end {number(last['promised'])} by "
        f"the maximum, {number(last['promised_double'])} by Double's estimate, and {number(last['came'])} came",
        f"Q-values at the starts of episodes, and the returns from there, discounted by γ = {number(gamma)}.",
    )
    return [
        tag("p", overestimation(last, record["settings"]["double"])),
        picture,
        table(caption, head, rows),
        cut(limit),
    ]


def excess(means: dict[str, Any], name: str) -> float:
    """How much more was promised than came."""
    return float(means[name] - means["came"])


def overestimation(last: dict[str, Any], double: bool) -> str:
    """What the figure shows, in sentences."""
    plain, other = excess(last, "promised"), excess(last, "promised_double")
    verdict = "too much" if plain > 0 else "too little"
    learned = (
        "learned with Double's targets"
        if double
        else "learned with the maximum as target; --double takes the other"
    )
    return (
        "The largest of several uncertain values tends to lie above the value of the best action, so that the "
        "maximum promises too much; Double's estimate lets one network choose the action and the other value it. "
        f"At the last measurement the maximum promised {number(abs(plain))} {verdict}, and Double's estimate "
        f"{number(abs(other))} {'too much' if other > 0 else 'too little'}. The agents {learned}."
    )


def cut(limit: int | None) -> Html:
    """A caveat where episodes are cut off."""
    if limit is None:
        return Html("")
    return tag(
        "p",
        f"Episodes are cut off after {number(limit)} steps. What came lacks what would have come after that; what "
        "was promised has it.",
    )


def film(folder: Path, record: dict[str, Any]) -> Html:
    """Pictures of an episode, or why there are none."""
    if not (folder / FILM).exists():
        return tag("p", f"There are no pictures: {record.get('film') or 'the run broke off before them'}.")
    figures = [
        tag(
            "figure",
            tag(
                "img",
                src="data:image/png;base64," + base64.b64encode(picture).decode(),
                alt=f"The game after {seconds:.1f} s",
                style="image-rendering: auto",
            ),
            tag("figcaption", f"{seconds:.1f} s"),
        )
        for seconds, picture in strip(read(folder / FILM), PICTURES)
    ]
    seed = record["summary"]["best_seed"]
    said = f"An episode of the agent of seed {seed}, which measured best. {FILM}, beside this page, moves."
    return Html(tag("p", said) + tag("div", *figures, class_="pictures"))


def network(folder: Path) -> list[Html]:
    """The network, and the plan of one gradient step."""
    if not (folder / AGENT).exists():
        return []
    step, rules, observation = read_agent(folder)
    n, *rest = batch_shape(rules, observation, rules.batch_size)
    x = (n, rules.sequence, *rest[1:]) if rules.sequence else (n, *rest)
    said = tag("p", tag("code", step.net))
    return [said, scrolling(plan_page.html(Plan.of(step, x)), "The plan of a gradient step")]


def read_agent(folder: Path) -> tuple[Step, Rules, Shape]:
    """(step, rules, shape of an observation) of the agent in a run's folder."""
    header = read_model(folder / AGENT, FORMAT)[1]
    net, loss, optimizer, rules = (from_json(header[name], OWN) for name in ("net", "loss", "optimizer", "rules"))
    step = Step(net, loss, optimizer, None, header["clip_norm"])
    return step, rules, tuple(header["game"]["observation"])


def settings(record: dict[str, Any]) -> Html:
    """Every setting as it was used."""
    found = record["settings"].items()
    return facts([(words(name), str(value)) for name, value in found if value is not None], "small")
