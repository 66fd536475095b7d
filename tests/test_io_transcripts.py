"""Transcripts: every format, every trap, and never a crash that is not a KtubeError.

``KTUBE_FUZZ_CASES=5000`` makes so many damaged files, over all formats.
"""

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import ConfigError, DataError, FormatError, KtubeError
from ktube_motion.io._transcripts import clean_cues, clean_text, load_transcript, read_cues, save_transcript
from ktube_motion.types import Cue, Word

CASES = int(os.environ.get("KTUBE_FUZZ_CASES", "720"))
SRT = "1\n00:00:01,000 --> 00:00:02,500\n안녕하세요\n\n2\n00:00:03,000 --> 00:00:04,000\n여러분\n반가워요\n"
SBV = "0:00:01.000,0:00:02.500\n안녕하세요\n\n0:00:03.000,0:00:04.000\n여러분\n반가워요\n"
WHISPER = {
    "text": "안녕하세요 여러분",
    "segments": [
        {"id": 0, "start": 1.0, "end": 2.5, "text": " 안녕하세요"},
        {
            "start": 3,
            "end": 4.0,
            "text": " 여러분 반가워요",
            "words": [
                {"word": " 여러분", "start": 3.0, "end": 3.4, "probability": 0.9},
                {"word": " 반가", "start": 3.6, "end": 3.8},
                {"word": "워요"},
            ],
        },
    ],
}
JSON3 = {
    "wireMagic": "pb3",
    "events": [
        {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
        {
            "tStartMs": 1000,
            "dDurationMs": 4000,
            "wWinId": 1,
            "segs": [{"utf8": "안녕하세요"}, {"utf8": " 여러분", "tOffsetMs": 800}],
        },
        {"tStartMs": 3000, "dDurationMs": 2000, "wWinId": 1, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {
            "tStartMs": 3000,
            "dDurationMs": 3000,
            "wWinId": 1,
            "segs": [{"utf8": "안녕하세요"}, {"utf8": " 또", "tOffsetMs": 500}],
        },
    ],
}
VTT_ROLLING = """WEBVTT
Kind: captions
Language: ko

00:00:00.160 --> 00:00:02.870 align:start position:0%
_
안녕하세요<00:00:00.480><c> 여러분</c>

00:00:02.870 --> 00:00:02.880 align:start position:0%
안녕하세요 여러분
_

00:00:02.880 --> 00:00:05.000 align:start position:0%
안녕하세요 여러분
네<00:00:03.200><c> 오늘은</c>

00:00:05.000 --> 00:00:05.010 align:start position:0%
네 오늘은
_

00:00:05.010 --> 00:00:07.000 align:start position:0%
네 오늘은
[음악]
""".replace("_", " ")  # YouTube fills empty lines with a space
LONG_GRID = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 4
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "utterances"
        xmin = 0
        xmax = 4
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1
            text = ""
        intervals [2]:
            xmin = 1
            xmax = 4
            text = "안녕 ""여러분"""
    item [2]:
        class = "IntervalTier"
        name = "Anna - words"
        xmin = 0
        xmax = 4
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 1
            text = "sil"
        intervals [2]:
            xmin = 1
            xmax = 2
            text = "안녕"
        intervals [3]:
            xmin = 2
            xmax = 3
            text = ""
        intervals [4]:
            xmin = 3
            xmax = 4
            text = """여러분"""
    item [3]:
        class = "TextTier"
        name = "beats"
        xmin = 0
        xmax = 4
        points: size = 1
        points [1]:
            number = 2.5
            mark = "x"
'''
SHORT_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
4
<exists>
1
"IntervalTier"
"words"
0
4
4
0
1
""
1
2
"안녕"
2
3
"여러분"
3
4
"sp"
"""


@pytest.fixture
def put(tmp_path):
    def write(text, name="talk.srt", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


EXPECTED = [(1.0, 2.5, "안녕하세요"), (3.0, 4.0, "여러분 반가워요")]


def plain(cues):
    return [(cue.start, cue.end, cue.text) for cue in cues]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.srt", SRT),
        ("a.vtt", "WEBVTT - 강연\n\nNOTE 1\n메모\n\nSTYLE\n::cue {}\n\n" + SRT.replace(",", ".")),
        ("a.sbv", SBV),
        ("a.json", json.dumps(WHISPER, ensure_ascii=False)),
        ("a.txt", SRT),
        ("wrong.vtt", SRT),
    ],
)
def test_formats_and_encodings(put, name, text, line_end, encoding):
    assert plain(load_transcript(put(text.replace("\n", line_end), name, encoding))) == EXPECTED


def test_offset_moves_cues_and_words(put):
    path = put(json.dumps(WHISPER), "a.json")
    cues = load_transcript(path, offset=10.5)
    assert plain(cues) == [(start + 10.5, end + 10.5, text) for start, end, text in EXPECTED]
    assert cues[1].words[0] == Word(13.5, 13.9, "여러분")
    assert plain(load_transcript(path, offset=-2)) == [(0, 0.5, "안녕하세요"), (1.0, 2.0, "여러분 반가워요")]


def test_whisper_words_without_times_follow_their_neighbours(put):
    words = load_transcript(put(json.dumps(WHISPER), "a.json"))[1].words
    assert [(word.start, word.end, word.text) for word in words] == [
        (3.0, 3.4, "여러분"),
        (3.6, 3.8, "반가"),
        (3.8, 4.0, "워요"),
    ]
    assert [word.source for word in words] == ["given", "given", "estimated"]


def test_youtube_json3_keeps_word_times_and_real_repeats(put):
    cues = load_transcript(put(json.dumps(JSON3), "a.json3"))
    assert plain(cues) == [(1.0, 3.0, "안녕하세요 여러분"), (3.0, 6.0, "안녕하세요 또")]
    assert [(word.start, word.end) for word in cues[0].words] == [(1.0, 1.8), (1.8, 3.0)]


def test_rolling_vtt_says_every_word_once_with_its_time(put):
    path = put(VTT_ROLLING, "a.vtt")
    cues = load_transcript(path)
    assert plain(cues) == [(0.16, 2.87, "안녕하세요 여러분"), (2.88, 5.0, "네 오늘은")]
    assert cues[1].words == (Word(2.88, 3.2, "네"), Word(3.2, 5.0, "오늘은"))
    counts = clean_cues(read_cues(path))[1]
    assert (counts["cues"], counts["repeated"]) == (5, 3)


def test_rolling_srt_with_overlaps():
    lines = ["첫째 줄입니다", "둘째 줄이고요", "셋째 줄이에요", "끝입니다"]
    shown = ["\n".join(lines[max(i - 1, 0) : i + 1]) for i in range(4)]
    cues, counts = clean_cues([Cue(2 * i, 2 * i + 4, text) for i, text in enumerate(shown)])
    assert plain(cues) == [(2 * i, 2 * i + 2 if i < 3 else 10, text) for i, text in enumerate(lines)]
    assert (counts["overlaps"], counts["repeated_words"]) == (3, 6)


def test_growing_captions():
    shown = ["안녕", "안녕 여러분", "안녕 여러분 오늘은", "날씨가", "날씨가 좋네요"]
    cues, _ = clean_cues([Cue(i, i + 1, text) for i, text in enumerate(shown)])
    assert [cue.text for cue in cues] == ["안녕", "여러분", "오늘은", "날씨가", "좋네요"]


def test_a_person_may_say_a_thing_twice():
    cues, counts = clean_cues([Cue(0, 1, "네"), Cue(1, 2, "네"), Cue(2, 3, "네 알겠어요"), Cue(3, 4, "좋아요")])
    assert [cue.text for cue in cues] == ["네", "네", "네 알겠어요", "좋아요"]
    assert counts["repeated_words"] == 0


def test_cues_that_start_together_are_joined():
    cues, counts = clean_cues([Cue(1, 3, "왼쪽 사람"), Cue(1, 4, "오른쪽 사람"), Cue(2, 3, "셋째")])
    assert plain(cues) == [(1, 2, "왼쪽 사람 오른쪽 사람"), (2, 3, "셋째")]
    assert (counts["joined"], counts["overlaps"]) == (1, 2)


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("<b>안녕</b> <font color='#fff'>하세요</font>", "안녕 하세요"),
        ("<v 민수>안녕</v>", "안녕"),
        ("안녕[br]하세요<br/>네", "안녕 하세요 네"),
        ("[음악] 안녕 (웃음)(박수 소리) ♪", "안녕"),
        ("화자1: 안녕\n화자 2 : 네\nMC: 자\nSPEAKER_00: 예", "안녕 네 자 예"),
        (">> 안녕 >>> 네", "안녕 네"),
        ("&gt;&gt; 안녕&nbsp;&amp; 네 &lt;3", "안녕 & 네 <3"),
        ("- 안녕\n- 네\n-좋아", "안녕 네 좋아"),
        ("안\u200b녕\ufeff\x00\x07 하\u00a0세요\ud800", "안녕 하 세요"),
        ("{\\an8}안녕\\N하세요", "안녕 하세요"),
        ("한글", "한글"),
        ("12:30에 -5도, 주의: 뜨거워요 (아마도)", "12:30에 -5도, 주의: 뜨거워요 (아마도)"),
        ("... ?!", ""),
    ],
)
def test_clean_text(shown, said):
    assert clean_text(shown) == said


def test_textgrid_long_with_word_tier(put):
    for encoding in ("utf-8", "utf-16"):
        (cue,) = load_transcript(put(LONG_GRID, "a.TextGrid", encoding))
        assert plain([cue]) == [(1.0, 4.0, '안녕 "여러분"')]
        assert cue.words == (Word(1.0, 2.0, "안녕"), Word(3.0, 4.0, '"여러분"'))


def test_textgrid_words_only_and_chosen_tier(put):
    path = put(SHORT_GRID, "a.TextGrid")
    (cue,) = load_transcript(path)
    assert plain([cue]) == [(1.0, 3.0, "안녕 여러분")]
    assert cue.words == (Word(1.0, 2.0, "안녕"), Word(2.0, 3.0, "여러분"))
    assert len(load_transcript(path, tier="words")) == 3  # as it stands, silences and all
    with pytest.raises(FormatError, match=r"tier called beats\. Found: words"):
        load_transcript(path, tier="beats")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.srt", "", "Empty transcript.*no cues"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n[음악]\n", "Empty transcript.*1 no speech"),
        ("a.srt", "1\n00:00:02,000 --> 00:00:01,000\n안녕\n", "Empty transcript.*1 no length"),
        ("a.srt", "1\n00:00:01 --> 00:0x:02\n안녕\n", r"line 2.*a line like 00:00:01,000 -->.*Found"),
        ("a.srt", "안녕하세요\n", "line 1"),
        ("a.vtt", "WEBVTT\n\n00:01.000 --> x\n안녕\n", "line 3"),
        ("a.sbv", "0:00:05.000+0:00:06.000\n안녕\n", "line 1"),
        ("a.json", '{"segments": [', "line 1"),
        ("a.json", '{"segments": 3}', "a list"),
        ("a.json", '{"segments": [{"start": NaN, "end": 1, "text": "a"}]}', r"segments\[0\].*no start time"),
        ("a.json", '{"segments": [3]}', "a list of objects.*Found: segments"),
        ("a.json", "3", "not a transcript"),
        ("a.json", "[" * 100_000, "JSON|transcript"),
        ("a.TextGrid", LONG_GRID[:300], "line 16.*a number.*end of the file"),
        ("a.TextGrid", LONG_GRID.replace('"utterances"', "7"), 'line 11.*a text in "quotes".*Found: 7'),
        ("a.TextGrid", LONG_GRID.replace("utterances", "x").replace("words", "y"), "Found: x, Anna - y"),
        ("a.doc", "안녕", "format of this transcript is unknown"),
    ],
)
def test_damaged_files_say_where(put, name, text, message):
    with pytest.raises(FormatError, match=message) as caught:
        load_transcript(put(text, name))
    assert name in str(caught.value)


def test_bad_options(put):
    path = put(SRT)
    with pytest.raises(ConfigError, match="'docx'"):
        load_transcript(path, format="docx")
    with pytest.raises(ConfigError, match="offset"):
        load_transcript(path, offset=float("nan"))
    with pytest.raises(FormatError, match=r"nothing\.srt"):
        load_transcript(path.with_name("nothing.srt"))
    with pytest.raises(DataError, match="not a number"):
        clean_cues([Cue(0, float("inf"), "안녕")])


@pytest.mark.parametrize("cue", [Cue(1, 1, "a"), Cue(0, 1, " "), Cue(-1, 1, "a"), Cue(0, float("nan"), "a")])
def test_save_refuses_what_it_cannot_write(tmp_path, cue):
    with pytest.raises(DataError, match="cue 2"):
        save_transcript([Cue(0, 1, "a"), cue], tmp_path / "a.srt")
    assert list(tmp_path.iterdir()) == []


MARKUP = [
    *r"안 녕 네 하세요 12 < > & ; # [ ] ( ) { } / - : , . -> --> << >> 화자1: 웃음 &amp; &lt; <b> <v a>".split(),
    *r"[br] \N 1".split(),
    *("\n", "\n\n", "\n \n", "\r\n", "\0", "\u200b", "\ud800", "\\", "00:00:01,000"),
    "00:00:01,000-->00:00:02,000",
]
SOUP = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(MARKUP), max_size=30).map(" ".join))
DROPPED = "no_speech no_length repeated joined highlighted other_language credits invented looped".split()
SPOKEN = st.lists(st.text("가나다힣ab1?!,.", min_size=1, max_size=6), min_size=1, max_size=5).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(SOUP)
def test_clean_text_is_settled(text):
    once = clean_text(text)
    assert clean_text(once) == once
    assert once == " ".join(once.split())
    assert "\0" not in once
    once.encode("utf-8")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.builds(Cue, st.floats(-5, 50), st.floats(-5, 50), SOUP), max_size=12))
def test_clean_cues_invariants(cues):
    clean, counts = clean_cues(cues)
    dropped = sum(counts[name] for name in DROPPED) - counts["split"]
    assert counts["cues"] == len(cues) == len(clean) + dropped
    assert all(0 <= cue.start < cue.end and any(map(str.isalnum, cue.text)) for cue in clean)
    assert all(a.end <= b.start for a, b in pairwise(clean))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 9000), SPOKEN), min_size=1, max_size=8))
def test_saved_cues_come_back(tmp_path_factory, rows):
    cues, time = [], 0
    for gap, length, text in rows:
        cues.append(Cue((time + gap) / 1000, (time + gap + length) / 1000, text))
        time += gap + length
    path = tmp_path_factory.getbasetemp() / "round.srt"
    save_transcript(cues, path)
    assert plain(read_cues(path)) == [(pytest.approx(cue.start), pytest.approx(cue.end), cue.text) for cue in cues]


def _fuzz(kind):
    base = {
        "srt": SRT,
        "vtt": VTT_ROLLING,
        "sbv": SBV,
        "whisper": json.dumps(WHISPER),
        "json3": json.dumps(JSON3),
        "textgrid": LONG_GRID,
    }[kind]
    cut = st.tuples(st.integers(0, len(base)), st.integers(0, 8), st.text(max_size=6) | st.sampled_from(MARKUP))
    return st.lists(cut, min_size=1, max_size=3).map(lambda cuts: _damage(base, cuts)) | SOUP


def _damage(text, cuts):
    for place, length, new in cuts:
        text = text[:place] + new + text[place + length :]
    return text


@pytest.mark.parametrize("kind", ["srt", "vtt", "sbv", "whisper", "json3", "textgrid"])
def test_damaged_text_gives_cues_or_a_library_error(tmp_path_factory, kind):
    path = Path(tmp_path_factory.mktemp("fuzz")) / "a.txt"

    @settings(max_examples=max(CASES // 6, 1), deadline=None)
    @given(_fuzz(kind), st.sampled_from([kind, "auto"]))
    def check(text, format):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            cues = load_transcript(path, format=format)
        except KtubeError:
            return  # damage may be told, but only so
        assert cues
        assert all(0 <= cue.start < cue.end for cue in cues)

    check()
