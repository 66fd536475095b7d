"""The corpus folder: what is written is what is read, and names never leave it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import CorpusError, FormatError, KtubeError
from ktube_motion.io import Corpus, check_name, read_text_file, write_text_file
from ktube_motion.skeletons import KIT_21
from ktube_motion.types import FeatureStats, Utterance

HELLO = Utterance(0, 0, "안녕하세요", tokens=(("안녕", "NOUN"),))


def test_clip_round_trip(tmp_path):
    corpus = Corpus.create(tmp_path / "말뭉치", fps=20)
    features = np.random.default_rng(0).normal(size=(30, 263)).astype(np.float32)
    joints = np.zeros((31, 22, 3))
    corpus.add_clip("강연 1", features=features, texts=[HELLO], joints=joints, recovered=joints[1:])
    corpus.write_splits({"train": ["강연 1"]})
    corpus.write_stats(FeatureStats(mean=features.mean(0), std=features.std(0)))
    again = Corpus(tmp_path / "말뭉치")
    assert again.names() == again.names("train_val") == ["강연 1"]
    assert again.names("test") == []
    np.testing.assert_array_equal(again.features("강연 1"), features)
    assert again.joints("강연 1").shape == (31, 22, 3)
    assert again.joints("강연 1", recovered=True).shape == (30, 22, 3)
    motion = again.motion("강연 1")
    assert (motion.num_frames, motion.fps, motion.name) == (30, again.fps, again.texts("강연 1")[0].text)
    assert again.texts("강연 1") == [HELLO]
    (again.root / "texts" / "강연 1.txt").unlink()
    assert again.motion("강연 1").name == "강연 1"
    np.testing.assert_allclose(again.stats.std, features.std(0), rtol=1e-6)


def test_foreign_folder_opens_unchanged(tmp_path):
    for folder in ("new_joint_vecs", "texts"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "new_joint_vecs" / "000001.npy", np.zeros((30, 251)))
    (tmp_path / "texts" / "000001.txt").write_text("a man waves.#a/DET man/NOUN wave/VERB#0.0#0.0\nx#y#nan#nan\n")
    (tmp_path / "train.txt").write_text("000001\nM000001\n")
    np.save(tmp_path / "Mean.npy", np.zeros(251))
    np.save(tmp_path / "Std.npy", np.zeros(251))
    corpus = Corpus(tmp_path)
    assert corpus.skeleton is KIT_21
    assert corpus.fps == 12.5
    assert corpus.names("train") == ["000001"]
    assert corpus.missing("train") == ["M000001"]
    assert corpus.features("000001").dtype == np.float32
    assert [u.text for u in corpus.texts("000001")] == ["a man waves."]
    assert corpus.malformed == {"000001": 1}  # "y" has no part of speech
    assert (corpus.stats.std == 1).all()
    with pytest.raises(CorpusError, match=r"no split 'val'.*train"):
        corpus.names("val")


@pytest.mark.parametrize(
    "line",
    ["a#b/NOUN#0.0", "a#b#0#0", "a#b/NOUN#x#0", "#b/NOUN#0#0", "a#b/NOUN#5#2", "a#b/NOUN#0#inf", "a#b/NOUN#-1#2"],
)
def test_malformed_line_is_left_out_alone_and_reported(tmp_path, line):
    path = tmp_path / "a.txt"
    path.write_text(f"{line}\n좋다#좋/ADJ#nan#nan\n", encoding="utf-8")
    errors = []
    assert [u.text for u in read_text_file(path, on_error=errors.append)] == ["좋다"]
    assert len(errors) == 1
    assert "line 1" in str(errors[0])
    with pytest.warns(UserWarning, match="line 1"):
        read_text_file(path)


_word = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), exclude_characters="＃／"), min_size=1, max_size=8
)


@settings(max_examples=100, deadline=None)
@given(words=st.lists(_word, min_size=1, max_size=5), end=st.integers(1, 10_000))
def test_any_text_survives_the_file_format(tmp_path_factory, words, end):
    path = tmp_path_factory.mktemp("t") / "a.txt"
    text = " ".join(" ".join(words).split())
    tokens = tuple(("".join(word.split()), "NOUN") for word in words if word.split())
    if not text:
        return
    write_text_file(path, [Utterance(0, end / 1000, text, tokens=tokens)])
    assert read_text_file(path) == [Utterance(0, end / 1000, text, tokens=tokens)]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\0b", "a\nb", " a", "C:x", "가" * 80, None, 3, "..a"])
def test_names_stay_in_the_folder(tmp_path, name):
    corpus = Corpus.create(tmp_path / "c")
    with pytest.raises(CorpusError):
        corpus.add_clip(name, features=np.zeros((5, 263)), texts=[HELLO])
    assert not list((tmp_path / "c" / "new_joint_vecs").iterdir())
    with pytest.raises(CorpusError):
        check_name(name)


def test_bad_input_is_named(tmp_path):
    with pytest.raises(CorpusError, match="not a KTubeUM corpus"):
        Corpus(tmp_path / "nowhere")
    corpus = Corpus.create(tmp_path, fps=20)
    with pytest.raises(CorpusError, match="finite"):
        corpus.add_clip("a", features=np.full((5, 263), np.nan), texts=[HELLO])
    with pytest.raises(CorpusError, match="no text"):
        corpus.add_clip("a", features=np.zeros((5, 263)), texts=[])
    with pytest.raises(CorpusError, match="in two splits"):
        corpus.write_splits({"train": ["a"], "val": ["a"]})
    with pytest.raises(CorpusError, match="Another corpus"):
        Corpus.create(tmp_path, fps=30)
    (tmp_path / "new_joint_vecs" / "b.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(FormatError, match="damaged"):
        corpus.features("b")
    np.save(tmp_path / "new_joint_vecs" / "c.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(KtubeError):
        corpus.features("c")
    (tmp_path / "train.txt").write_text("../../etc/passwd\n")
    with pytest.raises(CorpusError):
        corpus.names("train")
