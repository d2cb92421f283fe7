"""A trained model as an ONNX file, which takes what `predict` takes and gives what it gives."""

import json
import os
from typing import Any

import jax
import numpy as np
import onnx

import deltarule.interop.onnx.writing.containers
import deltarule.interop.onnx.writing.features
import deltarule.interop.onnx.writing.normalisation
import deltarule.interop.onnx.writing.recurrent
import deltarule.interop.onnx.writing.spatial  # noqa: F401  # each registers its writers
from deltarule import __version__
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.table import Preprocessing
from deltarule.description import to_json
from deltarule.errors import SettingError
from deltarule.files import write_whole
from deltarule.interop.onnx.writing.graph import Graph, Value
from deltarule.interop.onnx.writing.preprocessing import image_input, table_input, target_output
from deltarule.interop.onnx.writing.registry import FixedTime, Here, write
from deltarule.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from deltarule.losses.loss import Loss
from deltarule.model import Model
from deltarule.training.windows import is_recurrent

MOST_BYTES = 2**31 - 2**20  # of all weights: a file of ONNX holds 2 GiB
OUTSIDE = {"series": "a series", "text": "a text"}  # whose preparation reads a whole file, and stays outside


def export(model: Model, path: str | os.PathLike) -> None:
    """Writes the model as an ONNX file, whole or not at all; raises as `to_onnx`, and FileError.

    >>> import deltarule as dr, numpy as np, tempfile
    >>> model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    >>> history = model.fit(np.ones((8, 3)), np.ones(8), epochs=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(model, f"{folder}/model.onnx")
    """
    write_whole(path, to_onnx(model).SerializeToString())


def to_onnx(model: Model) -> onnx.ModelProto:
    """The model as ONNX: the inputs of `model.predict`, channels last, and its outputs, in float32.

    How many examples there are is open (`n`), and how many steps in a recurrent network (`t`). A model that
    `deltarule train` made of a table has one input (n,) for each raw column, float64 with NaN where it is missing
    or text that is empty there, and gives the label and the probabilities of the classes, or the value in its
    unit; one of images takes their pixels. Operator set 21, or 23 where the network has an RMSNorm.

    Raises:
        SettingError: the model has not been trained; or a layer, a loss or a carried state that ONNX has no form
            of, with the path to it.

    >>> import deltarule as dr, numpy as np
    >>> model = dr.Model(dr.Dense(1), loss=dr.SquaredError())
    >>> history = model.fit(np.ones((8, 3)), np.ones(8), epochs=1)
    >>> [node.op_type for node in to_onnx(model).graph.node]
    ['Gemm', 'Identity']
    """
    try:
        return written(model, free=is_recurrent(model.net))
    except FixedTime:
        return written(model, free=False)


def written(model: Model, free: bool) -> onnx.ModelProto:
    """The model, with any number of steps or the one of training; raises FixedTime where the first cannot be."""
    state, graph, preprocessing = model.trained(), Graph(), preprocessing_of(model)
    params, memory = jax.device_get((state.params, state.memory))
    if (bytes_ := sum(array.nbytes for array in jax.tree.leaves((params, memory)))) > MOST_BYTES:
        raise SettingError(f"to_onnx: an ONNX file holds 2 GiB at most, and the parameters take {bytes_:,} bytes")
    if isinstance(preprocessing, Preprocessing):
        x = table_input(graph, preprocessing)
    elif isinstance(preprocessing, ImagePreprocessing):
        x = image_input(graph, preprocessing)
    else:
        x = array_input(graph, tuple(model.input_shape or ()), free)
    y = write(Here(graph, model.net, params, memory), x)
    y = graph.laid(prediction(graph, model.loss, y), "last")
    if preprocessing is not None:
        target_output(graph, preprocessing.goal, y)
    else:
        steps = ["t" if y.shape[1] == x.shape[1] else None] if y.free else []
        graph.output(y.name, "y", np.float32, ["n", *steps, *y.shape[1 + len(steps) :]])
    return described(graph.model(producer_name="deltarule", producer_version=__version__), model)


def array_input(graph: Graph, shape: tuple[int, ...], free: bool) -> Value:
    """x (n, ...), as it was trained on."""
    steps = ["t"] if free else []
    return Value(graph.input("x", np.float32, ["n", *steps, *shape[len(steps) :]]), (1, *shape), free=free)


def prediction(graph: Graph, loss: Loss, y: Value) -> Value:
    """What `predict` shows of the network's output."""
    if isinstance(loss, SoftmaxCrossEntropy):
        y = graph.laid(y, "last")
        return Value(graph.node("", "Softmax", [y.name], axis=-1), y.shape, free=y.free)
    if isinstance(loss, BinaryCrossEntropy):
        return Value(graph.node("", "Sigmoid", [y.name]), y.shape, y.layout, y.free)
    if type(loss).predict is not Loss.predict:
        raise SettingError(
            f"{type(loss).__name__}: a loss of your own that makes predictions of outputs has no form in ONNX; "
            "put what it does into the network as a layer, or export a Model with another loss"
        )
    return y


def preprocessing_of(model: Model) -> Preprocessing | ImagePreprocessing | None:
    """How a table or images become numbers; None for arrays, series and texts."""
    saved = model.notes.get("preprocessing")
    if saved is None or saved.get("kind") in OUTSIDE:
        return None
    kind = ImagePreprocessing if saved.get("kind") == "images" else Preprocessing
    return kind.from_json(saved)


def left_out(model: Model) -> str | None:
    """What a person should know of preprocessing that the file does not hold."""
    kind = model.notes.get("preprocessing", {}).get("kind")
    if kind not in OUTSIDE:
        return None
    return (
        f"The model was trained on {OUTSIDE[kind]}, whose preparation reads a whole file: the ONNX file holds the "
        "network alone, from prepared x to outputs y, in standardised units."
    )


def described(model: onnx.ModelProto, source: Model) -> onnx.ModelProto:
    """The file with what it was made of."""
    about: dict[str, Any] = {"net": to_json(source.net), "loss": to_json(source.loss)}
    if source.notes:
        about["notes"] = source.notes
    onnx.helper.set_model_props(model, {name: json.dumps(value) for name, value in about.items()})
    model.doc_string = left_out(source) or ""
    return model
