"""Steps over a stream; each process writes what came out and how many blocks it read, and goes on with a run.

The arguments are the folder of the set, that of what is written, and a folder of checkpoints.
"""

import json
import sys
from pathlib import Path

import jax

import deltarule as dr
from deltarule.data.array_files import ArrayFiles
from deltarule.training.checkpoint import Checkpoints

EPOCHS, MEMORY = 5, 24_000


def fitted(folder: Path, checkpoint: Path | None = None, resume: bool = False) -> dict:
    net = dr.Chain(dr.Dense(8, bias=False), dr.BatchNorm(), dr.ReLU(), dr.Dropout(0.2), dr.Dense(3))
    model = dr.Model(net, loss=dr.SoftmaxCrossEntropy(), optimizer=dr.SGD(0.05), seed=3)
    history = model.fit(
        dr.stream(folder, memory=MEMORY, seed=1),
        epochs=EPOCHS,
        batch_size=16,
        validation=0.2,
        checkpoint=checkpoint and Checkpoints(checkpoint, every_steps=1),
        resume=resume,
    )
    return {name: history[name] for name in ("loss", "validation_loss", "validation_accuracy")}


def noted(read: list[int]):
    """The reading of blocks, which are noted."""
    once = ArrayFiles.read
    return lambda self, block: read.append(int(block)) or once(self, block)


if __name__ == "__main__":
    folder, out, checkpoint = map(Path, sys.argv[1:])
    blocks: list[int] = []
    ArrayFiles.read = noted(blocks)  # type: ignore[method-assign]
    told = {"whole": fitted(folder), "blocks": len(blocks)}
    told["resumed"] = fitted(folder, checkpoint, resume=True)
    (out / f"{jax.process_index()}.json").write_text(json.dumps(told))
