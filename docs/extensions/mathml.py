"""Formulas as MathML: Sphinx's mathematics, written by latex2mathml; a page needs no script and no network."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def setup(app: Sphinx) -> dict[str, bool]:
    """Adds the renderer; `html_math_renderer = "mathml"` chooses it."""
    app.add_html_math_renderer("mathml", (inline, leave), (block, leave))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def inline(writer: HTML5Translator, node: nodes.math) -> None:
    """A formula within a line."""
    writer.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def block(writer: HTML5Translator, node: nodes.math_block) -> None:
    """A formula on lines of its own."""
    writer.body.append(f'<div class="math-block">{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def leave(writer: HTML5Translator, node: nodes.Element) -> None:
    """Nothing is left open."""


def mathml(latex: str, display: str) -> str:
    """The formula as MathML; the converter knows `aligned` as `align*`, and takes no bracket right behind it."""
    for known, written in (("align*", "aligned"), ("align*", "align"), ("split", "gathered")):
        latex = latex.replace(f"\\end{{{written}}}", f"\\end{{{known}}}")
        latex = latex.replace(f"\\begin{{{written}}}", f"\\begin{{{known}}}{{}}")
    return convert(latex.strip(), display=display)
