"""Which devices a run computes on, what lies where, and the programs that run over them.

    θ on every device;   minibatch = ∪_d share_d;   G = Σ_d G_d

Parameters, memory, the optimizer's slots and the data are whole on every device; of a stream it has its share
alone. Of each minibatch a device computes its share, and one all-reduce a step adds up the gradients
(`kernels.shares`). What comes out is what one device computes, to rounding: batch normalisation has the statistics
of the whole minibatch, dropout the same masks.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from numbers import Integral
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from deltarule.data.stream import Stream
from deltarule.errors import SettingError
from deltarule.kernels.shares import AXIS, WHOLE

SETTING = re.compile(r"(?P<number>[1-9]\d*|all)|(?P<kind>[a-z]\w*)(:(?P<of_kind>[1-9]\d*|all))?")
EXPECTED = (
    "expected a number of devices, 'all', a kind such as 'cpu' or 'gpu', a kind and a number such as 'cpu:2', or "
    "a list of JAX's devices"
)


def mesh_of(setting: Any) -> Mesh | None:
    """The devices of a setting, side by side; None for one process on the device that JAX takes by itself.

    On a CPU as many devices are set up as are asked for, one a core for "all", unless JAX has started before. In a
    run of several processes a number is that of each process, and None is all that they have.

    Raises:
        SettingError: no such setting, no such devices, or fewer than are asked for.

    >>> mesh_of(None) is None, mesh_of("cpu").size
    (True, 1)
    """
    if setting is None and jax.process_count() == 1:
        return None
    if isinstance(setting, (list, tuple)) and setting and all(isinstance(d, jax.Device) for d in setting):
        found = list(setting)
    else:
        found = by_kind(*kind_and_number("all" if setting is None else setting), setting)
    missing = set(range(jax.process_count())) - {device.process_index for device in found}
    if missing:
        raise SettingError(
            f"fit: devices has none of process {', '.join(map(str, sorted(missing)))}; a run of several processes "
            "takes devices of each"
        )
    return Mesh(np.array(found), (AXIS,))


def kind_and_number(setting: Any) -> tuple[str | None, int | None]:
    """(kind or None for JAX's own choice, number or None for all), of "all", 2, "2", "gpu", "cpu:2" or "gpu:all".

    >>> [kind_and_number(setting) for setting in ("all", 2, "2", "gpu", "cpu:2", "gpu:all")]
    [(None, None), (None, 2), (None, 2), ('gpu', 1), ('cpu', 2), ('gpu', None)]
    """
    if isinstance(setting, str) and (parts := SETTING.fullmatch(setting)):
        number = parts["number"] or parts["of_kind"] or "1"
        return parts["kind"], None if number == "all" else int(number)
    if isinstance(setting, Integral) and not isinstance(setting, bool) and int(setting) >= 1:
        return None, int(setting)
    raise SettingError(f"fit: devices={setting!r} is not known; {EXPECTED}")


def by_kind(kind: str | None, number: int | None, setting: Any) -> list[Any]:
    """So many devices of a kind, of each process."""
    if kind in (None, "cpu"):
        set_up_cpus(number)
    try:
        every = jax.devices(kind)
    except RuntimeError:
        here = sorted({device.platform for device in jax.devices()})
        raise SettingError(
            f"fit: devices={setting!r}, but JAX finds no {kind!r} here, only {', '.join(here)}; {EXPECTED}"
        ) from None
    own = [[d for d in every if d.process_index == process] for process in range(jax.process_count())]
    fewest = min(map(len, own))
    if number is not None and number > fewest:
        platform = every[0].platform
        hint = "; there are no more"
        if platform == "cpu":
            hint = (
                ", because JAX had started before; fit before anything else is computed, or set the environment "
                f"variable JAX_NUM_CPU_DEVICES={number}"
            )
        raise SettingError(f"fit: devices={setting!r}, but JAX has {fewest} of the kind {platform!r}{hint}")
    return [device for devices in own for device in devices[:number]]


def set_up_cpus(number: int | None) -> None:
    """Has JAX make so many devices of the CPU, or one a core, where it has not started and nobody else said so."""
    if number is None and jax.config.jax_num_cpu_devices >= 0:  # type: ignore[attr-defined]
        return
    try:
        jax.config.update("jax_num_cpu_devices", cores() if number is None else number)
    except RuntimeError:  # it has started
        return


def answer_at_once() -> None:
    """Has JAX compute in the thread that asks for it, where it has not started and the device is a CPU.

    A small program then takes some 10 µs a call, and 40 where another thread must be woken for it. Nothing is
    computed ahead of the host any more.
    """
    jax.config.update("jax_cpu_enable_async_dispatch", False)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_batch(mesh: Mesh | None, batch_size: int, data: object = None) -> None:
    """Raises SettingError where a device would have no example of a minibatch, or not its share of a stream's."""
    if isinstance(data, Stream):
        check_share(mesh, batch_size, data)
    if mesh is not None and batch_size < mesh.size:
        raise SettingError(
            f"fit: a minibatch of {batch_size} examples is fewer than the {mesh.size} devices"
            + (f" of {jax.process_count()} processes" if jax.process_count() > 1 else "")
            + f"; choose a batch_size of at least {mesh.size}, or fewer of them"
        )


def check_share(mesh: Mesh | None, batch_size: int, stream: Stream) -> None:
    """Raises SettingError where the devices cannot have equal shares of a stream's minibatches."""
    process, count = jax.process_index(), jax.process_count()
    if stream.shard not in ((0, 1), (process, count)):
        raise SettingError(
            f"fit: the stream has shard={stream.shard}, but this is process {process} of {count}; leave "
            "shard out: fit shares a stream among its processes by itself"
        )
    if mesh is None:
        return
    having = [device.process_index for device in mesh.devices.flat]
    if having != [number * count // mesh.size for number in range(mesh.size)]:
        raise SettingError(
            f"fit: a stream is shared among {count} processes with as many devices each, side by side in their "
            f"order; devices has those of process {', '.join(map(str, having))}"
        )
    if batch_size % mesh.size:
        raise SettingError(
            f"fit: a minibatch of {batch_size} examples of a stream has no equal shares for {mesh.size} devices; "
            f"choose batch_size={-(-batch_size // mesh.size) * mesh.size}, or other devices"
        )


def placed(tree: Any, mesh: Mesh | None) -> Any:
    """The arrays, whole on every device; each process gives the same."""
    if mesh is None:
        return jax.device_put(tree)
    sharding = NamedSharding(mesh, WHOLE)

    def place(leaf):
        array = np.asarray(leaf)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    return jax.tree.map(place, tree)


def own(tree: Any) -> Any:
    """The arrays as they lie on one device of this process, without copying where they lie there already."""
    return jax.tree.map(lambda a: a.addressable_data(0) if isinstance(a, jax.Array) else a, tree)


def over(mesh: Mesh | None, program: Callable) -> Callable:
    """The program, compiled over the devices."""
    if mesh is None:
        return program

    @wraps(program)
    def call(*arguments):
        with jax.set_mesh(mesh):
            return program(*arguments)

    return call


@dataclass(frozen=True)
class Placement:
    """What lies where in a run.

    Attributes:
        devices: by name, such as ("cpu:0", "cpu:1"); of several processes, ("cpu:0 of process 1", ...).
        state: bytes of parameters, memory and slots, whole on each device.
        data: bytes of the training examples, whole on each device; 0 where they come in chunks.
        examples: how many of a full minibatch each device computes, at most.
    """

    devices: tuple[str, ...]
    state: int
    data: int
    examples: int

    @classmethod
    def of(cls, mesh: Mesh | None, state: Any, data: Any, batch_size: int) -> "Placement":
        """The placement of a run's state and data."""
        devices = [next(iter(jax.tree.leaves(state)[0].devices()))] if mesh is None else list(mesh.devices.flat)
        return cls(
            devices=tuple(map(name_of, devices)),
            state=sum(leaf.nbytes for leaf in jax.tree.leaves(state)),
            data=sum(leaf.nbytes for leaf in jax.tree.leaves(data) if isinstance(leaf, jax.Array)),
            examples=-(-batch_size // len(devices)),
        )

    def __str__(self) -> str:
        each = "each holds" if len(self.devices) > 1 else "it holds"
        data = f" and the data ({self.data / 1e6:,.1f} MB)" if self.data else ""
        return (
            f"{', '.join(self.devices)}: {each} the state ({self.state / 1e6:,.1f} MB){data}, and computes "
            f"{self.examples} examples of a minibatch"
        )


def name_of(device: Any) -> str:
    """A device's name, such as "gpu:0"."""
    mates = [other for other in jax.devices(device.platform) if other.process_index == device.process_index]
    name = f"{device.platform}:{mates.index(device)}"
    return name if jax.process_count() == 1 else f"{name} of process {device.process_index}"
