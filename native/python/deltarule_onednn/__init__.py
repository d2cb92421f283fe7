"""oneDNN's products as calls that a compiled JAX program makes on a CPU; importing this registers them."""

import ctypes
from importlib.metadata import files
from pathlib import Path

import jax


def library(distribution: str, name: str) -> ctypes.CDLL:
    """The shared library `name` of an installed distribution."""
    for file in files(distribution) or ():
        if file.name == name:
            return ctypes.CDLL(str(file.locate()), ctypes.RTLD_GLOBAL)
    raise ImportError(f"{name} is not where the distribution {distribution} says; install it again")


ONEDNN = library("onednn-cpu-gomp", "libdnnl.so.3")
HANDLERS = ctypes.CDLL(str(Path(__file__).parent / "libdeltarule_onednn.so"))
HANDLERS.deltarule_onednn_version.restype = ctypes.c_char_p
VERSION: str = HANDLERS.deltarule_onednn_version().decode()
BFLOAT16 = bool(HANDLERS.deltarule_onednn_has_bfloat16())

for target in (
    "deltarule_batch_norm_forward",
    "deltarule_batch_norm_again",
    "deltarule_batch_norm_backward",
    "deltarule_convolution_y",
    "deltarule_convolution_dx",
    "deltarule_convolution_dK",
    "deltarule_max_pool_backward",
    "deltarule_product",
    "deltarule_lstm_forward",
    "deltarule_lstm_backward",
    "deltarule_gru_forward",
    "deltarule_gru_backward",
    "deltarule_rnn_forward",
    "deltarule_rnn_backward",
):
    jax.ffi.register_ffi_target(target, jax.ffi.pycapsule(getattr(HANDLERS, target)), platform="cpu")
