"""Configuration of the documentation site: ``make docs`` builds it, and a warning is an error."""

from __future__ import annotations

import re

import voicecoil

project = "voicecoil"
author = "the voicecoil contributors"
copyright = author
release = version = voicecoil.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "pictures"]
nitpicky = False

html_theme = "furo"
html_title = "voicecoil"
html_static_path = ["_static"]
html_css_files = ["voicecoil.css"]
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the numpydoc sections have the types, with their units
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# What the docstring of each name in the reference must have: a summary that is one sentence, every
# parameter with its type, in the order of the signature, and what is returned or yielded.
numpydoc_validation_checks = {
    *("GL05", "GL06", "GL07", "GL08", "GL09", "GL10"),
    *("SS01", "SS02", "SS04"),
    *("PR01", "PR02", "PR03", "PR04", "PR05", "PR06", "PR07", "PR08", "PR10"),
    *("RT01", "RT02", "RT03", "RT04", "YD01"),
}
# Only the library makes these objects. Their docstrings describe the attributes, or say which
# function returns them, and not the parameters of the constructor.
numpydoc_validation_overrides = {"PR01": [r"Attributes\n-----", r"returned by :(func|meth|attr):`"]}

doctest_global_setup = """
import os
os.environ["VOICECOIL_DRIVER"] = "virtual"
import numpy as np
import voicecoil as vc
"""
doctest_test_doctest_blocks = ""  # docstrings show real devices; the pages' {doctest} blocks run


def _name_files_outside(app: object, docname: str, source: list[str]) -> None:
    """Shows a link to a file outside of ``docs`` as that file's path: the site does not have it."""
    source[0] = re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?:\w[^)]*)\)", _path_for_link, source[0])


def _path_for_link(match: re.Match[str]) -> str:
    text = match[1]
    path = match[0].rsplit("(", 1)[1].rstrip(")").lstrip("./").split("#")[0]
    if text.strip("`") in path:
        return f"`{path}`"
    return f"{text} (`{path}`)"


def setup(app: object) -> None:
    """Registers the changes that the pages need before they are parsed."""
    app.connect("source-read", _name_files_outside)  # type: ignore[attr-defined]
