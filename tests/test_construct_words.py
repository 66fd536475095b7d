"""From transcript to corpus: the time of every word, in the clip and in its mirrored twin."""

import json
import wave
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from ktube_motion.construct import BuildOptions, Source, add_motion, build_corpus, curate, pair_sources
from ktube_motion.construct._clips import MIRROR_PREFIX
from ktube_motion.errors import ConfigError, CorpusError
from ktube_motion.io import Corpus
from ktube_motion.samples import make_speaker
from ktube_motion.skeletons import SMPL_22
from ktube_motion.types import Cue, Motion, Utterance, Word


def build(sources, root, **how):
    with ThreadPoolExecutor(1) as here:
        build_corpus(sources, root, executor=here, progress=False, report=False, **how)
    return Corpus(root), json.loads((root / "manifest.json").read_text("utf-8"))


def write_whisper(path, cues):
    rows = []
    for cue in cues:
        words = [{"start": word.start, "end": word.end, "word": word.text} for word in cue.words]
        rows.append({"start": cue.start, "end": cue.end, "text": cue.text, "words": words})
    path.write_text(json.dumps({"segments": rows}), encoding="utf-8")


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """Give a sample talk whose words' times stand in a Whisper file, and its corpus."""
    folder = tmp_path_factory.mktemp("talk")
    speaker = make_speaker(folder, seed=4, num_utterances=3, name="talk")
    write_whisper(folder / "words.json", speaker.cues)
    return folder, speaker, build([Source(folder / "talk.json", folder / "words.json", "talk")], folder / "K")


def test_a_clip_has_the_words_of_its_own_seconds(talk):
    _, speaker, (corpus, manifest) = talk
    truth = {cue.text: cue for cue in speaker.cues}
    for clip in manifest["clips"]:
        [words] = corpus.words(clip["name"])
        said = truth[clip["text"]].words
        assert [word.text for word in words] == [word.text for word in said]
        assert clip["words"] == {"given": len(words)}
        begin = round(clip["start"] * corpus.fps) / corpus.fps
        expected = [(word.start - begin, word.end - begin) for word in said]
        # a clip starts and ends on a frame, so its first and last word may be cut by half a frame
        expected = np.clip(expected, 0, clip["frames"] / corpus.fps)
        np.testing.assert_allclose([(word.start, word.end) for word in words], expected, atol=1e-3)
    assert manifest["counts"]["words"] == {"given": sum(len(cue.words) for cue in speaker.cues)}


def test_the_twin_says_its_own_words_at_the_same_times(talk):
    _, _, (corpus, manifest) = talk
    for clip in manifest["clips"]:
        [text], [twin] = corpus.texts(clip["name"]), corpus.texts(MIRROR_PREFIX + clip["name"])
        assert " ".join(word.text for word in twin.words) == twin.text
        assert [(word.start, word.end, word.source) for word in twin.words] == [
            (word.start, word.end, word.source) for word in text.words
        ]


def test_subtitles_without_word_times_are_estimated_and_counted(talk):
    folder, speaker, _ = talk
    corpus, manifest = build([Source(folder / "talk.json", folder / "talk.srt", "talk")], folder / "plain")
    for clip in manifest["clips"]:
        [words] = corpus.words(clip["name"])
        assert {word.source for word in words} == {"estimated"}
        assert words[-1].end <= clip["frames"] / corpus.fps + 1e-3
    assert manifest["counts"]["words"] == {"estimated": sum(len(cue.text.split()) for cue in speaker.cues)}


def drop(words, cue):
    return [{"word": word["word"]} if k % 2 else word for k, word in enumerate(words)]


def exchange(words, cue):
    return [words[1], words[0], *words[2:]]


def late(words, cue):
    return [{**word, "start": word["start"] + 60, "end": word["end"] + 60} for word in words]


def hurry(words, cue):
    times = [round(cue.start + 0.1 * k, 3) for k in range(len(words) + 1)]
    return [{**word, "start": a, "end": b} for word, a, b in zip(words, times[:-1], times[1:], strict=True)]


def overlap(words, cue):
    return [{**word, "end": word["end"] + 0.25} for word in words[:-1]] + words[-1:]


def reach_out(words, cue):
    return [{**words[0], "start": cue.start - 0.2}, *words[1:-1], {**words[-1], "end": cue.end + 0.2}]


@pytest.mark.parametrize(
    ("change", "counted", "told"),
    [
        (drop, {"cues": 3}, None),
        (exchange, {"cues": 3, "untimed": 3}, "3 of 3 cues have times for words that do not spell them"),
        (late, {"cues": 3, "untimed": 3}, "or lie elsewhere"),
        (overlap, {"cues": 3}, None),
        (reach_out, {"cues": 3, "moved_words": 3}, "3 words were out of order or outside their cue"),
    ],
)
def test_words_that_cannot_be_are_moved_or_estimated_and_counted(talk, tmp_path, change, counted, told):
    folder, speaker, _ = talk
    rows = [
        {
            "start": cue.start, "end": cue.end, "text": cue.text,
            "words": change([{"start": w.start, "end": w.end, "word": w.text} for w in cue.words], cue),
        }
        for cue in speaker.cues
    ]  # fmt: skip
    (tmp_path / "words.json").write_text(json.dumps({"segments": rows}), encoding="utf-8")
    corpus, manifest = build([Source(folder / "talk.json", tmp_path / "words.json", "talk")], tmp_path / "K")
    [source] = manifest["sources"]
    assert source["cues"] == counted
    assert [warning for warning in manifest["warnings"] if told is None or told not in warning] == []
    assert bool(manifest["warnings"]) == (told is not None)
    total = sum(len(cue.words) for cue in speaker.cues)
    missing = {drop: sum(len(cue.words) // 2 for cue in speaker.cues), exchange: total, late: total}.get(change, 0)
    expected = {"estimated": missing, "given": total - missing}
    assert manifest["counts"]["words"] == {kind: count for kind, count in expected.items() if count}
    if change is overlap:  # each begins when it did
        starts = [clip["start"] + word.start for clip in manifest["clips"] for word in corpus.words(clip["name"])[0]]
        np.testing.assert_allclose(starts, [w.start for cue in speaker.cues for w in cue.words], atol=0.03)


def test_ten_words_a_second_and_a_minute_of_silence_make_clips_or_say_why_not(talk, tmp_path):
    folder, speaker, _ = talk
    first, *_, last = speaker.cues
    fast = Cue(first.start, first.start + 4.0, " ".join(["네"] * 40))
    rows = [
        {"start": fast.start, "end": fast.end, "text": fast.text,
         "words": hurry([{"word": "네"}] * 40, fast)},
        {"start": last.start + 60, "end": last.end + 60, "text": last.text, "words": []},
    ]  # fmt: skip
    (tmp_path / "words.json").write_text(json.dumps({"segments": rows}), encoding="utf-8")
    corpus, manifest = build([Source(folder / "talk.json", tmp_path / "words.json", "talk")], tmp_path / "K")
    [clip] = manifest["clips"]
    assert clip["words"] == {"given": 40}
    lengths = [word.end - word.start for word in corpus.words(clip["name"])[0]]
    np.testing.assert_allclose(lengths, 0.1, atol=0.03)
    [skipped] = manifest["skipped"]
    assert skipped["problem"] == "The poses end before the words."


def test_text_lines_do_not_tell_that_words_have_times(talk):
    _, _, (corpus, manifest) = talk
    for clip in manifest["clips"]:
        line = (corpus.root / "texts" / f"{clip['name']}.txt").read_text(encoding="utf-8")
        assert line.startswith(f"{clip['text']}#")
        assert line.endswith("#0#0\n")


def test_a_lost_word_file_makes_the_video_anew_and_curation_keeps_them(talk):
    folder, _, (corpus, manifest) = talk
    path = corpus.root / "words" / f"{manifest['clips'][0]['name']}.json"
    before = path.read_bytes()
    path.unlink()
    (corpus.root / "words" / "talk_999.json").write_text("[]")
    build([Source(folder / "talk.json", folder / "words.json", "talk")], corpus.root)
    assert path.read_bytes() == before
    assert not (corpus.root / "words" / "talk_999.json").exists()
    curate(corpus.root, exclude=[manifest["clips"][1]["name"]])
    counts = json.loads((corpus.root / "manifest.json").read_text("utf-8"))["counts"]
    kept = [clip for clip in manifest["clips"] if clip is not manifest["clips"][1]]
    assert counts["words"] == {"given": sum(clip["words"]["given"] for clip in kept)}
    assert all(corpus.words(clip["name"])[0] for clip in kept)


MOTION = Motion(skeleton=SMPL_22, positions=np.random.default_rng(0).normal(size=(61, 22, 3)), fps=20)


def test_a_side_is_mirrored_in_words_that_only_together_name_it(tmp_path):
    corpus = Corpus.create(tmp_path)
    words = tuple(Word(k, k + 1, text, "aligned") for k, text in enumerate(("왼", "손을", "들", "어요")))
    texts = [Utterance(0, 0, "왼 손을 들어요", words), Utterance(0, 0, "오른쪽")]
    add_motion(corpus, "a", MOTION, texts, mirror=True)
    twin, other = corpus.texts("Ma")
    assert [(word.text, word.start, word.end) for word in twin.words] == [
        ("오른", 0, 1),
        ("손을", 1, 2),
        ("들어요", 2, 4),
    ]
    assert {word.source for word in twin.words} == {"aligned"}
    assert (other.text, other.words) == ("왼쪽", ())


def test_words_of_another_text_are_refused(tmp_path):
    corpus = Corpus.create(tmp_path)
    wrong = replace(Utterance(0, 0, "왼손을 들어요"), words=(Word(0, 1, "오른손을"), Word(1, 2, "들어요")))
    with pytest.raises(CorpusError, match="do not spell"):
        add_motion(corpus, "a", MOTION, [wrong], mirror=True)
    assert corpus.names() == []


# -- with sound -------------------------------------------------------------------------------


def say(path, cues, seconds):
    """Write a talk as sound: each word in another voice, at its time and as long as it is said."""
    pytest.importorskip("espeakng_loader")
    time_stretch = pytest.importorskip("librosa").effects.time_stretch
    from ktube_motion.text._speech import KoreanVoice

    with KoreanVoice("ko+m4") as voice:
        rate = voice.sample_rate
        samples = np.random.default_rng(0).normal(0, 0.003, round(seconds * rate))
        for word in (word for cue in cues for word in cue.words):
            said = voice.say(word.text.strip(",.?!"))
            said = time_stretch(said, rate=len(said) / rate / (word.end - word.start))
            first = round(word.start * rate)
            samples[first : first + len(said)] += said[: max(len(samples) - first, 0)]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def test_words_are_looked_for_in_the_sound_of_the_same_name(talk):
    folder, speaker, _ = talk
    say(folder / "talk.wav", speaker.cues, speaker.poses.seconds)
    sources, alone = pair_sources(folder, folder)
    assert [source.name for source in sources] == ["talk"]
    assert str(folder / "talk.wav") not in alone  # a recording is no pose file without a partner
    with ThreadPoolExecutor(1) as here:
        build_corpus(sources, folder / "heard", audio=folder, executor=here, progress=False, report=False)
    corpus, manifest = Corpus(folder / "heard"), json.loads((folder / "heard/manifest.json").read_text("utf-8"))
    [source] = manifest["sources"]
    assert source["audio"] == str(folder / "talk.wav")
    assert source["heard"] == {"aligned": 3}
    assert manifest["counts"]["words"] == {"aligned": sum(len(cue.words) for cue in speaker.cues)}
    off = []
    for clip in manifest["clips"]:
        assert clip["confidence"] > 0.35
        [words] = corpus.words(clip["name"])
        begin = round(clip["start"] * 20) / 20
        true = [word.start for cue in speaker.cues for word in cue.words if cue.text == clip["text"]]
        off += np.abs(np.array([word.start + begin for word in words]) - true).tolist()
    # One word of this talk, after a pause, is found half a second early; all others lie within 0.2 s.
    assert np.median(off) < 0.03
    assert sorted(off)[-2] < 0.2


def test_a_folder_without_the_sound_of_a_talk_is_a_warning(talk, tmp_path):
    folder, _, _ = talk
    (tmp_path / "sounds").mkdir()
    source = Source(folder / "talk.json", folder / "talk.srt", "talk")
    with ThreadPoolExecutor(1) as here:
        build_corpus([source], tmp_path / "K", audio=tmp_path / "sounds", executor=here, progress=False, report=False)
    manifest = json.loads((tmp_path / "K/manifest.json").read_text("utf-8"))
    [warning] = manifest["warnings"]
    assert warning.startswith("talk: no words were aligned")
    assert set(manifest["counts"]["words"]) == {"estimated"}


def thirds(samples, rate, text):
    """An aligner that gives every word the same time."""
    ends = np.linspace(0, len(samples) / rate, len(text.split()) + 1)
    return [Word(*span, word) for *span, word in zip(ends[:-1], ends[1:], text.split(), strict=True)]


def test_an_aligner_of_the_user_is_named(talk, tmp_path):
    folder, speaker, _ = talk
    say(tmp_path / "talk.wav", speaker.cues, speaker.poses.seconds)
    source = Source(folder / "talk.json", folder / "talk.srt", "talk", audio=tmp_path / "talk.wav")
    options = BuildOptions(aligner=f"{__name__}:thirds")
    corpus, manifest = build([source], tmp_path / "K", options=options)
    assert manifest["sources"][0]["heard"] == {"aligned": 3}
    assert set(manifest["counts"]["words"]) == {"aligned"}
    lengths = [[word.end - word.start for word in words] for name in corpus.names() for words in corpus.words(name)]
    assert all(np.ptp(row) < 0.06 for row in lengths)
    for name in ("nosuchmodule:thirds", f"{__name__}:none", "thirds", ":thirds", f"{__name__}:np"):
        with pytest.raises(ConfigError, match="no such aligner"):
            BuildOptions(aligner=name)


def test_sound_that_cannot_be_read_or_ends_early_is_a_warning(talk, tmp_path):
    folder, speaker, _ = talk
    (tmp_path / "talk.mp4").write_bytes(b"no video")
    source = Source(folder / "talk.json", folder / "talk.srt", "talk", audio=tmp_path / "talk.mp4")
    _, manifest = build([source], tmp_path / "unread")
    assert manifest["sources"][0]["heard"] == {"unread": 3}
    assert any("no words were aligned" in warning for warning in manifest["warnings"])
    assert set(manifest["counts"]["words"]) == {"estimated"}
    say(tmp_path / "short.wav", speaker.cues[:1], speaker.cues[0].end)
    _, manifest = build([replace(source, audio=tmp_path / "short.wav")], tmp_path / "short")
    assert manifest["sources"][0]["heard"] == {"aligned": 1, "no_sound": 2}
    assert any("the sound ends at" in warning for warning in manifest["warnings"])
    say(tmp_path / "long.wav", speaker.cues, speaker.poses.seconds + 10.0)
    _, manifest = build([replace(source, audio=tmp_path / "long.wav")], tmp_path / "long")
    assert manifest["sources"][0]["heard"] == {"aligned": 3}
    assert any("is it the sound of another video?" in warning for warning in manifest["warnings"])
    with pytest.raises(CorpusError, match=r"gone\.wav"):
        build([replace(source, audio=tmp_path / "gone.wav")], tmp_path / "short")
