"""An SVG file as a part of a page: named for who cannot see it, in the page's colours, and inert."""

import re
import zlib
from xml.etree import ElementTree

from deltarule.errors import FileError
from deltarule.inspect.html import Html, legible, scrolling, tag

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
DRAWS = {
    *("svg", "g", "defs", "path", "use", "text", "tspan", "clipPath", "rect", "image", "line", "circle", "style"),
    *("polygon", "polyline", "ellipse", "title", "desc"),
}
PAGE_COLOURS = {  # of `figures`, which a page sets for light and for dark
    "#000000": "currentColor",
    "#ffffff": "var(--paper)",
    "#1f5fa8": "var(--blue)",
    "#d9731a": "var(--orange)",
    "#c0272d": "var(--red)",
    "#595959": "var(--quiet)",
    "#999999": "var(--quiet)",
}


def drawing(svg: bytes, description: str, caption: str, wide: bool = False) -> Html:
    """A figure with its caption; `description` is read to who does not see it.

    Only what draws is taken over: no script, no link, no event, and no picture from elsewhere.

    Raises:
        FileError: the SVG is not whole.
    """
    for prefix, space in (("", SVG), ("xlink", LINK)):
        ElementTree.register_namespace(prefix, space)
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise FileError(f"expected a whole SVG file, but it ends or breaks early ({error})") from None
    clean(root, f"f{zlib.crc32(svg):08x}")
    width, height = (float(root.get(side, "0").removesuffix("pt")) for side in ("width", "height"))
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": legible(description), "viewBox": f"0 0 {width:g} {height:g}"}
    root.attrib["style"] = f"--width:{width * 4 / 3:.0f}px"
    text = ElementTree.tostring(root, encoding="unicode")
    picture = Html(re.sub(r"\s*\n\s*", "\n", text))
    return tag("figure", scrolling(picture, caption) if wide else picture, tag("figcaption", caption))


def clean(element: ElementTree.Element, prefix: str) -> None:
    """Takes out what does not draw, makes identifiers the figure's own, and gives colours to the page."""
    for child in list(element):
        if child.tag.removeprefix(f"{{{SVG}}}") not in DRAWS or child.tag.endswith("}style"):
            element.remove(child)
        else:
            clean(child, prefix)
    used = element.tag.endswith(("}path", "}clipPath", "}image", "}marker"))
    for name, value in list(element.items()):
        if name.endswith("href"):
            kept = value.startswith(("#", "data:image/png;base64,"))
            value = f"#{prefix}{value[1:]}" if value.startswith("#") else value
        else:
            kept = not name.startswith("on") and (name != "id" or used)
            value = f"{prefix}{value}" if name == "id" else re.sub(r"url\(#", f"url(#{prefix}", value)
        if kept:
            element.set(name, styled(value) if name == "style" else value)
        else:
            del element.attrib[name]


def styled(style: str) -> str:
    """A style with the page's colours and fonts, and without anything that is fetched."""
    style = re.sub(r"font-family:[^;]*;?", "", style)
    style = re.sub(r"font: ([\d.]+px)[^;]*", r"font-size: \1", style)
    style = re.sub(r"url\((?!#)[^)]*\)", "none", style)
    return re.sub(r"#[0-9a-f]{6}", lambda found: PAGE_COLOURS.get(found[0], found[0]), style)
