"""Words found in the sound: on synthetic speech of another voice, and never where nobody speaks."""

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ktube_motion.errors import ConfigError, FormatError, KtubeError, MissingDependencyError
from ktube_motion.text import _speech as speech_module
from ktube_motion.text import align_words, estimate_words, timed_words, utterances
from ktube_motion.text._alignment import SAMPLE_RATE
from ktube_motion.text._speech import KoreanVoice
from ktube_motion.types import Cue, Word

SAID = [
    "주말에는 보통 집에서 영화를 봐요.",
    "사실 둘이 몰래 결혼했대요.",
    "마당에 거대한 나무가 서 있었어요.",
    "구독자분들께 하트를 보내 드릴게요.",
    "아래로 가시면 저기 출구가 보여요.",
    "이걸 어떻게 할까, 정말 어렵네요.",
    "아이들은 우유로 건배했습니다.",
    "선수들 모두 최고, 수고 많았어요.",
]

pytest.importorskip("librosa")
pytest.importorskip("espeakng_loader")


def speak(texts, *, voice="ko+f3", noise=0.003, seed=0):
    """Say texts with pauses between words: the samples, and the cues with the true times."""
    rng = np.random.default_rng(seed)
    parts, cues, time = [np.zeros(SAMPLE_RATE, np.float32)], [], 1.0
    with KoreanVoice(voice) as speaker:
        for text in texts:
            words = []
            for word in text.split():
                said = speaker.say(word.strip(",.?!"))
                words.append(Word(time, time + len(said) / SAMPLE_RATE, word))
                pause = round(rng.uniform(0, 0.06) * SAMPLE_RATE) + (SAMPLE_RATE // 5 if word[-1] in ",.?!" else 0)
                parts += [said, np.zeros(pause, np.float32)]
                time += (len(said) + pause) / SAMPLE_RATE
            cues.append(Cue(words[0].start, time, text, tuple(words)))
            parts.append(np.zeros(SAMPLE_RATE // 2, np.float32))
            time += 0.5
    samples = np.concatenate(parts)
    return samples + rng.normal(0, noise, len(samples)).astype(np.float32), cues


def without_words(cues, shifts=(0.0,)):
    """Forget the words' times, and show each cue too early or too late."""
    shown = []
    for i, cue in enumerate(cues):
        shift = shifts[i % len(shifts)]
        shown.append(Cue(cue.start + shift, cue.end + shift, cue.text))
    ends = [*(cue.start for cue in shown[1:]), np.inf]
    return [replace(cue, end=min(cue.end, end)) for cue, end in zip(shown, ends, strict=True)]


@pytest.fixture(scope="module")
def talk():
    return speak(SAID)


def check(cues, given):
    """Check what must always hold."""
    assert [cue.text for cue in cues] == [cue.text for cue in given]
    assert all(cue.start < cue.end for cue in cues)
    assert all(before.end <= after.start + 1e-9 for before, after in pairwise(cues))
    for cue in cues:
        assert timed_words(cue) == cue.words  # so that an utterance takes them as they are
        assert [word.text for word in cue.words] == cue.text.split()


def errors(cues, truth):
    found, true = (np.array([word.start for cue in side for word in cue.words]) for side in (cues, truth))
    return np.abs(found - true)


def test_words_are_found_though_subtitles_are_early_or_late(talk):
    samples, truth = talk
    given = without_words(truth, (0.25, -0.3, 0.1))
    found = align_words(given, (samples, SAMPLE_RATE))
    check(found.cues, given)
    assert found.counts == {"given": 0, "aligned": 8, "low_confidence": 0, "no_sound": 0, "refused": 0}
    assert min(found.confidences) > 0.35
    off = errors(found.cues, truth)
    assert np.median(off) < 0.03
    assert off.max() < 0.2
    assert {word.source for part in utterances(found.cues) for word in part.words} == {"aligned"}


@pytest.mark.parametrize("kind", ["noise", "hum", "silence", "nothing"])
def test_where_nobody_speaks_the_estimate_stays(talk, kind):
    samples, truth = talk
    given, time = without_words(truth), np.arange(len(samples)) / SAMPLE_RATE
    sound = {
        "noise": np.random.default_rng(1).normal(0, 0.05, len(samples)),
        "hum": 0.2 * np.sin(2 * np.pi * 100 * time),
        "silence": np.zeros(len(samples)),
        "nothing": np.zeros(0),
    }[kind]
    found = align_words(given, (sound, SAMPLE_RATE))
    assert found.counts["low_confidence" if kind in ("noise", "hum") else "no_sound"] == 8
    assert [cue.words for cue in found.cues] == [estimate_words(cue.text, cue.start, cue.end) for cue in given]
    assert [(cue.start, cue.end) for cue in found.cues] == [(cue.start, cue.end) for cue in given]


def test_sound_that_ends_early_leaves_the_rest_estimated(talk):
    samples, truth = talk
    given = without_words(truth)
    half = samples[: round(truth[4].start * SAMPLE_RATE)]
    found = align_words(given, (half, SAMPLE_RATE))
    check(found.cues, given)
    assert (found.counts["aligned"], found.counts["no_sound"]) == (4, 4)
    assert found.seconds == pytest.approx(truth[4].start, abs=1e-3)
    longer = align_words(given, (np.concatenate([samples, np.zeros(60 * SAMPLE_RATE)]), SAMPLE_RATE))
    assert longer.counts["aligned"] == 8


def test_another_text_is_mostly_not_believed(talk):
    samples, truth = talk
    others = [replace(cue, text=other.text, words=()) for cue, other in zip(truth, truth[3:] + truth[:3], strict=True)]
    found = align_words(others, (samples, SAMPLE_RATE))
    check(found.cues, others)
    assert found.counts["low_confidence"] >= 6


def test_words_whose_time_is_given_stay_and_keep_their_time_from_others(talk):
    samples, truth = talk
    given = [cue if i % 2 else replace(cue, words=()) for i, cue in enumerate(truth)]
    found = align_words(given, (samples, SAMPLE_RATE))
    check(found.cues, given)
    assert (found.counts["given"], found.counts["aligned"]) == (4, 4)
    assert [cue.words for cue in found.cues[1::2]] == [cue.words for cue in truth[1::2]]
    assert np.isnan(found.confidences[1::2]).all()


def test_a_word_in_a_minute_of_silence_is_found_or_estimated(talk):
    samples, cues = speak(["먼저 오른손을 높이 들어 주세요"])
    sound = np.concatenate([samples, np.zeros(60 * SAMPLE_RATE, np.float32)])
    found = align_words([Cue(1.0, 60.0, cues[0].text)], (sound, SAMPLE_RATE))
    check(found.cues, cues)
    assert found.counts["refused"] == 0
    assert found.cues[0].words[-1].end < 5


@pytest.mark.parametrize("length", [0.3, 1.0, 90.0])
def test_ten_words_a_second_and_cues_of_any_length_come_out_in_order(length):
    given = [Cue(1, 1 + length, "하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열 👋 3.5%"), Cue(1 + length, 2 + length, "👋")]
    noise = np.random.default_rng(0).normal(0, 0.1, round((3 + length) * SAMPLE_RATE))
    found = align_words(given, (noise, SAMPLE_RATE), min_confidence=0)
    assert [cue.text for cue in found.cues] == [cue.text for cue in given]
    assert sum(found.counts.values()) == 2
    spans = utterances(found.cues, min_seconds=0)
    assert " ".join(span.text for span in spans) == f"{given[0].text} 👋"


def test_an_aligner_of_the_user_is_asked_and_checked(talk):
    samples, truth = talk
    given = without_words(truth)[:5]
    asked = []

    def aligner(window, rate, text):
        asked.append((len(window) / rate, text))
        words = text.split()
        answers = {
            0: [Word(0.1 * k, 0.1 * k + 0.05, word) for k, word in enumerate(words)],
            1: [],
            2: [Word(0, 1, "딴말")],
            3: [Word(np.nan, np.nan, text)],
            4: [Word(-5.0 + k, -4.5 + k, word) for k, word in enumerate(words)],
        }
        return answers[len(asked) - 1]

    found = align_words(given, (samples, SAMPLE_RATE), aligner=aligner, margin=0.2)
    assert [text for _, text in asked] == [cue.text for cue in given]
    assert asked[0][0] == pytest.approx(given[0].seconds + 0.4, abs=0.01)
    assert (found.counts["aligned"] + found.counts["refused"], found.confidences[0]) == (5, 1.0)
    assert found.counts["refused"] >= 3
    assert found.cues[0].words[2].start == pytest.approx(given[0].start)
    assert found.cues[0].words[0].source == "aligned"
    assert [cue.words for cue in found.cues[1:4]] == [timed_words(cue) for cue in given[1:4]]


def test_impossible_options_and_missing_sound(tmp_path):
    for options in ({"margin": -1}, {"margin": np.nan}, {"min_confidence": 2}):
        with pytest.raises(ConfigError, match="margin"):
            align_words([], (np.zeros(9), 9), **options)
    with pytest.raises(FormatError, match="no such sound"):
        align_words([Cue(0, 1, "네")], tmp_path / "a.wav")
    assert align_words([], (np.zeros(9), 9)).cues == []


def test_a_voice_that_dies_or_is_missing_says_so(monkeypatch):
    with KoreanVoice() as voice:
        assert len(voice.say("네")) > 1000
        assert not voice.say("").any()
        voice._process.kill()
        voice._process.wait()
        with pytest.raises(KtubeError, match="eSpeak NG failed"):
            voice.say("안녕")
    with pytest.raises(KtubeError, match="no voice 'klingon-x'"):
        KoreanVoice("klingon-x")
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(MissingDependencyError, match="align"):
        KoreanVoice()
    monkeypatch.setattr("ctypes.util.find_library", lambda name: "libespeak-ng-of-nowhere.so")
    with pytest.raises(KtubeError, match="libespeak-ng-of-nowhere"):
        KoreanVoice()
    assert speech_module._find_espeak() == ("libespeak-ng-of-nowhere.so", "")
