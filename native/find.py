"""Prints where this Python's headers of XLA, headers of oneDNN and library of oneDNN lie, for CMake."""

from importlib.metadata import files

import jax.ffi


def find(distribution: str, end: str) -> str:
    return str(next(file.locate().resolve() for file in files(distribution) or () if str(file).endswith(end)))


HEADER = find("onednn-devel-cpu-gomp", "include/oneapi/dnnl/dnnl.hpp")
INCLUDE = HEADER.removesuffix("/oneapi/dnnl/dnnl.hpp")
print(jax.ffi.include_dir(), INCLUDE, find("onednn-cpu-gomp", "libdnnl.so"), sep=";")
