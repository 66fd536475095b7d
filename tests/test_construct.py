"""Building a corpus: exact clips, honest counts, splits by video, and a report that can be read."""

import json
import re
import unicodedata
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion import construct
from ktube_motion.construct import (
    BuildOptions,
    Source,
    build_corpus,
    build_gesture_corpus,
    curate,
    pair_sources,
    read_sources,
    split_videos,
    write_report,
)
from ktube_motion.errors import ConfigError, CorpusError, FormatError, KtubeError, MissingDependencyError
from ktube_motion.features import feature_stats, joints_to_features
from ktube_motion.io import Corpus, save_poses, save_transcript
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.samples import make_speaker
from ktube_motion.types import Cue, PoseSequence


def build(sources, root, **arguments):
    with ThreadPoolExecutor(1) as here:
        return build_corpus(sources, root, executor=here, progress=False, **arguments)


def files_of(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in Path(root).rglob("*") if path.is_file()}


def manifest_of(root):
    return json.loads((root / "manifest.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Give three short videos with an estimator's faults."""
    folder = tmp_path_factory.mktemp("videos")
    for number, name in enumerate(("가", "b", "c")):
        make_speaker(folder, seed=number, num_utterances=3, faults=True, name=name)
    return folder


@pytest.fixture(scope="module")
def sources(videos):
    return pair_sources(videos, videos)[0]


@pytest.fixture(scope="module")
def built(sources, tmp_path_factory):
    root = tmp_path_factory.mktemp("built") / "KTubeUM"
    return root, build(sources, root)


@pytest.fixture
def corpus_root(built, tmp_path):
    """Give a copy of the built corpus that a test may change."""
    import shutil

    return shutil.copytree(built[0], tmp_path / "copy")


# -- clips ------------------------------------------------------------------------------------


def test_corpus_holds_what_was_said_and_shown(built, sources):
    root, report = built
    corpus, manifest = Corpus(root), manifest_of(root)
    assert report.clips == len(manifest["clips"]) == 9
    assert not report.skipped
    assert not report.failed
    train = corpus.names("train")
    assert {name for name in train if name[0] == "M"} == {"M" + name for name in train if name[0] != "M"}
    assert not [name for split in ("val", "test") for name in corpus.names(split) if name[0] == "M"]
    for clip in manifest["clips"]:
        name = clip["name"]
        features, joints = corpus.features(name), corpus.joints(name)
        assert len(features) == clip["frames"] == round((clip["end"] - clip["start"]) * 20)
        assert 40 <= clip["frames"] <= 196
        assert len(joints) == len(features) + 1
        np.testing.assert_allclose(joints_to_features(joints), features, atol=1e-4)
        assert corpus.joints(name, recovered=True).shape == (len(features), 22, 3)
        [text] = corpus.texts(name)
        assert (text.text, text.start, text.end) == (clip["text"], 0, 0)
        assert text.tokens
        assert clip["speaker"] == clip["source"]
        assert clip["hands"] == ["left", "right"]
        assert 0 <= clip["filled"] < 0.5
        assert clip["jitter_after"] < 0.2 * clip["jitter_before"]
    stats = feature_stats([corpus.features(name) for name in corpus.names("all")])
    np.testing.assert_array_equal(corpus.stats.mean, stats.mean)
    np.testing.assert_array_equal(corpus.stats.std, stats.std)
    assert manifest["counts"]["splits"] == {s: len(corpus.names(s)) for s in ("train", "val", "test")}
    assert manifest["options"]["fps"] == 20
    assert manifest["versions"]["numpy"] == np.__version__
    assert all(0 < source["missing"] < 0.2 and source["outliers"] for source in manifest["sources"])


def test_filled_counts_missing_and_rejected_frames(tmp_path):
    rotvecs = np.zeros((121, 55, 3), np.float32)
    rotvecs[:, 18, 1] = 0.4 * np.sin(np.arange(121) / 15)
    rotvecs[50, 18] = [0, 2.5, 0]  # a single-frame outlier
    valid = np.ones(121, bool)
    valid[30:35] = False
    save_poses(PoseSequence(rotvecs, fps=20, valid=valid), tmp_path / "a.npz")
    save_transcript([Cue(1.0, 4.0, "오늘은 손을 들어 보겠습니다.")], tmp_path / "a.srt")
    build([Source(tmp_path / "a.npz", tmp_path / "a.srt", "a")], tmp_path / "K")
    [clip] = manifest_of(tmp_path / "K")["clips"]
    assert clip["filled"] == pytest.approx(6 / 61, abs=1e-4)
    assert clip["hands"] == []  # constant fingers are hands that nobody saw
    [source] = manifest_of(tmp_path / "K")["sources"]
    assert (source["outliers"], source["missing"]) == (1, pytest.approx(5 / 121, abs=1e-4))
    assert not [warning for warning in manifest_of(tmp_path / "K")["warnings"] if "the words at" in warning]


@pytest.mark.parametrize(
    ("words_end", "told"), [(29.5, None), (28.0, None), (27.0, "silence at the end"), (44.0, "was the video cut")]
)
def test_ends_of_words_and_poses(words_end, told):
    quality = {"seconds": 30.0, "fps": 25.0, "fps_assumed": False}
    found = construct._videos._compare_lengths("a", quality, words_end)
    assert (told is None and not found) or told in found[0]


def test_clip_is_the_motion_of_its_own_seconds(tmp_path):
    speaker = make_speaker(tmp_path, seed=3, num_utterances=2, name="a")
    options = BuildOptions(cutoff_hz=None, root="moving", mirror=False)
    build(pair_sources(tmp_path, tmp_path)[0], tmp_path / "K", options=options)
    for clip in manifest_of(tmp_path / "K")["clips"]:
        times = round(clip["start"] * 20) / 20 + np.arange(clip["frames"] + 1) / 20
        even = np.flatnonzero(np.abs(times * 30 - np.round(times * 30)) < 1e-6)  # frames that both clocks have
        still = speaker.poses.replace(trajectory=False)  # cam_trans is no path
        truth = pose_to_joints(still).positions[np.round(times[even] * 30).astype(int)]
        np.testing.assert_allclose(Corpus(tmp_path / "K").joints(clip["name"])[even], truth, atol=2e-4)


def test_mirrored_twin_swaps_sides_in_joints_and_words(tmp_path):
    make_speaker(tmp_path, num_utterances=1, name="a")
    save_transcript([Cue(0.5, 3.5, "왼손을 들고 오른쪽을 봐 주세요.")], tmp_path / "a.srt")
    build(pair_sources(tmp_path, tmp_path)[0], tmp_path / "K")
    corpus = Corpus(tmp_path / "K")
    assert corpus.texts("Ma_000")[0].text == "오른손을 들고 왼쪽을 봐 주세요."
    assert ("오른손", "NOUN") in corpus.texts("Ma_000")[0].tokens
    left, right = corpus.skeleton.joint_names.index("left_wrist"), corpus.skeleton.joint_names.index("right_wrist")
    np.testing.assert_allclose(
        corpus.joints("Ma_000")[:, left], corpus.joints("a_000")[:, right] * [-1, 1, 1], atol=1e-6
    )


def test_skeleton_with_fingers(sources, tmp_path):
    report = build(sources[:1], tmp_path / "K", options=BuildOptions(skeleton="smplh_52"))
    corpus = Corpus(tmp_path / "K")
    assert report.clips == 3
    assert corpus.stats.mean.shape == (623,)
    assert np.isfinite(corpus.features(corpus.names()[-1])).all()
    assert corpus.joints(corpus.names()[0]).shape[1:] == (52, 3)
    assert "smplh_52" in (tmp_path / "K" / "report.html").read_text("utf-8")
    with pytest.raises(CorpusError, match="Another corpus"):
        build(sources[:1], tmp_path / "K")


# -- time -------------------------------------------------------------------------------------


def test_2997_is_not_30(tmp_path):
    """After ten minutes the two clocks are 0.6 s apart: an arm lowered at a known second tells which one was used."""
    fps, frames = 30000 / 1001, 18_000
    seconds = np.arange(frames) / fps
    rotvecs = np.zeros((frames, 55, 3), np.float32)
    rotvecs[:, 16, 2] = -1.2 * ((seconds > 590) & (seconds < 594))  # the left arm goes down for four seconds
    save_poses(PoseSequence(rotvecs, fps=29.97, valid=seconds > 580), tmp_path / "a.npz")
    save_transcript([Cue(588.0, 597.0, "바로 지금 왼팔을 내립니다.")], tmp_path / "a.srt")
    found = {}
    for rate in (None, 30000 / 1001, 30.0):
        root = tmp_path / f"{rate}"
        source = Source(tmp_path / "a.npz", tmp_path / "a.srt", "a", fps=rate)
        build([source], root, options=BuildOptions(mirror=False), report=False)
        joints = Corpus(root).joints("a_000")
        low = joints[:, 20, 1] < joints[:, 16, 1] - 0.2
        found[rate] = 588 + np.flatnonzero(low)[[0, -1]] / 20
    np.testing.assert_allclose(found[None], [590, 594], atol=0.2)
    np.testing.assert_allclose(found[30000 / 1001], found[None], atol=0.051)
    np.testing.assert_allclose(found[None] - found[30.0], 0.59, atol=0.051)


def test_offset_shifts_the_words(sources, tmp_path):
    build([replace(sources[0], offset=0.5)], tmp_path / "K", report=False)
    build([sources[0]], tmp_path / "L", report=False)
    late, early = (Corpus(tmp_path / name).joints(f"{sources[0].name}_000") for name in "KL")
    np.testing.assert_allclose(late[:-10], early[10 : len(late)], atol=1e-6)


def test_unequal_lengths_are_reported(sources, tmp_path):
    report = build([replace(sources[0], fps=40.0), sources[1]], tmp_path / "K")
    [warning] = [warning for warning in report.warnings if warning.startswith(f"{sources[0].name}:")]
    assert "29.97 is not 30" in warning
    assert report.skipped[0]["problem"] == "The poses end before the words."


def test_long_gap_drops_only_the_utterances_it_touches(videos, sources, tmp_path):
    data = json.loads((videos / "b.json").read_text())
    said = [clip for clip in json.loads(json.dumps(_plain_clips(sources[0], tmp_path)))]
    gap = [said[1]["start"] + 0.5, said[1]["start"] + 1.5]
    data["frames"] = [frame for frame in data["frames"] if not gap[0] < frame["frame"] / 30 < gap[1]]
    (tmp_path / "b.json").write_text(json.dumps(data))
    report = build([replace(sources[0], poses=tmp_path / "b.json")], tmp_path / "K")
    [skip] = report.skipped
    assert skip["start"] == said[1]["start"]
    assert "not seen all the time" in skip["reason"]
    assert [clip["name"] for clip in manifest_of(tmp_path / "K")["clips"]] == ["b_000", "b_002"]
    whole = build(
        [replace(sources[0], poses=tmp_path / "b.json")], tmp_path / "L", options=BuildOptions(max_gap_seconds=2)
    )
    assert not whole.skipped


def _plain_clips(source, tmp_path):
    build([source], tmp_path / "plain", report=False)
    return manifest_of(tmp_path / "plain")["clips"]


def test_too_short_and_too_long_utterances_are_counted(tmp_path):
    make_speaker(tmp_path, num_utterances=8, name="a")
    cues = [Cue(0.5, 1.0, "네."), Cue(4, 7, "오늘은 손을 들어 보겠습니다."), Cue(9, 20, "으으으")]
    save_transcript(cues, tmp_path / "a.srt")
    report = build(pair_sources(tmp_path, tmp_path)[0], tmp_path / "K")
    assert [skip["problem"] for skip in report.skipped] == ["The utterance is too short.", "The utterance is too long."]
    assert report.clips == 1
    assert "skipped 1 times: The utterance is too long." in str(report)


# -- sources ----------------------------------------------------------------------------------


def test_tables(tmp_path):
    table = tmp_path / "videos.tsv"
    table.write_text(
        "name\tposes\ttranscript\toffset\tfps\tspeaker\tperson\n# a comment\n"
        "강연\tp/a.json\t/t/a.srt\t-1.5\t29.97\t김\t2\n\tp/b.json\tb.srt\t\t\t\t\n",
        encoding="cp949",
    )
    first, second = read_sources(table)
    assert first == Source(tmp_path / "p/a.json", Path("/t/a.srt"), "강연", "김", -1.5, 29.97, "auto", 2)
    assert second == Source(tmp_path / "p/b.json", tmp_path / "b.srt", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "columns.*empty"),
        ("poses\na.json\n", "columns.*poses"),
        ("poses,transcript,mood\na,b,c\n", "columns.*mood"),
        ("poses,transcript\na.json\n", "line 2.*Wrong number of columns"),
        ("poses,transcript,fps\na.json,b.srt,fast\n", "line 2.*fps is not a number.*fast"),
        ("poses,transcript,offset\na.json,b.srt,nan\n", "line 2.*offset"),
        ("poses,transcript\n,b.srt\n", "line 2.*path is missing"),
        ("poses,transcript\n#\n\na.json,b\0\n", "line 4.*path is missing"),
    ],
)
def test_bad_tables_are_named(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(FormatError, match=message):
        read_sources(tmp_path / "t.csv")
    with pytest.raises(FormatError):
        read_sources(tmp_path / "none.csv")


def test_pairing(tmp_path):
    for name in ("a b.v1.json", "a b.v1.ko.srt", "c.json", "c.srt", "d.npz", "e.vtt", ".hidden.json"):
        (tmp_path / name).touch()
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames.en-US.srt").touch()
    sources, alone = pair_sources(tmp_path, tmp_path, speaker="김", fps=25)
    assert [(source.name, source.speaker, source.fps) for source in sources] == [
        ("a b.v1", "김", 25), ("c", "김", 25), ("frames", "김", 25),
    ]  # fmt: skip
    assert [Path(path).name for path in alone] == ["d.npz", "e.vtt"]
    with pytest.raises(CorpusError, match="does not exist"):
        pair_sources(tmp_path / "none", tmp_path)


def test_poses_in_lines_and_compressed_are_paired(tmp_path):
    for name in ("a.json.gz", "a.ko.srt", "b.jsonl", "b.vtt"):
        (tmp_path / name).touch()
    sources, alone = pair_sources(tmp_path, tmp_path)
    assert [(source.name, source.poses.name) for source in sources] == [("a", "a.json.gz"), ("b", "b.jsonl")]
    assert alone == []


def test_the_best_of_several_files_is_paired_and_told(tmp_path):
    talk = "talk.json talk.info.json talk.mp4 talk.webp talk.ko.vtt talk.en.vtt talk.ko-orig.srt"
    others = "b.json b.ko.srt b.ko.vtt c.json c.auto.srt c.vtt 강연.ko.srt"
    for name in (*talk.split(), *others.split(), unicodedata.normalize("NFD", "강연.json")):
        (tmp_path / name).touch()
    sources, alone = pair_sources(tmp_path, tmp_path)
    chosen = {source.name: source.transcript.name for source in sources}
    assert chosen == {"talk": "talk.ko.vtt", "b": "b.ko.srt", "강연": "강연.ko.srt", "c": "c.vtt"}
    assert alone == []
    told = {source.name: source.notes for source in sources}
    assert "talk.en.vtt" in told["talk"][0]
    assert told["강연"] == ()


def test_a_build_takes_the_voice_of_the_body(tmp_path):
    make_speaker(tmp_path, num_utterances=2, name="a")
    lines = ["강사: 오른손을 천천히 들어 주세요.", "질문자: 네 알겠습니다 선생님.", "강사: 왼손도 함께 들어 봅시다."]
    save_transcript([Cue(3.0 * i, 3.0 * i + 2.8, line) for i, line in enumerate(lines)], tmp_path / "a.srt")
    for speaker, texts in ((None, [lines[0], lines[2]]), ("질문자", [lines[1]])):
        sources = pair_sources(tmp_path, tmp_path)[0]
        root = tmp_path / f"K{speaker}"
        report = build_corpus(sources, root, speaker=speaker, report=False, progress=False)
        record = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
        said = [row["text"] for row in record["clips"] + record["skipped"]]
        assert sorted(said) == sorted(text.partition(": ")[2] for text in texts)
        assert any("of 2 voices" in warning and "left out" in warning for warning in report.warnings)


# -- going on, and what stops a build -----------------------------------------------------------


def test_finished_videos_are_kept_and_changed_ones_remade(videos, sources, tmp_path, monkeypatch):
    made = []
    real = construct._build.build_video
    monkeypatch.setattr(
        construct._build, "build_video", lambda source, *rest: made.append(source.name) or real(source, *rest)
    )
    mine = [replace(source, poses=tmp_path / source.poses.name) for source in sources]
    for source, copy in zip(sources, mine, strict=True):
        copy.poses.write_bytes(source.poses.read_bytes())
    build(mine, tmp_path / "K")
    before = files_of(tmp_path / "K")
    assert made == ["b", "c", "가"]
    build(mine, tmp_path / "K")
    assert made[3:] == []
    assert files_of(tmp_path / "K") == before
    mine[1].poses.write_text(mine[1].poses.read_text().replace('"fps":30.0', '"fps":29.0'))
    build(mine, tmp_path / "K", options=BuildOptions(seed=1))  # another seed changes no clip
    assert made[3:] == ["c"]
    (tmp_path / "K" / "joints" / "b_001.npy").unlink()
    (tmp_path / "K" / ".build" / "가.json").write_text("{")
    build(mine, tmp_path / "K")
    assert made[4:] == ["b", "가"]
    build(mine, tmp_path / "K", options=BuildOptions(mirror=False))
    assert made[6:] == ["b", "c", "가"]
    assert not list((tmp_path / "K").glob("*/M*"))
    fresh = build(mine, tmp_path / "L" / "K", options=BuildOptions(mirror=False))  # pages name their folder
    assert files_of(tmp_path / "K") == files_of(tmp_path / "L" / "K")
    assert fresh.clips


def test_nothing_of_gone_or_changed_sources_stays(sources, tmp_path):
    build(sources, tmp_path / "K", report=False)
    corpus = Corpus(tmp_path / "K")
    corpus.add_clip("mine_000", features=corpus.features("b_000"), texts=corpus.texts("b_000"))
    # What a build killed in the middle of a video leaves: clips without a record, a half-written file.
    for folder, suffix in (("joints", ".npy"), ("texts", ".txt"), ("new_joint_vecs", ".npy")):
        (tmp_path / "K" / folder / f"b_017{suffix}").write_bytes(b"x")
    (tmp_path / "K" / "joints" / ".writing-abc.npy").write_bytes(b"x")
    build(sources[:1], tmp_path / "K", report=False)
    left = {Path(name).stem for name in files_of(tmp_path / "K") if "/" in name}
    assert left == {"b", "mine_000", *(f"{m}b_00{k}" for m in ("", "M") for k in range(3))}
    assert Corpus(tmp_path / "K").names("train") == ["b_000", "b_001", "b_002", "Mb_000", "Mb_001", "Mb_002"]


def test_bad_sources_are_counted_and_tried_again(sources, tmp_path):
    (tmp_path / "bad.json").write_text('[{"smplx_root_pose": [0, 0')
    (tmp_path / "silent.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\n[음악]\n")
    bad = [
        replace(sources[0], name="broken", poses=tmp_path / "bad.json"),
        replace(sources[0], name="gone", poses=tmp_path / "later.json"),
        replace(sources[0], name="silent", transcript=tmp_path / "silent.srt"),
        replace(sources[0], name="a/b"),
        replace(sources[0], name="odd", fps=-3),
        replace(sources[0], name="odd format", format="wooden"),
    ]
    report = build([*bad, sources[1]], tmp_path / "K")
    assert report.clips == 3
    assert set(report.failed) == {"broken", "gone", "silent", "a/b", "odd", "odd format"}
    assert "bad.json" in report.failed["broken"]
    assert "nothing spoken" in report.failed["silent"]
    assert "failed broken" in str(report)
    (tmp_path / "later.json").write_bytes(sources[0].poses.read_bytes())
    assert "gone" not in build([*bad, sources[1]], tmp_path / "K").failed
    with pytest.raises(CorpusError, match=r"No clip could be made.*manifest\.json"):
        build(bad[:1], tmp_path / "L")
    assert "broken" in manifest_of(tmp_path / "L")["failed"]


class _Failing(ThreadPoolExecutor):
    """Fails the first job and runs the others."""

    def __init__(self, error):
        super().__init__(1)
        self.error = error

    def submit(self, *args, **kwargs):
        if self.error is None:
            return super().submit(*args, **kwargs)
        future = Future()
        future.set_exception(self.error)
        self.error = None
        return future


def test_unforeseen_error_fails_one_video_only(sources, tmp_path):
    with _Failing(ZeroDivisionError("x / 0")) as executor:
        report = build_corpus(sources, tmp_path / "K", executor=executor, progress=False)
    assert report.clips == 6
    assert report.failed == {"b": "Unforeseen ZeroDivisionError: x / 0 (please report this)"}


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError(28, "No space left on device"), KtubeError, "Cannot write.*No space"),
        (MissingDependencyError("Needs kiwipiepy."), MissingDependencyError, "kiwipiepy"),
    ],
)
def test_what_fails_every_video_stops_the_build(sources, tmp_path, error, kind, message):
    with _Failing(error) as executor, pytest.raises(kind, match=message):
        build_corpus(sources, tmp_path / "K", executor=executor, progress=False)
    assert build(sources, tmp_path / "K").clips == 9


def test_missing_kiwi_stops_the_build(sources, tmp_path, monkeypatch):
    def missing(*args, **options):
        raise MissingDependencyError("Korean sentences need kiwipiepy.")

    monkeypatch.setattr("ktube_motion.text.utterances", missing)
    with pytest.raises(MissingDependencyError, match="kiwipiepy"):
        build(sources, tmp_path / "K")


def test_names_that_would_overwrite_each_other(sources, tmp_path):
    for names in (("a", "a"), ("a", "Ma")):
        with pytest.raises(CorpusError, match="same name"):
            build([replace(sources[0], name=name) for name in names], tmp_path / "K")


@pytest.mark.parametrize(
    "options",
    [
        {"root": "middle"}, {"skeleton": "kit_21"}, {"fps": 0}, {"fps": float("nan")}, {"max_gap_seconds": -1},
        {"cutoff_hz": 0}, {"min_seconds": 5, "max_seconds": 4}, {"split_sizes": (1, 2)}, {"split_sizes": (0, 0, 0)},
    ],
)  # fmt: skip
def test_options_that_cannot_work(options):
    with pytest.raises(
        ConfigError, match=next(iter(options)).split("_")[0] if "split_sizes" not in options else "Split"
    ):
        BuildOptions(**options)


# -- splits and curation ------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    seconds=st.dictionaries(st.text("abM한", min_size=1, max_size=5), st.floats(0.1, 1e5), max_size=20),
    sizes=st.tuples(*[st.floats(0, 10)] * 3).filter(any),
    seed=st.integers(0, 2**32 - 1),
)
def test_videos_never_stand_in_two_splits(seconds, sizes, seed):
    splits = split_videos(seconds, split_sizes=sizes, seed=seed)
    every = [name for members in splits.values() for name in members]
    assert sorted(every) == sorted(seconds)
    assert split_videos(dict(reversed(seconds.items())), split_sizes=sizes, seed=seed) == splits
    wanted = [split for split, size in zip(("train", "val", "test"), sizes, strict=True) if size > 0]
    assert all(splits[split] for split in wanted[: len(seconds)])
    assert not any(splits[split] for split in set(splits) - set(wanted))


def test_sizes_are_kept_roughly():
    seconds = {f"{k}": 60.0 + k for k in range(200)}
    splits = split_videos(seconds, split_sizes=(0.7, 0.1, 0.2), seed=5)
    shares = [sum(seconds[name] for name in splits[s]) / sum(seconds.values()) for s in ("train", "val", "test")]
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.01)
    assert split_videos(seconds, seed=6) != split_videos(seconds, seed=5)


def test_curation_by_name_and_rule(corpus_root):
    corpus, before = Corpus(corpus_root), files_of(corpus_root)
    clips = {clip["name"]: clip for clip in manifest_of(corpus_root)["clips"]}
    limit = np.median([clip["filled"] for clip in clips.values()])
    excluded = curate(corpus_root, exclude=["b_000"], keep=lambda clip: clip["filled"] <= limit, seed=3)
    assert excluded == sorted({"b_000", *(name for name, clip in clips.items() if clip["filled"] > limit)})
    assert manifest_of(corpus_root)["excluded"] == excluded
    assert manifest_of(corpus_root)["options"]["seed"] == 3
    names = corpus.names("all")
    assert not {name.removeprefix("M") for name in names} & set(excluded)
    assert {name for name in names if name[0] != "M"} == clips.keys() - set(excluded)
    sides = {clips[name.removeprefix("M")]["source"] for name in corpus.names("train")}
    assert not sides & {clips[name]["source"] for split in ("val", "test") for name in corpus.names(split)}
    stats = feature_stats([corpus.features(name) for name in names])
    np.testing.assert_array_equal(corpus.stats.mean, stats.mean)
    assert before["Mean.npy"] != (corpus_root / "Mean.npy").read_bytes()
    assert f'<td class="n">{len(excluded)}</td>' in (corpus_root / "report.html").read_text("utf-8")
    after = files_of(corpus_root)
    assert {name for name in before if "/" in name and before[name] != after[name]} == set()
    curate(corpus_root, seed=0)  # each call starts from all clips
    assert files_of(corpus_root) == before


def test_impossible_curation_changes_nothing(corpus_root, tmp_path):
    before = files_of(corpus_root)
    with pytest.raises(CorpusError, match=r"not in the corpus.*b_9"):
        curate(corpus_root, exclude=["b_9"])
    with pytest.raises(CorpusError, match="No clip would be left"):
        curate(corpus_root, keep=lambda clip: False)
    with pytest.raises(ConfigError):
        curate(corpus_root, split_sizes=(1, 1))
    assert files_of(corpus_root) == before
    Corpus.create(tmp_path / "bare")
    with pytest.raises(CorpusError, match="manifest"):
        curate(tmp_path / "bare")


# -- the report -------------------------------------------------------------------------------


def test_report_tells_all_and_is_safe(sources, tmp_path):
    name = '<script>alert("왼손")&'
    text = "<img src=x onerror=alert(1)> 오늘은 손을 들어 봅시다."
    make_speaker(tmp_path, num_utterances=3, name="a")
    save_transcript([Cue(1, 3.5, text.replace("<", "&lt;")), Cue(5, 5.5, "<b>네")], tmp_path / "a.srt")
    [source] = pair_sources(tmp_path, tmp_path)[0]
    (tmp_path / "bad.json").write_text("{}")
    build([replace(source, name=name.replace("<", "〈").replace(">", "〉"), speaker=name),
           replace(source, name="나쁜", poses=tmp_path / "bad.json"), *sources], tmp_path / "K")  # fmt: skip
    page = (tmp_path / "K" / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(&quot;왼손&quot;)&amp;" in page
    assert not re.search(r'(src|href)="', page)
    assert "http" not in page.replace("http-equiv", "")
    for wanted in ("오늘은 손을 들어", "The utterance is too short.", "나쁜", "syllables/s", "Jitter (mean jerk)",
                   "Frames filled in", "Joint speed", "Hangul syllables per second", "different ones"):  # fmt: skip
        assert wanted in page, wanted
    assert page.count("<svg") == 5 + 6
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"base64,[^)]*", "", page))
    other = write_report(tmp_path / "K", tmp_path / "other.html")
    assert other.read_text("utf-8") == page


def test_report_of_other_folders(shared, tmp_path):
    corpus = build_gesture_corpus(shared / "data" / "gestures", tmp_path / "G", every=400, progress=False)
    page = write_report(corpus.root).read_text("utf-8")
    assert "Joint speed" in page
    assert "Jitter" not in page  # nothing is known of it
    Corpus.create(tmp_path / "bare")
    with pytest.raises(CorpusError, match="a manifest by build_corpus"):
        write_report(tmp_path / "bare")
