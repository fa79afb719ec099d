"""The site: the pages of docs/ and the course of examples/ as a gallery, with a notebook of each lesson to download.

    pip install -e ".[docs]"
    python -m sphinx -b html docs build/html

Lessons run while the site is built, so that their pages show what they print and draw. It takes about two minutes.
"""

import os
import sys
from pathlib import Path

os.environ["MPLBACKEND"] = "Agg"
sys.path.insert(0, str(Path(__file__).resolve().parent))  # for sources.py
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import pwl

project, author, release = "pwl", "The pwl authors", pwl.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
    "sources",
]
root_doc = "site"
html_theme = "furo"
html_title = f"pwl {release}"
exclude_patterns = ["images"]

# The reference: a page of each public name, by numpydoc.
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say more
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# Pages are written for GitHub, where a fence named math is a formula.
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = {"math"}
myst_heading_anchors = 3
suppress_warnings = [
    "ref.ref",  # scikit-learn's docstrings, which the estimators inherit, refer to its own site
    "myst.header",  # the changelog begins with its versions
    "myst.xref_missing",  # links to files of the repository, which are no pages of the site
    "sphinx_gallery.duplicate_filename",  # solutions have the names of their lessons; they are no pages
]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "course",
    "filename_pattern": r"/\d\d_",
    "ignore_pattern": r"solutions",
    "nested_sections": False,
    "within_subsection_order": "FileNameSortKey",
    "matplotlib_animations": (True, "jshtml"),
    "remove_config_comments": True,
    "download_all_examples": True,
    "show_memory": False,
    "abort_on_example_error": True,
}
