"""Models as ONNX files, and ONNX files as models. Needs the package `onnx`: pip install 'deltarule[onnx]'."""

from deltarule.interop.onnx.reading.read import from_onnx
from deltarule.interop.onnx.writing.registry import writes
from deltarule.interop.onnx.writing.write import export, left_out, to_onnx

__all__ = ["export", "from_onnx", "left_out", "to_onnx", "writes"]
