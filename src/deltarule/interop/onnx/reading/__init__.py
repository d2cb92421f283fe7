"""From an ONNX file to a model: its operators, how they hang together, and the layers that they are."""
