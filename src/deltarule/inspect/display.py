"""Networks, models and histories as HTML for a notebook: tables in its own colours, without a script."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from deltarule.errors import DeltaruleError
from deltarule.inspect.html import Html, joined, table, tag
from deltarule.inspect.parts import Part, parts
from deltarule.inspect.polylines import panels
from deltarule.inspect.stages import described
from deltarule.layers.layer import Layer, Shape, inner_layers
from deltarule.training.history import History, Row

if TYPE_CHECKING:
    from deltarule.model import Model

SHOWN = 10  # rows of a history
STYLE = Html(
    ".deltarule { --blue: #3987d6; --orange: #d9731a; --red: #d8434b; --paper: transparent; --quiet: #808080; }"
    " .deltarule .scroll { overflow-x: auto; margin: 0 0 .6em; }"
    " .deltarule table { border-collapse: collapse; border: 0; margin: 0; width: auto; }"
    " .deltarule tr { background: none !important; border: 0; }"
    " .deltarule caption { caption-side: top; text-align: left; white-space: nowrap; color: inherit; }"
    " .deltarule th, .deltarule td { text-align: left; vertical-align: baseline; border: 0; }"
    " .deltarule th, .deltarule td { padding: .15em 1.2em .15em 0; } .deltarule caption { padding: .3em 0; }"
    " .deltarule thead th { border-bottom: 1px solid #8888; font-weight: normal; opacity: .75; }"
    " .deltarule tbody th { font-weight: normal; white-space: pre; }"
    " .deltarule .n { text-align: right; font-variant-numeric: tabular-nums; }"
    " .deltarule td.n { white-space: nowrap; }"
    " .deltarule figure { margin: 0; } .deltarule figcaption { opacity: .75; }"
    " .deltarule figure svg { max-width: 100%; width: var(--width); height: auto; }"
    " .deltarule figure svg text { fill: currentColor; }"
)


def framed(*content: Any) -> Html:
    """Parts of a display, one below the other, with the style of all of them."""
    return tag("div", tag("style", STYLE), joined(content), class_="deltarule")


def of_network(net: Layer) -> Html:
    """A network layer by layer: where each stands, and its settings."""
    return framed(layers_table(net))


def of_model(model: "Model") -> Html:
    """A model: its network, with shapes and parameters once it has seen data, and how its training ended."""
    told = [layers_table(model.net, model.input_shape), tag("p", settings_line(model))]
    return framed(*told, history_part(model.history) if model.history.rows else "")


def of_history(history: History) -> Html:
    """A run: its curves, and a row of figures an epoch."""
    return framed(history_part(history)) if history.rows else framed(tag("p", "no epoch has ended"))


def settings_line(model: "Model") -> str:
    """What a model is besides its network."""
    given = {
        "loss": described(model.loss),
        "optimizer": repr(model.optimizer),
        "l2": model.l2 and described(model.l2),
        "clip_norm": model.clip_norm,
        "precision": None if model.precision == "float32" else model.precision,
        "seed": model.seed,
    }
    return ", ".join(f"{name} {value}" for name, value in given.items() if value is not None)


def layers_table(net: Layer, x: Shape | None = None) -> Html:
    """The layers of a network, a row each; with the shape x of one example also their outputs and parameters."""
    name = described(net)
    if x is None:
        places = placed(net) if inner_layers(net) else iter([("", net)])
        return table(name, ("", "layer"), [(path, indented(path, layer)) for path, layer in places])
    try:
        found = parts(net, (1, *x))
    except DeltaruleError:  # a layer of the user's that states no cost
        return layers_table(net)
    learned = sum(part.parameters for part in found)
    rows = [part_row(part) for part in found if part.path or not part.inner]
    caption = f"{name}, {' × '.join(map(str, x)) or '1'} in, {learned:,} parameters"
    return table(caption, ("", "layer", "output", "parameters"), rows)


def part_row(part: Part) -> tuple[Any, ...]:
    """A layer's row: its path, name, the shape of what leaves it for one example, and what it learns itself."""
    path = ".".join(map(str, part.path))
    shape = " × ".join(map(str, part.y[1:])) or "1"
    return path, indented(path, part.layer), shape, part.parameters


def placed(net: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """(path, layer) of all that a network holds, containers before what they hold."""
    for index, layer in enumerate(inner_layers(net)):
        yield f"{path}{index}", layer
        yield from placed(layer, f"{path}{index}.")


def indented(path: str, layer: Layer) -> Html:
    """The layer's name, set in as deep as it stands."""
    return tag("span", described(layer), style=f"padding-left: {1.2 * path.count('.'):g}em")


def history_part(history: History) -> Html:
    """The curves of a run above its rows."""
    rows = history.rows
    names = [name for name in shown_names(rows) if name != "watch"]
    best = f", the best {history.best_epoch}" if history.best_epoch else ""
    unit = "epochs" if "epoch" in rows[0] else "reports"
    caption = f"{len(rows)} {unit}{best}; ended: {history.ended}"
    chosen = [rows[index] for index in spread(len(rows), history.best_epoch - 1)]
    body = [[row.get(name) for name in names] for row in chosen]
    notes = [tag("p", note) for note in history.notes]
    return joined([curves(rows), table(caption, [name.replace("_", " ") for name in names], body), *notes])


def curves(rows: Sequence[Row]) -> Html:
    """The figures of a run as lines: loss and metric over epochs, or return and loss over an agent's steps."""
    metric = next((name for name in rows[0] if name.startswith("validation_") and name != "validation_loss"), None)
    if "epoch" in rows[0]:
        across, wanted = "epoch", {"loss": {"training": "loss", "validation": "validation_loss"}}
        wanted |= {metric.removeprefix("validation_"): {"validation": metric}} if metric else {}
    else:
        across = "steps"
        wanted = {"return": {"at play": "return", "greedy": "evaluated"}, "loss": {"training": "loss"}}
    lines = {
        title: {
            label: [(row[across], row[name]) for row in rows if row.get(name) is not None]
            for label, name in group.items()
        }
        for title, group in wanted.items()
    }
    return panels(lines, across)


def shown_names(rows: Sequence[Row]) -> list[str]:
    """The names of all figures, in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def spread(count: int, best: int) -> list[int]:
    """Places of so many rows at most, evenly over all, with the first, the best and the last."""
    if count <= SHOWN:
        return list(range(count))
    even = [round(index * (count - 1) / (SHOWN - 2)) for index in range(SHOWN - 1)]
    return sorted({*even, best if best >= 0 else 0})
