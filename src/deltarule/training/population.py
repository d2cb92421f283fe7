"""A population: many models of one structure trained in one program, each as it would be alone.

    while epoch_m < until and m has not ended:   state_m ← epoch(state_m, data),   m = 1, ..., M

On a CPU every device, which is a core, takes its share of the members one after the other, each for as many epochs
as are asked for: its weights stay in the core's cache, its arithmetic is that of a run by itself, and one that has
ended costs nothing. Other devices take their share side by side (`vmap`), where one that has ended waits.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from deltarule.layers.layer import Memory, Params
from deltarule.training.epoch import compiler_options, epoch_program
from deltarule.training.evaluate import evaluation_program
from deltarule.training.history import ALL, History
from deltarule.training.precision import all_finite, spent
from deltarule.training.run import Settings
from deltarule.training.step import Batch, State, Step
from deltarule.training.windows import windows_program

ENDED = (ALL, "no better loss for {patience} epochs", "its loss was lost", "others were better")
TRAINS, PATIENCE, LOST, DROPPED = range(4)
MEMBERS, EVERYWHERE = PartitionSpec("m"), PartitionSpec()


class Member(NamedTuple):
    """A model in training, and how far it has come; of a whole population every array has the axis m in front."""

    state: State
    epochs: jax.Array  # done in this run
    best: tuple[Params, Memory] | None  # of its best epoch, where that is to be restored
    best_loss: jax.Array
    best_epoch: jax.Array
    ended: jax.Array  # TRAINS, or why it has ended
    figures: jax.Array  # (epochs, 3), loss, validation loss and metric


class Rows(NamedTuple):
    """Which examples each member learns from and is held against: (m, n) and (m, v)."""

    training: np.ndarray
    held_out: np.ndarray


class Population:
    """Members of equal structure that learn the same data, or each its rows of it.

    Args:
        step: any member's; its numbers are those of the states.
        states: one a member.
        rows: each member's rows of `data`, for training and validation; None takes all, and `validation`.
        devices: which share the members; None takes all of this process.
    """

    def __init__(
        self,
        step: Step,
        states: Sequence[State],
        data: Batch,
        validation: Batch | None,
        settings: Settings,
        rows: Rows | None = None,
        devices: Sequence[Any] | None = None,
    ):
        self.step, self.settings, self.size, self.epoch = step, settings, len(states), 0
        self.mesh = Mesh(np.array(devices or jax.local_devices()), ("m",))
        self.validated = validation is not None or rows is not None
        self.order = np.arange(-(-len(states) // self.mesh.size) * self.mesh.size)  # of members, as they lie
        wanted = settings.restore_best
        restore = wanted if wanted is not None else settings.patience is not None
        members = [start(state, settings.epochs, restore) for state in states]
        filling = [member_ended(members[0], DROPPED)] * (len(self.order) - len(members))
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *members, *filling)
        if rows is not None:
            rows = Rows(*(np.concatenate([a, a[:1].repeat(len(filling), 0)]) for a in rows))
        self.members, self.rows = jax.device_put((stacked, rows), NamedSharding(self.mesh, MEMBERS))
        self.data = jax.device_put((data, validation), NamedSharding(self.mesh, EVERYWHERE))
        order, window = settings.order, settings.window
        self.program = population_program(step.structure(), settings.batch_size, order, window, self.mesh)

    def advance(self, until: int) -> None:
        """Trains every member to the end of epoch `until`, unless it has ended."""
        patience = np.int32(self.settings.patience or self.settings.epochs)
        self.members = self.program(self.members, *self.data, self.rows, np.int32(until), patience)
        self.epoch = until

    def of_members(self, leaf: jax.Array) -> np.ndarray:
        """An array of the population on the host, in the members' order."""
        return np.asarray(leaf)[np.argsort(self.order)][: self.size]

    @property
    def figures(self) -> np.ndarray:
        """(m, epochs, 3): loss, validation loss and metric; NaN for epochs to come."""
        return self.of_members(self.members.figures)

    @property
    def ended(self) -> np.ndarray:
        """(m,), TRAINS or why each member has ended."""
        return self.of_members(self.members.ended)

    def drop(self, which: np.ndarray) -> None:
        """Ends the members where `which` (m,) is true, and shares the others anew among the devices."""
        host = jax.device_get(self.members)
        lie = np.argsort(self.order)[: self.size]  # where each member lies
        ended = host.ended.copy()
        ended[lie[which & (ended[lie] == TRAINS)]] = DROPPED
        moves = np.argsort(ended != TRAINS, kind="stable").reshape(-1, self.mesh.size).T.ravel()
        self.order = self.order[moves]
        arrays = jax.tree.map(lambda a: a[moves], (host._replace(ended=ended), jax.device_get(self.rows)))
        self.members, self.rows = jax.device_put(arrays, NamedSharding(self.mesh, MEMBERS))

    def results(self) -> list[tuple[State, History]]:
        """Each member's state to keep, and what happened, as `training.run.run` returns them."""
        host = jax.tree.map(self.of_members, self.members)
        return [self.result(jax.tree.map(lambda a, m=m: a[m], host)) for m in range(self.size)]

    def result(self, member: Member) -> tuple[State, History]:
        names = [
            "loss",
            *(["validation_loss", f"validation_{self.step.loss.metric_name}"] if self.validated else []),
        ]
        done = int(np.isfinite(member.figures[:, 0]).sum())
        rows: list[dict[str, Any]] = [
            {"epoch": epoch, **dict(zip(names, map(float, figures), strict=False))}
            for epoch, figures in enumerate(member.figures[:done], 1)
        ]
        state = member.state
        if member.best is not None:
            state = state._replace(params=member.best[0], memory=member.best[1])
        return state, History(
            rows, int(member.best_epoch), ENDED[member.ended].format(patience=self.settings.patience), state=state
        )


def start(state: State, epochs: int, restore: bool) -> Member:
    """A member before its first epoch."""
    figures = np.full((epochs, 3), np.nan, np.float32)
    numbers = np.float32(np.inf), np.int32(0), np.int32(TRAINS), figures
    best = (state.params, state.memory) if restore else None
    return Member(state, np.int32(0), best, *numbers)  # type: ignore[arg-type]


def member_ended(member: Member, why: int) -> Member:
    """The member, which will not be trained."""
    return member._replace(ended=np.int32(why))  # type: ignore[arg-type]


@functools.lru_cache(maxsize=64)
def population_program(step: Step, batch_size: int, order: str, window: Any, mesh: Mesh) -> Callable:
    """The compiled `(members, data, validation, rows, until, patience) -> members`."""
    compiled = (
        epoch_program(step, batch_size, order)
        if window is None
        else windows_program(step, batch_size, order, window)
    )
    epoch: Callable = inspect.unwrap(compiled)
    evaluate = evaluation_program(step.net, step.loss, step.precision)

    def train(given, data: Batch, validation: Batch | None, until: jax.Array, patience: jax.Array) -> Member:
        member, rows = given
        if rows is not None:
            data, validation = (jax.tree.map(lambda a, r=r: a[r], data) for r in rows)

        def once(member: Member) -> Member:
            state, loss = epoch(member.state, data)
            measured = evaluate(state.params, state.memory, validation) if validation is not None else (loss, loss)
            good = jnp.isfinite(loss) & all_finite(state.params) & ~jnp.asarray(spent(state.scale))
            moved = after(member, state, jnp.stack([loss, *measured]), patience)
            kept = jax.tree.map(lambda new, old: jnp.where(good, new, old), moved, member)
            return kept._replace(ended=jnp.where(good, moved.ended, LOST))

        def goes_on(member: Member) -> jax.Array:
            return (member.ended == TRAINS) & (member.epochs < until)

        return jax.lax.while_loop(goes_on, once, member)

    def share(members, data, validation, rows, until, patience):
        def one(given):
            return train(given, data, validation, until, patience)

        mapped = functools.partial(jax.lax.map, one) if mesh.devices.flat[0].platform == "cpu" else jax.vmap(one)
        return mapped((members, rows))

    specs = (MEMBERS, EVERYWHERE, EVERYWHERE, MEMBERS, EVERYWHERE, EVERYWHERE)
    shared = jax.shard_map(share, mesh=mesh, in_specs=specs, out_specs=MEMBERS, check_vma=False)
    return jax.jit(shared, donate_argnums=0, compiler_options=compiler_options())


def after(member: Member, state: State, figures: jax.Array, patience: jax.Array) -> Member:
    """The member after an epoch that ended in `state` with these figures (3,)."""
    loss, epochs = figures[1], member.epochs + 1
    better = (loss < member.best_loss) | (member.best_epoch == 0)
    best_epoch = jnp.where(better, epochs, member.best_epoch)

    def keep(new, old):
        return jnp.where(better, new, old)

    return Member(
        state=state,
        epochs=epochs,
        best=None if member.best is None else jax.tree.map(keep, (state.params, state.memory), member.best),
        best_loss=jnp.where(better, loss, member.best_loss),
        best_epoch=best_epoch,
        ended=jnp.where(epochs - best_epoch >= patience, PATIENCE, TRAINS).astype(jnp.int32),
        figures=jax.lax.dynamic_update_index_in_dim(member.figures, figures, member.epochs, 0),
    )
