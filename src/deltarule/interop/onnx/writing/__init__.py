"""From a model to an ONNX file: the graph, and for each kind of layer the operators that compute it."""
