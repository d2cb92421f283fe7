"""Losses."""

import jax
import numpy as np

from deltarule.layers import LogSoftmax
from deltarule.losses import SoftmaxCrossEntropy
from layers.reference import forward
from onnx_suite.operators import channels_last, operator


@operator("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(case):
    """The loss, and log p.

    Each position is an example where a class is ignored, which has the weight 0, and where nothing is averaged.
    """
    scores, classes, *class_weights = case.inputs
    loss = SoftmaxCrossEntropy(class_weights=tuple(class_weights[0]) if class_weights else None)
    y, ignored = channels_last(scores), case.attributes.get("ignore_index")
    reduction = case.attributes.get("reduction", b"mean")
    if ignored is not None or reduction != b"mean":
        y, classes = y.reshape(-1, y.shape[-1]), classes.ravel()
    weight = np.ones(len(y), np.float32) if ignored is None else (classes != ignored).astype(np.float32)
    target = loss.prepare(np.where(classes == ignored, 0, classes), y.shape)
    if reduction == b"mean":
        value, _ = jax.jit(loss)(y, target, weight / loss.total(target, weight))
    else:
        alone = jax.jit(jax.vmap(lambda y, t, w: loss(y[None], t[None], w[None])[0]))
        values = alone(y, target, weight)
        value = values.sum() if reduction == b"sum" else values.reshape(case.outputs[0].shape)
    return (value, forward(LogSoftmax(1), scores))[: len(case.outputs)]
