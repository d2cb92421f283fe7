"""Several processes, on one machine or on many, that train as one: each has its devices and all of the data.

Of a stream (`data.stream`) a process reads the shares of its own devices alone, and what lies in blocks with them.

A process learns its place from its environment: DELTARULE_ADDRESS, DELTARULE_RANK and DELTARULE_PROCESSES, which
`deltarule launch` sets, or DELTARULE_CLUSTER=1, and JAX finds it in what SLURM, Open MPI or Kubernetes say. Only
process 0 writes files and tells of the run. On a CPU the processes' sums go through gloo, on GPUs through NCCL.

Nothing between the processes is encrypted or asked for a password: whoever can reach the ports can take part, read
and change what is computed. Let them meet on a network that is trusted; by default that is the machine's loopback.
"""

import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from deltarule.errors import SettingError
from deltarule.training.rendezvous import meet

ADDRESS, RANK, PROCESSES = "DELTARULE_ADDRESS", "DELTARULE_RANK", "DELTARULE_PROCESSES"
CLUSTER, TIMEOUT, RUN_FILE = "DELTARULE_CLUSTER", "DELTARULE_TIMEOUT", "DELTARULE_RUN_FILE"
HEARTBEAT = 15  # seconds without a sign of life after which a process on another machine counts as dead
PATIENCE = 600  # seconds that those who are done wait for the others, such as process 0 with its report
NAME = 4096  # bytes of a folder's name


def join() -> None:
    """Takes this process's place in a run of several, where its environment gives it one; before JAX starts.

    Raises:
        SettingError: a place that cannot be.
        ProcessError: the others were not found in time; the message says which.
    """
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM, and do nothing about it
    timeout = int(float(os.environ.get(TIMEOUT, "60")))
    waits: dict[str, Any] = {"heartbeat_timeout_seconds": HEARTBEAT, "shutdown_timeout_seconds": PATIENCE}
    if os.environ.get(CLUSTER):
        try:
            jax.distributed.initialize(initialization_timeout=timeout, **waits)
        except (ValueError, RuntimeError, KeyError) as error:
            raise SettingError(
                f"launch: JAX finds no place for this process in SLURM, Open MPI or Kubernetes ({error}); say "
                "--processes, with --address and --rank where they are on several machines"
            ) from None
    elif ADDRESS in os.environ:
        address, rank, count = os.environ[ADDRESS], int(os.environ[RANK]), int(os.environ[PROCESSES])
        if count > 1:
            own = meet(address, rank, count, timeout)
            jax.distributed.initialize(
                address,
                count,
                rank,
                cluster_detection_method="deactivate",
                coordinator_bind_address=os.environ.get("JAX_COORDINATOR_BIND_ADDRESS", address),
                initialization_timeout=timeout,
                **waits,
            )
            listen_at(own)


def listen_at(host: str) -> None:
    """Has gloo listen at this address of the machine, and not at what the machine's name stands for."""
    from jax._src import distributed, xla_bridge
    from jax._src.lib import _jax  # type: ignore[attr-defined]  # no public way leads to gloo's address

    def cpu():
        client = distributed.global_state.client
        return xla_bridge.make_cpu_client(_jax.make_gloo_tcp_collectives(distributed_client=client, hostname=host))

    xla_bridge.register_backend_factory("cpu", cpu, priority=0, fail_quietly=False)


def is_first() -> bool:
    """Whether this process is the one that writes and tells; one that trains alone is."""
    return jax.process_index() == 0


def agreed(flag: bool) -> bool:
    """What process 0 says, in all of them."""
    return bool(from_first(np.array(flag)))


def agreed_name(name: str) -> str:
    """The name that process 0 gives, in all of them."""
    code = np.zeros(NAME, np.uint8)
    mine = np.frombuffer(name.encode()[:NAME], np.uint8)
    code[: len(mine)] = mine
    return bytes(from_first(code)).rstrip(b"\0").decode()


def from_first(array: np.ndarray) -> np.ndarray:
    """Process 0's array, in all of them."""
    if jax.process_count() == 1:
        return array
    from jax.experimental.multihost_utils import broadcast_one_to_all

    return np.asarray(broadcast_one_to_all(array))


def announce(folder: str | os.PathLike[str]) -> None:
    """Tells the launcher in which folder the run is, so that it can be resumed from there."""
    if file := os.environ.get(RUN_FILE):
        Path(file).write_text(os.path.abspath(folder))
