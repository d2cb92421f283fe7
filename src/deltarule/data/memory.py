"""A size in bytes as people write it: kB, MB and GB are powers of 1000, KiB, MiB and GiB powers of 1024."""

import os
import re
from pathlib import Path

from deltarule.errors import SettingError

UNITS = {"": 1, "b": 1, **{f"{p}b": 1000**k for k, p in enumerate("kmgt", 1)}}
UNITS |= {f"{p}ib": 1024**k for k, p in enumerate("kmgt", 1)}


def as_bytes(memory: int | str) -> int:
    """The bytes that a setting means.

    Raises:
        SettingError: neither a whole number of bytes nor a number with a unit.

    >>> as_bytes("512 MB"), as_bytes("1.5GiB"), as_bytes(4096)
    (512000000, 1610612736, 4096)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(memory).strip().lower())
    size = int(float(found[1]) * UNITS[found[2]]) if found and found[2] in UNITS else 0
    if isinstance(memory, bool) or size < 1:
        raise SettingError(
            f"memory: expected a number of bytes, or one with a unit such as '512 MB' or '2 GiB', got {memory!r}"
        )
    return size


def told(size: int) -> str:
    """Bytes as a person reads them.

    >>> told(34_500_000), told(800)
    ('34.5 MB', '800 B')
    """
    for unit, factor in (("GB", 1000**3), ("MB", 1000**2), ("kB", 1000)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


def available_memory() -> int | None:
    """Bytes of this machine's memory that a program could have now; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return machine_memory()


def machine_memory() -> int | None:
    """Bytes of memory that this machine has; None where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None
