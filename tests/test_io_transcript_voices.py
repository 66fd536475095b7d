"""Who says what: labels, dashes and marks; what nobody says; sentences shown once a word; two languages."""

import unicodedata

import pytest

from ktube_motion.io import clean_cues, clean_text, load_transcript, normalize_text, save_transcript
from ktube_motion.io._transcripts import main_speaker
from ktube_motion.io._transcripts._sounds import is_sound
from ktube_motion.text import utterances
from ktube_motion.types import Cue, Word


def said(*texts, seconds=2.0):
    cues, counts = clean_cues(Cue(seconds * i, seconds * (i + 1), text) for i, text in enumerate(texts))
    return [(cue.speaker, cue.text) for cue in cues], counts


@pytest.mark.parametrize(
    "label",
    [
        "(스님)",
        "（스님）",
        "<스님>",
        "【스님】",
        "〈스님〉",
        "[스님]",
        "스님:",
        "스님 :",
        "스님：",
        "[스님]:",
        "- 스님:",
        ">> 스님:",
    ],
)
def test_a_label_that_recurs_is_a_speaker(label):
    found, counts = said(f"{label} 안녕하세요", f"{label} 오늘은 날이 좋아요", "- 네")
    assert found == [("스님", "안녕하세요"), ("스님", "오늘은 날이 좋아요"), ("", "네")]
    assert counts["labels"] >= 2


@pytest.mark.parametrize("label", ["김민수", "엄마", "정 대리", "Anna", "SPEAKER_00", "참석자 1", "여성1"])
def test_names_before_a_colon(label):
    found, _ = said(f"{label}: 안녕하세요", "영희: 네", f"{label}: 왜요", "영희: 그냥요")
    assert [speaker for speaker, _ in found] == [label, "영희", label, "영희"]


TALK = ["안녕하세요 여러분", "네 반갑습니다", "오늘은 뭐 할까요", "운동을 할 거예요"]


@pytest.mark.parametrize("form", ['"{}": ', "“{}”: ", "'{}' : ", "‘{}’：", "{}. ", "{} . ", "**{}:** "])
@pytest.mark.parametrize("names", [("민수", "영희"), ("김민수", "이영희"), ("사회자", "강사 1")])
def test_names_in_quotes_and_before_a_full_stop(form, names):
    found, counts = said(*(form.format(names[i % 2]) + text for i, text in enumerate(TALK)))
    assert [speaker for speaker, _ in found] == [*names, *names]
    assert [text.removeprefix("** ") for _, text in found] == TALK
    assert (counts["labels"], counts["possible_labels"]) == (4, 0)


@pytest.mark.parametrize("pair", ["네 아니요", "자 음", "감사합니다 안녕하세요", "첫째 둘째", "왼손 오른손", "가 나"])
def test_sentences_of_one_word_are_no_labels(pair):
    texts = [f"{pair.split()[i % 2]}. {text}" for i, text in enumerate(TALK)]
    found, counts = said(*texts)
    assert found == [("", text) for text in texts]
    assert counts["possible_labels"] == 0


def test_too_few_full_stops_are_told_and_left(tmp_path, caplog):
    texts = ["민수. 안녕하세요", *TALK, "영희. 네", *TALK, "민수. 왜요", "영희. 그냥요"]
    found, counts = said(*texts)
    assert [text for _, text in found] == texts
    assert counts["possible_labels"] == 4
    save_transcript([Cue(2 * i, 2 * i + 2, text) for i, text in enumerate(texts)], tmp_path / "a.srt")
    load_transcript(tmp_path / "a.srt")
    assert "4 lines begin with a word and a full stop" in caplog.text


def test_what_looks_like_a_label_and_is_none():
    texts = [
        "주의: 손을 조심하세요",
        "주의: 발도 조심하세요",
        "오전: 9시예요",
        "12:30에 봐요",
        "12:40에 봐요",
        "비율은 3:1이에요",
    ]
    assert said(*texts)[0] == [("", text) for text in texts]
    assert said("[음악] 안녕", "[음악] 네")[0] == [("", "안녕"), ("", "네")]


def test_two_voices_in_one_cue_are_parted():
    cues, counts = clean_cues(
        [Cue(0, 4, "(스님) 안녕하세요 (질문자) 네"), Cue(4, 6, "- 네. - 아니요."), Cue(6, 8, "Q: 왜요? A: 그냥")]
    )
    assert [(cue.speaker, cue.text) for cue in cues] == [
        ("스님", "안녕하세요"),
        ("질문자", "네"),
        ("?1", "네."),
        ("?2", "아니요."),
        ("Q", "왜요?"),
        ("A", "그냥"),
    ]
    assert counts["split"] == 3
    assert cues[0].end == cues[1].start == pytest.approx(4 * 5 / 6)


def test_word_times_part_voices():
    words = (Word(0, 1, "민수:"), Word(1, 2, "안녕"), Word(2.5, 3, "영희:"), Word(3, 4, "네"))
    cues, _ = clean_cues([Cue(0, 4, "민수: 안녕\n영희: 네", words), Cue(5, 6, "민수: 또"), Cue(6, 7, "영희: 응")])
    assert [(cue.speaker, cue.start, cue.words) for cue in cues[:2]] == [
        ("민수", 0, (Word(1, 2, "안녕"),)),
        ("영희", 3, (Word(3, 4, "네"),)),
    ]


def test_labels_at_turns_hold_until_the_next():
    found, _ = said("민수: 저는", "어제 산에 갔어요", "영희: 왜요", "민수: 그냥요", "좋아서요", "영희: 네")
    assert [speaker for speaker, _ in found] == ["민수", "민수", "영희", "민수", "민수", "영희"]
    marked, _ = said(">> 안녕하세요", "반갑습니다", ">> 네")
    assert len({speaker for speaker, _ in marked[:2]}) == 1 != len({speaker for speaker, _ in marked})


def test_utterances_never_mix_voices():
    cues, _ = clean_cues([Cue(0, 1, "민수: 안녕"), Cue(1, 2, "영희: 네"), Cue(2, 3, "민수: 자"), Cue(3, 4, "영희: 응")])
    assert [(span.speaker, span.text) for span in utterances(cues)] == [
        ("민수", "안녕"),
        ("영희", "네"),
        ("민수", "자"),
        ("영희", "응"),
    ]


def test_one_speaker_can_be_chosen():
    cues = [
        Cue(0, 2, "강사: 안녕하세요"),
        Cue(1, 5, "질문자: 저는 궁금한 게 있어요"),
        Cue(5, 6, "강사: 네"),
        Cue(6, 7, "질문자: 음"),
    ]
    whole, _ = clean_cues(cues)
    assert main_speaker(whole) == "질문자"
    assert main_speaker(whole, wanted=" 강 사") == "강사"
    kept, counts = clean_cues(cues, speaker="강사")
    assert [(cue.start, cue.end, cue.text) for cue in kept] == [(0, 2, "안녕하세요"), (5, 6, "네")]
    assert counts["other_speakers"] == 2


def test_word_highlights_become_a_sentence_with_word_times():
    for left, right in (
        ("<u>", "</u>"),
        ("<b>", "</b>"),
        ('<font color="#ff0">', "</font>"),
        ("{\\c&H00FF00&}", "{\\c}"),
    ):
        shown = [
            f"{left}오른손을{right} 들어요",
            f"오른손을 {left}들어요{right}",
            f"{left}네{right} 좋아요",
            f"네 {left}좋아요{right}",
        ]
        cues, counts = clean_cues(Cue(i, i + 1, text) for i, text in enumerate(shown))
        assert [cue.text for cue in cues] == ["오른손을 들어요", "네 좋아요"]
        assert cues[0].words == (Word(0, 1, "오른손을"), Word(1, 2, "들어요"))
        assert counts["highlighted"] == 2
    emphasis, counts = clean_cues([Cue(0, 2, "<b>중요</b> 합니다"), Cue(2, 4, "<b>네</b> 그래요")])
    assert (len(emphasis), counts["highlighted"]) == (2, 0)


def test_bilingual_cues_keep_the_korean_lines():
    found, counts = said("안녕하세요\nHello everyone", "Raise your hand\n손을 드세요", "OK.")
    assert found == [("", "안녕하세요"), ("", "손을 드세요"), ("", "OK.")]
    assert counts["other_lines"] == 2
    both = [Cue(0, 2, "안녕하세요"), Cue(0, 2, "Hello there"), Cue(2, 4, "손을 드세요"), Cue(2, 4, "Raise it")]
    cues, counts = clean_cues(both)
    assert ([cue.text for cue in cues], counts["other_language"]) == (["안녕하세요", "손을 드세요"], 2)


def test_what_recognisers_invent_is_left_out():
    loop = [Cue(2 * i, 2 * i + 2, "오늘 만나요") for i in range(6)]
    cues, counts = clean_cues([*loop, Cue(12, 14, "네 네 네 네 네")])
    assert ([cue.text for cue in cues], counts["looped"]) == (["오늘 만나요", "네 네 네 네 네"], 5)
    thanks = [
        Cue(0, 2, "운동을 했어요"),
        Cue(2, 32, "시청해 주셔서 감사합니다"),
        Cue(32, 34, "자막 제공: 배달"),
        Cue(34, 36, "끝이에요"),
        Cue(36, 38, "시청해주셔서 감사합니다."),
    ]
    cues, counts = clean_cues(thanks)
    assert [cue.text for cue in cues] == ["운동을 했어요", "끝이에요", "시청해주셔서 감사합니다."]
    assert (counts["invented"], counts["credits"]) == (1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "값이 a<b 이고 c>d 입니다",
        "어떤 남자(여자)하고",
        "(노래하는 법을 알려 드릴게요)",
        "배열 a[0]의 값",
        "3 < 5 이고 7 > 6",
        "{안녕}",
        "여기는 A: B",
        "100% - 5도",
        "C# 강의",
    ],
)
def test_speech_that_looks_like_markup_stays(text):
    assert clean_text(text) == text


@pytest.mark.parametrize(
    "text", ["＊웃음＊ *박수* ~노래~ #음악", "(일동 웃음)", "[휴대폰 진동음]", "♪♪", "ㅤ", "(박수 소리)", "[Music]"]
)
def test_sounds_are_no_speech(text):
    assert clean_text(text) == ""


def test_sounds_are_told_from_names():
    assert [is_sound(text) for text in ("웃음", "경쾌한 음악", "민수", "노래하는 법")] == [True, True, False, False]


def test_one_form_for_all():
    for odd in (
        unicodedata.normalize("NFD", "오른손"),
        "오\u200b른손\u3164",
        "\ufeff오른\u2060손",
        "오른\u00ad손\u200e",
    ):
        assert normalize_text(odd) == "오른손"
        assert clean_text(odd) == "오른손"
    assert normalize_text("ＭＣ：１２％\u3000네") == "MC:12% 네"
    assert normalize_text("👩‍👩‍👧 가\u200d나") == "👩‍👩‍👧 가나"
