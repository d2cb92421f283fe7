"""An ONNX file as a model, ready to predict and to train on."""

import json
import os
from typing import Any

import jax
import numpy as np
import onnx
from google.protobuf.message import DecodeError

import deltarule.interop.onnx.reading.normalisation
import deltarule.interop.onnx.reading.recurrent
import deltarule.interop.onnx.reading.shapes
import deltarule.interop.onnx.reading.spatial  # noqa: F401  # each registers its readers
from deltarule.errors import FileError
from deltarule.interop.onnx.layouts import Layout, axes_of
from deltarule.interop.onnx.reading.features import JOINS
from deltarule.interop.onnx.reading.fusion import fused
from deltarule.interop.onnx.reading.program import Op, Program, program_of, require_known
from deltarule.interop.onnx.reading.registry import READERS, Misplaced, Piece, Read, Unfit, joined, require
from deltarule.interop.onnx.reading.structure import Sequence, structure_of
from deltarule.layers import LogSoftmax, Sigmoid, Softmax
from deltarule.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from deltarule.losses.loss import Loss
from deltarule.model import Model
from deltarule.optimizers.optimizer import Optimizer

STEPS = 16  # of a sequence, where the file leaves their number open


def from_onnx(
    source: str | os.PathLike | onnx.ModelProto, loss: Loss, optimizer: Optimizer | None = None, seed: int = 0
) -> Model:
    """The network in an ONNX file, with its parameters, as a Model: it predicts, and trains further.

    Files that `export` wrote, and those of other programs that consist of operators that are layers here, one
    after the other, as residual blocks or as branches. ONNX has images channels-first, a Model takes and gives
    them channels-last, and sequences (n, t, i); the rows of a Dense behind a Flatten are put in our order. The
    Softmax or Sigmoid at the end is left out where the loss holds it. A file that `export` wrote brings the notes
    of its Model along, such as the order of a frame's columns.

    Args:
        source: the file, or the model that it holds.
        loss: what `fit` makes small, and how outputs become predictions.
        optimizer, seed: as those of a Model.

    Raises:
        FileError: no ONNX file, one with several inputs or outputs, or with operators that are no layers here;
            the message names them all.

    >>> import deltarule as dr
    >>> from deltarule.interop.onnx import to_onnx
    >>> model = dr.Model(dr.Chain(dr.Dense(4), dr.Tanh(), dr.Dense(1)), loss=dr.SquaredError())
    >>> history = model.fit(np.ones((8, 3)), np.ones(8), epochs=1)
    >>> from_onnx(to_onnx(model), loss=dr.SquaredError()).net.shape((8, 3))
    (8, 1)
    """
    model = source if isinstance(source, onnx.ModelProto) else loaded(source)
    program = fused(program_of(model))
    require_known(program, {*READERS, *JOINS})
    shape, pieces = read(program, structure_of(program))
    if pieces and holds(loss, pieces[-1]):
        pieces = pieces[:-1]
    read_model = assembled(joined(pieces), shape, Model(joined(pieces).layer, loss, optimizer, seed=seed))
    read_model.notes = notes_of(model)
    return read_model


def loaded(path: str | os.PathLike) -> onnx.ModelProto:
    """The model in a file."""
    if not isinstance(path, str | os.PathLike):
        raise FileError(
            f"from_onnx: expected the path of a file, or an onnx.ModelProto, got {type(path).__name__}"
        )
    if not os.path.isfile(path):
        raise FileError(f"{os.fspath(path)}: no such file")
    try:
        return onnx.load(path)
    except (DecodeError, onnx.checker.ValidationError, OSError, ValueError) as error:
        raise FileError(
            f"{os.fspath(path)}: expected an ONNX file, but it cannot be read as one ({error})"
        ) from None


def notes_of(model: onnx.ModelProto) -> dict[str, Any]:
    """The notes of the Model that `export` wrote, such as the order of a frame's columns."""
    about = {each.key: each.value for each in model.metadata_props}
    return json.loads(about.get("notes", "{}")) if model.producer_name == "deltarule" else {}


def read(program: Program, structure: Sequence) -> tuple[tuple[int, ...], list[Piece]]:
    """(shape of one example, layers), for the first layout of the input in which every operator is a layer."""
    rank, failures = len(program.sizes), []
    layouts: dict[int, tuple[Layout, ...]] = {1: ("last",), 2: ("last",), 3: ("last", "first", "time")}
    starts = [x for layout in layouts.get(rank, ("last", "first")) if (x := start(program, layout)) is not None]
    if not starts:
        raise FileError(
            f"input {program.input!r}: expected sizes that are known but for that of the examples, got "
            f"{program.sizes}; export it with sizes that are fixed"
        )
    for x in starts:
        try:
            pieces: list[Piece] = []
            y = follow(structure, x, pieces)
            if y.rows is not None:
                raise FileError(
                    "the output of the file is channels-first images in one row, an order that no layer here has; "
                    "end the network before its Flatten"
                )
            if y.fold is not None:
                raise FileError(
                    f"the output of the file has its {y.fold.steps} steps folded into the examples; end the "
                    "network where they are unfolded"
                )
            return x.shape[1:], pieces
        except Unfit as unfit:
            failures.append(unfit)
    furthest = max(failures, key=lambda unfit: (unfit.place, not isinstance(unfit, Misplaced)))
    raise FileError(f"{furthest}; no layer here is that: export the network without it, or build it of layers")


def start(program: Program, layout: Layout) -> Read | None:
    """The input, in one of the layouts that it may have; None where its sizes are not known then."""
    axes = axes_of(layout, len(program.sizes))
    shape = [program.sizes[axes.index(axis)] for axis in range(len(axes))]
    steps = any(op.kind in ("RNN", "GRU", "LSTM") for op in program.ops.values())
    if steps and len(shape) > 1 and not isinstance(shape[1], int):
        shape[1] = STEPS
    known = tuple(size for size in shape[1:] if isinstance(size, int))
    if len(known) < len(shape) - 1:
        return None
    return Read((1, *known), axes, version=program.version, batch=shape[0], zeros=program.zeros)


def follow(structure: Sequence, x: Read, pieces: list[Piece]) -> Read:
    """What a sequence of operators makes of x; its layers are added to `pieces`."""
    for item in structure:
        op = item if isinstance(item, Op) else item.op
        try:
            if isinstance(item, Op):
                require(op.kind in READERS, op, "expected several paths that it joins")
                x = READERS[op.kind](op, x, pieces)
            else:
                require(op.kind in JOINS, op, "expected one input that is not a weight")
                ends: list[tuple[Read, list[Piece]]] = []
                for path in item.paths:
                    inside: list[Piece] = []
                    ends.append((follow(path, x, inside), inside))
                x = JOINS[op.kind](op, ends, pieces)
        except (LookupError, TypeError, ValueError) as error:
            raise Unfit(op, f"its settings make no layer: {error}") from None
    return x


def holds(loss: Loss, piece: Piece) -> bool:
    """Whether a loss holds the last layer already."""
    if isinstance(loss, SoftmaxCrossEntropy):
        return isinstance(piece.layer, Softmax | LogSoftmax) and piece.layer.axis == -1
    return isinstance(loss, BinaryCrossEntropy) and isinstance(piece.layer, Sigmoid)


def assembled(piece: Piece, shape: tuple[int, ...], model: Model) -> Model:
    """The model with the parameters that were read."""
    fresh = model.step().init((1, *shape), model.seed)
    tree = {"params": piece.params, "memory": piece.memory}
    tree = jax.tree.map(lambda array: np.ascontiguousarray(array, np.float32), tree)
    expected, got = (
        jax.tree.map(np.shape, each) for each in ({"params": fresh.params, "memory": fresh.memory}, tree)
    )
    if expected != got:
        raise FileError(f"expected weights of the shapes {expected} for the network in the file, got {got}")
    model.state = jax.device_put(fresh._replace(params=tree["params"], memory=tree["memory"]))
    model.input_shape = shape
    return model
