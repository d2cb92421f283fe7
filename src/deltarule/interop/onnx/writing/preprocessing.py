"""The preprocessing of a table or of images as operators: raw columns or pixels in, labels or values out."""

import numpy as np

from deltarule.data.columns import Category, Number
from deltarule.data.image_preprocessing import ImagePreprocessing
from deltarule.data.table import Preprocessing
from deltarule.data.target import Target
from deltarule.interop.onnx.writing.graph import ML, Graph, Value
from deltarule.interop.onnx.writing.registry import whole


def table_input(graph: Graph, preprocessing: Preprocessing) -> Value:
    """One input (n,) for each column of the table, put together as x (n, i)."""
    parts = [
        number(graph, column) if isinstance(column, Number) else category(graph, column)
        for column in preprocessing.columns
    ]
    x = parts[0] if len(parts) == 1 else graph.node("features/", "Concat", parts, axis=1)
    return Value(x, (1, preprocessing.width))


def number(graph: Graph, column: Number) -> str:
    """z = (value − mean) / deviation (n, 1), computed in float64; NaN and infinity are the training median."""
    scope = f"{column.name}/"
    value = graph.input(column.name, np.float64, ["n"])
    absent = graph.node(scope, "Or", [graph.node(scope, kind, [value]) for kind in ("IsNaN", "IsInf")])
    median, mean, deviation = (
        graph.weight(f"{scope}{name}", np.float64(getattr(column, name)))
        for name in ("median", "mean", "deviation")
    )
    filled = graph.node(scope, "Where", [absent, median, value])
    z = graph.node(scope, "Div", [graph.node(scope, "Sub", [filled, mean]), deviation])
    return upright(graph, scope, graph.node(scope, "Cast", [z], to=1))  # float32


def category(graph: Graph, column: Category) -> str:
    """A column of text as one-hot rows (n, levels), or as codes (n, 1); a missing value is an empty text."""
    scope = f"{column.name}/"
    codes = {level: code for code, level in enumerate(column.levels, start=1)}
    if column.family == "boolean":
        codes |= {spelt: code for level, code in codes.items() for spelt in (level.title(), level.upper())}
    if column.missing:
        codes.setdefault("", len(column.levels) + 1)
    code = graph.node(
        scope,
        "LabelEncoder",
        [graph.input(column.name, str, ["n"])],
        domain=ML,
        keys_strings=list(codes),
        values_int64s=list(codes.values()),
        default_int64=0,
    )
    if column.embedded:
        return upright(graph, scope, graph.node(scope, "Cast", [code], to=1))  # float32
    levels = len(column.feature_names)
    rows = np.eye(levels + 1, dtype=np.float32)[:, 1:]  # of code 0, a value never seen, all are 0
    return graph.node(scope, "Gather", [graph.weight(f"{scope}one-hot", rows), code])


def upright(graph: Graph, scope: str, name: str) -> str:
    """(n, 1) from (n,)."""
    return graph.node(scope, "Unsqueeze", [name, graph.weight(f"{scope}axis", whole([1]))])


def image_input(graph: Graph, preprocessing: ImagePreprocessing) -> Value:
    """Pixels as they are in a file, (n, h, w, i), standardised by channel."""
    kind, scale = (np.uint8, 255.0) if preprocessing.values == "uint8" else (np.float32, 1.0)
    pixels = graph.input("pixels", kind, ["n", *preprocessing.shape])
    if kind is np.uint8:
        pixels = graph.node("pixels/", "Cast", [pixels], to=1)  # float32
    mean, deviation = (
        graph.weight(f"pixels/{name}", np.float32(np.multiply(getattr(preprocessing, name), scale)))
        for name in ("mean", "deviation")
    )
    z = graph.node("pixels/", "Div", [graph.node("pixels/", "Sub", [pixels, mean]), deviation])
    return Value(z, (1, *preprocessing.shape))


def target_output(graph: Graph, goal: Target, y: Value) -> None:
    """The label and the probability of each class (n, K); or numbers in the unit of the target, float64 (n,)."""
    if goal.task == "classification":
        labels = np.array(goal.classes)
        kind = str if labels.dtype.kind == "U" else labels.dtype.type
        likeliest = graph.node("label/", "ArgMax", [y.name], axis=1, keepdims=0)
        table = graph.weight("label/classes", labels.astype(object) if kind is str else labels)
        graph.output(graph.node("label/", "Gather", [table, likeliest]), goal.name, kind, ["n"])
        graph.output(y.name, "probabilities", np.float32, ["n", len(labels)])
        return
    scale, mean = (
        graph.weight(f"value/{name}", np.float64(getattr(goal, name))) for name in ("deviation", "mean")
    )
    z = graph.node("value/", "Squeeze", [y.name, graph.weight("value/axis", whole([1]))])
    z = graph.node("value/", "Cast", [z], to=11)  # float64
    value = graph.node("value/", "Add", [graph.node("value/", "Mul", [z, scale]), mean])
    graph.output(value, goal.name, np.float64, ["n"])
