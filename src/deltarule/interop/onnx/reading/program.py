"""The operators of an ONNX file that its output depends on, each with its weights as arrays."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from deltarule.errors import FileError

SETTINGS = {"Reshape": 1, "RNN": 1, "GRU": 1, "LSTM": 1}  # how many of their inputs are data; of others, all


@dataclass(frozen=True)
class Op:
    """An operator.

    Attributes:
        inputs: the names of the arrays that it computes with and that are no weights.
        weights: its other inputs by their place.
        port: which of its outputs is meant.
        place: in the file's order.
        sizes: of its output, as far as the file tells.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    weights: dict[int, np.ndarray]
    attributes: dict[str, Any]
    output: str
    port: int
    place: int
    sizes: tuple[int | str | None, ...] | None = None
    missing: tuple[str, ...] = ()  # settings that are computed, such as the sizes of a Reshape

    def setting(self, name: str, place: int, default: Any = None) -> Any:
        """What newer files give as an input, at a place, and older ones as an attribute."""
        return self.weights.get(place, self.attributes.get(name, default))


@dataclass(frozen=True)
class Program:
    """Attributes:
    ops: by the array that they make.
    input, sizes: the name of the one input, and its sizes: numbers, or names of those that are open.
    output: the name of the one output.
    version: of the operator set.
    """

    ops: dict[str, Op]
    input: str
    sizes: tuple[int | str | None, ...]
    output: str
    version: int
    zeros: frozenset[str] = field(default_factory=frozenset)


def program_of(model: onnx.ModelProto) -> Program:
    """Raises FileError for a file that is damaged, or of several inputs or outputs."""
    try:
        model = shape_inference.infer_shapes(model, data_prop=True)
    except (shape_inference.InferenceError, ValueError, RuntimeError) as error:
        raise FileError(f"expected a valid ONNX model, but its shapes do not fit: {error}") from None
    graph = model.graph
    weights = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    source = only("input", [each for each in graph.input if each.name not in weights])
    output = only("output", graph.output)
    sizes = {each.name: sizes_of(each) for each in (*graph.value_info, *graph.input, *graph.output)}
    ops: dict[str, Op] = {}
    for place, node in enumerate(graph.node):
        if node.op_type == "Constant" or (node.input and all(name in weights for name in node.input if name)):
            weights |= folded(node, weights, model)
        else:
            ops |= {op.output: op for op in ops_of(node, place, weights, sizes)}
    return Program(
        ops,
        source.name,
        sizes[source.name] or (),
        output.name,
        max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=1),
        zeros_of(ops),
    )


def only(what: str, values: Iterable[onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
    """The one input or output."""
    found = list(values)
    if not found:
        raise FileError(f"expected an ONNX model of one {what}, but it has none; is the file whole?")
    if len(found) > 1:
        names = ", ".join(repr(each.name) for each in found[:8])
        raise FileError(
            f"expected an ONNX model of one {what}, got {len(found)}: {names}; a model that holds the preparation "
            "of a table is read from its own file, by deltarule.load"
        )
    return found[0]


def sizes_of(value: onnx.ValueInfoProto) -> tuple[int | str | None, ...] | None:
    """The sizes of an array; None where even its rank is open."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in tensor.shape.dim)


def folded(node: onnx.NodeProto, weights: dict[str, np.ndarray], model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """What an operator of weights alone gives, computed once."""
    given = {name: weights[name] for name in node.input if name}
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in given.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], "weights", inputs, outputs)
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    try:
        found = ReferenceEvaluator(part).run(None, given)
    except Exception as error:
        raise FileError(f"operator {node.name or node.op_type}: its weights cannot be computed: {error}") from None
    return {each.name: np.asarray(array) for each, array in zip(outputs, found, strict=True)}  # type: ignore[arg-type]


def ops_of(node: onnx.NodeProto, place: int, weights: dict[str, np.ndarray], sizes: dict) -> Iterator[Op]:
    """The operator, once for each of its outputs."""
    data = node.input[: SETTINGS.get(node.op_type, len(node.input))]
    kind = node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}.{node.op_type}"
    op = Op(
        kind,
        node.name or node.output[0],
        tuple(name for name in data if name and name not in weights),
        {at: weights[name] for at, name in enumerate(node.input) if name in weights},
        {each.name: helper.get_attribute_value(each) for each in node.attribute},
        "",
        0,
        place,
        missing=tuple(name for name in node.input[len(data) :] if name and name not in weights),
    )
    for port, name in enumerate(node.output):
        if name:
            yield replace(op, output=name, port=port, sizes=sizes.get(name))


def zeros_of(ops: dict[str, Op]) -> frozenset[str]:
    """Arrays of zeros whose size is computed, and parts of them: with these PyTorch begins a recurrent layer."""
    found: set[str] = set()
    for name, op in ops.items():
        if op.kind == "ConstantOfShape":
            value = op.attributes.get("value")
            zero = value is None or not numpy_helper.to_array(value).any()
        elif op.kind in ("Expand", "Slice", "Squeeze", "Unsqueeze", "Identity"):
            zero = not op.weights[0].any() if 0 in op.weights else op.inputs[0] in found
        else:
            zero = False
        found |= {name} if zero else set()
    return frozenset(found)


def needed(program: Program) -> list[Op]:
    """The operators that the output depends on, in the file's order."""
    found: dict[str, Op] = {}
    waiting = [program.output]
    while waiting:
        name = waiting.pop()
        if name not in found and name in program.ops:
            found[name] = program.ops[name]
            waiting += found[name].inputs
    return sorted(found.values(), key=lambda op: op.place)


def require_known(program: Program, known: Iterable[str]) -> None:
    """One FileError that names every operator that is not known."""
    unknown = [op for op in needed(program) if op.kind not in set(known)]
    if not unknown:
        return
    first = {op.kind: op.name for op in reversed(unknown)}
    counts = Counter(op.kind for op in unknown)
    told = ", ".join(f"{kind} ({count}, the first at {first[kind]!r})" for kind, count in counts.items())
    raise FileError(
        f"no layer of Deltarule is read from these operators of the file: {told}; export the network without "
        "them, or build it of Deltarule's layers and copy its parameters"
    )
