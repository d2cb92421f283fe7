"""Ensembles and sweeps as HTML for a notebook."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from deltarule.inspect.display import framed, layers_table, settings_line
from deltarule.inspect.drawing import drawing
from deltarule.inspect.html import Html, table, tag

if TYPE_CHECKING:
    from deltarule.populations.ensemble import Ensemble
    from deltarule.populations.result import Result

SHOWN = 10  # members or configurations


def of_ensemble(ensemble: "Ensemble") -> Html:
    """What the members have in common, and how each one's training ended."""
    first, count = ensemble.members[0], len(ensemble.members)
    told = [tag("p", f"{count} models, {settings_line(first)} and on"), layers_table(first.net, first.input_shape)]
    rows = []
    for member in ensemble.members[:SHOWN]:
        history = member.history
        kept = history.rows[history.best_epoch - 1] if history.best_epoch else {}
        figures = {name: kept[name] for name in kept if name not in ("epoch", "seconds", "watch")}
        rows.append({"seed": member.seed, "best epoch": history.best_epoch or None, **figures})
    if any(member.history.rows for member in ensemble.members):
        names = list(dict.fromkeys(name for row in rows for name in row))
        caption = f"{count} members" + (f", the first {SHOWN} of them" if count > SHOWN else "")
        body = [[row.get(name) for name in names] for row in rows]
        told.append(table(caption, [name.replace("_", " ") for name in names], body))
    return framed(*told)


def of_sweep(result: "Result") -> Html:
    """The best configurations, and, where matplotlib is there, the figure of all of them."""
    ranking = result.ranking
    names = list(ranking[0])
    caption = f"{len(ranking)} configurations, {len(result.rows)} models; programs: {result.programs}"
    caption += f"; the best {SHOWN}" if len(ranking) > SHOWN else ""
    body = [[place, *(row[name] for name in names)] for place, row in enumerate(ranking[:SHOWN], 1)]
    told = [table(caption, ["", *(name.replace("_", " ") for name in names)], body)]
    if find_spec("matplotlib") is not None:
        description = f"Validation loss against {', '.join(result.names)}"
        told.append(drawing(result.figure(), description, "a point a model; the best is orange"))
    return framed(*told)
