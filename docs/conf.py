"""Settings of the documentation; `make docs` builds it, offline but for the packages of the extra."""

import html
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from docutils.nodes import SkipNode
from gallery import collect_gallery
from matplotlib.sphinxext import mathmpl
from reference import write_reference

from agn_helpers import __version__ as release

project, author = "AGN saliency", "The AGN saliency developers"
copyright = author
version = release
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "matplotlib.sphinxext.mathmpl",
]
exclude_patterns = ["_build"]
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Notebooks were executed by `agn reproduce`; widgets would be fetched from elsewhere.
nb_execution_mode = "off"
nb_ipywidgets_js = {}
suppress_warnings = ["mystnb.unknown_mime_type"]
mathmpl_fontsize = 17.0
mathmpl_srcset = ["2x"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = [("Yields", "returns_style")]

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
# Pages without others beside them need no list of these.
_alone = ("start", "own_spectra", "saliency", "glossary", "faq", "scale", "cite")
html_sidebars = {page: [] for page in _alone}
html_copy_source = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 5,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
}


def skip_members(app, what, name, obj, skip, options):
    """Fields of named tuples are in the class's own list of attributes; scikit-learn's routing is its own."""
    doc = getattr(obj, "__doc__", None) or ""
    is_routing = re.fullmatch(r"set_\w+_request|get_metadata_routing", name)
    return True if is_routing or doc.startswith("Alias for field number") else None


def escape_bars(app, what, name, obj, options, lines):
    """Escape what looks like markup in docstrings; literals stay as they are."""
    parts = re.split(r"(``.*?``)", "\n".join(lines), flags=re.DOTALL)
    lines[:] = "".join(part if part[:2] == "``" else escape_marks(part) for part in parts).split("\n")


def escape_marks(text):
    """|x| is a modulus and *shape are arguments, no markup."""
    return re.sub(r"(?<![\w*])(\*{1,2})(?=[a-z]\w*\b(?![^*]*\*)|,)", r"\\\1", text).replace("|", r"\|")


def show_formula(self, node):
    """A formula is an image whose alternative text is its source."""
    image = mathmpl.latex2html(node, self)
    self.body.append(image.replace("<img", f'<img alt="{html.escape(node["latex"])}"', 1))
    raise SkipNode


def mend_labels(app, error):
    """The theme's labels hide the words that are seen on a button, also from those who speak to it."""
    for path in Path(app.outdir).rglob("*.html") if error is None and app.builder.name == "html" else ():
        text = path.read_text(encoding="utf-8")
        mended = re.sub(r'(<button[^>]*search-button-field[^>]*) aria-label="[^"]*"', r"\1", text)
        mended = mended.replace('<summary aria-label="Toggle hidden content">', "<summary>")
        if mended != text:
            path.write_text(mended, encoding="utf-8")


def setup(app):
    """Make the pages that are not written by hand."""
    folder = Path(__file__).parent
    run = os.environ.get("AGN_DOCS_RUN", "docs")
    collect_gallery(folder.parent / "data" / run / "notebooks", folder / "gallery")
    write_reference(folder / "api")
    app.add_node(mathmpl.latex_math, override=True, html=(show_formula, None))
    app.connect("build-finished", mend_labels)
    app.connect("autodoc-skip-member", skip_members)
    app.connect("autodoc-process-docstring", escape_bars, priority=900)
