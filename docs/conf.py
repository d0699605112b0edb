"""How the site is made of these pages: `make site`. Whatever Sphinx warns of, a dead link among them, is an error there."""

from sphinx.application import Sphinx

import hnhub

project = "hnhub"
author = "The hnhub authors"
release = hnhub.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["quickstart.ipynb"]
html_theme = "furo"
html_title = f"hnhub {release}"
html_copy_source = False
myst_heading_anchors = 3

# Docstrings write code in single backticks, and say in sentences what an argument is.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": True}
maximum_signature_line_length = 88
python_use_unqualified_type_names = True


def _as_rst(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """An indented block of a docstring is code or a drawing, as in Markdown."""
    found, inside = [], False
    for line in lines:
        if line.startswith("    ") and not inside and found[-1:] == [""]:
            found += ["::", ""]
        inside = line.startswith("    ") or (inside and not line)
        found.append(line)
    lines[:] = found


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-docstring", _as_rst)
