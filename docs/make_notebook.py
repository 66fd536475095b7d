"""Write the first tutorial as a notebook for Jupyter and Colab: ``python docs/make_notebook.py``."""

import json
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parent
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n((?:\n|   .*\n)+)", re.MULTILINE)
INSTALL = '%pip install -q "ktube_motion[demo]"  # Colab has torch already'


def notebook_of(page: Path) -> dict:
    """Give the notebook of a page: prose as Markdown, commands with an exclamation mark."""
    text = page.read_text(encoding="utf-8")
    cells, place = [cell("code", INSTALL)], 0
    for match in BLOCK.finditer(text + "\n"):
        cells.append(cell("markdown", markdown(text[place : match.start()])))
        code = "\n".join(line[3:] for line in match[2].strip("\n").split("\n"))
        cells.append(cell("code", code if match[1] == "python" else f"!{code}"))
        place = match.end()
    cells.append(cell("markdown", markdown(text[place:])))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [
        {"id": f"cell-{n}", **one} for n, one in enumerate(cells) if "".join(one["source"]).strip()
    ]
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def cell(kind: str, text: str) -> dict:
    """Give one cell."""
    lines = text.strip().splitlines(keepends=True)
    extra = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": lines, **extra}


def markdown(text: str) -> str:
    """Turn the little reStructuredText of a tutorial into Markdown."""
    text = re.sub(r"^(.+)\n=+$", r"# \1", text, flags=re.MULTILINE)
    text = re.sub(r"^(.+)\n-+$", r"## \1", text, flags=re.MULTILINE)
    text = re.sub(r":doc:`[./]*(\w+)`", r"*\1*", text)
    text = re.sub(r"(?<!`)`([^`<]+?) <[^`]+>`(?!`)", r"`\1`", text)
    return text.replace("``", "`")


if __name__ == "__main__":
    notebook = json.dumps(
        notebook_of(DOCS / "tutorials/own_videos.rst"), ensure_ascii=False, indent=1
    )
    (DOCS / "notebooks/own_videos.ipynb").write_text(notebook + "\n", encoding="utf-8")
