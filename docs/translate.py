"""Keep the Korean pages in step with the English ones: ``python docs/translate.py``.

Reads every translatable string of the pages that conf.py declares as TRANSLATED, and writes ``locale/ko/LC_MESSAGES``:
what was translated stays, what is new is left empty, what is gone is dropped. Ends with 1 where any is missing.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

DOCS = Path(__file__).resolve().parent
LOCALE = DOCS / "locale/ko/LC_MESSAGES"


def needs_words(text: str) -> bool:
    """Tell whether there is anything to translate: not in numbers, nor in what is code from end to end."""
    return (
        re.search("[A-Za-z]{2}", re.sub("``.*?``|`[^`<]*`", "", text, flags=re.DOTALL)) is not None
    )


def strings() -> dict[str, list[str]]:
    """Give the translatable strings of each page, in order."""
    environment = {**os.environ, "KTUBE_DOCS": "ko", "PYTHONUTF8": "1"}
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sphinx", "-q", "-b", "gettext", "-D", "language=en"]
        subprocess.run([*command, DOCS, folder], check=True, env=environment, capture_output=True)
        wanted = {}
        for page in sorted(Path(folder).rglob("*.pot")):
            with page.open("rb") as file:
                ids = [str(one.id) for one in read_po(file) if needs_words(str(one.id))]
            wanted[str(page.relative_to(folder).with_suffix(""))] = ids
        return wanted


def known(page: str) -> dict[str, str]:
    """Give what is translated of a page."""
    path = LOCALE / f"{page}.po"
    if not path.exists():
        return {}
    with path.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file) if one.id and one.string}


def write(page: str, wanted: list[str], translated: dict[str, str]) -> None:
    """Write the catalogue of a page."""
    catalogue = Catalog(locale="ko", domain=page, fuzzy=False, header_comment=f"# {page}, Korean")
    catalogue.mime_headers  # noqa: B018 (fills the header)
    for text in wanted:
        catalogue.add(text, translated.get(text, ""))
    path = LOCALE / f"{page}.po"
    path.parent.mkdir(parents=True, exist_ok=True)
    catalogue.creation_date = catalogue.revision_date = None
    with path.open("wb") as file:
        write_po(file, catalogue, width=0, omit_header=True)


def missing() -> dict[str, list[str]]:
    """Give the strings of each page that have no Korean."""
    return {
        page: [text for text in wanted if text not in known(page)]
        for page, wanted in strings().items()
    }


if __name__ == "__main__":
    total = 0
    for name, wanted in strings().items():
        translated = known(name)
        write(name, wanted, translated)
        lacking = [text for text in wanted if text not in translated]
        total += len(lacking)
        print(f"{name}: {len(wanted)} strings, {len(lacking)} missing")  # noqa: T201
    sys.exit(1 if total else 0)
