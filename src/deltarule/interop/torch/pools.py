"""Pooling, by windows and over all of space."""

from typing import Any

from deltarule.interop.torch.convolutions import padded, plain
from deltarule.interop.torch.layout import Flow
from deltarule.interop.torch.module import Conversion, Module, refusal
from deltarule.interop.torch.reading import Place, Reader
from deltarule.kernels.window import each
from deltarule.layers import AveragePool, Chain, GlobalAveragePool, GlobalMaxPool, MaxPool, Reshape
from deltarule.layers.layer import Layer


def max_pool(layer: MaxPool, flow: Flow) -> tuple[Module, ...]:
    slide = layer.window(flow.shape)
    check_space(layer, flow)
    settings = {"kernel_size": slide.size, "stride": slide.stride, "dilation": slide.dilation}
    kind = f"MaxPool{len(flow.space)}d"
    if fits(slide.padding, slide.size):
        return (Module(kind, settings | {"padding": tuple(front for front, _ in slide.padding)}),)
    return padded(slide.padding, float("-inf")), Module(kind, settings)


def average_pool(layer: AveragePool, flow: Flow) -> tuple[Module, ...]:
    """PyTorch's has neither dilation nor sides that differ: where one is needed, the module is our own."""
    slide = layer.window(flow.shape)
    check_space(layer, flow)
    settings: dict[str, Any] = {"kernel_size": slide.size, "stride": slide.stride}
    if fits(slide.padding, slide.size) and set(slide.dilation) == {1}:
        settings["padding"] = tuple(front for front, _ in slide.padding)
        settings["count_include_pad"] = layer.count_padding
        return (Module(f"AvgPool{len(flow.space)}d", settings),)
    settings |= {"sides": slide.padding, "dilation": slide.dilation, "count_padding": layer.count_padding}
    return (Module("AveragePool", settings),)


def fits(padding: tuple[tuple[int, int], ...], size: tuple[int, ...]) -> bool:
    """Whether PyTorch's pools can pad so: alike on both sides, and by no more than half a window."""
    return all(front == behind <= k // 2 for (front, behind), k in zip(padding, size, strict=True))


def check_space(layer: Layer, flow: Flow) -> None:
    if len(flow.space) > 3:
        raise refusal(
            flow.at, type(layer).__name__, f"expected at most three axes of space, got {len(flow.space)}"
        )


def over_space(kind: str) -> Conversion:
    def modules(layer: Layer, flow: Flow) -> tuple[Module, ...]:
        check_space(layer, flow)
        return Module(f"{kind}{len(flow.space)}d", {"output_size": 1}), Module("Flatten")

    return Conversion(modules, "first")


def from_max_pool(module: Any, place: Place) -> MaxPool:
    if module.return_indices:
        raise refusal(place.path, type(module).__name__, "expected return_indices=False: one output, no tuple")
    sides, _ = padding_of(module, place)
    dilation = plain(module.dilation)
    return MaxPool(plain(module.kernel_size), plain(module.stride), sides, dilation)


def from_average_pool(module: Any, place: Place) -> AveragePool:
    """With ceil_mode a last window reaches past the padding, and counts what it meets within it alone."""
    name = type(module).__name__
    if getattr(module, "divisor_override", None) is not None:
        raise refusal(place.path, name, "expected divisor_override=None: a mean divides by what it counts")
    sides, further = padding_of(module, place)
    counted = module.count_include_pad
    if further and counted:
        if any(each(name, "padding", module.padding, len(place.shape) - 2)):
            raise refusal(
                place.path,
                name,
                "with ceil_mode, padding and count_include_pad its last window counts a part of its zeros; "
                "set count_include_pad=False or ceil_mode=False",
            )
        counted = False
    return AveragePool(plain(module.kernel_size), plain(module.stride), sides, counted)


def padding_of(module: Any, place: Place) -> tuple[Any, bool]:
    """(our padding, whether a window reaches further than PyTorch's padding); ceil_mode rounds windows up."""
    space, name = place.shape[1:-1], type(module).__name__
    sizes = (module.kernel_size, module.stride, module.padding, getattr(module, "dilation", 1))
    columns = (each(name, "size", value, len(space)) for value in sizes)
    if not module.ceil_mode:
        return plain(module.padding), False
    sides = []
    for d, k, s, p, r in zip(space, *columns, strict=True):
        reach = r * (k - 1) + 1
        windows = -((reach - d - 2 * p) // s) + 1
        if (windows - 1) * s >= d + p:  # it would begin behind the input
            windows -= 1
        sides.append((p, max(p, (windows - 1) * s + reach - d - p)))
    return tuple(sides), any(behind > front for front, behind in sides)


def from_adaptive(whole: type[GlobalAveragePool | GlobalMaxPool], windows: type[AveragePool | MaxPool]) -> Any:
    """Over the whole of space, whose axes stay, each of length 1; or by windows, where all are of one size."""

    def read(module: Any, place: Place) -> Layer:
        space, name = place.shape[1:-1], type(module).__name__
        if getattr(module, "return_indices", False):
            raise refusal(place.path, name, "expected return_indices=False: one output, no tuple")
        wanted = each(name, "output_size", module.output_size, len(space))
        if set(wanted) == {1}:
            return Chain(whole(), Reshape(*wanted, place.shape[-1]))
        sizes = [d if size is None else size for d, size in zip(space, wanted, strict=True)]
        if any(d % size for d, size in zip(space, sizes, strict=True)):
            raise refusal(
                place.path,
                name,
                f"expected an output_size that divides the input's {space}, got {module.output_size}, whose "
                "windows differ in size; use a pool with a kernel_size",
            )
        return windows(plain(tuple(d // size for d, size in zip(space, sizes, strict=True))))

    return read


LAYERS = {
    MaxPool: Conversion(max_pool, "first"),
    AveragePool: Conversion(average_pool, "first"),
    GlobalMaxPool: over_space("AdaptiveMaxPool"),
    GlobalAveragePool: over_space("AdaptiveAvgPool"),
}
MODULES = {
    f"{kind}{axes}d": Reader(read, "first", axes + 2)
    for axes in (1, 2, 3)
    for kind, read in (
        ("MaxPool", from_max_pool),
        ("AvgPool", from_average_pool),
        ("AdaptiveMaxPool", from_adaptive(GlobalMaxPool, MaxPool)),
        ("AdaptiveAvgPool", from_adaptive(GlobalAveragePool, AveragePool)),
    )
}
