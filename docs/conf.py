"""The documentation: Markdown read by MyST, a reference made from docstrings, formulas as MathML."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

import deltarule  # noqa: E402

project = "Deltarule"
release = version = deltarule.__version__
copyright = "the Deltarule authors, Apache-2.0"
language = "en"

extensions = ["myst_nb", "sphinx.ext.viewcode", "mathml", "generated"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints", "**/__pycache__"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"

html_theme = "furo"
html_title = f"Deltarule {release}"
html_math_renderer = "mathml"
html_static_path = ["style"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
maximum_signature_line_length = 72
python_display_short_literal_types = True
add_module_names = False
toc_object_entries = False
