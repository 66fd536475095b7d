"""The two READMEs: in step with each other, with the package and with what the page of each says."""

import re
import shlex
import tomllib
from pathlib import Path

from ktube_motion.commands import parser_of

ROOT = Path(__file__).resolve().parent.parent
ENGLISH, KOREAN = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
FIGURES = re.compile(r"\d+(?:[,.]\d+)*")


def tables(text):
    """Give the tables of a page, as lists of rows of cells."""
    found = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [[[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()] for table in found]


def test_tables_have_the_same_rows_and_figures():
    assert len(tables(ENGLISH)) == len(tables(KOREAN)) == 5
    for english, korean in zip(tables(ENGLISH), tables(KOREAN), strict=True):
        assert len(english) == len(korean)
        for one, other in zip(english, korean, strict=True):
            assert len(one) == len(other), (one, other)
            figures, others = (sorted(FIGURES.findall(" ".join(cells))) for cells in (one, other))
            assert figures == others, (one, other)


def test_the_same_commands_stand_in_both():
    for command in ('pip install -c constraints.txt ".[demo]" && python examples/quickstart.py',
                    'pip install -c constraints.txt -e ".[test]" && pytest -n 2 --dist worksteal',
                    'ktube-motion generate --say "여러분 안녕하세요" --output hello.html'):  # fmt: skip
        assert f"    {command}\n" in ENGLISH
        assert f"    {command}\n" in KOREAN
    for text in (ENGLISH, KOREAN):
        lines = re.findall(r"^    ktube-motion (.*?)(?:   #.*)?$", text, re.MULTILINE)
        assert len(lines) >= 5
        for line in lines:
            name, *words = shlex.split(line)
            words += ["--pipeline", "sample-speaker"] if name == "generate" and "--pipeline" not in words else []
            assert parser_of(name).parse_args(words).command == name


def test_what_a_run_printed_is_in_both():
    run = re.search(r"    tokenizer MPJPE.*?0\.5 s off[^\n]*\n", ENGLISH, re.DOTALL)[0]
    assert run in KOREAN


def test_extras_are_named_in_both():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for extra in extras.keys() - {"test", "docs", "bench"}:
        assert f"`{extra}`" in ENGLISH, extra
        assert f"`{extra}`" in KOREAN, extra


def test_links_and_pictures_exist():
    for text in (ENGLISH, KOREAN):
        for target in re.findall(r"\]\(((?!http)[^)#]+)\)", text):
            assert (ROOT / target).exists(), target


def test_korean_is_not_word_for_word():
    for phrase in ("그 옆에", "함께 시험한 판", "토큰 쓰기", "방(모듈)", "몸짓"):
        assert phrase not in KOREAN, phrase
