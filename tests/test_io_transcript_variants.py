"""Variants of every kind of fault that word files have: right, or told."""

import json

import pytest

from ktube_motion.errors import FormatError
from ktube_motion.io import clean_cues, load_transcript, read_transcript

A, B, C, D = "안녕하세요 여러분", "반갑습니다 선생님", "네 그래요", "좋아요"
TWO = [A, B, C, D]


def srt(texts):
    stamp = "00:00:{:02},000".format
    return "\n".join(f"{i}\n{stamp(2 * i)} --> {stamp(2 * i + 2)}\n{text}\n" for i, text in enumerate(texts))


def read(folder, content, suffix, **options):
    """The cues, what was counted, and all that is told."""
    path = folder / f"a{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_transcript(path, **options)
    cues, counts = clean_cues(found.cues)
    return cues, counts, [*found.skipped, *found.notes]


def said(cues):
    return [(cue.speaker, cue.text) for cue in cues]


BRACKETS = "() （） <> ＜＞ 【】 〈〉 《》 [] ［］ 「」 『』 {} ｛｝ 〔〕 〖〗".split()
LABELS = [
    "화자 1", "화자1", "참석자 2", "진행자", "Q", "MC", "SPEAKER_00", "Speaker 1", "김민수 기자", "민수(남)", "민수 씨",
    "#1", "1번", "남성1", "여자 2", "강사님", "엄마", "Host", "나레이터", "박 대표",
]  # fmt: skip


@pytest.mark.parametrize("pair", BRACKETS)
def test_names_in_brackets(tmp_path, pair):
    texts = [f"{pair[0]}{name}{pair[1]} {text}" for name, text in zip(["민수", "영희"] * 2, TWO, strict=True)]
    for rows in (texts, [text.replace(pair[1], pair[1] + "\n") for text in texts]):
        cues, counts, _ = read(tmp_path, srt(rows), ".srt")
        assert said(cues) == list(zip(["민수", "영희"] * 2, TWO, strict=True))
        assert counts["labels"] == 4


@pytest.mark.parametrize("label", LABELS)
def test_names_before_a_colon(tmp_path, label):
    for colon in (":", " :", "："):
        texts = [f"{name}{colon} {text}" for name, text in zip([label, "상대방"] * 2, TWO, strict=True)]
        cues, _, _ = read(tmp_path, srt(texts), ".srt")
        assert said(cues) == list(zip([label, "상대방"] * 2, TWO, strict=True))


@pytest.mark.parametrize("sign", [") ", "> ", " | ", " - ", " – "])
def test_names_before_other_signs(tmp_path, sign):
    names = ["민수", "영희"] * 2
    cues, _, _ = read(tmp_path, srt(f"{n}{sign}{t}" for n, t in zip(names, TWO, strict=True)), ".srt")
    assert said(cues) == list(zip(names, TWO, strict=True))
    for listed in (["1", "2"], ["가", "나"], ["a", "b"]):  # what counts is no speaker
        rows = [f"{n}{sign}{t}" for n, t in zip(listed * 2, TWO, strict=True)]
        assert {cue.speaker for cue in read(tmp_path, srt(rows), ".srt")[0]} == {""}


def test_questions_and_answers_men_and_women_names_above(tmp_path):
    for names, pattern in ((["Q", "A"], "{}. {}"), (["남", "여"], "{}) {}"), (["민수", "영희"], "{}\n{}")):
        rows = [pattern.format(name, text) for name, text in zip(names * 2, TWO, strict=True)]
        cues, _, _ = read(tmp_path, srt(rows), ".srt")
        assert said(cues) == list(zip(names * 2, TWO, strict=True))
    cues, _, _ = read(tmp_path, srt([f"강사: {A}", B, C]), ".srt")  # named once, where it begins
    assert {cue.speaker for cue in cues} == {"강사"}
    titled, _, _ = read(tmp_path, srt(f"오늘의 요리\n{text}" for text in TWO), ".srt")
    assert {cue.speaker for cue in titled} == {""}


def test_the_other_language_is_kept(tmp_path):
    english = ["Hello everyone", "Nice to meet you", "Yes indeed", "Good"]
    for pattern in ("{}\n{}", "{} / {}", "{} | {}"):
        rows = [pattern.format(*pair) for pair in zip(TWO, english, strict=True)]
        cues, counts, _ = read(tmp_path, srt(rows), ".srt")
        assert [(cue.text, cue.other) for cue in cues] == list(zip(TWO, english, strict=True))
        assert counts["other_lines"] == 4
    both = "\n".join(
        f"{2 * i}\n00:00:{i:02},000 --> 00:00:{i + 1:02},000\n{pair[k]}\n"
        for i, pair in enumerate(zip(TWO, english, strict=True)) for k in (0, 1)
    )  # fmt: skip
    cues, counts, _ = read(tmp_path, both, ".srt")
    assert [(cue.text, cue.other) for cue in cues] == list(zip(TWO, english, strict=True))
    assert counts["other_language"] == 4


def test_notes_in_brackets_are_counted(tmp_path):
    cues, counts, _ = read(
        tmp_path, srt([f"{A} [중요] 보세요", "이건 [강조]아주[강조] 좋아요", "[음악] <박수> {웃음}"]), ".srt"
    )
    assert [cue.text for cue in cues] == [f"{A} 보세요", "이건 아주 좋아요"]
    assert (counts["notes"], counts["no_speech"]) == (3, 1)


TIMES = [
    "0:0:4,8 --> 0:0:6,1", "00:00:04.800 --> 00:00:06.100", "00:00:04:800 --> 00:00:06:100", "0:4.8 --> 0:6.1",
    "00:00:04;800 --> 00:00:06;100", "00:00:04,800 -> 00:00:06,100", "00:00:04,800 → 00:00:06,100",
    "00:00:04,800 ==> 00:00:06,100", "00:00:04,800--&gt;00:00:06,100", "00:00:04，800 --> 00:00:06，100",
    "00：00：04,800 --> 00：00：06,100", "00:00:04,800 --> 00:00:06,100 X1:1 X2:2",
    "\u200e00:00:04,800 --> 00:00:06,1\u200f",
]  # fmt: skip
BROKEN = [
    "4.8 --> 6.1", "00h00m04s --> 00h00m06s", "00:00:NaN,000 --> 00:00:06,100", "00:00:04,800 00:00:06,100",
    "-0:0:4,8 --> 0:0:6,1", "00:00:04,800 - 00:00:06,100",
]  # fmt: skip


@pytest.mark.parametrize("line", [*TIMES, *BROKEN])
def test_one_odd_time_costs_one_cue_at_most(tmp_path, line):
    text = f"1\n00:00:01,000 --> 00:00:02,000\n{A}\n\n2\n{line}\n{B}\n\n3\n00:00:08,000 --> 00:00:09,000\n{C}\n"
    for content in (text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text):
        cues, _, told = read(tmp_path, content, ".srt")
        right = [A, C] if line in BROKEN else [A, B, C]
        assert [cue.text for cue in cues] == right
        assert len(told) == (line in BROKEN)
        assert line in BROKEN or (cues[1].start, cues[1].end) == (4.8, 6.1)


KOREAN = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp949", "euc-kr", "johab", "iso2022_kr"]


@pytest.mark.parametrize("encoding", KOREAN)
def test_korean_encodings(tmp_path, encoding):
    cues, _, _ = read(tmp_path, srt(TWO).encode(encoding), ".srt")
    assert [cue.text for cue in cues] == TWO
    if encoding in ("cp949", "euc-kr", "johab"):
        data = bytearray(srt(TWO).encode(encoding))
        data[data.index("반".encode(encoding))] = 0xFF
        cues, _, told = read(tmp_path, bytes(data), ".srt")
        assert [cue.text for cue in cues] == [A, C, D]
        assert told


def test_shift_jis_is_japanese_and_told(tmp_path):
    texts = ["こんにちは皆さん", "よろしくお願いします", "はい、そうです"]
    cues, _, told = read(tmp_path, srt(texts).encode("shift_jis"), ".srt")
    assert [cue.text for cue in cues] == texts
    assert any("Japanese" in text for text in told)
    with pytest.raises(FormatError, match="known encoding"):
        read(tmp_path, srt(TWO).encode("utf-32-le"), ".srt")


VTT = """WEBVTT - 제목
X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000

STYLE
::cue { color: red }
::cue(b) {
  color: blue;
}

REGION
id:fred
width:40%

NOTE 여러 줄
메모 --> 아님

intro
00:01.000 --> 00:03.000 region:fred line:0 align:start
<v.loud 민수>안녕하세요 <c.yellow>여러분</c></v>

2
00:00:03.000 --> 00:00:05.000 position:10%,line-left
<v 영희>반갑습니다 선생님</v> &lt;웃음&gt;

NOTE 끝
"""
SAMI = """<SAMI><HEAD><STYLE TYPE="text/css"><!--
.KRCC { Name:한국어; lang:ko-KR; } .ENCC { Name:English; lang:en-US; }
--></STYLE></HEAD><BODY>
<SYNC Start=1000><P Class=KRCC>안녕하세요<br>여러분
<SYNC Start=1000><P Class=ENCC>Hello
<SYNC Start=3000><P Class=KRCC
<SYNC Start=3500><P Class=KRCC><font color="yellow">반갑습니다 선생님
<SYNC Start=5000><P Class=KRCC>&nbsp;
"""
ASS = r"""[Script Info]
ScriptType: v4.00+
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:03.00,Default,민수,0,0,0,,{\an8\fad(200,200)}안녕하세요{\i1}\h여러분{\i0}
Dialogue: 0,0:00:03.00,0:00:05.00,Default,영희,0,0,0,,{\k50}반{\k30}갑{\k20}습니다 {\kf40}선생님
Dialogue: 0,0:00:05.00,0:00:07.00,Default,,0,0,0,,{\p1}m 0 0 l 100 0 100 100{\p0}
Comment: 0,0:00:09.00,0:00:10.00,Default,,0,0,0,,메모
"""
SRV3 = """<?xml version="1.0" encoding="utf-8" ?><timedtext format="3"><body><w t="0" id="1"/>
<p t="1000" d="2000" w="1"><s ac="0">안녕하세요</s><s t="500" ac="0"> 여러분</s></p><p t="2500" d="10" a="1">
</p><p t="3000" d="1500"><s>반갑</s><s t="300">습니다</s><s t="600"> 선생님</s></p></body></timedtext>"""
TTML = """<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:tickRate="10000000">
<body><div><p begin="10000000t" end="30000000t">안녕하세요<br/>여러분</p><p begin="3s" dur="2s">반갑습니다
 선생님</p></div></body></tt>"""
PASTED = "0:01\n1초\n안녕하세요 여러분\n0:03\n3초\n반갑습니다 선생님\n1:00:05\n1시간 5초\n네 그래요\n"


@pytest.mark.parametrize(
    ("content", "suffix"),
    [(VTT, ".vtt"), (SAMI, ".smi"), (ASS, ".ass"), (SRV3, ".srv3"), (TTML, ".xml"), (PASTED, ".txt")],
)
def test_formats_with_all_their_oddities(tmp_path, content, suffix):
    for text in (content, content.replace("\n", "\r\n"), "\ufeff" + content, content.encode("utf-16")):
        cues, _, _ = read(tmp_path, text, suffix)
        assert [cue.text for cue in cues][:2] == [A, B]
        assert [cue.start for cue in cues][:2] == [1, 3.5 if suffix == ".smi" else 3]
    if suffix in (".vtt", ".ass"):
        assert [cue.speaker for cue in cues] == ["민수", "영희"]
    if suffix in (".ass", ".srv3"):
        assert [word.text for word in cues[1].words] == ["반갑습니다", "선생님"]


ROWS = [(1.0, 3.0, A), (3.0, 5.5, B), (6.0, 8.0, C)]
UNITS = {
    "ms": lambda t: int(t * 1e3), "us": lambda t: int(t * 1e6), "ticks": lambda t: int(t * 1e7),
    "ns": lambda t: int(t * 1e9), "comma": lambda t: f"00:00:{int(t):02},{int(t * 10 % 10)}", "s": lambda t: f"{t}s",
    "text": str, "text ms": lambda t: str(int(t * 1e3)), "period": lambda t: f"PT{t}S", "number": float,
    "protobuf": lambda t: {"seconds": str(int(t)), "nanos": int(t % 1 * 1e9)},
    "marked ms": lambda t: f"{int(t * 1e3)}ms",
}  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("names", ["startTime endTime transcript", "start_at end_at msg", "begin end text"])
def test_json_nested_in_every_unit(tmp_path, unit, names):
    start, end, text = names.split()
    items = [{start: UNITS[unit](a), end: UNITS[unit](b), text: words} for a, b, words in ROWS]
    document = {"status": "ok", "response": {"data": {"items": items}}}
    cues, _, told = read(tmp_path, json.dumps(document, ensure_ascii=False), ".json")
    assert [(round(cue.start, 3), round(cue.end, 3), cue.text) for cue in cues] == ROWS
    assert bool(told) == (unit in ("ms", "us", "ticks", "ns", "text ms"))


def test_json_of_recognisers(tmp_path):
    ticks = {"offsetInTicks": 1e7, "durationInTicks": 2e7, "offset": "PT1S", "duration": "PT2S"}
    azure = {"recognizedPhrases": [{**ticks, "nBest": [{"display": A}]}]}
    word = {"type": "pronunciation"}
    amazon = {"results": {"transcripts": [{"transcript": A}], "items": [
        {"start_time": "1.0", "end_time": "1.5", "alternatives": [{"content": "안녕하세요"}], **word},
        {"start_time": "1.5", "end_time": "3.0", "alternatives": [{"content": "여러분"}], **word},
        {"alternatives": [{"content": "."}], "type": "punctuation"},
    ]}}  # fmt: skip
    rtzr = {"results": {"utterances": [{"start_at": 1000, "duration": 2000, "msg": A, "spk": 0}]}}
    for document, text in ((azure, A), (amazon, f"{A}."), (rtzr, A)):
        (cue,), _, told = read(tmp_path, json.dumps(document, ensure_ascii=False), ".json")
        assert (cue.start, cue.end, cue.text) == (1, 3, text)
        assert not any("no start" in line for line in told)
    slow = {"fps": 30, "segments": [{"start": 30 * a, "end": 30 * b, "text": text} for a, b, text in ROWS]}
    assert any("are the times frames" in line for line in read(tmp_path, json.dumps(slow), ".json")[2])


def test_elan_as_pympi_writes_it(tmp_path):
    from pympi.Elan import Eaf

    document = Eaf(author="test")
    document.remove_tier("default")
    for name, rows in (("발화_민수", ROWS[:2]), ("발화_영희", ROWS[2:])):
        document.add_tier(name, part=name.partition("_")[2])
        for start, end, text in rows:
            document.add_annotation(name, int(start * 1000), int(end * 1000), text)
    document.add_linguistic_type("phones")
    document.add_tier("phones", "phones")
    document.add_annotation("phones", 1000, 1200, "ㅇ")
    document.to_file(tmp_path / "a.eaf")
    cues = load_transcript(tmp_path / "a.eaf")
    assert [(cue.start, cue.end, cue.text) for cue in cues] == ROWS
    assert [cue.speaker for cue in cues] == ["민수", "민수", "영희"]


def test_names_within_lines_numbered_names_and_decorated_ones(tmp_path):
    def lines(*texts):
        return said(read(tmp_path, srt(texts), ".srt")[0])

    assert lines("민수: 안녕하세요 영희: 네", "민수: 갈까요? 영희: 좋아요") == [
        ("민수", "안녕하세요"), ("영희", "네"), ("민수", "갈까요?"), ("영희", "좋아요"),
    ]  # fmt: skip
    assert lines("민수: 비율은 3: 2", "민수: 제목 주의: 손") == [("민수", "비율은 3: 2"), ("민수", "제목 주의: 손")]
    assert lines("S1: 안녕하세요", "S2: 네", "S1: 좋아요") == [("S1", "안녕하세요"), ("S2", "네"), ("S1", "좋아요")]
    for label in ("*민수*: ", "🎤 민수: ", "▶민수: ", "민수 (00:12): ", "민수:: "):
        assert lines(f"{label}안녕하세요", f"{label}갈까요?", "네")[:2] == [("민수", "안녕하세요"), ("민수", "갈까요?")]


@pytest.mark.parametrize("line", ["NaN --> NaN", "nan --> 00:00:09,000", "null --> null", "00:00:01,000 --> inf"])
def test_times_that_are_no_numbers_cost_their_cue_only(tmp_path, line):
    more = f"3\n{line}\n나쁜 줄\n\n4\n00:00:30,000 --> 00:00:31,000\n셋\n"
    cues, _, told = read(tmp_path, f"{srt(['하나', '둘'])}\n{more}", ".srt")
    assert [cue.text for cue in cues] == ["하나", "둘", "셋"]
    assert len(told) == 1


@pytest.mark.parametrize("head", ["시작\t끝\t내용\n", "start\tend\ttext\n", ""])
def test_tables_of_clocks(tmp_path, head):
    cues, _, _ = read(tmp_path, f"{head}00:00:01\t00:00:02\t안녕\n00:00:03\t00:00:04\t네\n", ".tsv")
    assert [(cue.start, cue.end, cue.text) for cue in cues] == [(1, 2, "안녕"), (3, 4, "네")]
