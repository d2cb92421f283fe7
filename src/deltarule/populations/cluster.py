"""A Ray cluster that trains populations: each of its workers takes a share of the members, with their states.

    members = ∪_w share_w;   share_w, state → state after the epochs of a rung

A share is a task without memory: Ray runs it again elsewhere where its worker is lost, and the bits that come back
are those that this machine would compute. What Ray sends is pickled, so that a cluster must be trusted.
"""

import math
import os
from collections.abc import Sequence
from typing import Any, Self

import jax
import numpy as np

from deltarule.cache import use_compilation_cache
from deltarule.errors import ProcessError, SettingError
from deltarule.populations.training import After
from deltarule.training.devices import set_up_cpus
from deltarule.training.population import TRAINS, Cohort, Member, Population, Rows
from deltarule.training.run import Settings
from deltarule.training.step import Batch, Step

SHARES = 2  # a worker, of a rung: what is lost with one is half of its work, and the slower have fewer
OF_LOCAL: dict[str, Any] = {"include_dashboard": False}
# Ray reads the first when it is imported; without a cluster of several machines it listens on loopback.
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


class Cluster:
    """The workers of a Ray cluster, one a core, or one a GPU where it has any.

    Args:
        address: "auto", the cluster that this machine is of; "host:port"; or "local", workers on this machine,
            which listen on loopback alone and end with the sweep. Where `ray.init` has been called, its cluster is
            taken.

    Raises:
        SettingError: Ray is not installed, or no cluster answers at the address.
        ProcessError: a share lost its worker again and again.
    """

    population = Cohort

    def __init__(self, address: str):
        self.address = address

    def __enter__(self) -> Self:
        if self.address == "local":
            os.environ.update(ON_LOOPBACK)
        try:
            import ray
        except ImportError:
            raise SettingError("sweep: Ray is not installed; pip install 'deltarule[ray]' brings it") from None
        self.own = not ray.is_initialized()
        if self.own:
            try:
                ray.init(self.address, **OF_LOCAL if self.address == "local" else {})
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise SettingError(
                    f"sweep: no Ray cluster answers at {self.address!r} ({error}); start one with `ray start "
                    "--head`, or say 'local'"
                ) from None
        gpus, cpus = (int(ray.cluster_resources().get(kind, 0)) for kind in ("GPU", "CPU"))
        self.workers = max(1, gpus or cpus)
        self.task = ray.remote(num_cpus=0 if gpus else 1, num_gpus=1 if gpus else 0)(trained)
        return self

    def __exit__(self, *error: Any) -> None:
        import ray

        if self.own:
            ray.shutdown()

    def advance(self, populations: Sequence[Cohort], share: float, after: After) -> None:
        """Trains populations for a share of their epochs; `after` is told of each share of members."""
        import ray
        from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

        untils = [math.ceil(share * population.settings.epochs) for population in populations]
        training = [
            np.flatnonzero((each.ended == TRAINS) & (each.members.epochs < until))
            for each, until in zip(populations, untils, strict=True)
        ]
        most = max(1, -(-sum(map(len, training)) // (SHARES * self.workers)))
        data, waiting = ray.put(populations[0].data), {}
        for population, until, members in zip(populations, untils, training, strict=True):
            parts = -(-len(members) // most)
            size = -(-len(members) // max(parts, 1))  # of each part, so that they have one program
            for part in np.resize(members, (parts, size)):
                own, rows = jax.tree.map(lambda a, p=part: a[p], population.on_host())
                task = self.task.remote(population.step, own, data, population.settings, rows, until)
                waiting[task] = population, part, until - own.epochs.min()
        try:
            while waiting:
                [done], _ = ray.wait(list(waiting))
                population, part, epochs = waiting.pop(done)
                for whole, moved in zip(*map(jax.tree.leaves, (population.members, ray.get(done))), strict=True):
                    whole[part] = moved
                after(population, int(epochs))
        except (WorkerCrashedError, NodeDiedError, OutOfMemoryError) as error:
            raise ProcessError(
                "sweep: a share of the models lost its worker in each of its tries "
                f"({str(error).splitlines()[0]}); has a worker memory enough for the data and a share?"
            ) from None
        finally:
            for task in waiting:
                ray.cancel(task)


def trained(
    step: Step,
    members: Member,
    data: tuple[Batch, Batch | None],
    settings: Settings,
    rows: Rows | None,
    until: int,
) -> Member:
    """Members at the end of epoch `until`, trained in this process."""
    set_up_cpus(1)
    use_compilation_cache()
    population = Population(step, members, *data, settings, rows)
    population.advance(until)
    return population.on_host()[0]
