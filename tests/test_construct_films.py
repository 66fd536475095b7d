"""Corpora from video files: poses estimated once, what fails counted, killed builds go on."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from test_video import RED, Blobs, ffmpeg, scene, write_video

from ktube_motion.construct import BuildOptions, build_corpus, pair_videos, read_sources
from ktube_motion.errors import ConfigError, CorpusError
from ktube_motion.io import Corpus, load_poses
from ktube_motion.io._files import read_json, write_text
from ktube_motion.video import register_engine

WORDS = "1\n00:00:00,200 --> 00:00:02,400\n{}\n"


class Counted(Blobs):
    made, fail_after_pieces = 0, None

    def body(self, picture, region):
        Counted.made += 1
        if Counted.fail_after_pieces is not None and Counted.made > Counted.fail_after_pieces:
            raise KeyboardInterrupt
        return super().body(picture, region)


register_engine("counted blobs", lambda models: Counted())
OPTIONS = BuildOptions(engine="counted blobs", mirror=False, axes="y up")


@pytest.fixture
def films(tmp_path):
    Counted.made, Counted.fail_after_pieces = 0, None
    folder = tmp_path / "films"
    folder.mkdir()
    for number, name in enumerate("ab"):
        frames = [scene((RED, 60 + abs(k % 20 - 10) + 10 * number, 60, 80)) for k in range(54)]
        write_video(folder / f"{name}.mp4", frames)
        write_text(folder / f"{name}.ko.srt", WORDS.format("안녕하세요, 여러분."))
    return folder


def build(films, root, **options):
    sources, alone = pair_videos(films, films)
    with ThreadPoolExecutor(1) as here:
        return build_corpus(sources, root, options=OPTIONS, executor=here, progress=False, **options), alone


def test_a_corpus_from_videos(films, tmp_path):
    report, alone = build(films, tmp_path / "K")
    assert (report.clips, alone, report.failed) == (2, [], {})
    corpus = Corpus(tmp_path / "K")
    assert corpus.names() == ["a_000", "b_000"]
    poses = load_poses(tmp_path / "K/poses/a.npz")
    assert (len(poses), poses.fps, poses.valid.all()) == (54, 20, True)
    source = read_json(tmp_path / "K/manifest.json")["sources"][0]
    assert source["estimator"] == {"engine": "blobs", "models": {}}
    assert (source["shots"], source["mended"]) == (1, 0)
    assert not (tmp_path / "K/.build/watching/a").exists()


def test_nothing_is_looked_at_twice(films, tmp_path):
    build(films, tmp_path / "K")
    looked = Counted.made
    build(films, tmp_path / "K")  # all finished
    write_text(films / "a.ko.srt", WORDS.format("다른 말이에요."))
    build(films, tmp_path / "K")  # other words, the same poses
    assert Counted.made == looked
    assert Corpus(tmp_path / "K").texts("a_000")[0].text == "다른 말이에요."
    write_video(films / "a.mp4", [scene((RED, 60 + abs(k % 10 - 5), 60, 80)) for k in range(54)])
    build(films, tmp_path / "K")
    assert looked < Counted.made < 2 * looked


def bytes_of(root):
    """Give every file of a corpus but the builder's own notes."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".build" not in path.parts and path.name != ".in_use"
    }


# 54 frames in three pieces are 57 looks, two at the first frame of each piece: one video is kept, or two pieces more.
@pytest.mark.parametrize(("moment", "left"), [(75, 57), (100, 15)])
def test_a_killed_build_goes_on_to_the_same_bytes(films, tmp_path, monkeypatch, moment, left):
    monkeypatch.setattr("ktube_motion.video._estimation._PIECE_SECONDS", 1.0)
    build(films, tmp_path / "whole/K")
    assert Counted.made == 114
    Counted.made, Counted.fail_after_pieces = 0, moment
    with pytest.raises(KeyboardInterrupt):
        build(films, tmp_path / "K")
    Counted.made, Counted.fail_after_pieces = 0, None
    build(films, tmp_path / "K")
    assert Counted.made == left
    assert bytes_of(tmp_path / "K") == bytes_of(tmp_path / "whole/K")


def test_bad_videos_are_counted_and_the_rest_is_built(films, tmp_path):
    (films / "broken.mp4").write_bytes(b"no video" * 99)
    write_video(films / "nobody.mp4", [scene()] * 54)
    write_video(films / "slow.mp4", [scene((RED, 60, 60, 80))] * 4, fps=1)
    write_video(films / "still.mp4", [scene((RED, 60, 60, 80))])
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", films / "sound.mp4")
    bad = {"broken": "no moving pictures", "nobody": "Nobody is seen", "slow": "too few frames",
           "still": "still picture", "sound": "no moving pictures"}  # fmt: skip
    for name in bad:
        write_text(films / f"{name}.srt", WORDS.format("누구세요?"))
    report, _ = build(films, tmp_path / "K")
    assert report.clips == 2
    assert set(report.failed) == set(bad)
    for name, reason in bad.items():
        assert reason in report.failed[name]


def test_words_longer_than_the_video_are_skipped(films, tmp_path):
    late = WORDS.format("여기까지는 있어요.") + "\n2\n00:00:05,000 --> 00:00:08,000\n여기에는 아무것도 없어요.\n"
    write_text(films / "a.ko.srt", late)
    report, _ = build(films, tmp_path / "K")
    assert report.clips == 2
    assert [(skip["source"], skip["problem"]) for skip in report.skipped] == [("a", "The poses end before the words.")]
    assert any("a: the poses end at 2.7 s, the words at 8.0 s" in warning for warning in report.warnings)


def test_a_table_may_name_videos(films, tmp_path):
    table = films / "videos.csv"
    write_text(table, "poses,transcript\na.mp4,a.ko.srt\nb.mp4,b.ko.srt\n")
    with ThreadPoolExecutor(1) as here:
        report = build_corpus(read_sources(table), tmp_path / "K", options=OPTIONS, executor=here, progress=False)
    assert report.clips == 2


def test_an_engine_that_nobody_knows_is_an_error(films, tmp_path):
    sources, _ = pair_videos(films, films)
    with pytest.raises((ConfigError, CorpusError), match="no such engine"):
        build_corpus(sources, tmp_path / "K", options=BuildOptions(engine="crystal ball"), progress=False)
