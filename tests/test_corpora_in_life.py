"""Folders of HumanML3D and KIT-ML as they are found, tiny ones, and corpora whose files were damaged since."""

import json
import shutil
import unicodedata

import numpy as np
import pytest
from small_corpus import make_small_corpus

from ktube_motion.commands import main
from ktube_motion.construct import build_corpus, check_corpus, pair_sources
from ktube_motion.errors import CorpusError, DataError, ShapeError
from ktube_motion.features import features_to_joints
from ktube_motion.io import Corpus
from ktube_motion.io._corpus_faults import clips_for_training
from ktube_motion.io._executors import Here
from ktube_motion.render import save_gallery
from ktube_motion.samples import make_speaker
from ktube_motion.skeletons import KIT_21, SMPL_22


@pytest.fixture(params=[SMPL_22, KIT_21], ids=lambda skeleton: skeleton.name)
def published(request, tmp_path):
    """Make a folder as those of HumanML3D and KIT-ML: vectors, texts and splits, nothing else."""
    corpus = make_small_corpus(tmp_path / "H", splits=(4, 2, 2), skeleton=request.param)
    for name in ("joints", "new_joints", "words"):
        shutil.rmtree(corpus.root / name, ignore_errors=True)
    (corpus.root / "corpus.json").unlink()
    return corpus.root


def test_joints_of_published_folders_come_from_the_vectors(published, tmp_path):
    corpus = Corpus(published)
    name = corpus.names("train")[0]
    expected = features_to_joints(corpus.features(name), skeleton=corpus.skeleton)
    np.testing.assert_allclose(corpus.joints(name), expected, atol=1e-5)
    motion = corpus.motion(name)
    assert (motion.skeleton, motion.fps) == (corpus.skeleton, 20.0 if corpus.skeleton is SMPL_22 else 12.5)
    assert motion.name == corpus.texts(name)[0].text
    save_gallery(corpus, tmp_path / "g.html", split="train", progress=False)
    assert "천천히" in (tmp_path / "g.html").read_text("utf-8")
    assert main(["animate", "--root", str(published), "--output", str(tmp_path / "videos"), "--workers", "1"]) == 0
    assert len(list((tmp_path / "videos").glob("*.mp4"))) > 0


def test_what_systems_and_other_tools_leave_is_no_clip(tmp_path):
    corpus = make_small_corpus(tmp_path / "c", splits=(3, 1, 1))
    expected = corpus.names("train")
    (corpus.root / "all.txt").unlink(missing_ok=True)
    (corpus.root / "new_joint_vecs" / f"._{expected[0]}.npy").write_bytes(b"\0\5\x16\7")
    (corpus.root / "new_joint_vecs" / ".DS_Store").write_bytes(b"\0")
    lines = "\r\n".join(f"{name}.npy" for name in expected)
    (corpus.root / "train.txt").write_bytes(b"\xef\xbb\xbf" + lines.encode() + b"\r\n\r\n")
    corpus = Corpus(corpus.root)
    assert corpus.names("train") == expected
    assert len(corpus.names("all")) == 5


def test_clips_in_subfolders(tmp_path):
    corpus = make_small_corpus(tmp_path / "c", splits=(2, 1, 0))
    for folder, suffix in (("new_joint_vecs", "npy"), ("texts", "txt")):
        (corpus.root / folder / "haa500").mkdir()
        (corpus.root / folder / f"말_000.{suffix}").rename(corpus.root / folder / f"haa500/a.{suffix}")
    (corpus.root / "train.txt").write_text("haa500/a\n말_001\n", encoding="utf-8")
    corpus = Corpus(corpus.root)
    assert corpus.names("train") == ["haa500/a", "말_001"]
    assert corpus.texts("haa500/a")[0].text.startswith("천천히")
    assert corpus.usable("train", spoken=True) == ["haa500/a", "말_001"]


def test_bare_sentences_are_counted_with_an_example(tmp_path):
    corpus = make_small_corpus(tmp_path / "c", splits=(3, 1, 0))
    for name in corpus.names("train")[:2]:
        path = corpus.root / "texts" / f"{name}.txt"
        path.write_text(path.read_text("utf-8") + "그냥 문장입니다\n", encoding="utf-8")
    corpus = Corpus(corpus.root)
    assert [len(corpus.texts(name)) for name in corpus.names("train")] == [1, 1, 1]
    (told,) = corpus.left_out()
    assert (
        told.startswith("2 malformed text lines in 2 clips are left out, as '말_000.txt, line 2'") or "line 2" in told
    )
    assert "#" in told.rpartition("a right one is ")[2]


# -- tiny corpora ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("splits", "command", "told"),
    [
        ((1, 0, 1), "train-vq --width 16 --depth 1", "no validation clips"),
        ((0, 1, 1), "train-vq --width 16 --depth 1", "no training clips"),
        ((5, 1, 0), "eval-vq --resume-pth tokenizer", "test"),
        ((0, 1, 1), "train-evaluator --width 16", "no training clips"),
    ],
)
def test_splits_are_looked_at_before_anything_is_trained(tmp_path, monkeypatch, capsys, splits, command, told):
    monkeypatch.chdir(tmp_path)
    make_small_corpus(tmp_path / "dataset" / "KTubeUM", splits=splits)
    if "tokenizer" in command:
        from ktube_motion.vq import MotionTokenizer, TokenizerConfig

        MotionTokenizer(TokenizerConfig(width=8, code_dim=8, num_codes=16, depth=1)).save_pretrained("tokenizer")
    assert main([*command.split(), "--dataname", "ktube", "--exp-name", "E"]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not list((tmp_path / "output").rglob("*.safetensors"))
    assert not list((tmp_path / "output").rglob("checkpoint.pt"))


# -- files that were damaged since -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    for seed in range(2):
        make_speaker(folder / "videos", num_utterances=2, seed=seed, name=f"v{seed}")
    return folder / "videos", _build(folder / "videos", folder / "K")


def _build(videos, root):
    build_corpus(pair_sources(videos, videos)[0], root, executor=Here(), progress=False)
    return root


def test_damaged_clips_are_found_and_made_again_and_no_others(built, tmp_path, capsys):
    videos, whole = built
    root = tmp_path / "K"
    shutil.copytree(whole, root)
    assert check_corpus(root, progress=False).fine
    expected = {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    vectors, text = sorted((root / "new_joint_vecs").glob("v0*.npy"))[0], sorted((root / "texts").glob("v0*.txt"))[1]
    data = bytearray(vectors.read_bytes())
    data[-3] ^= 1  # the size stays
    vectors.write_bytes(data)
    text.write_bytes(b"")
    found = check_corpus(root, progress=False)
    names = {path.relative_to(root).as_posix() for path in (vectors, text)}
    assert found.broken.keys() == names
    assert "other bytes" in found.broken[vectors.relative_to(root).as_posix()]
    assert main(["check", str(root)]) == 1
    assert "2 broken" in capsys.readouterr().out
    other = sorted((root / "new_joint_vecs").glob("v1*.npy"))[0]
    untouched = other.stat().st_mtime_ns
    _build(videos, root)
    assert other.stat().st_mtime_ns == untouched
    assert {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()} == expected
    assert main(["check", str(root)]) == 0


def test_a_manifest_tells_size_and_hash_of_every_file(built):
    files = json.loads((built[1] / "manifest.json").read_text("utf-8"))["files"]
    assert {name.split("/")[0] for name in files} == {"new_joint_vecs", "new_joints", "joints", "texts", "words"}
    for name, (size, digest) in files.items():
        assert (built[1] / name).stat().st_size == size
        assert len(digest) == 64


def test_no_split_names_what_is_there(tmp_path):
    corpus = make_small_corpus(tmp_path / "c", splits=(3, 1, 0))
    with pytest.raises(CorpusError, match=r"expected|no split"):
        corpus.names("evaluation")


# -- once more, as an outsider ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "말_000\r\n\r\n말_001 \r\n말_001\r\n  말_002\t\r\n", "말_000.npy\n말_001.NPY\n말_002",
        "new_joint_vecs/말_000.npy\n./말_001\n말_002.npy\n", unicodedata.normalize("NFD", "말_000\n말_001\n말_002\n"),
    ],
)  # fmt: skip
def test_splits_as_others_write_them(tmp_path, text):
    corpus = make_small_corpus(tmp_path, splits=(3, 1, 1))
    (tmp_path / "train.txt").write_text(text, encoding="utf-8", newline="")
    corpus = Corpus(tmp_path)
    assert corpus.names("train") == ["말_000", "말_001", "말_002"]
    assert corpus.missing("train") == []
    assert len(corpus.texts("말_001")) == 1


def test_files_as_macos_names_them(tmp_path):
    """Letters taken apart on the disk, whole in the splits; a clip's files are found under the name they have."""
    make_small_corpus(tmp_path, splits=(3, 1, 1))
    for folder in ("new_joint_vecs", "texts"):
        for path in list((tmp_path / folder).iterdir()):
            path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    corpus = Corpus(tmp_path)
    (clip, *_), missing = corpus.usable("train", spoken=True), corpus.missing("train")
    assert (unicodedata.normalize("NFC", clip), missing) == ("말_000", [])
    assert len(corpus.texts(clip)) == 1
    assert len(corpus.features(clip)) > 0


def test_all_names_of_a_split_that_are_not_allowed_are_told_with_their_lines(tmp_path):
    make_small_corpus(tmp_path, splits=(3, 1, 1))
    (tmp_path / "train.txt").write_text("말_000\n../말_001\n/etc/passwd\nnew_joint_vecs\\말_002\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"train.txt: 3 of the names .* line 2: .*line 3: .*line 4: "):
        Corpus(tmp_path).names("train")


def test_names_without_vectors_are_told_before_a_training(tmp_path):
    corpus = make_small_corpus(tmp_path, splits=(3, 1, 1))
    with (tmp_path / "train.txt").open("a", encoding="utf-8") as file:
        file.write("없는_것\n또_없는_것\n")
    with pytest.warns(UserWarning, match="2 clips that train.txt lists are not in new_joint_vecs/, as 없는_것"):
        found = clips_for_training(Corpus(corpus.root), spoken=False, stats=True)
    assert [*found["train"]] == ["말_000", "말_001", "말_002"]


@pytest.mark.parametrize("folder", ["@eaDir", "__MACOSX", ".ipynb_checkpoints"])
def test_folders_that_systems_leave_hold_no_clips(tmp_path, folder):
    corpus = make_small_corpus(tmp_path, splits=(2, 1, 0))
    (tmp_path / "all.txt").unlink()
    (tmp_path / "new_joint_vecs" / folder).mkdir()
    np.save(tmp_path / "new_joint_vecs" / folder / "말_000.npy", corpus.features("말_000"))
    assert Corpus(tmp_path).names() == ["말_000", "말_001", "말_002"]


@pytest.mark.parametrize("value", [1e30, -1e30, 1e300, np.inf])
def test_numbers_that_no_body_has(tmp_path, value):
    corpus = make_small_corpus(tmp_path, splits=(3, 1, 0))
    clip = corpus.features("말_001").astype(float)
    clip[-1, -1] = value
    np.save(tmp_path / "new_joint_vecs" / "말_001.npy", clip)
    with pytest.warns(UserWarning, match="1 of 3 clips of 'train' are left out: 말_001"):
        assert Corpus(tmp_path).usable("train") == ["말_000", "말_002"]


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("Mean", lambda x: x * np.nan), ("Std", lambda x: x * np.inf), ("Std", lambda x: -x),
        ("Std", lambda x: x.astype(str)), ("Mean", lambda x: x.astype(complex)), ("Mean", lambda x: x[None]),
        ("Std", lambda x: x[:5]), ("Mean", lambda x: x.astype(int).astype("M8[s]")), ("Mean", lambda x: x[0]),
    ],
)  # fmt: skip
def test_statistics_that_are_none(tmp_path, file, spoil):
    make_small_corpus(tmp_path, splits=(2, 1, 0))
    path = tmp_path / f"{file}.npy"
    np.save(path, spoil(np.load(path)))
    with pytest.raises((DataError, ShapeError)):
        _ = Corpus(tmp_path).stats
