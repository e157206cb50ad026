"""Sphinx configuration: ``nox -s docs`` builds with warnings as errors."""

import os
import warnings

import icecoreseg

# Diagrams of estimators on the gallery's pages link to the API pages of this build.
os.environ["ICECORESEG_DOCS"] = ".."

project = "icecoreseg"
author = "The icecoreseg developers"
copyright = "2026, the icecoreseg developers"
version = release = icecoreseg.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
default_role = "any"
autosummary_generate = True
templates_path = ["_templates"]
_ROUTED = ("fit", "partial_fit", "predict", "predict_proba", "score", "split", "transform")
autodoc_default_options = {
    "members": True,
    # scikit-learn's own manners, the same on every page: said once, on the API page.
    "exclude-members": ",".join(
        [f"set_{name}_request" for name in _ROUTED]
        + ["get_metadata_routing", "get_params", "set_output", "set_params"]
    ),
}
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"  # the side bar is narrow
numpydoc_show_class_members = False

# Objects of other projects are named in the text; there is no network for intersphinx.
suppress_warnings = ["config.cache", "ref.any"]
nitpicky = True  # a reference to one of our own names that leads nowhere is an error
# "See Also" from another room than the one that the name is listed in.
nitpick_ignore = [("py:obj", "BrightnessNormalizer"), ("py:obj", "CoreMasker")]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",  # main_job.py takes minutes: shown, not run
    "within_subsection_order": "FileNameSortKey",
    "ignore_repr_types": r"matplotlib|icecoreseg\.display",  # pictures, not their names
    "default_thumb_file": os.path.join(os.path.dirname(__file__), "_static", "front.png"),
    "remove_config_comments": True,
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("icecoreseg",),
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_prev_next": False,
    "navbar_end": ["theme-switcher"],
    # The front page has no sections to list beside it.
    "secondary_sidebar_items": {"**": ["page-toc", "sourcelink"], "index": []},
}
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_title = f"icecoreseg {version}"

warnings.filterwarnings("ignore", category=UserWarning, message=".*non-interactive.*")
