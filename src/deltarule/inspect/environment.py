"""Where a run ran: versions, processor, devices and kernels, as far as they bear on its numbers and its time."""

import platform

import jax
import numpy as np

from deltarule.inspect.rates import processor
from deltarule.kernels.native import described


def environment() -> dict[str, str]:
    """What there is to know, by name.

    >>> sorted(environment())[:4]
    ['deltarule', 'device', 'jax', 'kernels']
    """
    from deltarule import __version__

    kinds = [device.device_kind for device in jax.devices()]
    return {
        "deltarule": __version__,
        "jax": jax.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "device": ", ".join(f"{kinds.count(kind)} × {kind}" for kind in dict.fromkeys(kinds)),
        "kernels": described(),
    }
