"""Settings of the documentation; ``python -m sphinx -W -b html docs docs/_build/html`` builds it, without a network."""

import os
from importlib import import_module

os.environ.setdefault("OMP_NUM_THREADS", "2")  # read when torch is imported, below

import ktube_motion

project = "ktube_motion"
version = release = ktube_motion.__version__
copyright = "the ktube_motion authors"  # noqa: A001 (Sphinx wants this name)

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples"]
templates_path = ["_templates"]
default_role = "py:obj"

# Every public name of every room gets a page in api/, by _templates/autosummary/room.rst.
autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the docstrings tell shapes and units, which types cannot
numpydoc_show_class_members = False
# Parameters that do not exist, sections that are unknown or out of order.
numpydoc_validation_checks = {"PR02", "GL06", "GL07"}

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("ktube_motion",),
    "reference_url": {"ktube_motion": None},
    "image_scrapers": ("matplotlib",),
    "within_subsection_order": "FileNameSortKey",
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "ktube_motion"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "ktube_motion"},
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_toc_level": 2,
    "pygments_light_style": "tango",
}
html_context = {"default_mode": "auto"}

ROOMS = (
    "io filters kinematics features vq text gpt metrics render construct training samples "
    "types skeletons rotations arrays errors"
).split()


def _public_names():
    """Map what a docstring may call a thing, as ``fix_root`` or ``filters.fix_root``, to its full name."""
    names = {}
    for room in ROOMS:
        for name in import_module(f"ktube_motion.{room}").__all__:
            full = f"ktube_motion.{room}.{name}"
            names[f"{room}.{name}"] = names[f"ktube_motion.{name}"] = full
            names[name] = None if name in names else full  # two rooms have it: say which
        names[f"ktube_motion.{room}"] = f"ktube_motion.{room}"
    return {short: full for short, full in names.items() if full}


PUBLIC = _public_names()


def resolve_short_name(app, env, node, contnode):
    """Link `fix_root`, `filters.fix_root` or `Corpus.create` in any docstring to its page."""
    if node.get("refdomain") != "py":
        return None
    head, dot, tail = node["reftarget"].lstrip(".").rpartition(".")
    whole = PUBLIC.get(f"{head}{dot}{tail}")
    target = whole or (f"{PUBLIC[head]}.{tail}" if head in PUBLIC else None)
    if target is None:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def setup(app):
    app.connect("missing-reference", resolve_short_name)
