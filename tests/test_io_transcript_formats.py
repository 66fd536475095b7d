"""Every transcript format: files of real tools, layouts of real recognisers, and damage that costs one cue."""

import json
import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import ConfigError, FormatError, KtubeError
from ktube_motion.io import TRANSCRIPT_FORMATS, TranscriptFormat, load_transcript, read_transcript
from ktube_motion.types import Cue

SAID = [(1.0, 2.5, "안녕하세요 여러분"), (3.0, 5.0, "오른손을 들어 주세요.")]


@pytest.fixture
def put(tmp_path):
    def write(text, name, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


def plain(cues):
    return [(pytest.approx(cue.start, abs=1e-3), pytest.approx(cue.end, abs=1e-3), cue.text) for cue in cues]


def dump(value):
    return json.dumps(value, ensure_ascii=False)


SEGMENTS = [{"start": start, "end": end, "text": text} for start, end, text in SAID]
TTML = """<?xml version="1.0" encoding="utf-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25"
 ttp:tickRate="1000" xml:lang="ko"><body><div begin="1s">{}</div></body></tt>"""
SAMI = """<SAMI><HEAD><STYLE TYPE="text/css"><!--
.KRCC {{ Name:한국어; lang:ko-KR; }} .ENCC {{ Name:English; lang:en-US; }} --></STYLE></HEAD><BODY>
<SYNC Start=1000><P Class=KRCC>안녕하세요<br>여러분{0}
<SYNC Start=2500><P Class=KRCC>&nbsp;{1}
<SYNC Start=3000><P Class=KRCC><font color="#ffff00">오른손을 들어 주세요.</font>{0}
<SYNC Start=5000><P Class=KRCC>&nbsp;{1}
</BODY></SAMI>"""
FILES = {
    "two.smi": SAMI.format("<P Class=ENCC>Hello everybody", "<P Class=ENCC>&nbsp;"),
    "one.smi": SAMI.format("", ""),
    "offset.ttml": TTML.format(
        '<p begin="0s" dur="1500ms">안녕하세요<br/>여러분</p><p begin="2s" end="4s">오른손을 들어 주세요.</p>'
    ),
    "ticks.dfxp": TTML.format(
        '<p begin="0t" end="1500t">안녕하세요 <span>여러분</span></p>'
        '<p><span begin="00:00:02:00" end="100f">오른손을 들어 주세요.</span></p>'
    ),
    "a.srv1": '<transcript><text start="1" dur="1.5">안녕하세요 여러분</text>'
    '<text start="3" dur="2">오른손을 들어 주세요.</text></transcript>',
    "a.srv3": '<timedtext format="3"><body><p t="1000" d="1500"><s>안녕하세요</s><s t="280"> 여러분</s></p>'
    '<p t="3000" d="2000">오른손을 들어 주세요.</p></body></timedtext>',
    "a.ass": "[Events]\nFormat: Layer, Start, End, Style, Name, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,{\\an8}안녕하세요\\N여러분\n"
    "Comment: 0,0:00:01.00,0:00:02.50,Default,,주석\n"
    "Dialogue: 0,0:00:03.00,0:00:05.00,Default,,{\\p1}m 0 0 l 1 1{\\p0}오른손을 들어 주세요.\n",
    "a.sub": "{1}{1}25\n{25}{62.5}x\n{25}{63}안녕하세요|{y:i}여러분\n{75}{125}오른손을 들어 주세요.\n".replace(
        "{25}{62.5}x\n", ""
    ),
    "a.lrc": "[ti:노래]\n[00:01.00]안녕하세요 여러분\n[00:02.50]\n[00:03.00]오른손을 들어 주세요.\n[00:05.00]\n",
    "whisper.tsv": "start\tend\ttext\n1000\t2500\t안녕하세요 여러분\n3000\t5000\t오른손을 들어 주세요.\n",
    "korean.csv": '시작,끝,내용\n00:00:01.000,00:00:02.500,안녕하세요 여러분\n0:03,0:05,"오른손을 들어 주세요."\n',
    "audacity.txt": "1.000\t2.500\t안녕하세요 여러분\n3.000\t5.000\t오른손을 들어 주세요.\n",
    "bracketed.txt": "[00:00:01.000 --> 00:00:02.500]  안녕하세요 여러분\n"
    "[00:03.000 --> 00:05.000]  오른손을 들어 주세요.\n",
    "resolve.txt": "[00:00:01:00 - 00:00:02:12]\n화자 1\n안녕하세요 여러분\n\n"
    "[00:00:03:00 - 00:00:05:00]\n화자 2\n오른손을 들어 주세요.\n",
    "whisper.json": dump({"segments": SEGMENTS}),
    "list.json": dump(SEGMENTS),
    "lines.jsonl": "\n".join(map(dump, SEGMENTS)),
    "clova.json": dump(
        {
            "result": "COMPLETED",
            "segments": [
                {"start": round(a * 1000), "end": round(b * 1000), "text": "x", "textEdited": t, "words": []}
                for a, b, t in SAID
            ],
        }
    ),
    "cpp.json": dump(
        {
            "transcription": [
                {"timestamps": {}, "offsets": {"from": round(a * 1000), "to": round(b * 1000)}, "text": f" {t}"}
                for a, b, t in SAID
            ]
        }
    ),
    "hf.json": dump({"text": "", "chunks": [{"timestamp": [a, b], "text": t} for a, b, t in SAID]}),
    "youtube.json": dump([{"text": t, "start": a, "duration": b - a} for a, b, t in SAID]),
    "assembly.json": dump(
        {
            "words": [{"text": "안녕하세요", "start": 1000, "end": 1500}],
            "utterances": [
                {"speaker": "A", "start": round(a * 1000), "end": round(b * 1000), "text": t} for a, b, t in SAID
            ],
        }
    ),
    "premiere.json": dump(
        {
            "language": "ko-kr",
            "speakers": [{"id": "u1", "name": "화자 1"}],
            "segments": [
                {
                    "start": a,
                    "duration": b - a,
                    "speaker": "u1",
                    "words": [
                        {"start": a, "duration": (b - a) / 3, "text": word, "type": "word"} for word in t.split()
                    ],
                }
                for a, b, t in SAID
            ],
        }
    ),
    "aihub.json": dump(
        {
            "document": [
                {"utterance": [{"form": t, "original_form": f"({t})/({t})", "speaker_id": "S1", "start": a, "end": b}]}
                for a, b, t in SAID
            ]
        }
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_layouts_as_they_are_written(put, name):
    cues = load_transcript(put(FILES[name], name))
    said = [(start, 2.52 if name == "a.sub" and end == 2.5 else end, text) for start, end, text in SAID]
    assert [(cue.start, cue.end, cue.text) for cue in cues] == [
        (pytest.approx(start, abs=1e-3), pytest.approx(end, abs=1e-3), text) for start, end, text in said
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp949", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("name", ["two.smi", "a.ass", "korean.csv", "a.lrc"])
def test_korean_encodings(put, name, encoding):
    assert [cue.text for cue in load_transcript(put(FILES[name], name, encoding))] == [text for *_, text in SAID]


def test_speakers_of_the_formats(put):
    assert [cue.speaker for cue in load_transcript(put(FILES["resolve.txt"], "a.txt"))] == ["화자 1", "화자 2"]
    assert {cue.speaker for cue in load_transcript(put(FILES["premiere.json"], "a.json"))} == {"화자 1"}
    note = "회의\n\n참석자 1 00:01\n안녕하세요\n참석자 2 00:04\n네\n반갑습니다\n"
    cues = load_transcript(put(note, "note.txt"))
    assert [(cue.start, cue.speaker, cue.text) for cue in cues] == [
        (1.0, "참석자 1", "안녕하세요"),
        (4.0, "참석자 2", "네 반갑습니다"),
    ]


def test_words_only_and_words_without_times(put):
    words = [("안녕하세요", 1.0, 1.5), ("여러분", 1.5, 2.0), ("네", 3.0, 3.2)]
    only = {"words": [{"word": word, "start": start, "end": end} for word, start, end in words]}
    first, second = load_transcript(put(dump(only), "openai.json"))
    assert (first.start, first.end, first.text, len(first.words)) == (1.0, 2.0, "안녕하세요 여러분", 2)
    assert second.text == "네"
    null = {
        "segments": [
            {
                "start": 1.0,
                "end": 4.0,
                "text": "2024년 안녕",
                "words": [{"word": "2024년", "start": None, "end": None}, {"word": "안녕", "start": 2.0, "end": 4.0}],
            }
        ]
    }
    (cue,) = load_transcript(put(dump(null), "x.json"))
    assert [(word.start, word.end, word.source) for word in cue.words] == [(1, 2, "estimated"), (2, 4, "given")]


def test_milliseconds_are_found_and_told(put):
    transcript = read_transcript(put(FILES["clova.json"], "a.json"))
    assert transcript.cues[1].start == 3.0
    assert "milliseconds" in transcript.notes[0]
    slow = {"segments": [{"start": 0, "end": 30, "text": "네."}, {"start": 30, "end": 60, "text": "아니요."}]}
    assert read_transcript(put(dump(slow), "b.json")).cues[1].end == 60


# -- files that real tools wrote ---------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["srt", "ass", "ssa", "vtt", "ttml", "sub"])
def test_files_of_pysubs2(tmp_path, suffix):
    pysubs2 = pytest.importorskip("pysubs2")
    subtitles = pysubs2.SSAFile()
    for start, end, text in SAID:
        subtitles.append(pysubs2.SSAEvent(round(start * 1000), round(end * 1000), text.replace("요 여", "요\\N여")))
    path = tmp_path / f"a.{suffix}"
    kind = "microdvd" if suffix == "sub" else None
    subtitles.save(str(path), format_=kind, fps=50 if suffix == "sub" else None)
    assert [(cue.start, cue.end, cue.text) for cue in load_transcript(path, fps=50)] == [
        (pytest.approx(start, abs=0.02), pytest.approx(end, abs=0.02), text) for start, end, text in SAID
    ]


def test_files_of_srt_webvtt_and_praatio(tmp_path):
    srt, webvtt = pytest.importorskip("srt"), pytest.importorskip("webvtt")
    textgrid = pytest.importorskip("praatio.textgrid")
    from datetime import timedelta

    rows = [srt.Subtitle(i, timedelta(seconds=a), timedelta(seconds=b), t) for i, (a, b, t) in enumerate(SAID, 1)]
    (tmp_path / "a.srt").write_text(srt.compose(rows), encoding="utf-8")
    vtt = webvtt.WebVTT()
    for start, end, text in SAID:
        vtt.captions.append(webvtt.Caption(f"00:00:{start:06.3f}", f"00:00:{end:06.3f}", text))
    vtt.save(str(tmp_path / "a.vtt"))
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("발화", SAID, 0, 6))
    grid.addTier(textgrid.IntervalTier("음소", [(1.0, 2.0, "ㅏ")], 0, 6))
    for kind in ("long_textgrid", "short_textgrid"):
        grid.save(str(tmp_path / f"{kind}.TextGrid"), kind, includeBlankSpaces=True)
    for name in ("a.srt", "a.vtt", "long_textgrid.TextGrid", "short_textgrid.TextGrid"):
        assert [(cue.start, cue.end, cue.text) for cue in load_transcript(tmp_path / name)] == SAID, name


ELAN = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/>
<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2500"/><TIME_SLOT TIME_SLOT_ID="ts3"/></TIME_ORDER>
<TIER TIER_ID="말" PARTICIPANT="민수"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1"
 TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>안녕하세요</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="번역"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a2" ANNOTATION_REF="a1">
<ANNOTATION_VALUE>Hello</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""


def test_elan_tiers_are_chosen_by_name(put):
    path = put(ELAN, "a.eaf")
    (cue,) = load_transcript(path, tier="말")
    assert (cue.start, cue.end, cue.text, cue.speaker) == (1.0, 2.5, "안녕하세요", "민수")
    assert load_transcript(path, tier="번역")[0].start == 1.0
    with pytest.raises(FormatError, match="말, 번역"):
        load_transcript(path)
    assert len(load_transcript(put(ELAN.replace("번역", "gloss").replace('"말"', '"발화"'), "b.eaf"))) == 1


# -- one bad line -------------------------------------------------------------------------------

GOOD = "2\n00:00:03,000 --> 00:00:05,000\n오른손을 들어 주세요.\n"


@pytest.mark.parametrize(
    ("bad", "skipped"),
    [
        ("1\n-00:00:01,000 --> 00:00:02,000\n하나\n\n", "line 2.*before 0"),
        ("1\n00:00:0x --> 00:00:02,000\n하나\n\n", "line 2.*no time line"),
        ("1\n00:00:01,000 --> 0\n하나\n\n", "line 2"),
    ],
)
def test_a_bad_cue_is_skipped_and_told(put, bad, skipped):
    transcript = read_transcript(put(bad + GOOD, "a.srt"))
    assert [cue.text for cue in transcript.cues] == ["오른손을 들어 주세요."]
    assert len(transcript.skipped) == 1
    assert re.search(skipped, transcript.skipped[0])


@pytest.mark.parametrize(
    ("line", "times"),
    [
        ("0:0:4,8 --> 0:0:5,9", (4.8, 5.9)),
        ("00:00:01,000 -> 00:00:02,000", (1, 2)),
        ("00:00:01.5 – > 00:00:02", (1.5, 2)),
        ("\u200e00:00:01,000 --> 00:00:02,000", (1, 2)),
        ("00:00:01,000 → 00:00:02,000", (1, 2)),
        ("00:00:01:500 --> 00:00:02:000", (1.5, 2)),
    ],
)
def test_odd_time_lines_are_read(put, line, times):
    (cue,) = load_transcript(put(f"1\n{line}\n하나\n", "a.srt"))
    assert (cue.start, cue.end, cue.text) == (*times, "하나")


def test_text_behind_the_time_and_arrows_in_speech(put):
    text = "00:00:01,000 --> 00:00:02,000 하나\n00:00:03,000 --> 00:00:04,000\n서울 --> 부산\n"
    assert [cue.text for cue in load_transcript(put(text, "a.srt"))] == ["하나", "서울 --> 부산"]


def test_damaged_bytes_cost_their_cue_only(put):
    text = "1\n00:00:01,000 --> 00:00:02,000\n안녕하세요\n\n".encode()
    broken = text.replace("녕".encode(), b"\xeb\x85\x20") + GOOD.encode()
    transcript = read_transcript(put(broken, "a.srt"))
    assert [cue.text for cue in transcript.cues] == ["오른손을 들어 주세요."]
    assert len(transcript.skipped) == 1
    cut = read_transcript(put(GOOD.encode() + text[:-4], "b.srt"))
    assert (cut.cues[1].text, len(cut.notes)) == ("안녕하세", 1)


def test_what_is_refused_says_what_to_do(put):
    for name, data, found in (
        ("a.docx", b"PK\x03\x04....", "zip archive.*text"),
        ("a.mp4", b"\0\0\0\x20ftypisom", "MP4.*ffmpeg"),
        ("a.sub", "{25}{50}안녕".encode(), "frame rate.*fps="),
        ("a.srt", b"\xff\x80" * 30, "encoding"),
        ("a.ttml", b"<!DOCTYPE tt [<!ENTITY a 'b'>]><tt><body/></tt>", "entities"),
        ("a.ttml", b"<tt><body><div>", "not valid XML.*cut off"),
        ("a.xml", b"<words/>", "unknown.*srt"),
    ):
        with pytest.raises(FormatError, match=f"(?s){found}"):
            load_transcript(put(data, name))
    with pytest.raises(ConfigError, match="fps"):
        load_transcript(put(GOOD, "a.srt"), fps=-1)


def test_decomposed_files_read_like_composed_ones(put):
    assert load_transcript(put(unicodedata.normalize("NFD", FILES["a.ass"]), "a.ass")) == load_transcript(
        put(FILES["a.ass"], "b.ass")
    )


def test_a_format_from_outside(put, monkeypatch):
    def read(page):
        return [Cue(float(time), float(time) + 1, text) for time, text in (x.split("|") for x in page.text.split("\n"))]

    mine = TranscriptFormat(read, lambda page: page.text.startswith("1.0|"), ("mine",))
    monkeypatch.setitem(TRANSCRIPT_FORMATS, "mine", mine)
    assert [cue.text for cue in load_transcript(put("1.0|안녕\n2.0|여러분", "a.x"))] == ["안녕", "여러분"]
    assert load_transcript(put("3.0|네", "a.mine"))[0].start == 3.0


# -- fuzz ----------------------------------------------------------------------------------------

SOUP = st.text(max_size=8) | st.sampled_from(
    ["<", ">", "{", "}", "[", "]", "\n", ":", "-->", "\0", "NaN", "1e999", '"', ","]
)


CASES = int(os.environ.get("KTUBE_FUZZ_CASES", "400"))  # over all formats


@pytest.mark.parametrize("name", [*FILES, "a.eaf"])
def test_damage_gives_cues_or_a_library_error(tmp_path_factory, name):
    base = {**FILES, "a.eaf": ELAN}[name]
    path = Path(tmp_path_factory.mktemp("fuzz")) / name

    @settings(max_examples=max(CASES // (len(FILES) + 1), 10), deadline=None)
    @given(st.lists(st.tuples(st.integers(0, len(base)), st.integers(0, 9), SOUP), min_size=1, max_size=4))
    def check(cuts):
        text = base
        for place, length, new in cuts:
            text = text[:place] + new + text[place + length :]
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            cues = load_transcript(path)
        except KtubeError:
            return
        assert all(0 <= cue.start < cue.end for cue in cues)

    check()
