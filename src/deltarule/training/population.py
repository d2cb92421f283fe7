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


class Cohort:
    """Members of equal structure that learn the same data, or each its rows of it: how far they are, on the host.

    Args:
        step: any member's; its numbers are those of the states.
        members: as they begin, or as far as they have come.
        rows: each member's rows of `data`, for training and validation; None takes all, and `validation`.
    """

    def __init__(
        self,
        step: Step,
        members: Member,
        data: Batch,
        validation: Batch | None,
        settings: Settings,
        rows: Rows | None = None,
    ):
        self.step, self.settings, self.size = step, settings, len(members.ended)
        if validation is not None:
            step.loss.require_weight(validation.target, validation.weight, "fit: held-out examples")
        for held_out in () if rows is None else rows.held_out:
            step.loss.require_weight(data.target[held_out], data.weight[held_out], "fit: held-out examples")
        self.data, self.validated = (data, validation), validation is not None or rows is not None
        self.deal(members, rows)

    def deal(self, members: Member, rows: Rows | None) -> None:
        """Takes the members, given in their order, with their rows."""
        self.members, self.rows = jax.tree.map(np.array, (members, rows))

    def of_members(self, leaf: Any) -> np.ndarray:
        """An array of the population on the host, in the members' order."""
        return leaf

    def on_host(self) -> tuple[Member, Rows | None]:
        """The members and their rows, in their order."""
        return jax.tree.map(self.of_members, (self.members, self.rows))

    @property
    def figures(self) -> np.ndarray:
        """(m, epochs, 3): loss, validation loss and metric; NaN for epochs to come."""
        return self.of_members(self.members.figures)

    @property
    def ended(self) -> np.ndarray:
        """(m,), TRAINS or why each member has ended."""
        return self.of_members(self.members.ended)

    @property
    def epoch(self) -> int:
        """To whose end all that train have come."""
        epochs = self.of_members(self.members.epochs)[self.ended == TRAINS]
        return int(epochs.min(initial=self.settings.epochs))

    @property
    def minibatches(self) -> int:
        """Of an epoch."""
        examples = len(self.data[0].x) if self.rows is None else self.rows.training.shape[1]
        return -(-examples // self.settings.batch_size)

    def drop(self, which: np.ndarray) -> None:
        """Ends the members where `which` (m,) is true, and deals the others anew."""
        members, rows = self.on_host()
        np.asarray(members.ended)[which & (self.ended == TRAINS)] = DROPPED
        self.deal(members, rows)

    def results(self) -> list[tuple[State, History]]:
        """Each member's state to keep, and what happened, as `training.run.run` returns them."""
        host, _ = self.on_host()
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


class Population(Cohort):
    """A cohort that devices train.

    Args:
        devices: which share the members; None takes all of this process.
    """

    def __init__(
        self,
        step: Step,
        members: Member,
        data: Batch,
        validation: Batch | None,
        settings: Settings,
        rows: Rows | None = None,
        devices: Sequence[Any] | None = None,
    ):
        self.mesh = Mesh(np.array(devices or jax.local_devices()), ("m",))
        super().__init__(step, members, data, validation, settings, rows)
        self.data = jax.device_put(self.data, NamedSharding(self.mesh, EVERYWHERE))
        order, window = settings.order, settings.window
        self.program = population_program(step.structure(), settings.batch_size, order, window, self.mesh)

    def advance(self, until: int) -> None:
        """Trains every member to the end of epoch `until`, unless it has ended."""
        patience = np.int32(self.settings.patience or self.settings.epochs)
        self.members = self.program(self.members, *self.data, self.rows, np.int32(until), patience)

    def deal(self, members: Member, rows: Rows | None) -> None:
        """Shares the members, given in their order, among the devices, each as many that train as another."""
        filling = -self.size % self.mesh.size
        ended = np.append(members.ended, np.full(filling, DROPPED, np.int32))
        # of members, as they lie: device d has every D-th of those that train
        self.order = np.argsort(ended != TRAINS, kind="stable").reshape(-1, self.mesh.size).T.ravel()
        taken = np.where(self.order < self.size, self.order, 0)
        members, rows = jax.tree.map(lambda a: a[taken], (members, rows))
        dealt = members._replace(ended=ended[self.order]), rows
        self.members, self.rows = jax.device_put(dealt, NamedSharding(self.mesh, MEMBERS))

    def of_members(self, leaf: Any) -> np.ndarray:
        return np.asarray(leaf)[np.argsort(self.order)][: self.size]


def begun(states: Sequence[State], settings: Settings) -> Member:
    """Members before their first epoch, a state each."""
    wanted, size = settings.restore_best, len(states)
    restore = wanted if wanted is not None else settings.patience is not None
    state = jax.tree.map(lambda *leaves: np.stack(leaves), *states)
    return Member(
        state,
        epochs=np.zeros(size, np.int32),  # type: ignore[arg-type]
        best=(state.params, state.memory) if restore else None,
        best_loss=np.full(size, np.inf, np.float32),  # type: ignore[arg-type]
        best_epoch=np.zeros(size, np.int32),  # type: ignore[arg-type]
        ended=np.full(size, TRAINS, np.int32),  # type: ignore[arg-type]
        figures=np.full((size, settings.epochs, 3), np.nan, np.float32),  # type: ignore[arg-type]
    )


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
        best_loss=jnp.where(loss < member.best_loss, loss, member.best_loss),  # NaN is beaten by any
        best_epoch=best_epoch,
        ended=jnp.where(epochs - best_epoch >= patience, PATIENCE, TRAINS).astype(jnp.int32),
        figures=jax.lax.dynamic_update_index_in_dim(member.figures, figures, member.epochs, 0),
    )
