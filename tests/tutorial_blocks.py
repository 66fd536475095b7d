"""The code of a tutorial page, block by block."""

import re
import textwrap
from pathlib import Path

_BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n((?:\n|   .*\n)+)", re.MULTILINE)


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Give (language, code) of each block, in order."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8") + "\n")
    return [(language, textwrap.dedent(code).strip() + "\n") for language, code in found]
