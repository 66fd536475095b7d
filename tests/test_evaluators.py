"""Evaluators: parity with the published one, independence of batches, checkpoints, learning."""

import numpy as np
import pytest
import torch

from ktube_motion.errors import CheckpointError, ConfigError, DataError, ShapeError
from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator, contrastive_loss, load_t2m_evaluator, margin_loss
from ktube_motion.metrics import r_precision
from ktube_motion.types import FeatureStats, Utterance

SMALL = EvaluatorConfig(width=32, embedding_size=16, text_dim=8)


class Encoder:
    """A stand-in for a text encoder: the letters' numbers."""

    dim, identity = 8, "letters"

    def encode(self, texts):
        rows = [[ord(sign) % 31 for sign in text[:8].ljust(8)] for text in texts]
        return torch.tensor(rows, dtype=torch.float32) / 31


@pytest.fixture(scope="module")
def published(golden):
    recorded = np.load(golden / "evaluator/evaluator_small.npz", allow_pickle=False)
    return recorded, load_t2m_evaluator(golden / "evaluator/finest_small.tar")


def _close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_published_motion_embeddings_in_input_order(published):
    recorded, evaluator = published
    _close(evaluator.embed_motion(recorded["motions"], recorded["m_lens"]), recorded["t2mgpt_co_motion"])
    _close(evaluator.embed_motion(recorded["motions"], recorded["m_lens"], batch_size=1), recorded["motion_out"])
    aligned = evaluator.embed_motion(recorded["motions"], recorded["m_lens"])[recorded["align_idx"]]
    _close(aligned, recorded["t2mgpt_motion_only"])
    _close(aligned, recorded["t2m_co_motion"])


def test_published_text_embeddings(published):
    recorded, evaluator = published
    texts = (recorded["word_embs"], recorded["pos_onehot"], recorded["cap_lens"])
    _close(evaluator.embed_text(texts), recorded["t2mgpt_co_text"])
    _close(evaluator.embed_text(texts)[recorded["align_idx"]], recorded["t2m_co_text"])
    _close(evaluator.embed_text(texts, batch_size=2), recorded["text_out"])


def test_published_movement_steps(published):
    recorded, evaluator = published
    with torch.no_grad():
        found = evaluator.movement_encoder(torch.from_numpy(recorded["motions"])[..., :-4])
    _close(found, recorded["movement_out"])


def test_published_evaluator_reads_words(published, golden):
    from ktube_motion.text import WordVectorizer

    _, evaluator = published
    with pytest.raises(ConfigError, match="word_vectorizer"):
        evaluator.embed_text([["a/DET"]])
    folder = golden / "text/glove"
    loaded = load_t2m_evaluator(golden / "evaluator/finest_small.tar", word_vectorizer=WordVectorizer(folder))
    if loaded.word_vectorizer.dim == loaded.text_encoder.pos_emb.out_features:
        tokens = [("a", "DET"), ("man", "NOUN"), ("walk", "VERB")]
        rows = loaded.embed_text([tokens, Utterance(0, 0, "", tokens=tuple(tokens))])
        assert torch.equal(rows[0], rows[1])
    with pytest.raises(DataError, match="have no tagged words"):
        loaded.embed_text([Utterance(0, 0, "걷는다")])


def test_published_evaluator_statistics(published, golden, tmp_path):
    import shutil

    recorded, _ = published
    (tmp_path / "text_mot_match/model").mkdir(parents=True)
    shutil.copyfile(golden / "evaluator/finest_small.tar", tmp_path / "text_mot_match/model/finest.tar")
    (tmp_path / "text_mot_match/meta").mkdir()
    mean, std = np.full(263, 0.5, np.float32), np.full(263, 2.0, np.float32)
    np.save(tmp_path / "text_mot_match/meta/mean.npy", mean)
    np.save(tmp_path / "text_mot_match/meta/std.npy", std)
    found = load_t2m_evaluator(tmp_path / "text_mot_match")
    raw = [clip[:length] * std + mean for clip, length in zip(recorded["motions"], recorded["m_lens"], strict=True)]
    _close(found.embed_motion(raw), recorded["t2mgpt_co_motion"])
    given = load_t2m_evaluator(golden / "evaluator/finest_small.tar", mean=mean, std=std)
    _close(given.embed_motion(raw), recorded["t2mgpt_co_motion"])
    with pytest.raises(CheckpointError, match="another data set"):
        load_t2m_evaluator(golden / "evaluator/finest_small.tar", mean=mean[:251], std=std[:251])


def test_published_layout_for_kit(golden, tmp_path):
    weights = torch.load(golden / "evaluator/finest_small.tar", weights_only=True)
    first = weights["movement_encoder"]["main.0.weight"]
    weights["movement_encoder"]["main.0.weight"] = first[:, : 251 - 4].clone()
    torch.save(weights, tmp_path / "finest.tar")
    evaluator = load_t2m_evaluator(tmp_path)
    assert (evaluator.skeleton.name, evaluator.fps) == ("kit_21", 12.5)
    assert evaluator.embed_motion([np.zeros((24, 251))]).shape == (1, 32)


def test_published_clips_do_not_feel_their_batch(published):
    _, evaluator = published
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(length, 263)) for length in (4, 60, 195, 196, 197, 198, 250, 401)]
    together = evaluator.embed_motion(clips)
    alone = torch.cat([evaluator.embed_motion([clip]) for clip in clips])
    _close(together.numpy(), alone.numpy())


def test_damaged_published_checkpoints_are_refused(golden, tmp_path):
    bad = tmp_path / "finest.tar"
    bad.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="no checkpoint of weights alone"):
        load_t2m_evaluator(bad)
    torch.save({"net": {}}, bad)
    with pytest.raises(CheckpointError, match="another kind"):
        load_t2m_evaluator(bad)
    weights = torch.load(golden / "evaluator/finest_small.tar", weights_only=True)
    del weights["text_encoder"]["gru.weight_hh_l0"]
    torch.save(weights, bad)
    with pytest.raises(CheckpointError, match=r"gru.weight_hh_l0"):
        load_t2m_evaluator(bad)
    with pytest.raises(CheckpointError, match="no evaluator here"):
        load_t2m_evaluator(tmp_path / "absent")


@pytest.mark.parametrize("motion_encoder", ["gru", "transformer"])
def test_clips_do_not_feel_their_batch(motion_encoder):
    config = EvaluatorConfig(width=32, embedding_size=16, text_dim=8, motion_encoder=motion_encoder)
    evaluator = MotionEvaluator(config)
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=(length, 263)).astype(np.float32) for length in (4, 7, 41, 200, 63)]
    together = evaluator.embed_motion(clips)
    alone = torch.cat([evaluator.embed_motion([clip]) for clip in clips])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    padded = np.full((5, 220, 263), 7.0, np.float32)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    torch.testing.assert_close(evaluator.embed_motion(padded, [4, 7, 41, 200, 63]), together)
    order = [3, 1, 4, 0, 2]
    torch.testing.assert_close(evaluator.embed_motion([clips[k] for k in order]), together[order], rtol=1e-4, atol=1e-5)
    assert evaluator.embed_motion([]).shape == (0, 16)
    assert evaluator.training  # left as it was


def test_contacts_are_not_read():
    evaluator = MotionEvaluator(SMALL)
    clip = np.random.default_rng(0).normal(size=(40, 263))
    other = clip.copy()
    other[:, -4:] = 1
    assert torch.equal(evaluator.embed_motion([clip]), evaluator.embed_motion([other]))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda e: e.embed_motion([np.zeros((3, 263))]), ShapeError, r"Clip 0 is too short.*at least 4"),
        (lambda e: e.embed_motion([np.zeros((40, 251))]), ShapeError, r"\(T, 263\)"),
        (lambda e: e.embed_motion([np.zeros((40, 263)), np.full((40, 263), np.nan)]), DataError, "first clip 1"),
        (lambda e: e.embed_motion(np.zeros((1, 40, 263)), [41]), ShapeError, "Lengths"),
        (lambda e: e.embed_text(np.zeros((2, 7))), ShapeError, "size 8"),
        (lambda e: e.embed_text(np.full((2, 8), np.nan)), DataError, "text 0 has NaN"),
        (lambda e: e.embed_text(["안녕"]), ConfigError, "no text encoder"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call(MotionEvaluator(SMALL))


def test_config_is_checked():
    with pytest.raises(ConfigError, match="gru or transformer"):
        EvaluatorConfig(motion_encoder="lstm")
    with pytest.raises(ConfigError, match="num_heads"):
        EvaluatorConfig(motion_encoder="transformer", width=30)
    with pytest.raises(ConfigError, match="differ in size"):
        MotionEvaluator(SMALL, FeatureStats(np.zeros(251), np.ones(251)))


@pytest.mark.parametrize("text_input", ["sentence", "words"])
def test_saved_with_everything_it_needs(tmp_path, text_input):
    stats = FeatureStats(mean=np.linspace(0, 1, 263), std=np.full(263, 2.0))
    if text_input == "sentence":
        evaluator = MotionEvaluator(EvaluatorConfig(width=32, embedding_size=16, fps=30.0), stats, Encoder())
        texts = ["안녕하세요", "손을 흔든다"]
        assert (evaluator.config.text_encoder, evaluator.config.text_dim) == ("letters", 8)
    else:
        config = EvaluatorConfig(width=32, embedding_size=16, fps=30.0, text_dim=6, text_input="words")
        evaluator = MotionEvaluator(config, stats)
        texts = [np.ones((3, 6)), np.zeros((5, 6))]
    evaluator.save_pretrained(tmp_path / "evaluator")
    encoder = Encoder() if text_input == "sentence" else None
    loaded = MotionEvaluator.from_pretrained(tmp_path / "evaluator", text_encoder=encoder)
    assert loaded.config == evaluator.config
    assert not loaded.training
    np.testing.assert_array_equal(loaded.stats.mean, stats.mean)
    clips = [np.random.default_rng(0).normal(size=(40, 263))]
    assert torch.equal(loaded.embed_motion(clips), evaluator.embed_motion(clips))
    assert torch.equal(loaded.embed_text(texts), evaluator.embed_text(texts))
    assert not any(name.startswith("text_encoder") for name in loaded.state_dict())


def test_another_kind_or_text_encoder_is_refused(tmp_path):
    from ktube_motion.vq import MotionTokenizer, TokenizerConfig

    MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8)).save_pretrained(tmp_path / "tokenizer")
    with pytest.raises(CheckpointError, match="motion_evaluator"):
        MotionEvaluator.from_pretrained(tmp_path / "tokenizer")
    MotionEvaluator(SMALL, text_encoder=Encoder()).save_pretrained(tmp_path / "evaluator")
    other = Encoder()
    other.identity = "numbers"
    with pytest.raises(CheckpointError, match=r"another text encoder.*letters.*numbers"):
        MotionEvaluator.from_pretrained(tmp_path / "evaluator", text_encoder=other)
    with pytest.raises(CheckpointError):
        MotionEvaluator.from_pretrained(tmp_path / "absent")


def test_near_identical_sentences_are_not_negatives():
    motion = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    vectors = torch.tensor([[1.0, 0], [1.0, 0.01], [0, 1.0], [-1.0, 0]])
    plain = contrastive_loss(motion, motion[[1, 0, 2, 3]])
    filtered = contrastive_loss(motion, motion[[1, 0, 2, 3]], text_vectors=vectors)
    by_text = contrastive_loss(motion, motion[[1, 0, 2, 3]], texts=["같다", "같다", "앉다", "서다"])
    assert filtered < plain
    torch.testing.assert_close(filtered, by_text)
    assert float(margin_loss(motion, motion, texts=["같다"] * 4)) == 0.0
    with pytest.raises(ShapeError, match="two pairs"):
        contrastive_loss(motion[:1], motion[:1])


@pytest.mark.parametrize(
    ("loss", "changes"),
    [("contrastive", {}), ("contrastive", {"motion_encoder": "transformer"}), ("margin", {"normalize": False})],
)
def test_it_learns(loss, changes):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(16, 263)).astype(np.float32)
    vectors = torch.from_numpy(rng.normal(size=(16, 8)).astype(np.float32))
    config = EvaluatorConfig(width=64, embedding_size=32, text_dim=8, dropout=0.0, **changes)
    evaluator = MotionEvaluator(config)
    optimizer = torch.optim.AdamW(evaluator.parameters(), lr=3e-3)
    lengths = torch.randint(8, 24, (16,))
    for _ in range(60):
        clips = torch.from_numpy(kinds[:, None] + 0.5 * rng.normal(size=(16, 24, 263)).astype(np.float32))
        output = evaluator(clips, lengths, vectors)
        if loss == "contrastive":
            value = contrastive_loss(*output, temperature=evaluator.temperature)
        else:
            value = margin_loss(*output, margin=4.0)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    fresh = kinds[:, None] + 0.5 * rng.normal(size=(16, 24, 263))
    precision = r_precision(evaluator.embed_text(vectors), evaluator.embed_motion(list(fresh)))
    assert precision[0] > 0.8 > 1 / 16
    if loss == "contrastive":
        assert evaluator.log_temperature.grad is not None
