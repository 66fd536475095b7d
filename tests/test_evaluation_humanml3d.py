"""HumanML3D end to end: its folder, its word vectors and its evaluator, all made here, small and random."""

import pickle
import warnings

import numpy as np
import pytest
import torch

from ktube_motion.errors import ConfigError, DataError
from ktube_motion.evaluation import EvaluationConfig, Report, evaluate_generation, evaluate_tokenizer, trust_report
from ktube_motion.evaluators import load_t2m_evaluator
from ktube_motion.features import feature_stats, features_to_joints, joints_to_features
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.io import Corpus
from ktube_motion.kinematics import mirror_positions
from ktube_motion.skeletons import KIT_21, SMPL_22
from ktube_motion.text import WordVectorizer
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

WORDS = "unk sos eos a person man walk wave left right hand with his raise forward slowly".split()
TEXT = (
    "a person {verb} with his {side} hand."
    "#a/DET person/NOUN {verb}/VERB with/ADP his/DET {side}/ADJ hand/NOUN#0.0#0.0\n"
)
SIZE, HIDDEN = 300, 16
SHAPES = {
    "movement_encoder": lambda size: {
        **{"main.0.weight": (HIDDEN, size - 4, 4), "main.0.bias": (HIDDEN,)},
        **{"main.3.weight": (HIDDEN, HIDDEN, 4), "main.3.bias": (HIDDEN,)},
        **{"out_net.weight": (HIDDEN, HIDDEN), "out_net.bias": (HIDDEN,)},
    },
    "motion_encoder": lambda size: _gru(HIDDEN),
    "text_encoder": lambda size: {"pos_emb.weight": (SIZE, 15), "pos_emb.bias": (SIZE,), **_gru(SIZE)},
}


def _gru(size):
    """Names and shapes of a published bidirectional GRU with its head."""
    shapes = {"hidden": (2, 1, HIDDEN), "input_emb.weight": (HIDDEN, size), "input_emb.bias": (HIDDEN,)}
    for way in ("", "_reverse"):
        for part in ("ih", "hh"):
            shapes[f"gru.weight_{part}_l0{way}"] = (3 * HIDDEN, HIDDEN)
            shapes[f"gru.bias_{part}_l0{way}"] = (3 * HIDDEN,)
    for layer, width in ((0, 2 * HIDDEN), (1, None), (3, HIDDEN)):
        shapes[f"output_net.{layer}.weight"] = (HIDDEN,) if width is None else (HIDDEN, width)
        shapes[f"output_net.{layer}.bias"] = (HIDDEN,)
    return shapes


def _write_evaluator(folder, stats, size):
    generator = torch.Generator().manual_seed(0)
    weights = {
        part: {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes(size).items()}
        for part, shapes in SHAPES.items()
    }
    (folder / "text_mot_match/model").mkdir(parents=True)
    (folder / "text_mot_match/meta").mkdir()
    torch.save({**weights, "epoch": 7}, folder / "text_mot_match/model/finest.tar")
    np.save(folder / "text_mot_match/meta/mean.npy", stats.mean)
    np.save(folder / "text_mot_match/meta/std.npy", stats.std)


def _write_words(folder):
    folder.mkdir()
    np.save(folder / "our_vab_data.npy", np.random.default_rng(0).normal(size=(len(WORDS), SIZE)))
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(WORDS))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: row for row, word in enumerate(WORDS)}))


def _clips(skeleton, count):
    """Yield name, motion vectors and text file of made-up clips, each with its mirrored twin."""
    rng = np.random.default_rng(0)
    rest = np.zeros((skeleton.num_joints, 3))
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            rest[joint] = rest[parent] + skeleton.offsets[joint]
    for number in range(count):
        frames = 61 + 4 * number
        path = np.cumsum(np.cumsum(rng.normal(size=(frames, *rest.shape)), 0), 0) * 2e-4 / skeleton.metres_per_unit
        joints, text = (rest + path).astype(np.float32), TEXT.format(verb=("walk", "wave")[number % 2], side="left")
        if number == 3:
            text += "a man walk slowly.#a/DET man/NOUN walk/VERB slowly/ADV#0.5#3.5\n"  # a part of the clip
            text += "this line lost its tokens\n"
        if number == 4:
            text += "a man wave.#a/DET man/NOUN wave/VERB#nan#nan\n"
        for prefix, clip in (("", joints), ("M", mirror_positions(joints, skeleton=skeleton))):
            line = text.replace("left", "right") if prefix else text
            yield f"{prefix}{number:06d}", joints_to_features(clip, skeleton=skeleton), line


def _write_corpus(root, skeleton, count=18):
    """Write a folder as HumanML3D's own scripts leave it: no manifest, no settings of ours."""
    for part in ("new_joint_vecs", "new_joints", "texts"):
        (root / part).mkdir(parents=True)
    names, vectors = [], []
    for name, features, text in _clips(skeleton, count):
        features = features[:30] if name == "000005" else features  # too short for the protocol
        np.save(root / f"new_joint_vecs/{name}.npy", features)
        np.save(root / f"new_joints/{name}.npy", features_to_joints(features, skeleton=skeleton))
        (root / f"texts/{name}.txt").write_text(text)
        names.append(name)
        vectors.append(features)
    stats = feature_stats(vectors, skeleton=skeleton)
    np.save(root / "Mean.npy", stats.mean)
    np.save(root / "Std.npy", stats.std)
    names.append("099999")  # listed, but its motion never was downloaded
    for split, part in {"train": names[:4], "val": names[4:6], "test": names, "train_val": names[:6]}.items():
        (root / f"{split}.txt").write_text("\n".join(part))
    (root / "all.txt").write_text("\n".join(names))
    return stats


@pytest.fixture(scope="module", params=[SMPL_22, KIT_21], ids=["humanml3d", "kit"])
def published(request, tmp_path_factory):
    """Give a corpus, the published evaluator and a small tokenizer and transformer of ours."""
    root, skeleton = tmp_path_factory.mktemp("published"), request.param
    stats = _write_corpus(root / "HumanML3D", skeleton)
    _write_evaluator(root / "checkpoints", stats, skeleton.feature_size)
    _write_words(root / "glove")
    corpus = Corpus(root / "HumanML3D")
    evaluator = load_t2m_evaluator(root / "checkpoints/text_mot_match", word_vectorizer=WordVectorizer(root / "glove"))
    torch.manual_seed(0)
    config = TokenizerConfig(skeleton=skeleton.name, fps=corpus.fps, width=32, code_dim=16, num_codes=8)
    tokenizer = MotionTokenizer(config, corpus.stats)
    transformer = MotionTransformer(TransformerConfig(num_codes=8, width=32, text_dim=4, num_layers=1, num_heads=4))
    return corpus, evaluator, tokenizer, (transformer, tokenizer, _Letters())


class _Letters:
    dim, identity = 4, ""

    def encode(self, texts):
        return torch.tensor([[len(text), text.count("l"), text.count("w"), 1.0] for text in texts]) / 10


def test_folder_opens_as_it_is(published):
    corpus, evaluator, _, _ = published
    assert (corpus.skeleton.name, corpus.fps) in (("smpl_22", 20.0), ("kit_21", 12.5))
    assert (evaluator.skeleton.name, evaluator.fps) == (corpus.skeleton.name, corpus.fps)
    assert corpus.missing("test") == ["099999"]
    assert corpus.texts("M000001")[0].tokens[5] == ("right", "ADJ")
    assert corpus.texts("000004")[1].start == 0
    assert len(corpus.texts("000003")) == 2
    assert corpus.malformed == {"000003": 1}


def test_tokenizer_by_the_published_protocol(published, tmp_path):
    corpus, evaluator, tokenizer, _ = published
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = evaluate_tokenizer(
            tokenizer,
            corpus,
            evaluator=evaluator,
            config=EvaluationConfig(repeats=20),
            folder=tmp_path,
            save_predictions=True,
            progress=False,
        )
    assert report.counts["clips"] == 36
    assert report.counts["clips_missing"] == 1
    assert report.counts["clips_outside_limits"] == 1
    # Two clips have a text about a part of them, which at KIT's frame rate is under the limit.
    parts = 2 if corpus.fps == 20 else 0
    assert report.counts["samples"] == 35 + parts
    assert report.counts["texts_outside_limits"] == 2 - parts
    assert report["real", "fid"].mean == 0 < report["reconstructed", "fid"].mean
    assert report["real", "r_precision_top1"].repeats == 20
    assert report["chance", "r_precision_top1"].mean == 1 / 32
    assert (tmp_path / "M000001_pred.npy").exists()
    assert np.load(tmp_path / "000002_gt.npy").shape == (68, corpus.skeleton.num_joints, 3)
    assert Report.load(tmp_path).to_json() == report.to_json()


@pytest.mark.parametrize(
    ("options", "samples", "pool"),
    [
        ({"min_frames": 24}, 36, 32),
        ({"drop_last": True}, 35, 32),
        ({"batch_size": 16}, 35, 16),
        ({"max_frames": 99}, 19, 32),
        ({"split": "val", "min_frames": 24, "seed": 3}, 2, 32),
    ],
)
def test_every_option(published, options, samples, pool):
    corpus, evaluator, tokenizer, _ = published
    report = evaluate_tokenizer(
        tokenizer, corpus, evaluator=evaluator, config=EvaluationConfig(repeats=2, **options), progress=False
    )
    assert samples <= report.counts["samples"] <= samples + 2
    assert report["chance", "r_precision_top1"].mean == pytest.approx(1 / min(pool, report.counts["samples"]))


def test_generation_by_the_published_protocol(published, tmp_path):
    corpus, evaluator, _, parts = published
    report = evaluate_generation(
        parts,
        corpus,
        evaluator=evaluator,
        config=EvaluationConfig(
            repeats=2, min_frames=24, multimodality_texts=5, multimodality_samples=6, multimodality_pairs=4
        ),
        sampling={"temperature": 0.9, "top_p": 0.9},
        folder=tmp_path,
        save_predictions=True,
        labels={"verb": {name: corpus.texts(name)[0].tokens[2][0] for name in corpus.names("test")}},
        progress=False,
    )
    assert set(report.table) == {"real", "reconstructed", "generated", "shuffled", "chance"}
    for metric in ("fid", "r_precision_top3", "matching_score", "diversity", "multimodality", "class_accuracy_verb"):
        assert np.isfinite(report["generated", metric].mean)
    assert np.load(tmp_path / "000001_pred.npy").shape[1:] == (corpus.skeleton.num_joints, 3)
    assert {"report.png", "report.md", "report.json", "confusion_verb.png"} <= {p.name for p in tmp_path.iterdir()}


def test_trust_of_the_published_evaluator(published):
    corpus, evaluator, _, parts = published
    amounts = {"jitter": (0.0, 0.2)}
    report = trust_report(
        evaluator,
        corpus,
        model=parts,
        config=EvaluationConfig(split="test", min_frames=24, repeats=2),
        amounts=amounts,
        progress=False,
    )
    assert report.curves["jitter"].grows
    assert report.classes == {}


def test_texts_without_tags_are_refused(published, tmp_path):
    corpus, evaluator, tokenizer, _ = published
    root = tmp_path / "untagged"
    _write_corpus(root, corpus.skeleton, count=4)
    for path in (root / "texts").iterdir():
        path.write_text("오른손을 흔든다##0.0#0.0\n", encoding="utf-8")
    with pytest.raises(DataError, match="no tagged words"):
        evaluate_tokenizer(
            tokenizer,
            Corpus(root),
            evaluator=evaluator,
            config=EvaluationConfig(repeats=1, min_frames=24),
            progress=False,
        )
    wordless = load_t2m_evaluator(corpus.root.parent / "checkpoints/text_mot_match")
    with pytest.raises(ConfigError, match="word_vectorizer"):
        evaluate_tokenizer(tokenizer, corpus, evaluator=wordless, config=EvaluationConfig(repeats=1), progress=False)
