"""Models with parameters drawn anew, and ONNX Runtime beside them."""

from typing import Any

import jax
import numpy as np
import onnx

import deltarule as dr


def model_of(net, shape, loss=None, spread=0.3):
    """A model of a network over examples of a shape; its parameters and its memory differ everywhere."""
    random = np.random.default_rng(0)
    model = dr.Model(net, loss=loss or dr.SquaredError())
    model.input_shape = tuple(shape)
    fresh = model.step().init((1, *shape), 0)
    params = jax.tree.map(lambda a: np.float32(a + spread * random.normal(size=a.shape)), fresh.params)
    memory = jax.tree.map(lambda a: np.float32(a + random.uniform(0.1, 0.5, a.shape)), fresh.memory)
    model.state = fresh._replace(params=params, memory=memory)
    return model


def drawn(shape, n=64):
    """Examples of a shape."""
    return np.random.default_rng(1).normal(size=(n, *shape)).astype(np.float32)


def session(model: onnx.ModelProto) -> Any:
    """The model in ONNX Runtime, held to the whole standard before."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # it warns of what it leaves out
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def computed(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """What ONNX Runtime makes of x, the one input."""
    running = session(model)
    return running.run(None, {running.get_inputs()[0].name: x})[0]


def kinds(model: onnx.ModelProto) -> list[str]:
    """The operators of a model in their order."""
    return [node.op_type for node in model.graph.node]
