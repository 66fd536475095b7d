"""The protocol: intervals, counts, resuming, refusals."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_evaluators import Encoder

from ktube_motion.errors import CheckpointError, ConfigError, DataError, FormatError, ShapeError
from ktube_motion.evaluation import (
    METRICS,
    EvaluationConfig,
    Interval,
    Report,
    evaluate_generation,
    evaluate_tokenizer,
    register_metric,
)
from ktube_motion.evaluation._generation import TextToFeatures
from ktube_motion.evaluation._samples import collect_samples
from ktube_motion.evaluators import EvaluatorConfig, MotionEvaluator
from ktube_motion.features import features_to_joints
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.io import Corpus
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.text import EmbeddedTextEncoder, word_encoder
from ktube_motion.text._tracks import NUM_TIMES
from ktube_motion.types import FeatureStats, Utterance, Word
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

REPEATS = {"config": EvaluationConfig(repeats=3), "progress": False}


@pytest.fixture(autouse=True)
def _few_pictures(request, monkeypatch):
    """Let only the tests that look for pictures draw any: drawing takes longer than the rest."""
    if request.function not in (test_real_pipeline, test_classes_of_generated_motion):
        monkeypatch.setattr("ktube_motion.evaluation._report.can_draw", lambda: False)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    corpus = Corpus.create(tmp_path_factory.mktemp("corpus"))
    rng = np.random.default_rng(0)
    names = []
    for k in range(65):
        frames = (20, 60, 300)[k % 3] if k < 6 else 60 + k
        features = np.cumsum(rng.normal(size=(frames, 263)) * 0.02, 0).astype(np.float32)
        features[:, 3] += 0.9
        texts = [Utterance(0, 0, f"{k}번 동작"), Utterance(0, 0, f"동작 {k}")]
        if k == 10:
            texts.append(Utterance(0.5, 3.0, "앞부분"))
        if k == 11:
            texts.append(Utterance(0.5, 1.0, "짧은 부분"))
        corpus.add_clip(f"clip{k:02d}", features=features, texts=texts)
        names.append(f"clip{k:02d}")
    corpus.write_splits({"train": names[:2], "test": names[2:40], "val": names[40:]})
    corpus.write_stats(FeatureStats(np.zeros(263), np.ones(263)))
    return Corpus(corpus.root)


@pytest.fixture(scope="module")
def evaluator():
    torch.manual_seed(0)
    return MotionEvaluator(EvaluatorConfig(width=32, embedding_size=16, text_dim=8), text_encoder=Encoder())


class HalfTokenizer:
    """A stand-in for a tokenizer: remembers what it reads, and forgets a little."""

    frames_per_token, fingerprint = 4, "half"

    def __init__(self):
        self.seen = []

    def encode(self, features):
        self.seen.append(features)
        return np.full((len(features), -(-features.shape[1] // 4)), len(self.seen) - 1)

    def decode(self, tokens):
        return self.seen[tokens[0, 0]] * 0.95


def _noise(texts, *, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(48, 263)).astype(np.float32) * 0.1 for _ in texts]


def test_tokenizer_report(corpus, evaluator, tmp_path):
    report = evaluate_tokenizer(
        HalfTokenizer(), corpus, evaluator=evaluator, folder=tmp_path, save_predictions=True, **REPEATS
    )
    assert report.counts["clips"] == 38
    assert report.counts["clips_outside_limits"] == 3
    assert report.counts["texts_outside_limits"] == 1
    assert report.counts["samples"] == 36
    assert report["real", "fid"].mean == 0
    assert report["reconstructed", "fid"].mean > 0
    assert report["reconstructed", "mpjpe_mm"].mean > report["reconstructed", "pa_mpjpe_mm"].mean > 0
    assert report["reconstructed", "mpjpe_mm"].half_width == 0
    assert report["chance", "r_precision_top3"].mean == 3 / 32
    assert report["real", "r_precision_top1"].repeats == 3
    assert report["real", "diversity"].half_width > 0
    predicted, truth = np.load(tmp_path / "clip12_pred.npy"), np.load(tmp_path / "clip12_gt.npy")
    assert predicted.shape == truth.shape == (72, 22, 3)
    assert (tmp_path / "clip10_10-60_gt.npy").exists()
    again = Report.load(tmp_path)
    assert again.to_json() == report.to_json()
    assert "| reconstructed |" in (tmp_path / "report.md").read_text()


def test_tokenizer_without_evaluator(corpus):
    report = evaluate_tokenizer(
        HalfTokenizer(), corpus, config=EvaluationConfig(split="val", repeats=1), progress=False
    )
    assert set(report.table) == {"real", "reconstructed"}
    assert math.isnan(report["reconstructed", "mpjpe_mm"].half_width)
    assert json.loads(report.to_json())["table"]["reconstructed"]["mpjpe_mm"]["half_width"] is None


def test_a_metric_is_one_function_and_one_line(corpus, evaluator, tmp_path):
    before = dict(METRICS)

    def hand_height_m(positions, *, fps, skeleton):
        assert (fps, positions.shape[1:]) == (20, (22, 3))
        return float(positions[:, skeleton.index("left_wrist"), 1].mean())

    def first_frame_error_m(predicted, target, *, fps, skeleton):
        return float(np.linalg.norm(predicted[0] - target[0], axis=-1).mean())

    def cosine(text, motion):
        return float(torch.nn.functional.cosine_similarity(text, motion).mean())

    try:
        register_metric("hand_height_m", hand_height_m, heading="Hand height m →")
        register_metric("first_frame_error_m", first_frame_error_m, of="reconstruction")
        register_metric("cosine", cosine, heading="Cosine ↑", of="embeddings")
        report = evaluate_tokenizer(HalfTokenizer(), corpus, evaluator=evaluator, folder=tmp_path, **REPEATS)
        with pytest.raises(ConfigError, match=r"such a metric already.*fid"):
            register_metric("fid", cosine, of="embeddings")
        with pytest.raises(ConfigError, match="motion, reconstruction or embeddings"):
            register_metric("other", cosine, of="text")
        written = report.to_markdown()
    finally:
        METRICS.clear()
        METRICS.update(before)
    samples = collect_samples(corpus, EvaluationConfig())
    wrists = [features_to_joints(clip)[:, 20, 1].mean() for clip in samples.features]
    assert report["real", "hand_height_m"].mean == pytest.approx(np.mean(wrists), rel=1e-5)
    assert report["reconstructed", "first_frame_error_m"].mean > 0
    assert "first_frame_error_m" not in report.table["real"]
    assert {"real", "reconstructed", "shuffled"} == {row for row in report.table if "cosine" in report.table[row]}
    assert report["real", "cosine"].half_width > 0
    assert "| Hand height m → | first_frame_error_m | Cosine ↑ |" in written.replace("  ", " ")
    assert report.settings["metrics"] == ["cosine", "first_frame_error_m", "hand_height_m"]
    with pytest.raises(ConfigError, match="Another experiment"):  # the folder holds more than is asked
        evaluate_tokenizer(HalfTokenizer(), corpus, evaluator=evaluator, folder=tmp_path, **REPEATS)


TINY = {"width": 32, "code_dim": 16, "num_codes": 8}
SIZES = {"num_codes": 8, "width": 32, "text_dim": 8, "num_layers": 1, "num_heads": 4, "text_encoder": "letters"}
FEW = {
    "config": EvaluationConfig(multimodality_texts=3, multimodality_samples=4, repeats=2),
    "progress": False,
}


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(TokenizerConfig(**TINY))
    tokenizer.quantizer.codebook.data.normal_(generator=torch.Generator().manual_seed(0))
    transformer = MotionTransformer(TransformerConfig(**SIZES, tokenizer=tokenizer.fingerprint))
    return UtteranceToMotion(tokenizer, transformer, Encoder())


def test_real_pipeline(corpus, evaluator, pipeline, tmp_path):
    report = evaluate_generation(
        pipeline, corpus, evaluator=evaluator, folder=tmp_path, save_predictions=True, **FEW, sampling={"top_k": 4}
    )
    assert list(report.table) == ["real", "reconstructed", "generated", "shuffled", "chance"]
    assert report["generated", "multimodality"].mean > 0
    assert report["generated", "fid"].mean > 0
    assert (tmp_path / "report.png").stat().st_size > 10_000
    predicted = np.load(tmp_path / "clip12_pred.npy")
    assert predicted.shape[1:] == (22, 3)
    assert np.isfinite(predicted).all()
    parts = (pipeline.transformer, pipeline.tokenizer, pipeline.text_encoder)
    again = evaluate_generation(parts, corpus, evaluator=evaluator, **FEW, sampling={"top_k": 4})
    assert again.to_json() == report.to_json()


def test_how_a_pipeline_usually_draws_is_told_and_never_mixed(corpus, evaluator, pipeline, tmp_path):
    usual = UtteranceToMotion(
        pipeline.tokenizer, pipeline.transformer, pipeline.text_encoder, sampling={"top_k": 4, "temperature": 0.5}
    )
    how = {"evaluator": evaluator, "folder": tmp_path, **FEW}
    report = evaluate_generation(usual, corpus, **how, sampling={"top_k": 3})
    assert report.settings["sampling"] == {"top_k": 3, "temperature": 0.5}
    usual.sampling["temperature"] = 0.6
    with pytest.raises(ConfigError, match="other"):
        evaluate_generation(usual, corpus, **how, sampling={"top_k": 3})


def test_models_that_do_not_belong_together(corpus, evaluator, pipeline):
    other = MotionTransformer(TransformerConfig(**SIZES | {"text_encoder": "numbers"}))
    with pytest.raises(CheckpointError, match="their text encoder differs"):
        evaluate_generation((other, pipeline.tokenizer, Encoder()), corpus, evaluator=evaluator, **REPEATS)
    other = MotionTransformer(TransformerConfig(**SIZES, tokenizer="0123"))
    with pytest.raises(CheckpointError, match="their tokenizer differs"):
        evaluate_generation((other, pipeline.tokenizer, Encoder()), corpus, evaluator=evaluator, **REPEATS)


@pytest.mark.parametrize("quantizer", ["ema_reset", "fsq", "residual"])
def test_real_tokenizers(corpus, evaluator, quantizer):
    torch.manual_seed(0)
    books = 3 if quantizer == "residual" else 1
    tokenizer = MotionTokenizer(TokenizerConfig(**TINY, quantizer=quantizer, num_quantizers=books))
    report = evaluate_tokenizer(tokenizer, corpus, evaluator=evaluator, **REPEATS)
    assert 1 <= report["reconstructed", "codes_used"].mean <= 8
    assert 1 <= report["reconstructed", "perplexity"].mean <= report["reconstructed", "codes_used"].mean
    alone = tokenizer.decode(tokenizer.encode(corpus.features("clip12")[:72]))
    predicted = features_to_joints(np.asarray(alone))
    assert np.isfinite(predicted).all()
    next(tokenizer.decoder.parameters()).data.fill_(float("nan"))
    with pytest.raises(DataError, match="36 of 36 predictions have NaN"):
        evaluate_tokenizer(tokenizer, corpus, evaluator=evaluator, **REPEATS)


def test_residual_tokenizers_do_not_generate(corpus, evaluator):
    tokenizer = MotionTokenizer(TokenizerConfig(**TINY, quantizer="residual", num_quantizers=3))
    parts = (MotionTransformer(TransformerConfig(**SIZES)), tokenizer, Encoder())
    with pytest.raises(CheckpointError, match="one code a token"):
        evaluate_generation(parts, corpus, evaluator=evaluator, **REPEATS)


def test_a_finished_run_makes_nothing_again(corpus, evaluator, pipeline, tmp_path, monkeypatch):
    for kind, evaluate, model in (
        ("tokenizer", evaluate_tokenizer, pipeline.tokenizer),
        ("generation", evaluate_generation, pipeline),
    ):
        options = {
            "evaluator": evaluator,
            "folder": tmp_path / kind,
            "config": EvaluationConfig(repeats=2),
            "progress": False,
        }
        if kind == "generation":
            options["config"] = EvaluationConfig(repeats=2, multimodality_texts=0)
        first = evaluate(model, corpus, **options)
        later = {**options, "save_predictions": True}
        assert evaluate(model, corpus, **later).to_json() == first.to_json()
        assert len(list((tmp_path / kind).glob("*_pred.npy"))) == first.counts["samples"]
        with monkeypatch.context() as patch:
            patch.setattr(MotionTokenizer, "encode", None)
            patch.setattr(MotionTokenizer, "decode", None)
            assert evaluate(model, corpus, **later).to_json() == first.to_json()


def test_each_sample_gets_one_of_its_own_texts(corpus, evaluator):
    asked = []

    def model(texts, *, seed):
        asked.append(texts)
        return _noise(texts, seed=seed)

    evaluate_generation(
        model, corpus, evaluator=evaluator, config=EvaluationConfig(repeats=3, multimodality_texts=0), progress=False
    )
    samples = collect_samples(corpus, EvaluationConfig())
    for texts in asked:
        for text, choices in zip(texts, samples.choices, strict=True):
            assert text in {samples.texts[k].text for k in choices}
    assert asked[0] != asked[1]


def test_classes_of_generated_motion(corpus, evaluator, tmp_path):
    labels = {"kind": {name: "여럿" if int(name[4:]) % 2 else "하나" for name in corpus.names("all")}}
    corpus.write_splits({"train": corpus.names("val"), "val": corpus.names("train"), "test": corpus.names("test")})
    report = evaluate_generation(
        _noise,
        corpus,
        evaluator=evaluator,
        labels=labels,
        folder=tmp_path,
        config=EvaluationConfig(repeats=3, multimodality_texts=0),
        progress=False,
    )
    corpus.write_splits({"train": corpus.names("val"), "val": corpus.names("train"), "test": corpus.names("test")})
    assert report["chance", "class_accuracy_kind"].mean == 0.5
    assert report.classes["kind"].confusion.sum() == 3 * 36
    assert report["generated", "class_accuracy_kind"].mean == pytest.approx(report.classes["kind"].accuracy)
    assert Report.load(tmp_path).to_json() == report.to_json()
    assert (tmp_path / "confusion_kind.png").exists()
    assert "Class kind" in report.to_markdown()
    with pytest.raises(DataError, match="fits no clips"):
        evaluate_generation(_noise, corpus, evaluator=evaluator, labels={"kind": {"x": "y"}}, **REPEATS)


def test_seeds_decide_everything_and_runs_resume(corpus, evaluator, tmp_path):
    calls = []

    def model(texts, *, seed):
        calls.append(seed)
        return _noise(texts, seed=seed)

    options = {"evaluator": evaluator, "progress": False}
    whole = evaluate_generation(model, corpus, config=EvaluationConfig(repeats=3, multimodality_texts=0), **options)
    assert len(calls) == len(set(calls)) == 3
    evaluate_generation(
        model, corpus, config=EvaluationConfig(repeats=2, multimodality_texts=0), folder=tmp_path, **options
    )
    calls.clear()
    resumed = evaluate_generation(
        model, corpus, config=EvaluationConfig(repeats=3, multimodality_texts=0), folder=tmp_path, **options
    )
    assert len(calls) == 1
    assert resumed.to_json() == whole.to_json()
    with pytest.raises(ConfigError, match=r"Another experiment.*seed"):
        evaluate_generation(
            model, corpus, config=EvaluationConfig(repeats=3, multimodality_texts=0, seed=1), folder=tmp_path, **options
        )


def test_published_drop_last(corpus, evaluator):
    report = evaluate_tokenizer(
        HalfTokenizer(), corpus, evaluator=evaluator, config=EvaluationConfig(repeats=3, drop_last=True), progress=False
    )
    assert report["chance", "r_precision_top1"].mean == 1 / 32
    with pytest.raises(DataError, match="at least 32 samples"):
        evaluate_tokenizer(
            HalfTokenizer(),
            corpus,
            config=EvaluationConfig(repeats=3, split="val", drop_last=True),
            evaluator=evaluator,
            progress=False,
        )


def test_fewer_samples_than_a_batch_are_told(corpus, evaluator):
    report = evaluate_tokenizer(
        HalfTokenizer(), corpus, config=EvaluationConfig(repeats=3, split="val"), evaluator=evaluator, progress=False
    )
    assert report.counts["samples"] == 25
    assert report["chance", "r_precision_top1"].mean == 1 / 25
    assert any("ranks 25 motions" in note for note in report.notes)
    with pytest.raises(DataError, match=r"too few samples.*clips 2.*clips_outside_limits 1"):
        evaluate_tokenizer(HalfTokenizer(), corpus, config=EvaluationConfig(repeats=3, split="train"), progress=False)


def test_one_text_for_many_motions_is_told(tmp_path, evaluator):
    corpus = Corpus.create(tmp_path)
    rng = np.random.default_rng(0)
    names = [f"c{k}" for k in range(8)]
    for name in names:
        corpus.add_clip(name, features=rng.normal(size=(48, 263)), texts=[Utterance(0, 0, "같은 말")])
    corpus.write_splits({"train": [], "val": [], "test": names})
    report = evaluate_tokenizer(HalfTokenizer(), Corpus(tmp_path), evaluator=evaluator, **REPEATS)
    assert report["real", "r_precision_top1"].mean == pytest.approx(1 / 8)
    assert any("share 1 different texts" in note for note in report.notes)


@pytest.mark.parametrize(
    ("clip", "error", "words"),
    [
        (np.full((48, 263), np.nan), DataError, "35 of 36 predictions have NaN"),
        (np.zeros((3, 263)), ShapeError, "T >= 4"),
        (np.zeros((48, 251)), ShapeError, r"\(T, 263\)"),
    ],
)
def test_bad_predictions_are_named(corpus, evaluator, clip, error, words):
    def model(texts, *, seed):
        return [*_noise(texts[:1], seed=seed), *[clip] * (len(texts) - 1)]

    with pytest.raises(error, match=words):
        evaluate_generation(model, corpus, evaluator=evaluator, **REPEATS)


def test_other_bad_input(corpus, evaluator):
    kit = MotionEvaluator(EvaluatorConfig(skeleton="kit_21", width=32, embedding_size=16, text_dim=8))
    slow = MotionEvaluator(EvaluatorConfig(fps=30.0, width=32, embedding_size=16, text_dim=8))
    for other in (kit, slow):
        with pytest.raises(ConfigError, match="another kind of motion"):
            evaluate_generation(_noise, corpus, evaluator=other, **REPEATS)
    with pytest.raises(ConfigError, match="nothing here that generates"):
        evaluate_generation("model", corpus, evaluator=evaluator, **REPEATS)
    with pytest.raises(ShapeError, match="another number of motions"):
        evaluate_generation(lambda texts, seed: _noise(texts[1:], seed=seed), corpus, evaluator=evaluator, **REPEATS)
    with pytest.raises(ConfigError, match="Predictions need a place"):
        evaluate_tokenizer(HalfTokenizer(), corpus, save_predictions=True, **REPEATS)


@pytest.mark.parametrize("field", ["repeats", "min_frames", "batch_size", "multimodality_samples"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_settings_that_cannot_be(field, value):
    with pytest.raises(ConfigError, match=f"{field} cannot be that.*a whole number >= 1"):
        EvaluationConfig(**{field: value})


def test_each_data_set_has_its_limits():
    presets = EvaluationConfig.humanml3d, EvaluationConfig.kit, EvaluationConfig.ktube
    assert [(preset().min_frames, preset().max_frames) for preset in presets] == [(40, 199), (24, 199), (20, 199)]
    assert EvaluationConfig.kit(min_frames=30, split="val") == EvaluationConfig(split="val", min_frames=30)
    with pytest.raises(ConfigError, match="max_frames cannot be that"):
        EvaluationConfig(max_frames=39)


def test_interval_and_report(tmp_path):
    values = np.random.default_rng(0).normal(size=20)
    interval = Interval.of(values)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.half_width == pytest.approx(1.96 * values.std() / 20**0.5)
    with pytest.raises(DataError, match="not finite"):
        Interval.of([1.0, np.nan])
    (tmp_path / "report.json").write_text('{"kind": "x"}')
    with pytest.raises(FormatError, match="not a report"):
        Report.load(tmp_path)


def test_utterances_inside_talks_count_for_ktube(tmp_path):
    corpus = Corpus.create(tmp_path, fps=20)
    words = (Word(3.2, 3.6, "손을"), Word(3.7, 4.4, "들어요"))
    said = [Utterance(0.5, 2.5, "안녕하세요"), Utterance(3.0, 4.5, "손을 들어요", words), Utterance(5.0, 5.5, "네")]
    features = np.random.default_rng(0).normal(size=(1000, 263)).astype(np.float32)
    corpus.add_clip("talk", features=features, texts=said)
    corpus.write_splits({"train": [], "val": [], "test": ["talk"]})
    samples = collect_samples(corpus, EvaluationConfig.ktube())
    assert [len(clip) for clip in samples.features] == [40, 28]  # 30 frames are seven steps and a half
    assert [(text.start, text.end) for text in samples.texts] == [(0.0, 2.0), (0.0, 1.5)]
    assert [(round(w.start, 2), round(w.end, 2)) for w in samples.texts[1].words] == [(0.2, 0.6), (0.7, 1.4)]
    assert samples.counts["texts_outside_limits"] == 1
    with pytest.raises(DataError, match="clips_outside_limits 1"):
        collect_samples(corpus, EvaluationConfig.humanml3d())


def test_a_model_that_hears_is_told_the_words(corpus, evaluator):
    encoder = word_encoder(EmbeddedTextEncoder())
    tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8, depth=1)).eval()
    sizes = {"num_codes": 8, "width": 32, "num_layers": 1, "num_heads": 4, "text_dim": 512}
    sizes |= {"word_dim": encoder.dim + NUM_TIMES, "word_encoder": encoder.identity}
    pipeline = UtteranceToMotion(tokenizer, MotionTransformer(TransformerConfig(**sizes)), EmbeddedTextEncoder())
    writer = TextToFeatures(pipeline, 199, {})
    said = [Utterance(0.0, 2.0, "손을 들어요"), Utterance(0.0, 3.0, "손을 들어요"), Utterance(0.0, 1.0, "네")]
    assert [clip.shape for clip in writer(said, 3)] == [(40, 263), (60, 263), (20, 263)]
    late = replace(said[0], words=(Word(1.0, 1.4, "손을"), Word(1.4, 2.0, "들어요")))
    assert np.abs(writer([late], 3)[0] - writer(said[:1], 3)[0]).max() > 0
