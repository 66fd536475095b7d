"""Help pages in the language of the reader: Korean where the locale is, English elsewhere.

``korean.tsv`` has a line for each text, English and Korean with a tab between them. What is not there stays English.
"""

import locale
import os
import re
import textwrap
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

__all__ = ["speaks_korean", "told", "told_page"]

_WIDTH = 60  # letters of a line; those of Hangul are two columns wide


def speaks_korean(environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether messages are wanted in Korean, by the variables that every program goes by.

    Examples
    --------
    >>> speaks_korean({"LANG": "ko_KR.UTF-8"}), speaks_korean({"LC_ALL": "C", "LANG": "ko_KR.UTF-8"})
    (True, False)
    """
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    chosen = next((environment[name] for name in names if environment.get(name)), None)
    if chosen is None and os.name == "nt":
        chosen = locale.getlocale()[0]
    if chosen is None or chosen in ("C", "POSIX"):
        return False
    return (environment.get("LANGUAGE") or chosen).lower().startswith("ko")


@cache
def _korean() -> dict[str, str]:
    lines = files(__package__).joinpath("korean.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def told(text: str) -> str:
    """Give a text in the language of the reader."""
    return _korean().get(text, text) if speaks_korean() else text


def told_page(page: str) -> str:
    """Give a help page in the language of the reader: its prose, paragraph by paragraph; commands stay as they are."""
    if not speaks_korean():
        return page
    paragraphs = (_told_paragraph(paragraph) for paragraph in re.split(r"\n\s*\n", page.strip("\n")))
    return "\n\n".join(paragraphs) + "\n"


def _told_paragraph(paragraph: str) -> str:
    if paragraph.startswith("    "):
        return paragraph
    known = _korean().get(" ".join(paragraph.split()))
    return paragraph if known is None else textwrap.fill(known, _WIDTH, break_long_words=False, break_on_hyphens=False)
