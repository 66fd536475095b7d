"""The Korean pages: no sentence is missing, and what is code stays code."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.fixture(scope="module")
def pages():
    """Give English and Korean of every string of the translated pages."""
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_parser")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        import translate

        return {page: (wanted, translate.known(page)) for page, wanted in translate.strings().items()}


def test_nothing_is_missing(pages):
    assert len(pages) >= 11
    missing = {page: [text for text in wanted if text not in known] for page, (wanted, known) in pages.items()}
    assert not any(missing.values()), "run python docs/translate.py and translate what it leaves empty"
    stale = {page: [text for text in known if text not in wanted] for page, (wanted, known) in pages.items()}
    assert not any(stale.values()), "run python docs/translate.py"


def test_what_is_translated_is_korean(pages):
    for page, (wanted, known) in pages.items():
        for text in wanted:
            prose = re.sub(r"``.*?``|:\w+:`.*?`|`.*?`|\(.*?\)", "", text)
            if re.search(r"[a-z]{4,} [a-z]{2,}", prose):
                assert re.search("[가-힣]", known[text]), f"{page}: {text}"
            assert known[text].count("``") % 2 == 0, f"{page}: {known[text]}"


def test_code_and_links_stay_as_they_are(pages):
    for page, (wanted, known) in pages.items():
        for text in wanted:
            for role in (r":doc:`(?:[^`<]*<)?([^`>]+)>?`", r"``([^`]+)``"):
                english, korean = (sorted(re.findall(role, one)) for one in (text, known[text]))
                korean = [part.replace("이름", "NAME") for part in korean]
                assert sorted(korean) == english, f"{page}: {text}"


def test_particles_do_not_break_markup(pages):
    """A literal that a particle follows needs an escaped space, or reStructuredText does not see its end."""
    for page, (_, known) in pages.items():
        for korean in known.values():
            after = re.findall("``[^`]+``(.?)", korean, re.DOTALL)
            assert not any(re.match("[가-힣]", letter) for letter in after), f"{page}: {korean}"


def test_each_page_leads_to_itself_in_the_other_language():
    """What the bar at the top links to is there, from pages at the root and below it."""
    jinja2 = pytest.importorskip("jinja2")
    template = jinja2.Template((DOCS / "_templates/language.html").read_text(encoding="utf-8"))
    both = ["index", "tutorials/talk"]
    for language, page, root, wanted in (
        ("en", "index", "./", "./ko/index.html"),
        ("en", "tutorials/talk", "../", "../ko/tutorials/talk.html"),
        ("en", "api/ktube_motion.io", "../", "../ko/index.html"),
        ("ko", "tutorials/talk", "../", "../../tutorials/talk.html"),
        ("ko", "search", "./", "./../index.html"),
    ):
        shown = template.render(language=language, pagename=page, content_root=root, in_both=both)
        assert f'href="{wanted}"' in shown
