"""XLA's compilation cache in the user's cache folder, so that a program is compiled once and not once a run."""

import os
import sys
from pathlib import Path

import jax

VARIABLE = "DELTARULE_CACHE"


def use_compilation_cache() -> None:
    """Turns the cache on, unless JAX was already given one or `DELTARULE_CACHE=off`.

    `DELTARULE_CACHE` may name another folder than the user's cache folder.
    """
    if jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        return
    folder = folder_for("xla")
    if folder is None:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def folder_for(what: str) -> Path | None:
    """The folder of one cache, made if it is not there; None where there is none to be."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen == "off":
        return None
    folder = Path(chosen) if chosen else cache_folder() / "deltarule" / what
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None  # a home that cannot be written costs speed and nothing else
    return folder


def cache_folder() -> Path:
    """Where this system keeps a user's caches."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
