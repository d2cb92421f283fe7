"""Time folded into the examples and unfolded again: what lies between is a layer at each step by itself."""

from dataclasses import dataclass, replace

from deltarule.interop.onnx.reading.program import Op
from deltarule.interop.onnx.reading.registry import Fold, Piece, Read, joined, require
from deltarule.layers import Identity, TimeDistributed


@dataclass(frozen=True)
class Start(Identity):
    """Where the layers inside begin."""


def folded(op: Op, x: Read, pieces: list[Piece], sizes: list[int]) -> Read | None:
    """(n·t, ...) from (n, t, ...); None where the operator does something else."""
    steps, *rest = x.shape[1:] or (1,)
    if x.fold is not None or not x.lies("last") or steps == 1 or not rest or sizes != [-1, *rest]:
        return None
    pieces.append(Piece(Start()))
    shape = (1, *rest)
    return replace(x, shape=shape, axes=tuple(range(len(shape))), batch=None, fold=Fold(steps, x.batch))


def unfolded(op: Op, x: Read, pieces: list[Piece]) -> Read | None:
    """(n, t, ...) again; None where the operator does something else."""
    sizes = tuple(op.weights[1].tolist()) if 1 in op.weights else op.sizes
    if x.fold is None or sizes is None or len(sizes) != len(x.shape) + 1:
        return None
    starts = [place for place, piece in enumerate(pieces) if isinstance(piece.layer, Start)]
    behind = tuple(sizes[2:]) == x.shape[1:] and (not isinstance(sizes[1], int) or sizes[1] == x.fold.steps)
    require(starts and behind and x.lies("last"), op, f"expected to unfold the {x.fold.steps} steps, got {sizes}")
    inside = joined(pieces[starts[0] + 1 :])
    pieces[starts[0] :] = [Piece(TimeDistributed(inside.layer), (inside.params,), (inside.memory,))]
    shape = (1, x.fold.steps, *x.shape[1:])
    return replace(x, shape=shape, axes=tuple(range(len(shape))), batch=x.fold.batch, fold=None)
