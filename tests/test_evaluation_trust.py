"""Trust: motions spoiled on purpose, what an evaluator must order, and the pictures of it."""

import json
import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_evaluators import Encoder

from ktube_motion.errors import ConfigError, DataError, MissingDependencyError, ShapeError
from ktube_motion.evaluation import (
    Curve,
    EvaluationConfig,
    Interval,
    Report,
    TrustReport,
    corpus_labels,
    corpus_words,
    freeze,
    jitter,
    perturb,
    plot_confusion,
    plot_report,
    plot_trust,
    reverse,
    trust_report,
)
from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator, contrastive_loss
from ktube_motion.features import features_to_joints, joints_to_features
from ktube_motion.io import Corpus
from ktube_motion.metrics import beat_preference
from ktube_motion.metrics.functional import ClassReport
from ktube_motion.skeletons import KIT_21, SMPL_22
from ktube_motion.types import FeatureStats, Utterance, Word

FPS = 20


def _standing(skeleton):
    """Joints ``(J, 3)`` of the rest pose."""
    rest = np.zeros((skeleton.num_joints, 3))
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            rest[joint] = rest[parent] + skeleton.offsets[joint]
    return rest


def _gesture(kind, seed, frames=64):
    """A standing figure that raises its left or right hand, fast and back slowly; beats at known times."""
    rng = np.random.default_rng(seed)
    rest = _standing(SMPL_22)
    time = np.arange(frames) / FPS
    rise = np.interp(time, [0, 0.5, 2.5, 4], [0, 1, 0, 0]) * rng.uniform(0.8, 1.2)
    joints = np.repeat(rest[None], frames, 0)
    hand, elbow = (20, 18) if kind == "왼손" else (21, 19)
    joints[:, hand, 1] += 0.8 * rise
    joints[:, elbow, 1] += 0.3 * rise
    return np.asarray(joints_to_features(joints.astype(np.float32)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    corpus = Corpus.create(tmp_path_factory.mktemp("corpus"))
    clips = []
    for number in range(64):
        kind, split = ("왼손", "오른손")[number % 2], "val" if number < 24 else "train"
        name = f"clip{number:02d}"
        corpus.add_clip(name, features=_gesture(kind, number), texts=[Utterance(0, 0, f"{kind}을 든다")])
        clips.append({"name": name, "split": split, "content": kind, "frames": 63})
    corpus.write_splits({part: [c["name"] for c in clips if c["split"] == part] for part in ("train", "val")})
    features = np.concatenate([corpus.features(clip["name"]) for clip in clips])
    corpus.write_stats(FeatureStats(features.mean(0), features.std(0) + 0.05))
    (corpus.root / "manifest.json").write_text(json.dumps({"clips": clips}))
    return Corpus(corpus.root)


@pytest.fixture(scope="module")
def evaluator(corpus):
    torch.manual_seed(0)
    model = MotionEvaluator(
        EvaluatorConfig(width=32, embedding_size=16, text_dim=8), corpus.stats, text_encoder=Encoder()
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    names = corpus.names("train")
    features = torch.from_numpy(np.stack([corpus.features(name) for name in names]))
    texts = [corpus.texts(name)[0].text for name in names]
    vectors, lengths = Encoder().encode(texts), torch.full((len(names),), features.shape[1])
    for _ in range(40):
        loss = contrastive_loss(*model(features, lengths, vectors), temperature=0.1, texts=texts)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def test_faults_do_what_they_say():
    rng = np.random.default_rng(0)
    clip = np.cumsum(rng.normal(size=(40, 22, 3)), 0)
    assert np.abs(jitter(clip, 0.02, rng=rng) - clip).std() == pytest.approx(0.02 * math.sqrt(1 - 2 / math.pi), rel=0.1)
    half = freeze(clip, 0.5, rng=rng)
    assert (np.abs(np.diff(half, axis=0)).sum((1, 2)) == 0).sum() == 19
    assert (freeze(clip, 1.0, rng=rng) == clip[0]).all()
    np.testing.assert_array_equal(reverse(reverse(clip)), clip)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["freeze", "swap", "reverse"]), st.integers(0, 2**31))
def test_larger_shares_spoil_more_of_the_same(fault, seed):
    clips = [_gesture("왼손", number) for number in range(6)]
    plain, some, every = (perturb(clips, fault, amount, rng=np.random.default_rng(seed)) for amount in (0.0, 0.5, 1.0))
    for before, after in zip(clips, plain, strict=True):
        difference = features_to_joints(before) - features_to_joints(after)
        assert np.abs(difference).max() < 1e-4
    if fault != "freeze":
        changed = [not np.array_equal(a, b) for a, b in zip(plain, some, strict=True)]
        assert all(np.array_equal(a, b) for a, b, c in zip(some, every, changed, strict=True) if c)
        assert all(not np.array_equal(a, b) for a, b in zip(plain, every, strict=True))
    assert all(a.shape == b.shape for a, b in zip(clips, every, strict=True))


def test_swapped_left_hand_is_a_right_hand():
    left, right = ([_gesture(kind, 0)] for kind in ("왼손", "오른손"))
    swapped = perturb(left, "swap", 1.0, rng=np.random.default_rng(0))
    moved = [np.abs(np.ptp(features_to_joints(clip[0]), axis=0))[:, 1] for clip in (left, swapped, right)]
    assert moved[0][20] > 0.5 > 0.1 > moved[0][21]
    assert moved[1][21] > 0.5 > 0.1 > moved[1][20]


def test_jitter_is_in_metres_for_kit():
    joints = np.repeat(_standing(KIT_21)[None], 200, 0).astype(np.float32)
    clip = np.asarray(joints_to_features(joints, skeleton=KIT_21))
    spoiled = perturb([clip], "jitter", 0.01, rng=np.random.default_rng(0), skeleton=KIT_21)[0]
    assert spoiled[:, 3].std() * KIT_21.metres_per_unit == pytest.approx(0.01, rel=0.3)  # the root's height


def test_labels_are_read_from_the_manifest(corpus, tmp_path):
    labels = corpus_labels(corpus)
    assert list(labels) == ["content"]
    assert labels["content"]["clip01"] == "오른손"
    (tmp_path / "new_joint_vecs").mkdir()
    assert corpus_labels(Corpus(tmp_path)) == {}


def test_a_label_group_has_two_to_a_hundred_values_and_two_clips_each(tmp_path):
    corpus = Corpus.create(tmp_path)
    groups = {"one": 1, "two": 2, "hundred": 100, "half": 101, "all": 202}
    clips = [{"name": f"c{k}", **{g: f"v{k % count}" for g, count in groups.items()}} for k in range(202)]
    (tmp_path / "manifest.json").write_text(json.dumps({"clips": clips}))
    assert list(corpus_labels(corpus)) == ["two", "hundred"]
    (tmp_path / "manifest.json").write_text(json.dumps({"clips": clips[:4]}))
    assert list(corpus_labels(corpus)) == ["two"]  # four names for four clips are no classes


def test_labels_that_splits_do_not_share_are_left_out(corpus):
    assert list(corpus_labels(corpus, splits=("train", "val"))) == ["content"]
    manifest = json.loads((corpus.root / "manifest.json").read_text())
    for clip in manifest["clips"]:
        clip["speaker"] = f"{clip['split']} {clip['frames'] + len(clip['name']) % 2} {clip['name'][-1] in '01234'}"
    other = Corpus.create(corpus.root.parent / "by_speaker")
    (other.root / "manifest.json").write_text(json.dumps(manifest))
    for name in corpus.names("all"):
        other.add_clip(name, features=corpus.features(name)[:4], texts=corpus.texts(name))
    other.write_splits({part: corpus.names(part) for part in ("train", "val")})
    assert list(corpus_labels(other)) == ["content", "speaker"]
    assert list(corpus_labels(other, splits=("train", "val"))) == ["content"]


def test_words_are_read_from_transcripts(tmp_path):
    words = [{"word": f"말{k}", "start": k + 0.5, "end": k + 0.9} for k in range(6)]
    transcript = {"segments": [{"start": 0.5, "end": 5.9, "text": " ".join(w["word"] for w in words), "words": words}]}
    (tmp_path / "a.json").write_text(json.dumps(transcript))
    corpus = Corpus.create(tmp_path / "corpus")
    sources = [{"name": name, "transcript": str(tmp_path / f"{name}.json")} for name in ("a", "gone")]
    clips = [
        {"name": f"{s}_{k}", "source": s, "start": 2.0 * k, "end": 2.0 * k + 2} for s in ("a", "gone") for k in (0, 1)
    ]
    sources += [{"name": "none", "transcript": None}, {"name": "long", "transcript": "a" * 9999}]
    clips += [{"name": "null", "source": "a", "start": None, "end": None}]
    (corpus.root / "manifest.json").write_text(json.dumps({"sources": sources, "clips": clips}))
    found = corpus_words(corpus)
    assert sorted(found) == ["a_0", "a_1"]
    assert [(word.text, word.start) for word in found["a_1"]] == [("말2", 0.5), ("말3", 1.5)]


def test_report_orders_what_it_must(corpus, evaluator, tmp_path):
    def model(texts, *, seed):
        rng = np.random.default_rng(seed)
        return perturb(
            [_gesture(text[: text.index("을")], int(rng.integers(99))) for text in texts], "jitter", 0.005, rng=rng
        )

    # Words fall on the turning points of each clip, or 0.3 s beside them where they are another's.
    words = {name: [Word(0.5 + 0.07 * k, 0.9, "손")] for k, name in enumerate(corpus.names("val")[:4])}
    amounts = {"jitter": (0.0, 0.02, 0.1), "reverse": (0.0, 0.5, 1.0)}
    options = {"model": model, "words": words, "amounts": amounts, "progress": False}
    options["config"] = EvaluationConfig(split="val", repeats=3)
    report = trust_report(evaluator, corpus, **options)
    assert list(report.table) == ["real", "generated", "noise", "shuffled", "chance"]
    assert report.table["real"]["r_precision_top3"].repeats == 3
    assert report.table["generated"]["fid"].mean < report.table["noise"]["fid"].mean
    assert 0 < report.table["generated"]["fgd"].mean < report.table["noise"]["fgd"].mean
    assert report.curves["reverse"].grows
    assert report.curves["jitter"].grows
    assert report.classes["real"]["content"].accuracy == 1
    assert report.preference["the evaluator, real motion"] > 0.7
    assert 0 <= report.preference["beats of words, real motion"] <= 1
    assert 0 < report.beats["real motion"] <= 1
    assert set(report.orders.values()) <= {True, False}
    report.save(tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "trust.png", "order.png", *(f"confusion_content_{row}.png" for row in ("real", "generated", "noise"))
    }  # fmt: skip
    written = json.loads((tmp_path / "trust.json").read_text())
    assert written["curves"]["jitter"]["fid"] == list(report.curves["jitter"].fid)
    markdown = (tmp_path / "trust.md").read_text()
    assert "## reverse: share of clips played backwards" in markdown
    assert "| FID grows with jitter | yes |" in markdown
    again = trust_report(evaluator, corpus, **options)
    assert again.to_json() == report.to_json()


def test_an_untrustworthy_evaluator_is_told():
    table = {row: {"r_precision_top3": Interval(value, 0.01, 3)} for row, value in (("real", 0.1), ("noise", 0.2))}
    curve = Curve("share", (0.0, 0.5, 1.0), (0.0, 0.3, 0.2), (1.0, 1.0, 1.0), floor=0.1)
    mixed_up = ClassReport.of(("a", "b"), [[0, 5], [5, 0]])
    report = TrustReport(table, {"swap": curve}, {"real": {"content": mixed_up}}, {"the evaluator": 0.4})
    assert report.orders == {
        "R top 3: real > noise": False,
        "FID grows with swap": False,
        "content of real told better than chance": False,
        "own utterance preferred by the evaluator": False,
    }
    assert report.to_markdown().count("**NO**") == 4


def test_beats_prefer_their_own_words():
    rng = np.random.default_rng(0)
    beats = [np.sort(rng.uniform(0, 8, 6)) for _ in range(12)]
    assert beat_preference(beats, beats) == 1.0
    assert beat_preference(beats, beats[1:] + beats[:1]) < 0.7
    assert beat_preference([[]] * 3, beats[:3]) == 0.5


def _drawn(path):
    from PIL import Image

    pixels = np.asarray(Image.open(path).convert("RGB"))
    assert pixels.std() > 5
    return pixels


def test_pictures(tmp_path, recwarn):
    import matplotlib

    before = dict(matplotlib.rcParams)
    cells = {"fid": Interval(0.2, 0.01, 3), "r_precision_top3": Interval(0.8, math.nan, 1)}
    report = Report("generation", {"real": {"fid": Interval(0.0, 0.0, 3)}, "생성": cells}, {"samples": 5})
    _drawn(plot_report(report.table, tmp_path / "deep/report.png"))
    table = ClassReport.of([f"몸짓 {k}" for k in range(12)], np.eye(12, dtype=int) * 7)
    assert _drawn(plot_confusion(table, tmp_path / "c.png", title="내용")).shape[0] > 600
    curve = Curve("몫", (0.0, 0.5, 1.0), (0.0, 0.1, 2.0), (1.0, 0.8, 0.1), floor=0.05)
    _drawn(plot_trust({"jitter": curve, "swap": curve, "other": curve}, tmp_path / "t.png"))
    assert dict(matplotlib.rcParams) == before
    assert not recwarn.list  # no letter without a glyph
    assert not list(tmp_path.glob("*.tmp*"))


def test_without_matplotlib(tmp_path, monkeypatch):
    report = Report("tokenizer", {"real": {"fid": Interval(0.0, 0.0, 3)}})
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("ktube_motion.evaluation._plots.find_spec", lambda name: None)
    with pytest.warns(UserWarning, match=r"ktube_motion\[render\]"):
        report.save(tmp_path)
    assert (tmp_path / "report.json").exists()
    with pytest.raises(MissingDependencyError, match=r'pip install "ktube_motion\[render\]"'):
        report.save(tmp_path, pictures=True)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: perturb([x], "shake", 1.0, rng=np.random.default_rng(0)), ConfigError, "Unknown fault"),
        (lambda x: perturb([x], "swap", 1.5, rng=np.random.default_rng(0)), ConfigError, "cannot have this amount"),
        (lambda x: perturb([x], "jitter", -1.0, rng=np.random.default_rng(0)), ConfigError, "cannot have"),
        (lambda x: perturb([x], "jitter", math.nan, rng=np.random.default_rng(0)), ConfigError, "cannot have"),
        (lambda x: perturb([x[:1]], "swap", 1.0, rng=np.random.default_rng(0)), ShapeError, "at least 2 frames"),
        (lambda x: perturb([x + np.nan], "swap", 1.0, rng=np.random.default_rng(0)), DataError, "not finite|NaN"),
        (lambda x: beat_preference([[1.0]], [[1.0]]), ShapeError, "two pairs"),
        (lambda x: ClassReport.of("ab", [[0, 0], [0, 0]]), ShapeError, "no confusion table"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call(np.zeros((30, 263)))


def test_curves_must_start_at_nothing(corpus, evaluator):
    with pytest.raises(ConfigError, match="each from 0"):
        trust_report(evaluator, corpus, amounts={"jitter": (0.1, 0.2)}, progress=False)
