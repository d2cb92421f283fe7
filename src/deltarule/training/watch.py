"""What is watched in training: figures of each layer and of the gradient, as outputs of the compiled step.

    delta          ‖δ^l‖, of the δ that arrives at a layer's output, over the batch
    gradient       ‖dθ^l‖, of all parameters of a layer together, before L2 and clipping
    saturated      the share of a layer's numbers at which |σ′| < 0.01, so that δ hardly passes
    dead           the share of units whose activation is 0 for every example of the batch
    update         ‖Δθ^l‖ / ‖θ^l‖
    noise          B = tr Σ / |G|², the batch size above which larger ones help little (McCandlish et al. 2018)
    example_norms  Σ_n p_n ‖g_n^l‖, the mean norm of an example's own gradient (Goodfellow 2015 for dense layers)

G = Σ_n p_n g_n is the batch's gradient, g_n that of example n, and p_n = w_n / Σ w its share: 1/M where all count
alike. δ carries the shares, too. Examples of weight 0, which fill a batch up, and padded steps are no examples. A
figure is the mean over an epoch's watched steps, those that float16 skips left out: its first, and each whose
number `watch_every` divides. ‖θ^l‖ is that at the epoch's end.

Prices of a watched step, as `benchmarks/watch.py` measures them: `update` computes the update twice, `gradient`
and `noise` read the gradients once more, and the rest costs hardly anything. Norms of examples in convolutional,
recurrent and normalising layers take these layers' forward and backward once more.

The noise scale is a ratio of two means over the steps. With q = Σ p_n², each of

    S = (Σ_n p_n |g_n|² − |G|²) / (1 − q) → tr Σ,   |G|² − q S → |E G|²

is unbiased (appendix A.1 of the paper, for batches of 1 and of M), and their ratio is not: it is too large as long
as the mean of |G|² is itself uncertain. None stands for a scale that cannot be told: |E G|² came out below 0.
"""

import difflib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deltarule.errors import SettingError
from deltarule.kernels.wide import wide
from deltarule.layers.layer import Layer, Params, Shape, inner_layers
from deltarule.losses.loss import Loss
from deltarule.training.figures import (
    FINISH,
    OF_A_LAYER,
    SUMS,
    Moved,
    by_example,
    can_saturate,
    is_activation,
    noise,
    squared,
)
from deltarule.training.precision import lowered
from deltarule.training.step import Batch, State, Step
from deltarule.training.watched import Pass, Told, beside, gradients, map_told, named, watched

WATCHES = ("delta", "gradient", "saturated", "dead", "update", "noise", "example_norms")
BY_EXAMPLE = ("noise", "example_norms")
OF_PARAMETERS = ("gradient", "update", *BY_EXAMPLE)
NETWORK = "network"


def names_of(setting: str | Sequence[str]) -> tuple[str, ...]:
    """The names in a setting, "all" among them; raises SettingError for one that does not exist.

    >>> names_of(["delta", "dead"]), names_of("all")
    (('delta', 'dead'), ('all',))
    """
    names = (setting,) if isinstance(setting, str) else tuple(setting)
    for name in names:
        if name not in (*WATCHES, "all"):
            near = difflib.get_close_matches(str(name), WATCHES, 1)
            hint = f"did you mean {near[0]!r}?" if near else "expected 'all', or some of " + ", ".join(WATCHES)
            raise SettingError(f"fit: nothing to watch is called {name!r}; {hint}")
    return names


def chosen(names: Sequence[str], net: Layer, params: Params) -> tuple[str, ...]:
    """The names of what is watched in a network; "all" is what applies to it.

    Raises:
        SettingError: a name that does not apply to the network.
    """
    why = {name: why_not(name, net, params) for name in WATCHES}
    for name in names:
        if why.get(name):
            raise SettingError(f"fit: {name!r} cannot be watched: {why[name]}; leave it out, or choose 'all'")
    return tuple(name for name in WATCHES if name in names or ("all" in names and not why[name]))


def why_not(name: str, net: Layer, params: Params) -> str | None:
    """Why a network has no figure of this name; None where it has."""
    layers = innermost(net)
    if name == "saturated" and not any(map(can_saturate, layers)):
        return "the network has no activation that saturates, such as Sigmoid or Tanh"
    if name == "dead" and not any(map(is_activation, layers)):
        return "the network has no activation, such as ReLU"
    if name in OF_PARAMETERS and not jax.tree.leaves(params):
        return "the network has no parameters"
    mixing = [type(layer).__name__ for layer in layers if layer.mixes_examples]
    if name in BY_EXAMPLE and mixing:
        return f"{mixing[0]} mixes the examples of a batch, so that none has a gradient of its own"
    return None


def innermost(net: Layer) -> list[Layer]:
    """The layers that hold no others."""
    inner = inner_layers(net)
    return [layer for each in inner for layer in innermost(each)] if inner else [net]


@dataclass(frozen=True)
class WatchedStep(Step):
    """A step that adds what is watched to `state.watched`, and else moves as the step without it."""

    watch: tuple[str, ...] = ()
    every: int = 1
    due: Any = None  # whether this step is watched, where not every step is

    def move(self, state, batch):
        value, (told, sums), memory = self.gradients(state, batch)

        def figures():
            layers = layers_of(told, state.params, self.update(state, gradients(told)).params)
            return self.figures(layers, sums, batch.weight)

        found = self.of(state).where_due(figures)
        moved = self.update(state._replace(memory=memory, numbers=after(found, state.numbers)), gradients(told))
        moved = moved._replace(watched=jax.tree.map(jnp.add, state.watched, found))
        moved, skipped = self.unless_overflow(state, moved, gradients(told))
        return moved, value, skipped

    def of(self, state):
        if self.every == 1:
            return super().of(state)
        due = (state.step % self.every == 0) | (state.watched["steps"] == 0)
        return replace(super().of(state), due=due)

    def where_due(self, figures: Callable[[], Any]) -> Any:
        """The figures, which are not computed but 0 where the step is not watched."""
        if self.due is None:
            return figures()
        none = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(figures))
        return jax.lax.cond(self.due, figures, lambda: none)

    def zeros(self, state, batch):
        def of_part(state, batch):
            params = lowered(state.params, self.precision)
            return self.of(state).gradient(params, batch, self.context(state), state.scale)[1]

        shapes = jax.eval_shape(of_part, state, batch)
        return jax.tree.map(lambda a: wide(jnp.zeros(a.shape, a.dtype)), shapes)

    def gradient(self, params, batch, context, scale):
        """(loss, (what the layers tell, sums over examples), memory) of a part; the second times the scale."""
        factor = 1 if scale is None else scale.factor
        counts = batch.weight > 0  # (n,) or (n, t)
        if batch.mask is not None:
            counts = counts.reshape(len(counts), -1) & batch.mask  # (n, t)
        measure = functools.partial(measured, self.watch, counts, factor)
        net = watched(self.net, lambda seen: self.where_due(functools.partial(measure, seen)))
        value, told, memory = Step(net, self.loss, self.optimizer).gradient(params, batch, context, scale)
        told, sums = over_examples(told, batch.weight)

        def scaled(sums):
            return jax.tree.map(lambda a: a * factor, sums)

        told = map_told(lambda layer: layer._replace(figures=scaled(layer.figures)), told)
        return value, (told, scaled(sums)), memory

    def figures(self, layers: dict[str, Moved], sums: Any, weight: jax.Array) -> dict[str, jax.Array]:
        """A step's figures by name, (l,) over layers; all 0 where the batch has no example."""
        found = {"steps": jnp.ones(())}
        for name in self.watch:
            if name == "noise":
                of_mean = squared([layer.dparams for layer in layers.values()])
                found[name] = noise(by_rows(weight), sums["squares"], of_mean)
                continue
            numbers = [OF_A_LAYER[name](layer) for layer in layers.values() if applies(name, layer)]
            if name == "example_norms":
                numbers.append(sums["norms"])
            found[name] = FINISH.get(name, jnp.asarray)(jax.tree.map(lambda *each: jnp.stack(each), *numbers))
        return jax.tree.map(lambda figure: jnp.where(weight.any(), figure, 0), found)


def after(figures: dict[str, jax.Array], numbers: Any) -> Any:
    """The numbers as they are, but not before the figures are told, so that the update comes after them.

    Otherwise XLA keeps the parameters from before the update beside those after it, and copies them in every step.
    """
    return jax.tree.map(lambda number: jnp.where(figures["steps"] < 2, number, 0), numbers)


def layers_of(told: Any, before: Params, after: Params) -> dict[str, Moved]:
    """Each layer by its name, with the parameters before and after the step."""
    trees = (beside(tree, told) for tree in (gradients(told), before, after))
    layers = zip(named(told).items(), *trees, strict=True)
    return {name: Moved(layer.figures, *parts) for (name, layer), *parts in layers}


def applies(name: str, layer: Moved) -> bool:
    """Whether a layer has a figure of this name."""
    return name != "noise" and OF_A_LAYER[name](layer) is not None


@dataclass(frozen=True)
class Anything(Loss):
    """A loss for programs that are traced for their shapes alone."""

    def __call__(self, y, target, weight):
        return jnp.zeros(()), y


def measured(names: Sequence[str], counts: jax.Array, factor: Any, seen: Pass) -> dict[str, Any]:
    """The sums of a layer's pass, its δ without the scale of float16."""
    seen = seen._replace(dy=wide(seen.dy) / factor)
    found = {name: SUMS[name](seen, counts) for name in names if name in SUMS}
    return found | ({"example_norms": by_example(seen, counts)} if set(BY_EXAMPLE) & set(names) else {})


def over_examples(told: Any, weight: jax.Array) -> tuple[Any, dict[str, jax.Array]]:
    """What the layers told, its squared norms of each example summed up as norms, and the sums for the network."""
    layers = [layer.figures.get("example_norms") for layer in named(told).values()]
    layers = [squares for squares in layers if squares is not None]
    if not layers:
        return told, {}
    whole, w = sum(layers[1:], start=layers[0]), by_rows(weight)  # (n,), (n,)

    def one(layer: Told) -> Told:
        squares = layer.figures["example_norms"]
        norms = None if squares is None else jnp.sqrt(squares).sum()
        return layer._replace(figures=layer.figures | {"example_norms": norms})

    squares = jnp.where(w > 0, whole / jnp.where(w > 0, w, 1), 0).sum()
    return map_told(one, told), {"norms": jnp.sqrt(whole).sum(), "squares": squares}


def by_rows(weight: jax.Array) -> jax.Array:
    """(n,), the weight of each example, of all its time steps."""
    return weight.reshape(len(weight), -1).sum(1)


class Watch(NamedTuple):
    """What a run watches.

    Attributes:
        step: the step that measures it.
        zeros: what the sums of an epoch's steps begin with.
        layers: by name the layers that it has figures of, in their order.
        told: what the layers of a step tell, as shapes.
    """

    step: WatchedStep
    zeros: dict[str, np.ndarray]
    layers: dict[str, list[str]]
    told: Any

    @classmethod
    def of(cls, step: Step, names: tuple[str, ...], state: State, x: Shape, every: int = 1) -> "Watch":
        """The watch over each step of so many, on inputs of shape x; it is traced for its shapes alone."""
        settings = {field.name: getattr(step, field.name) for field in fields(Step)}
        watching = WatchedStep(**settings, watch=names, every=every)
        alone = replace(watching, loss=Anything(), micro_batches=1, every=1)
        batch = Batch(jnp.zeros(x), jnp.zeros(()), jnp.ones(x[0]))
        layers = {}

        def shapes(state, batch):
            _, (told, sums), _ = alone.gradients(state, batch)
            seen = layers_of(told, state.params, state.params)
            layers.update((name, [k for k, layer in seen.items() if applies(name, layer)]) for name in names)
            return watching.figures(seen, sums, batch.weight), told

        zeros, told = jax.eval_shape(shapes, state, batch)
        return cls(watching, jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), zeros), layers, told)

    def sums(self, state: State) -> tuple[Any, Any]:
        """(the sums over the steps of an epoch, ‖θ^l‖ of its layers), from the state after it."""
        return state.watched, weight_norms(beside(state.params, self.told)) if "update" in self.layers else None

    def row(self, watched: Any, norms: Any) -> dict[str, Any]:
        """An epoch's figures by name and layer, as plain numbers, from its sums on the host."""
        row: dict[str, Any] = {}
        for name, layers in self.layers.items():
            means = watched[name] / max(watched["steps"], 1)
            if name == "noise":
                variance, signal = map(float, means)
                row[name] = variance / signal if signal > 0 else None
                continue
            if name == "update":
                means = means / np.where(norms > 0, norms, np.inf)
            row[name] = dict(zip([*layers, NETWORK], means.tolist(), strict=False))
        return row


@jax.jit
def weight_norms(layers: list[Params]) -> jax.Array:
    """(l,), ‖θ^l‖ of each layer that learns."""
    return jnp.sqrt(jnp.stack([squared(theta) for theta in layers if jax.tree.leaves(theta)]))
