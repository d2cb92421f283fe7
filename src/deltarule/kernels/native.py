"""The native kernels: what oneDNN and code beside it compute on a CPU, where `deltarule-onednn` is installed.

Every product has a form in XLA, which is always there; it is also what any other device runs. The environment
variable DELTARULE_KERNELS chooses: `auto` (the default: native where installed), `xla`, or `onednn`, which is an
error where the companion is missing.
"""

import os
from collections.abc import Callable
from functools import cache
from importlib import metadata
from typing import Any

import jax
import numpy as np

from deltarule.errors import SettingError
from deltarule.kernels.shares import devices

VERSION = "0.5.0"  # of the companion, whose kernels are called here


@cache
def companion() -> tuple[Any, str]:
    """The companion's module, or None, and in words which kernels run on a CPU."""
    choice = os.environ.get("DELTARULE_KERNELS", "auto")
    if choice not in ("auto", "xla", "onednn"):
        raise SettingError(f"DELTARULE_KERNELS: expected auto, xla or onednn, got {choice!r}")
    if choice == "xla":
        return None, "XLA, as DELTARULE_KERNELS asks"
    try:
        import deltarule_onednn  # type: ignore[import-not-found]

        if (found := metadata.version("deltarule-onednn")) != VERSION:
            raise ImportError(f"it is {found}, and {VERSION} is called; `make native` builds it")
    except (ImportError, OSError) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "deltarule_onednn"
        why = "deltarule-onednn is not installed" if missing else f"deltarule-onednn cannot be loaded: {error}"
        if choice == "onednn":
            raise SettingError(f"DELTARULE_KERNELS=onednn: {why}; `make native` builds it") from None
        return None, f"XLA ({why})"
    return deltarule_onednn, f"oneDNN {deltarule_onednn.VERSION}"


def described() -> str:
    """Which kernels compute the heavy products on a CPU.

    >>> described().startswith(("XLA", "oneDNN"))
    True
    """
    return companion()[1]


def takes(target: str, *arrays: jax.Array) -> bool:
    """Whether a native kernel takes these: all float32, or a convolution bfloat16 where the processor has it.

    Whole numbers beside them are of the type that the kernel expects. What XLA splits among devices it does not
    take, since XLA would give each of them everything.
    """
    module, _ = companion()
    kinds = {array.dtype for array in arrays if not np.issubdtype(array.dtype, np.integer)}
    if module is None or len(kinds) > 1 or devices() > 1:
        return False
    half = target.startswith("deltarule_convolution") and module.BFLOAT16
    return kinds == {np.dtype("float32")} or (kinds == {jax.numpy.dtype("bfloat16")} and half)


def choose(target: str, everywhere: Callable, on_cpu: Callable, *arrays: jax.Array, **numbers: Any) -> Any:
    """What `everywhere` makes of the arrays, in the form for the device that the program is lowered for.

    On a CPU that is the native `target` where it takes the arrays, and `on_cpu` elsewhere; on any other device,
    and where `on_cpu` gives None or an array is empty, `everywhere`. A target's results are the leaves of what
    `everywhere` gives.
    """
    if not all(array.size for array in arrays):
        return everywhere(*arrays)
    results, tree = jax.tree.flatten(jax.eval_shape(everywhere, *arrays))
    settings = {n: np.array(v, np.int64) if isinstance(v, tuple) else v for n, v in numbers.items()}

    def native(*arrays):
        found = jax.ffi.ffi_call(target, results, vmap_method="sequential")(*arrays, **settings)
        return jax.tree.unflatten(tree, found)

    def other(*arrays):
        found = on_cpu(*arrays)
        return everywhere(*arrays) if found is None else found

    return jax.lax.platform_dependent(*arrays, cpu=native if takes(target, *arrays) else other, default=everywhere)
