"""ONNX files as other programs write them, from a few lines of ONNX's own text form and weights that are drawn."""

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser


def file_of(signature: str, body: str, version: int = 21, rank: int | None = None, **weights) -> onnx.ModelProto:
    """A model; a weight is an array, or the shape of one to be drawn. A rank is given where ONNX infers none.

    >>> file_of("float[n,3] x", "y = Gemm(x, W)", W=(3, 2)).graph.node[0].op_type
    'Gemm'
    """
    random = np.random.default_rng(0)
    graph = parser.parse_graph(f"g ({signature}) => (float[m] y) {{ {body} }}")
    for name, given in weights.items():
        drawn = isinstance(given, tuple)
        array = random.normal(size=given).astype(np.float32) if drawn else np.asarray(given)
        graph.initializer.append(numpy_helper.from_array(array, name))
    del graph.output[:]
    graph.output.append(onnx.ValueInfoProto(name="y"))
    sets = [helper.make_opsetid("", version)]
    lowest = helper.find_min_ir_version_for(sets)
    model = helper.make_model(graph, opset_imports=sets, ir_version=lowest)
    if rank is None:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        graph.output[0].CopyFrom(inferred.graph.output[0])
    else:
        graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, [None] * rank))
    return helper.make_model(graph, opset_imports=sets, ir_version=lowest)
