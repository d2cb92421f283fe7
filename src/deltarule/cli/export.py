"""`deltarule export`: a trained model in, an ONNX file out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from deltarule.cli.output import FLAGS, say, tell
from deltarule.errors import SettingError
from deltarule.files import write_whole
from deltarule.loading import load

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Export:
    """Write a trained model as an ONNX file, its preprocessing included, for programs that know no Deltarule.

    A model of a table takes its raw columns: numbers as float64, NaN where one is missing, and text, empty where
    it is missing. A model of images takes their pixels. Classes come as labels and probabilities, numbers in the
    unit of the target. Of a series or a text the network alone is written.

    Attributes:
        model: A run folder, or its model.safetensors.
        output: The ONNX file to write.
        json: Print one JSON object as the last line.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT.onnx")]
    json: bool = False


def main(arguments: list[str]) -> None:
    settings = tyro.cli(Export, prog="deltarule export", args=arguments, config=FLAGS)
    if Path(settings.output).suffix != ".onnx":
        raise SettingError(f"export: expected an output file of the suffix .onnx, got {settings.output!r}")
    try:
        from onnx.checker import check_model

        from deltarule.interop.onnx import left_out, to_onnx
    except ModuleNotFoundError as error:
        raise SettingError(
            f"export: {error.name} is not installed; pip install 'deltarule[onnx]' brings it"
        ) from None
    file = Path(settings.model) / "model.safetensors" if Path(settings.model).is_dir() else settings.model
    model = load(file)
    written = to_onnx(model)
    check_model(written, full_check=True)
    content = written.SerializeToString()
    write_whole(settings.output, content)
    tell([note] if (note := left_out(model)) else [])
    result = {
        "output": settings.output,
        "inputs": [described(each) for each in written.graph.input],
        "outputs": [described(each) for each in written.graph.output],
        "operator_sets": {each.domain or "ai.onnx": each.version for each in written.opset_import},
        "bytes": len(content),
    }
    say(result, settings.json, table(result))


def described(value: "onnx.ValueInfoProto") -> dict[str, Any]:
    """The name, type and shape of an input or output."""
    from onnx import TensorProto

    tensor = value.type.tensor_type
    shape = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in tensor.shape.dim]
    return {"name": value.name, "type": TensorProto.DataType.Name(tensor.elem_type).lower(), "shape": shape}


def table(result: dict[str, Any]) -> str:
    """Text for a person: a line for each input and output, the operator sets, and the size."""
    rows = [(kind, each) for kind in ("inputs", "outputs") for each in result[kind]]
    width = max(len(each["name"]) for _, each in rows)
    lines = [
        f"{kind[:-1]:7} {each['name']:{width}}  {each['type']:7} ({', '.join(map(str, each['shape']))})"
        for kind, each in rows
    ]
    sets = ", ".join(f"{domain} {version}" for domain, version in result["operator_sets"].items())
    return "\n".join([*lines, f"operator sets: {sets}", f"{result['bytes']:,} bytes in {result['output']}"])
