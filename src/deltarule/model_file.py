"""A model as one safetensors file: its arrays, and a JSON header with everything else. No pickle anywhere."""

import hashlib
import json
import os
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save

from deltarule.errors import FileError, SettingError
from deltarule.files import write_whole

FORMAT = "deltarule 1"


def write_model(
    path: str | os.PathLike[str], arrays: dict[str, np.ndarray], header: dict[str, Any], form: str = FORMAT
) -> None:
    """Writes arrays by name and a JSON-able header, whole or not at all; raises FileError."""
    try:
        header = json.loads(json.dumps(header))
    except (TypeError, ValueError) as error:
        raise SettingError(f"{path}: the model's notes must be plain JSON ({error})") from None
    text = json.dumps({**header, "format": form, "sha256": digest(arrays, header)})
    write_whole(path, save({name: np.asarray(a, order="C") for name, a in arrays.items()}, {"deltarule": text}))


def read_model(path: str | os.PathLike[str], form: str = FORMAT) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays, header) of a model file.

    Raises:
        FileError: no such file, not a safetensors file or a truncated one, one that another program wrote, one
            of a newer format, or one whose content was altered.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise FileError(f"expected the path of a file, such as 'model.safetensors', got {path!r}")
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileError(f"{path}: no such file")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except (safetensors.SafetensorError, OSError, ValueError, TypeError) as error:
        raise FileError(
            f"{path}: not a whole safetensors file ({error}); it was truncated or is of another kind"
        ) from None
    if "deltarule" not in metadata:
        raise FileError(
            f"{path}: a safetensors file, but not one of Deltarule's: its header has no 'deltarule' entry"
        )
    try:
        header = json.loads(metadata["deltarule"])
        written, expected = header.pop("format"), header.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(f"{path}: its header was altered ({type(error).__name__}: {error})") from None
    if written != form:
        raise FileError(f"{path}: expected the format {form!r}, got {written!r}; a newer Deltarule may read it")
    if digest(arrays, header) != expected:
        raise FileError(f"{path}: its content was altered after it was written (the checksum does not agree)")
    return arrays, header


def digest(arrays: dict[str, np.ndarray], header: dict[str, Any]) -> str:
    """SHA-256 over the header and every array with its name, type and shape."""
    sha = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return sha.hexdigest()


def array_name(path: Any) -> str:
    """A parameter's name in a file, such as params.0.W."""
    return ".".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path)
