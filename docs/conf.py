"""Settings of the documentation, which is built without a network.

python -m sphinx -W -b html docs docs/_build/html                             all of it, in English
KTUBE_DOCS=ko python -m sphinx -W -b html docs docs/_build/html/ko            in Korean: all but API and gallery
"""

import inspect
import os
import re
from base64 import b64decode
from importlib import import_module
from pathlib import Path

from docutils import nodes
from numpydoc.xref import DEFAULT_LINKS
from sphinx.util.docutils import SphinxDirective
from sphinx_gallery.sorting import ExplicitOrder

# The examples are small: threads would only wait for each other. Read when torch is imported, below.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["COLUMNS"] = "108"  # of the commands' help pages

import ktube_motion

project = "ktube_motion"
version = release = ktube_motion.__version__
copyright = "the ktube_motion authors"

DOCS = Path(__file__).resolve().parent
# The pages that there are in Korean; tests/test_translation.py fails where a sentence of them is missing.
TRANSLATED = (
    "index install quickstart original conventions guide commands data video tokenizer generation evaluation rendering "
    "avatars training scale checkpoints differences troubleshooting citation tutorials/*"
).split()
KOREAN = os.environ.get("KTUBE_DOCS") == "ko"
if KOREAN:
    os.environ["LC_ALL"] = "ko_KR.UTF-8"  # of the commands' help pages

extensions = ["myst_parser"]
exclude_patterns = ["_build", "examples", "notebooks"]
language, locale_dirs, gettext_compact = "ko" if KOREAN else "en", ["locale"], False
gettext_uuid = False
if KOREAN:
    # What they link to lies one folder up, in English: `link_to_english`.
    include_patterns = [f"{page}.rst" for page in TRANSLATED]
    suppress_warnings = ["toc.not_readable", "toc.excluded", "ref.doc"]
else:
    extensions += [
        "sphinx.ext.autodoc",
        "sphinx.ext.autosummary",
        "sphinx.ext.viewcode",
        "numpydoc",
        "sphinx_gallery.gen_gallery",
    ]
templates_path = ["_templates"]
default_role = "py:obj"

# Every public name of every room gets a page in api/, by _templates/autosummary/room.rst.
autosummary_generate = True
autosummary_imported_members = True
autosummary_ignore_module_all = False
autodoc_typehints = "none"  # the docstrings tell shapes and units, which types cannot
toc_object_entries_show_parents = "hide"
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
    "within_subsection_order": ExplicitOrder(
        [
            f"plot_{name}.py"
            for name in "speaker cleaning motion_vectors tokenizer metrics export".split()
        ]
        + ["*"]
    ),
    "show_memory": False,
    "write_computation_times": False,  # its page would load scripts from the network
    "show_signature": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "ktube_motion"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sourcelink = False
# Pages without pages below them have nothing to list at their side.
html_sidebars = {
    page: []
    for page in "index quickstart install original conventions troubleshooting changelog citation".split()
}
html_theme_options = {
    "logo": {"text": "ktube_motion"},
    "navbar_end": ["language", "theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "show_toc_level": 2,
    "header_dropdown_text": "더 보기" if KOREAN else "More",
    "pygments_light_style": "tango",
}
html_context = {
    "default_mode": "auto",
    "in_both": [
        str(path.relative_to(DOCS).with_suffix(""))
        for page in TRANSLATED
        for path in sorted(DOCS.glob(f"{page}.rst"))
    ],
}

ROOMS = (
    "io filters kinematics features metrics models vq text evaluators gpt pipeline evaluation render construct "
    "training samples video live commands "
    "types skeletons rotations arrays palette deprecation errors"
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
# Types in docstrings link where they are classes of ours; numpydoc's own links need the network.
DEFAULT_LINKS.clear()
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {
    name: full for name, full in PUBLIC.items() if name[0].isupper() and not name.isupper()
}
numpydoc_xref_ignore = "all"


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


# Objects have no docstring of their own, and would show that of their type; what others wrote is in another format.
CONSTANTS = {
    "skeletons.SMPL_22": "The 22 body joints of SMPL and SMPL-X, with HumanML3D's target bones.",
    "skeletons.KIT_21": "The 21 joints of KIT-ML, in its own millimetre-like unit.",
    "skeletons.SMPLH_52": "The body and both hands, with the bones of the embedded body.",
    "skeletons.SMPLX_55": "All joints of SMPL-X: body, jaw, eyes and hands, with the bones of the embedded body.",
    "arrays.Array": "In a signature: NumPy in, NumPy out; torch in, torch out.",
    "types.Clip": "In a signature: a `PoseSequence` or a `Motion`; the kind that goes in comes out.",
    "commands.COMMANDS": "The names of all commands, by the heading under which ``--help`` lists them.",
    "deprecation.deprecated": "Mark a function or class that goes away, as in PEP 702: calling it warns.",
    "evaluation.METRICS": "The figures of a report, by name, in the order of its columns; see `register_metric`.",
    "io.TRANSCRIPT_FORMATS": "How each kind of transcript is told and read, by name; asked in this order.",
    "palette.GRID": "Lines of plots and of the floor.",
    "palette.INK": "Text and axes.",
    "palette.LEFT": "Left limbs; what is generated.",
    "palette.MIDDLE": "Trunk and head.",
    "palette.PAPER": "The ground of pages and videos.",
    "palette.PLATE": "What stands behind subtitles.",
    "palette.RIGHT": "Right limbs; what is real.",
    "palette.ROWS": "The colour of each row of a report.",
    "palette.SOFT": "Text of less weight.",
    "palette.TRAIL": "The path of the root.",
    "text.Aligner": "Finds words in sound: a function of (samples, sample rate, text) that gives a list of `Word`.",
    "text.NUM_TIMES": "How many numbers about time `word_track` adds to a word's vector.",
    "vq.QUANTIZERS": "What makes each quantizer, by the name that `TokenizerConfig` calls it.",
    "text.POS_CLASSES": "The evaluators' 15 word classes, in the order of their one-hot vectors.",
    "samples.CONCEPTS": "What the made-up speaker's words can be about, and what he does then.",
    "samples.FAULTS": "The faults of an estimator that `make_speaker` can add.",
}


def link_to_english(app, env, node, contnode):
    """Link what is not among the Korean pages to its English page."""
    if not KOREAN:
        return None
    up = "../" * (node["refdoc"].count("/") + 1)
    if node.get("reftype") == "doc":
        page = os.path.normpath(os.path.join(os.path.dirname(node["refdoc"]), node["reftarget"]))
        target = f"{up}{page.lstrip('/')}.html"
        text = contnode if node.get("refexplicit") else nodes.inline(text=Path(page).name)
    else:
        name = PUBLIC.get(node["reftarget"].lstrip("."), node["reftarget"])
        if not name.startswith("ktube_motion."):
            return None
        target, text = f"{up}api/{name}.html", contnode
    return nodes.reference("", "", text, refuri=target, internal=False)


def describe_constant(app, what, name, obj, options, lines):
    """Say what a constant is, and not what its type is."""
    short = name.removeprefix("ktube_motion.")
    if what == "data" or short in CONSTANTS:
        lines[:] = [CONSTANTS.get(short, "")]


def show_init(app, what, name, obj, options, signature, return_annotation):
    """Show what models take, and not the ``(*args, **kwargs)`` of Hugging Face's ``__new__``."""
    if what == "class" and signature == "(*args, **kwargs)":
        whole = inspect.signature(obj.__init__)
        bare = [p.replace(annotation=p.empty) for p in list(whole.parameters.values())[1:]]
        return str(whole.replace(parameters=bare, return_annotation=whole.empty)), None
    return None


def embed_hangul(app, exception):
    """Give the pages a font with the Hangul they use, so that they show it on any machine."""
    if exception is not None or app.builder.format != "html":
        return
    from ktube_motion.render._fonts import embed_font

    pages = Path(app.outdir)
    letters = set().union(
        *(re.findall("[ᄀ-ᇿ㄰-㆏가-힣]", page.read_text("utf-8")) for page in pages.rglob("*.html"))
    )
    font = embed_font("".join(sorted(letters)))
    (pages / "_static" / "hangul.woff").write_bytes(b64decode(font))


class HelpPages(SphinxDirective):
    """``.. help-pages::`` shows what each command says to ``--help``."""

    def run(self):
        from ktube_motion.commands import COMMANDS, parser_of

        pages = []
        for name in (name for names in COMMANDS.values() for name in names):
            page = nodes.section(
                "",
                nodes.title(text=name, translatable=False),
                ids=[nodes.make_id(f"ktube-motion {name}")],
            )
            page += nodes.literal_block(text=parser_of(name).format_help(), language="none")
            pages.append(page)
        return pages


def setup(app):
    app.add_directive("help-pages", HelpPages)
    app.connect("missing-reference", link_to_english if KOREAN else resolve_short_name)
    if not KOREAN:
        app.connect("autodoc-process-docstring", describe_constant)
        app.connect("autodoc-process-signature", show_init)
    app.connect("build-finished", embed_hangul)
