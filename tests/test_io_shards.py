"""A corpus in shards: the same face as a folder, and not a bit lost on the way there and back."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from small_corpus import make_small_corpus

from ktube_motion.construct import build_corpus, check_corpus, curate, pair_sources
from ktube_motion.errors import ConfigError, CorpusError, DataError, FormatError, KtubeError
from ktube_motion.features import feature_stats
from ktube_motion.io import Corpus, _exporting, export_corpus
from ktube_motion.io import _shards as shards_of
from ktube_motion.io._arrays import ArrayTable, NameIndex
from ktube_motion.samples import make_speaker
from ktube_motion.types import FeatureStats, Utterance, Word

pa = pytest.importorskip("pyarrow")

HELLO = Utterance(0, 0, "안녕하세요", tokens=(("안녕", "NOUN"),))
SPOKEN = Utterance(
    0, 1.5, "네 #1 맞아요", words=(Word(0, 0.2, "네"), Word(0.4, 0.5, "#1"), Word(0.6, 1.25, "맞아요", "aligned"))
)


def files_of(root):
    """Files of a corpus by name; what a build notes for itself is none of them."""
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(Path(root).rglob("*"))
            if p.is_file() and ".build" not in p.parts and p.name != ".in_use"}  # fmt: skip


def without_checksums(files):
    """Take out what tells of files that only one kind of corpus has, and the page that is named after its folder."""
    manifest = json.loads(files["manifest.json"])
    del manifest["files"], files["manifest.json"], files["review.html"]
    return files, manifest


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for seed in range(4):
        make_speaker(folder, seed=seed, num_utterances=3, faults=True, name=f"영상 {seed}")
    return pair_sources(folder, folder)[0]


@pytest.fixture(scope="module")
def built(videos, tmp_path_factory):
    """The same videos as a folder and in shards."""
    root = tmp_path_factory.mktemp("built")
    with ThreadPoolExecutor(1) as here:
        build_corpus(videos, root / "folder", executor=here, progress=False)
        build_corpus(videos, root / "shards", executor=here, progress=False, shards=True)
    return Corpus(root / "folder"), Corpus(root / "shards")


@pytest.fixture
def foreign(tmp_path):
    """Files as other tools leave them: doubles, flat joints, CP949, damaged lines and words, a clip in no split."""
    root = tmp_path / "foreign"
    for folder in ("new_joint_vecs", "texts", "new_joints", "words"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, length, kind in (("a", 30, "f4"), ("M가", 3, "f8"), ("빈", 0, "f4"), ("d", 7, ">f4")):
        np.save(root / "new_joint_vecs" / f"{name}.npy", rng.standard_normal((length, 263)).astype(kind))
    np.save(root / "new_joint_vecs" / "f.npy", np.asfortranarray(rng.standard_normal((5, 263), np.float32)))
    np.save(root / "new_joints" / "a.npy", rng.standard_normal((30, 22, 3), np.float32))
    np.save(root / "new_joints" / "M가.npy", rng.standard_normal((3, 66), np.float32))
    np.save(root / "new_joints" / "빈.npy", np.zeros((0, 22, 3), np.float32))
    (root / "texts" / "a.txt").write_bytes("a man#a/DET#nan#nan\r\nx#y#0#0\n\n손#손/N#0#0".encode())
    (root / "texts" / "M가.txt").write_bytes("손을 든다#손/NOUN#0#0\n".encode("cp949"))
    (root / "texts" / "d.txt").write_bytes(b"")
    (root / "texts" / "lost.txt").write_text("no vectors#no/DET#0#0\n")
    (root / "words" / "a.json").write_text("[[[")
    (root / "train.txt").write_text("a\r\nMissing\r\nM가\r\n", encoding="utf-8")
    (root / "test.txt").write_text("빈", encoding="utf-8")
    np.save(root / "Mean.npy", np.zeros(263))
    np.save(root / "Std.npy", np.zeros(263))
    (root / "notes.md").write_text("mine")
    return Corpus(root)


def same_face(a, b):
    """Compare all that a corpus tells."""
    assert (a.skeleton, a.fps) == (b.skeleton, b.fps)
    for split in ("train", "val", "test", "train_val", "all", "none"):
        for ask in (Corpus.names, Corpus.missing):
            try:
                wanted = getattr(a, ask.__name__)(split)
            except CorpusError as error:
                with pytest.raises(CorpusError, match=error.problem):
                    getattr(b, ask.__name__)(split)
            else:
                assert getattr(b, ask.__name__)(split) == wanted
    np.testing.assert_array_equal(a.stats.std, b.stats.std)
    for name in a.names():
        x, y = a.features(name), b.features(name)
        assert (x.dtype, x.flags.writeable) == (y.dtype, y.flags.writeable)
        np.testing.assert_array_equal(x, y)
        for folder in ("texts", "words", "joints", "new_joints", "new_joint_vecs"):
            assert a.has(name, folder) == b.has(name, folder), (name, folder)
        for recovered in (False, True):
            x, y = (corpus.joints(name, recovered=recovered) for corpus in (a, b))
            assert (x.dtype, x.shape) == (y.dtype, y.shape)
            np.testing.assert_array_equal(x, y)
        if a.has(name, "texts"):
            assert a.texts(name) == b.texts(name)
            assert a.words(name) == b.words(name)
        else:
            assert a.texts(name, missing_ok=True) == b.texts(name, missing_ok=True) == []
            with pytest.raises(FormatError):
                b.texts(name)
    assert len(a) == len(b)
    assert (a.malformed, a.malformed_words) == (b.malformed, b.malformed_words)
    assert not b.has("nobody")
    with pytest.raises(CorpusError):
        b.features("nobody")
    with pytest.raises(CorpusError):
        b.features("../a")


@pytest.mark.parametrize("shard_bytes", [1, 200_000, 10**9])
def test_a_corpus_of_ours_goes_there_and_back(tmp_path, built, shard_bytes):
    folder, _ = built
    with ThreadPoolExecutor(2) as pool:
        report = export_corpus(folder, tmp_path / "s", shard_bytes=shard_bytes, executor=pool, progress=False)
        assert (report.clips, report.left_behind) == (24, {".build": 4})
        assert report.frames == sum(len(folder.features(name)) for name in folder.names()) + sum(
            len(folder.features(f"M{name}")) for name in folder.names("val") + folder.names("test")
        )
        shards = Corpus(tmp_path / "s")
        assert len(shards.files) == report.files == {1: 24, 10**9: 4}.get(shard_bytes, report.files)
        same_face(folder, shards)
        assert export_corpus(shards, tmp_path / "f", executor=pool, progress=False).left_behind == {}
        export_corpus(shards, tmp_path / "s2", shards=True, shard_bytes=shard_bytes, progress=False)
    assert files_of(tmp_path / "f") == files_of(folder.root)
    cards = [files_of(tmp_path / name) for name in ("s", "s2")]
    assert cards[0].pop("README.md") != cards[1].pop("README.md")  # which have the names of their folders
    assert cards[0] == cards[1]


def test_a_foreign_corpus_goes_there_and_back(tmp_path, foreign):
    report = export_corpus(foreign, tmp_path / "s", progress=False)
    assert (report.clips, report.frames) == (5, 45)
    assert report.left_behind == {"notes.md": 1, "texts of clips without vectors": 1}
    assert "left behind: notes.md" in str(report)
    shards = Corpus(tmp_path / "s")
    assert [path.name for path in shards.files] == [f"{split}-00000.arrow" for split in ("rest", "test", "train")]
    same_face(foreign, shards)
    assert foreign.malformed == {"a": 1}
    assert foreign.malformed_words == {"a": 3}
    export_corpus(shards, tmp_path / "f", progress=False)
    wanted = files_of(foreign.root)
    del wanted["notes.md"], wanted["texts/lost.txt"]
    assert files_of(tmp_path / "f") == wanted


def test_bytes_of_clips_in_shards_are_compared_with_what_was_written(tmp_path, built):
    """The manifest of a folder still holds when its clips lie in shards."""
    folder, _ = built
    export_corpus(folder, tmp_path / "s", progress=False)
    check = check_corpus(tmp_path / "s", progress=False)
    assert check.fine
    assert check.files == 24 * 5 == check_corpus(folder.root, progress=False).files
    (shard,) = (tmp_path / "s" / "data").glob("val-*.arrow")
    name = Corpus(tmp_path / "s").names("val")[0]
    vectors = folder.features(name).tobytes()
    data = bytearray(shard.read_bytes())
    data[data.index(vectors) + 1] ^= 1
    shard.write_bytes(data)
    assert check_corpus(tmp_path / "s", progress=False).broken == {
        f"new_joint_vecs/{name}.npy": "other bytes than were written"
    }


def test_clips_that_no_model_can_read(tmp_path):
    """What is told of them and left out is the same, and shards need no vectors for it."""
    folder = make_small_corpus(tmp_path / "c", splits=(4, 2, 2))
    train = folder.names("train")
    for name, vectors in ((train[0], np.full((6, 263), np.nan)), (train[1], np.zeros((0, 263)))):
        np.save(folder.root / "new_joint_vecs" / f"{name}.npy", vectors.astype(np.float32))
    (folder.root / "texts" / f"{train[2]}.txt").unlink()
    export_corpus(folder, tmp_path / "s", progress=False)
    for spoken, left in ((False, train[2:]), (True, train[3:])):
        told = []
        for root in (folder.root, tmp_path / "s"):
            corpus = Corpus(root)
            with pytest.warns(UserWarning, match="are left out") as caught:
                assert corpus.usable("train", spoken=spoken) == left
            assert corpus.unusable == corpus.faults(train, spoken=spoken)
            with pytest.raises(DataError, match=f"{4 - len(left)} of 4") as error:
                Corpus(root, strict=True).usable("train", spoken=spoken)
            told.append((str(caught[0].message), error.value.found, corpus.left_out()))
        assert told[0] == told[1]
        assert "NaN or infinity in 6 of 6 frames" in told[0][0]
    with pytest.warns(UserWarning, match="2 of"):
        wanted = feature_stats(folder)
    with pytest.warns(UserWarning, match="2 of"):
        found = feature_stats(Corpus(tmp_path / "s"))
    np.testing.assert_array_equal(found.mean, wanted.mean)


def test_clips_in_folders_and_links_that_lead_out(tmp_path):
    folder = make_small_corpus(tmp_path / "c", splits=(2, 1, 1))
    (name, other), outside = folder.names("train"), tmp_path / "outside.npy"
    for kind, suffix in (("new_joint_vecs", ".npy"), ("texts", ".txt")):
        target = folder.root / kind / "동작" / f"{name}{suffix}"
        target.parent.mkdir()
        (folder.root / kind / f"{name}{suffix}").rename(target)
    (folder.root / "train.txt").write_text(f"동작/{name}.npy\n{other}\n", encoding="utf-8")
    export_corpus(folder, tmp_path / "s", progress=False)
    shards = Corpus(tmp_path / "s")
    assert shards.names("train") == folder.names("train") == [f"동작/{name}", other]
    np.testing.assert_array_equal(shards.features(f"동작/{name}"), folder.features(f"동작/{name}"))
    export_corpus(shards, tmp_path / "f", progress=False)
    assert files_of(tmp_path / "f") == files_of(folder.root)
    (folder.root / "new_joint_vecs" / f"{other}.npy").rename(outside)
    (folder.root / "new_joint_vecs" / f"{other}.npy").symlink_to(outside)
    with pytest.raises(CorpusError, match="leads out"):
        export_corpus(Corpus(folder.root), tmp_path / "no", progress=False)
    export_corpus(Corpus(folder.root, follow_links=True), tmp_path / "s2", progress=False)
    assert files_of(tmp_path / "s2" / "data") == files_of(tmp_path / "s" / "data")
    train = tmp_path / "s2" / "data" / "train-00000.arrow"
    train.rename(tmp_path / "outside.arrow")
    train.symlink_to(tmp_path / "outside.arrow")
    with pytest.raises(CorpusError, match="leads out"):
        Corpus(tmp_path / "s2").names()
    assert Corpus(tmp_path / "s2", follow_links=True).names() == folder.names()


def test_built_straight_into_shards(tmp_path, built, videos):
    folder, shards = built
    assert [path.stem for path in shards.files] == [source.name for source in videos]
    same_face(folder, shards)
    export_corpus(shards, tmp_path / "f", progress=False)
    assert without_checksums(files_of(tmp_path / "f")) == without_checksums(files_of(folder.root))
    assert check_corpus(tmp_path / "f", progress=False).fine
    with ThreadPoolExecutor(3) as pool:
        build_corpus(videos, tmp_path / "shards", executor=pool, progress=False, shards=True)
        assert files_of(tmp_path / "shards") == files_of(shards.root)
        (tmp_path / "shards" / "data" / "영상 1.arrow").unlink()  # it is made again, and nothing else
        times = {path: path.stat().st_mtime_ns for path in Corpus(tmp_path / "shards").files}
        build_corpus(videos, tmp_path / "shards", executor=pool, progress=False, shards=True)
        assert files_of(tmp_path / "shards") == files_of(shards.root)
        assert all(path.stat().st_mtime_ns == time for path, time in times.items())
        damaged = tmp_path / "shards" / "data" / "영상 2.arrow"
        damaged.write_bytes(damaged.read_bytes()[:-1000] + bytes(1000))  # of the same length
        assert list(check_corpus(tmp_path / "shards", progress=False).broken) == ["data/영상 2.arrow"]
        build_corpus(videos, tmp_path / "shards", executor=pool, progress=False, shards=True)
        assert files_of(tmp_path / "shards") == files_of(shards.root)
        build_corpus(videos[:3], tmp_path / "shards", executor=pool, progress=False, shards=True)
        assert [path.stem for path in Corpus(tmp_path / "shards").files] == [source.name for source in videos[:3]]
        with pytest.raises(CorpusError, match="Another corpus"):
            build_corpus(videos, tmp_path / "shards", executor=pool, progress=False)


def test_splits_statistics_and_curation_read_no_vectors(tmp_path, built, monkeypatch):
    folder, shards = (Corpus(tmp_path / name) for name in map(_copy(tmp_path), built))
    wanted = feature_stats(folder)

    def read(*_):
        raise AssertionError("The vectors were read.")

    monkeypatch.setattr(shards_of.Batch, "vectors", read)
    found = feature_stats(shards)
    np.testing.assert_array_equal(found.mean, wanted.mean)
    np.testing.assert_array_equal(found.std, wanted.std)
    options = {"exclude": ["영상 1_001"], "keep": lambda clip: clip["filled"] < 0.5, "seed": 3}
    assert curate(shards.root, **options) == curate(folder.root, **options)
    again = Corpus(shards.root)
    for split in ("train", "val", "test"):
        assert again.names(split) == folder.names(split)
    np.testing.assert_array_equal(again.stats.mean, folder.stats.mean)


def _copy(tmp_path):
    import shutil

    return lambda corpus: shutil.copytree(corpus.root, tmp_path / corpus.root.name)


def test_an_export_that_was_stopped_goes_on(tmp_path, monkeypatch):
    corpus = make_small_corpus(tmp_path / "c", splits=(6, 2, 2))
    export_corpus(corpus, tmp_path / "whole", shard_bytes=1, progress=False)
    for shards, source in ((True, corpus), (False, Corpus(tmp_path / "whole"))):
        target = tmp_path / f"stopped {shards}"
        for moment in (3, 5):
            left = iter(range(moment))
            with monkeypatch.context() as patch:
                patch.setattr(_exporting._Source, "clips", _stopping(left))
                with pytest.raises(KeyboardInterrupt):
                    export_corpus(source, target, shard_bytes=1, progress=False)
        with pytest.raises(CorpusError, match="Something else"):  # another plan
            export_corpus(
                source, target, shards=shards, shard_bytes=10**9, progress=False
            ) if shards else export_corpus(corpus, target, shards=True, progress=False)
        report = export_corpus(source, target, shard_bytes=1, progress=False)
        assert (report.clips, report.frames) == (10, sum(len(corpus.features(name)) for name in corpus.names()))
        wanted = files_of(tmp_path / "whole" if shards else corpus.root)
        found = files_of(target)
        assert found.pop("README.md", None) is not None or not shards
        wanted.pop("README.md", None)
        assert found == wanted


def _stopping(left):
    every = _exporting._Source.clips

    def clips(source, names):
        for clip in every(source, names):
            if next(left, None) is None:
                raise KeyboardInterrupt
            yield clip

    return clips


def test_nothing_is_overwritten(tmp_path):
    corpus = make_small_corpus(tmp_path / "c", splits=(3, 1, 1))
    with pytest.raises(CorpusError, match="Something else"):
        export_corpus(corpus, tmp_path / "c", progress=False)
    with pytest.raises(ConfigError):
        export_corpus(corpus, tmp_path / "s", shard_bytes=0, progress=False)
    (corpus.root / "new_joint_vecs" / f"{corpus.names()[0]}.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(FormatError, match="damaged"):
        export_corpus(corpus, tmp_path / "s", progress=False)


@pytest.mark.parametrize("fault", ["cut", "cut at a batch", "empty", "garbage", "parquet", "other columns", "offsets"])
def test_a_damaged_shard_is_refused(tmp_path, fault, monkeypatch):
    monkeypatch.setattr(shards_of, "BATCH_BYTES", 1)
    corpus = make_small_corpus(tmp_path / "c", splits=(3, 1, 1))
    export_corpus(corpus, tmp_path / "s", progress=False)
    path = tmp_path / "s" / "data" / "train-00000.arrow"
    data = path.read_bytes()
    if fault == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif fault == "cut at a batch":  # which a reader of Arrow takes for the end
        path.write_bytes(data[:-8])
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "garbage":
        path.write_bytes(np.random.default_rng(0).bytes(5000) + data[-8:])
    elif fault == "parquet":
        pytest.importorskip("pyarrow.parquet").write_table(pa.table({"a": [1]}), path)
    elif fault == "offsets":  # that lead out of the file
        length = len(corpus.features(corpus.names("train")[0]))
        right, wrong = (np.array([0, number], "<i4").tobytes() for number in (length, 10**6))
        assert right in data
        path.write_bytes(data.replace(right, wrong, 1))
    else:
        batch = shards_of.open_shard(path)[0][0].columns
        batch = batch.select(["name", "mean"]).replace_schema_metadata(batch.schema.metadata)
        path.unlink()  # it is mapped: what is written over it would change what is read
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, batch.schema) as writer:
            writer.write_batch(batch)
    with pytest.raises(FormatError):
        Corpus(tmp_path / "s").names()


def _spoiled(data, rng):
    """Change a few bytes, most of them in what says where things lie: of shards this small it is the most."""
    spoiled = bytearray(data)
    for place in rng.integers(len(data), size=rng.integers(1, 8)):
        spoiled[place] = rng.choice([0, 1, 127, 255])
    return bytes(spoiled)


@pytest.mark.filterwarnings("ignore")  # what NumPy says of NaN whose bytes were changed
def test_whatever_bytes_of_a_shard_are_changed_nothing_raw_comes_out(tmp_path):
    """Nor does the process end, as it did where Arrow read a cell whose offsets led nowhere."""
    corpus = make_small_corpus(tmp_path / "c", splits=(2, 1, 0), frames=(5, 6))
    export_corpus(corpus, tmp_path / "s", progress=False)
    path, rng, refused = tmp_path / "s" / "data" / "train-00000.arrow", np.random.default_rng(0), 0
    data = path.read_bytes()
    for _ in range(400):
        path.unlink()  # it is mapped: what is written over it would change what was read
        path.write_bytes(_spoiled(data, rng))
        shards = Corpus(tmp_path / "s")
        try:
            for name in shards.usable("train", spoken=True):
                _ = shards.features(name), shards.texts(name), shards.joints(name)
            _ = list(shards.moments()), shards.fps, shards.skeleton
        except KtubeError:
            refused += 1
    assert 100 < refused < 400


def test_other_counts_than_the_frames_are_told(tmp_path):
    corpus = make_small_corpus(tmp_path / "c", splits=(1, 0, 0), frames=(60, 61))
    export_corpus(corpus, tmp_path / "s", progress=False)
    path = tmp_path / "s" / "data" / "train-00000.arrow"
    batch = shards_of.open_shard(path)[0][0].columns
    place = batch.schema.names.index("frames")
    wrong = batch.set_column(place, batch.schema.field(place), pa.array([61], batch.schema.field(place).type))
    path.unlink()
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, wrong.schema) as writer:
        writer.write_batch(wrong)
    with pytest.raises(FormatError, match="frames"):
        Corpus(tmp_path / "s").names()


def test_spoiled_tables_of_arrays_are_told(tmp_path):
    ArrayTable(tmp_path, "a").add({"가": np.arange(6.0).reshape(2, 3), "나": np.zeros((0, 3))})
    path, rng, refused = tmp_path / "000000.arrow", np.random.default_rng(0), 0
    data = path.read_bytes()
    for _ in range(400):
        path.unlink()
        path.write_bytes(_spoiled(data, rng))
        try:
            _ = dict(ArrayTable(tmp_path, "a"))
        except KtubeError:
            refused += 1
    assert 100 < refused < 400


def test_what_shards_refuse(tmp_path):
    corpus = Corpus.create(tmp_path / "s", shards=True)
    with pytest.raises(CorpusError, match="together"):
        corpus.add_clip("a", features=np.zeros((5, 263)), texts=[HELLO])
    with pytest.raises(CorpusError), corpus.writing("../a"):
        pass
    with corpus.writing("one"):
        corpus.add_clip("a", features=np.ones((5, 263)), texts=[HELLO, SPOKEN])
        with pytest.raises(CorpusError, match="no text"):
            corpus.add_clip("b", features=np.zeros((5, 263)), texts=[])
        with pytest.raises(CorpusError, match="written already"), corpus.writing("two"):
            pass
    assert corpus.texts("a") == [HELLO, SPOKEN]
    with pytest.raises(CorpusError, match="finite"), corpus.writing("three"):
        _add(corpus, "c", 1.0, np.nan)
    assert corpus.names() == ["a"]
    with corpus.writing("again"):
        corpus.add_clip("a", features=np.zeros((5, 263)), texts=[HELLO])
    with pytest.raises(CorpusError, match="twice"):
        corpus.names()
    folder = Corpus.create(tmp_path / "f")
    with folder.writing("anything"):
        folder.add_clip("a", features=np.ones((5, 263)), texts=[HELLO])
    assert folder.names() == ["a"]
    for shards in (True, False):
        with pytest.raises(CorpusError, match="Another corpus"):
            Corpus.create(tmp_path / ("f" if shards else "s"), shards=shards)
    (tmp_path / "e" / "data").mkdir(parents=True)
    with pytest.raises(CorpusError, match="empty"):
        _ = Corpus(tmp_path / "e").skeleton


def _add(corpus, name, *values):
    for value in values:
        corpus.add_clip(name, features=np.full((5, 263), value), texts=[HELLO])


def test_a_corpus_goes_to_another_process_without_its_maps(tmp_path):
    corpus = make_small_corpus(tmp_path / "c", splits=(3, 1, 1))
    export_corpus(corpus, tmp_path / "s", progress=False)
    shards = Corpus(tmp_path / "s")
    assert shards.names() == corpus.names()
    data = pickle.dumps(shards)
    assert len(data) < 1000
    assert pickle.loads(data).features(corpus.names()[0]).shape == corpus.features(corpus.names()[0]).shape
    assert pickle.loads(pickle.dumps(corpus)).names() == corpus.names()


def test_writing_stats_and_splits_of_shards(tmp_path):
    corpus = make_small_corpus(tmp_path / "c", splits=(3, 1, 1))
    export_corpus(corpus, tmp_path / "s", progress=False)
    shards, names = Corpus(tmp_path / "s"), corpus.names()
    shards.write_stats(FeatureStats(mean=np.zeros(263), std=np.ones(263)))
    shards.write_splits({"train": names[:1], "test": names[1:]})
    assert (Corpus(tmp_path / "s").stats.std == 1).all()
    assert Corpus(tmp_path / "s").names("test") == names[1:]


def test_names_are_found_though_their_hashes_are_alike(monkeypatch):
    monkeypatch.setattr("builtins.hash", lambda name: 7)
    index = NameIndex(pa.chunked_array([["가", "나"], ["다"]]))
    assert [index.find(name) for name in ("가", "나", "다", "라")] == [0, 1, 2, None]
    assert index.twice() == []


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_a_table_of_arrays(tmp_path, kind):
    rng = np.random.default_rng(0)
    arrays = {
        f"글 {k}": rng.integers(9, size=shape).astype(kind) for k, shape in enumerate([(3,), (0,), (2, 4), (0, 4)])
    }
    table = ArrayTable(tmp_path, "one")
    table.add(dict(list(arrays.items())[:2]))
    table.add(dict(list(arrays.items())[2:]))
    table.add({})
    for found in (table, ArrayTable(tmp_path, "one")):
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            np.testing.assert_array_equal(found[name], array)
    with pytest.raises(KeyError):
        table["nothing"]
    other = ArrayTable(tmp_path, "two")
    assert len(other) == 0
    other.add({"글 0": arrays["글 0"]})
    assert len(ArrayTable(tmp_path, "one")) == 0
    (tmp_path / "000000.arrow").write_bytes(b"no")
    with pytest.raises(KtubeError):
        ArrayTable(tmp_path, "two")


def test_a_corpus_of_ones_own_may_take_what_it_likes(tmp_path):
    class LeftOut(Corpus):
        def __init__(self, root, left_out):
            super().__init__(root)
            self.left_out = left_out

        def names(self, split="all"):
            return [name for name in super().names(split) if name != self.left_out]

    corpus = Corpus.create(tmp_path)
    for name in ("a", "b"):
        corpus.add_clip(name, features=np.zeros((8, 263), np.float32), texts=[Utterance(0, 0, "네")])
    assert LeftOut(tmp_path, "a").names() == ["b"]
    assert LeftOut(tmp_path, left_out="b").names() == ["a"]
