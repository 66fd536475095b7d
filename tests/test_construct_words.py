"""From transcript to corpus: the time of every word, in the clip and in its mirrored twin."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from ktube_motion.construct import Source, add_motion, build_corpus, curate
from ktube_motion.construct.clips import MIRROR_PREFIX
from ktube_motion.errors import CorpusError
from ktube_motion.io import Corpus
from ktube_motion.samples import make_speaker
from ktube_motion.skeletons import SMPL_22
from ktube_motion.types import Motion, Utterance, Word


def build(sources, root):
    with ThreadPoolExecutor(1) as here:
        build_corpus(sources, root, executor=here, progress=False, report=False)
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
