"""Help pages in Korean, where the locale is Korean; commands and flags stay as they are."""

import re
from pathlib import Path

import pytest

from ktube_motion.commands import COMMANDS, main, parser_of
from ktube_motion.commands._quickstart import OPENING
from ktube_motion.commands._shared import _tour
from ktube_motion.commands._shared._language import _korean, speaks_korean, told

NAMES = [name for names in COMMANDS.values() for name in names]
QUICKSTART = Path(_tour.__file__).parent.parent.joinpath("_quickstart.py").read_text(encoding="utf-8")
SAID = ("quickstart", "generate", "edit", "live")  # their examples are Korean sentences
HANGUL = re.compile("[가-힣]")


@pytest.fixture
def in_korean(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"LANG": "ko_KR.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "C", "LANGUAGE": "ko"}, False),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "ko:en"}, True),
        ({"LC_ALL": "ko_KR", "LANG": "en_US"}, True),
        ({"LC_MESSAGES": "en_US", "LANG": "ko_KR"}, False),
    ],
)
def test_locale(environment, wanted):
    assert speaks_korean(environment) is wanted


@pytest.mark.parametrize("name", NAMES)
def test_a_page_in_korean(in_korean, name):
    english = [line for line in (parser_of(name).description or "").splitlines() if line.startswith("    ")]
    page = parser_of(name).format_help()
    assert page.startswith(f"usage: ktube-motion {name}")
    for line in english:
        assert line in page, "commands stay as they are"
    for action in parser_of(name)._actions:
        assert all(flag in page for flag in action.option_strings)
    assert HANGUL.search(page.splitlines()[2]), "the summary"


def test_hardly_anything_is_left_in_english():
    """New texts of a command come in English first; more than one in twenty means that Korean was forgotten."""
    texts = set()
    for name in NAMES:
        parser = parser_of(name)
        texts |= {action.help for action in parser._actions} | {group.title for group in parser._action_groups}
        paragraphs = re.split(r"\n\s*\n", parser.description.strip("\n"))
        texts |= {" ".join(part.split()) for part in paragraphs if not part.startswith("    ")}
    missing = sorted(text for text in texts if text and text.replace("%%", "%") not in _korean())
    assert len(missing) < 0.05 * len(texts), missing


def test_overview_in_korean(in_korean, capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert "한국어 발화에서 사람의 동작으로." in printed
    lines = {line.split()[0]: line for line in printed.splitlines() if line.startswith("  ")}
    assert all(HANGUL.search(lines[name]) for name in NAMES)


def test_english_stays_english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    for name in NAMES:
        page = parser_of(name).format_help()
        assert not HANGUL.search(re.sub(r"--say.*|\[\"?.*", "", page)) or name in SAID


def test_the_tour_in_korean(in_korean, tmp_path):
    """What quickstart leaves, in Korean from its title to its last command; nothing of it is forgotten in English."""
    for name in _tour._PLACES:
        (tmp_path / name).mkdir()
    (tmp_path / "KTubeUM/report.html").touch()
    for name in ("sample_speaker.mp4", "real_and_generated.mp4", "say_0.html"):
        (tmp_path / name).touch()
    page = _tour.write_tour(tmp_path, ["안녕하세요"], "MPJPE 21.0 mm", {}).read_text(encoding="utf-8")
    assert '<html lang="ko">' in page
    prose = re.sub(r"<style>.*?</style>|<pre>.*?</pre>|<code>.*?</code>|<[^>]*>", "\n", page, flags=re.DOTALL)
    lines = [line.strip() for line in prose.splitlines() if line.strip()]
    assert len(lines) > 20
    assert {line for line in lines if not HANGUL.search(line)} <= {*_tour._PLACES, "·"}
    assert all(told(text) != text for text in [*OPENING.splitlines(), *re.findall(r'"(\d of 5: .*?)"', QUICKSTART)])
