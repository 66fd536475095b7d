"""Text to motion: lengths, continuity, talks, streams, parts that do not fit, bad input."""

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest
import torch

from ktube_motion.errors import CheckpointError, ConfigError, DataError, FormatError
from ktube_motion.evaluators import AlignedTextEncoder, EvaluatorConfig, MotionEvaluator
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.metrics import seam_report
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.pipeline._placing import go_on
from ktube_motion.pipeline._talk import number_of_frames, read_talk, token_spans
from ktube_motion.skeletons import KIT_21, SMPL_22
from ktube_motion.text import EmbeddedTextEncoder, speaking_seconds
from ktube_motion.training import KnownTexts
from ktube_motion.types import Cue, FeatureStats, Motion, Utterance
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

TALK = [
    Utterance(1.0, 3.0, "오른손을 들어 주세요"),
    Utterance(3.5, 6.0, "왼손도 들어 볼까요"),
    Utterance(8.0, 10.1, "이제 내려 주세요"),
]


@pytest.fixture(scope="module")
def tokenizer():
    torch.manual_seed(0)
    # Random motion, but of the size and shape of a body that turns and walks a little.
    mean, std = np.zeros(263), np.full(263, 0.02)
    mean[0], mean[2], mean[3] = 0.01, 0.01, 0.9
    mean[4:67] = np.random.default_rng(0).normal(size=63) * 0.4
    config = TokenizerConfig(width=32, code_dim=16, num_codes=16, depth=1)
    tokenizer = MotionTokenizer(config, FeatureStats(mean=mean, std=std)).eval()
    tokenizer.quantizer.codebook.data.normal_(std=5.0)
    return tokenizer


def make_transformer(made_for, /, **changes):
    torch.manual_seed(1)
    config = {"num_codes": 16, "width": 32, "text_dim": 512, "num_layers": 1, "num_heads": 4, "block_size": 21}
    config |= {"tokenizer": made_for.fingerprint, "text_encoder": "usem3"} | changes
    model = MotionTransformer(TransformerConfig(**config)).eval()
    for weight in model.parameters():
        weight.data *= 4
    return model


@pytest.fixture(scope="module")
def pipeline(tokenizer):
    return UtteranceToMotion(tokenizer, make_transformer(tokenizer), EmbeddedTextEncoder())


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_exact_seconds(pipeline):
    texts = ["손을 든다", "발을 든다", "앉는다 😀"]
    motions = pipeline.generate(texts, seconds=[1.0, 2.35, 0.05], generator=seeded())
    assert [motion.num_frames for motion in motions] == [20, 47, 1]
    assert [motion.name for motion in motions] == texts
    assert all(motion.skeleton.name == "smpl_22" and motion.fps == 20 for motion in motions)
    assert all(np.isfinite(motion.positions).all() for motion in motions)
    (alone,) = pipeline.generate(texts[:1], seconds=1.0, generator=seeded())
    np.testing.assert_allclose(alone.positions, motions[0].positions, atol=1e-5)


def test_length_of_its_own(pipeline):
    motions = pipeline.generate(["손을 든다", "발을 든다"], min_tokens=2, max_tokens=9, generator=seeded())
    assert all(8 <= motion.num_frames <= 36 and motion.num_frames % 4 == 0 for motion in motions)


def test_immediate_end_is_an_empty_motion(tokenizer):
    model = make_transformer(tokenizer)
    model.norm.weight.data.zero_()
    model.norm.bias.data.fill_(1.0)
    model.head.weight.data.zero_()
    model.head.weight.data[-1] = 1.0
    with pytest.warns(UserWarning, match="2 of 2 texts got no motion"):
        motions = UtteranceToMotion(tokenizer, model, EmbeddedTextEncoder()).generate(["가", "나"])
    assert [motion.positions.shape for motion in motions] == [(0, 22, 3)] * 2


def test_prefix_goes_on_without_a_jump(pipeline):
    whole = pipeline.generate(["손을 든다"], seconds=3.0, temperature=0)[0]
    vector = pipeline.text_encoder.encode(["손을 든다"])
    from ktube_motion.gpt import generate

    tokens = generate(pipeline.transformer, vector, num_tokens=5, temperature=0)[0]
    rest = pipeline.generate(["손을 든다"], seconds=2.0, temperature=0, prefix=tokens)[0]
    np.testing.assert_allclose(rest.positions, whole.positions[20:], atol=1e-5)
    from_motion = pipeline.generate(["손을 든다"], seconds=2.0, prefix=whole, generator=seeded())[0]
    assert from_motion.num_frames == 40


def test_prefix_that_does_not_fit(pipeline):
    other = Motion(skeleton=pipeline.skeleton, positions=np.zeros((30, 22, 3)), fps=30)
    with pytest.raises(DataError, match=r"smpl_22 at 20 fps.*smpl_22 at 30 fps.*resample"):
        pipeline.generate(["손"], seconds=1.0, prefix=other)
    with pytest.raises(DataError, match="kit_21"):
        pipeline.generate(["손"], seconds=1.0, prefix=Motion(skeleton=KIT_21, positions=np.zeros((9, 21, 3)), fps=20))
    with pytest.raises(DataError, match="another tokenizer"):
        pipeline.generate(["손"], seconds=1.0, prefix=torch.tensor([3, 99]))


def test_a_talk_is_one_motion_in_time(pipeline):
    motion = pipeline.speak(TALK, generator=seeded())
    assert motion.num_frames == 202
    assert motion.name == TALK[0].text
    again = pipeline.speak(TALK, generator=seeded())
    np.testing.assert_array_equal(motion.positions, again.positions)
    assert pipeline.speak(TALK, seconds=12.0, generator=seeded()).num_frames == 240
    # Another last sentence changes nothing before it is in reach.
    changed = [*TALK[:2], dataclasses.replace(TALK[2], text="다 같이 박수를 쳐요")]
    other = pipeline.speak(changed, generator=seeded())
    reach = pipeline.tokenizer.decoder.reach * 4
    np.testing.assert_allclose(other.positions[: 160 - reach], motion.positions[: 160 - reach], atol=1e-5)
    assert np.abs(other.positions[170:] - motion.positions[170:]).max() > 1e-3


def test_seams_move_like_the_inside(pipeline):
    """Seams are ordinary places, where motions decoded one by one would jump."""
    cues = [Utterance(start, start + 2.0, f"{start}번째 손을 든다") for start in np.arange(0.0, 40.0, 2.0).tolist()]
    seams = range(40, 800, 40)
    report = seam_report(pipeline.speak(cues, generator=seeded()).positions, seams, fps=20)
    for at, inside in (
        (report.speed_at_seams, report.speed_inside),
        (report.jerk_at_seams, report.jerk_inside),
    ):
        assert at[0] < 1.3 * inside[0]
        assert at[1] < 1.2 * inside[1]
    apart = [pipeline.generate([cue.text], seconds=2.0, generator=seeded())[0].positions for cue in cues]
    jumps = seam_report(np.concatenate(apart), seams, fps=20)
    assert jumps.speed_at_seams[0] > 2 * report.speed_at_seams[1]


def test_memory_does_not_grow_with_the_talk(pipeline, monkeypatch):
    """Whatever is made beside the result is of the same size for a short and a long talk."""
    monkeypatch.setattr("ktube_motion.pipeline._decoding.CHUNK", 32)
    decode, encode = pipeline.tokenizer.decode, pipeline.text_encoder.encode
    decoded, encoded = [], []
    monkeypatch.setattr(pipeline.tokenizer, "decode", lambda tokens: decoded.append(tokens.shape[-1]) or decode(tokens))
    monkeypatch.setattr(pipeline.text_encoder, "encode", lambda texts: encoded.append(len(texts)) or encode(texts))
    peaks = []
    for count in (100, 400):
        cues = [Utterance(float(start), start + 1.0, "손을 든다") for start in range(count)]
        tracemalloc.start()
        motion = pipeline.speak(cues, generator=seeded())
        peaks.append(tracemalloc.get_traced_memory()[1] - motion.positions.nbytes)
        tracemalloc.stop()
    assert motion.num_frames == 8000
    assert max(decoded) == 32 + 2 * pipeline.tokenizer.decoder.reach
    assert max(encoded) == 64
    assert peaks[1] - peaks[0] < 300 * 1000  # cues and their spans: not 300 times 5 KB, as joints would be


def test_long_talks_decode_in_pieces_that_do_not_show(pipeline, monkeypatch):
    cues = [Utterance(float(start), start + 2.0, f"{start}번째 손을 든다") for start in range(0, 60, 2)]
    whole = pipeline.speak(cues, generator=seeded())
    monkeypatch.setattr("ktube_motion.pipeline._decoding.CHUNK", 17)
    pieces = pipeline.speak(cues, generator=seeded())
    assert whole.num_frames == pieces.num_frames == 1200
    np.testing.assert_allclose(pieces.positions, whole.positions, atol=2e-3)
    step = np.diff(pieces.positions, axis=0) - np.diff(whole.positions, axis=0)
    assert np.abs(step).max() < 1e-4


def test_placing_undoes_a_cut(tokenizer):
    torch.manual_seed(3)
    features = tokenizer.decode(torch.randint(16, (2, 30)))
    whole, _ = go_on(features, None, SMPL_22)
    assert (whole[:, -1, :, [0, 2]] - whole[:, 0, :, [0, 2]]).abs().max() > 0.3  # it does move
    pieces, last = [], None
    for start in range(0, 120, 40):
        piece, last = go_on(features[:, start : start + 40], last, SMPL_22)
        pieces.append(piece)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-4, rtol=0)


def test_paragraph(pipeline):
    text = "안녕하세요 여러분. 오늘은 손을 들어 인사하는 법을 배워 보겠습니다. 먼저 오른손을 천천히 들어 주세요."
    name, spoken, seconds = read_talk(text)
    assert name == text
    assert " ".join(utterance.text for utterance in spoken) == text
    assert seconds == speaking_seconds(text)
    assert 3.5 < sum(map(str.isalnum, text)) / seconds < 5.5
    assert pipeline.speak(text, generator=seeded()).num_frames == round(seconds * 20)
    assert pipeline.speak(text, seconds=7.0, generator=seeded()).num_frames == 140
    faster = read_talk(text, syllables_per_second=11.0)[2]
    assert faster == pytest.approx(seconds / 2)


@pytest.mark.parametrize("name", ["강연.lrc", "강연.csv", "강연.TSV"])
def test_every_transcript_format_is_a_talk(tmp_path, name):
    path = tmp_path / name
    lines = {"lrc": "[00:01.00]손을 들어 주세요.\n[00:03.00]이제 내려 주세요.\n"}
    table = "start,end,text\n1.0,2.5,손을 들어 주세요.\n3.0,4.5,이제 내려 주세요.\n"
    text = lines.get(path.suffix[1:], table if path.suffix == ".csv" else table.replace(",", "\t"))
    path.write_text(text, encoding="utf-8")
    called, spoken, _ = read_talk(str(path))
    assert called == "강연"
    assert " ".join(utterance.text for utterance in spoken) == "손을 들어 주세요. 이제 내려 주세요."


def test_transcript_file(pipeline, tmp_path):
    path = tmp_path / "강연.srt"
    path.write_text(
        "1\n00:00:00,500 --> 00:00:03,000\n오른손을 들어 주세요.\n\n2\n00:00:03,000 --> 00:00:06,000\n내려 주세요.\n",
        encoding="utf-8",
    )
    motion = pipeline.speak(path, generator=seeded())
    assert (motion.name, motion.num_frames) == ("강연", 120)
    assert np.array_equal(motion.positions, pipeline.speak(str(path), generator=seeded()).positions)
    with pytest.raises(FormatError, match=r"nowhere\.srt"):
        pipeline.speak("nowhere.srt")


def test_token_spans_have_no_gaps():
    spans = token_spans(TALK, 51, 5.0)
    assert spans == [(0, 18), (18, 40), (40, 51)]
    assert token_spans([Cue(0.0, 0.01, "가"), Cue(0.02, 0.03, "나")], 1, 5.0) == [(0, 0), (0, 1)]


def test_too_short_utterances_are_told(pipeline):
    cues = [Utterance(0.0, 0.04, "네"), Utterance(0.05, 2.0, "손을 든다")]
    with pytest.warns(UserWarning, match="1 of 2 utterances are too short"):
        assert pipeline.speak(cues).num_frames == 40


def test_stream_is_the_motion_in_pieces(pipeline):
    (whole,) = pipeline.generate(["손을 든다"], seconds=4.9, seeds=[5])
    reach = pipeline.tokenizer.decoder.reach
    pieces = list(pipeline.stream("손을 든다", seconds=4.9, seed=5, lookahead=reach))
    assert [piece.num_frames for piece in pieces] == [4] * 24 + [2]
    np.testing.assert_allclose(np.concatenate([p.positions for p in pieces]), whole.positions, atol=1e-4)
    early = pipeline.stream("손을 든다", seconds=4.9, seed=5, lookahead=0)
    assert next(early).num_frames == 4
    assert sum(piece.num_frames for piece in early) == 94
    with pytest.raises(ConfigError, match="lookahead"):
        pipeline.stream("손", lookahead=-1)


@pytest.mark.parametrize("text", ["😀", "hello 안녕 你好", "손을\x00든다", "\x1b[31m손", "가나다라 " * 2000])
def test_odd_texts_have_a_result(pipeline, text):
    assert pipeline.generate([text], seconds=0.5)[0].num_frames == 10
    assert pipeline.speak(text, seconds=30.0).num_frames == 600
    assert sum(piece.num_frames for piece in pipeline.stream(text, seconds=0.5)) == 10


def test_a_long_paragraph(pipeline):
    text = "손을 천천히 들어 주세요. " * 715  # 10,010 characters
    motion = pipeline.speak(text, generator=seeded(), seconds=60.0)
    assert motion.num_frames == 1200
    assert np.isfinite(motion.positions).all()


@pytest.mark.parametrize("text", ["", "  \n ", "\x00", "\u200b"])
def test_blank_texts(pipeline, text):
    for call in (pipeline.speak, lambda text: pipeline.generate(["손", text]), pipeline.stream):
        with pytest.raises(DataError, match="blank"):
            call(text)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), 1e9, "2"])
def test_bad_seconds(pipeline, seconds):
    for call in (
        lambda: pipeline.generate(["손"], seconds=seconds),
        lambda: pipeline.speak("손을 든다", seconds=seconds),
        lambda: pipeline.stream("손", seconds=seconds),
    ):
        with pytest.raises((DataError, ConfigError), match=r"positive number|too long"):
            call()
    assert number_of_frames(0.001, 20.0) == 1


def test_bad_options(pipeline):
    with pytest.raises(ConfigError, match="seconds does not fit"):
        pipeline.generate(["손"], seconds=[1.0, 2.0])
    with pytest.raises(ConfigError, match="both"):
        pipeline.generate(["손"], seconds=1.0, num_tokens=3)
    with pytest.raises(ConfigError, match="0 to 20"):
        pipeline.speak(TALK, context=21)
    with pytest.raises(DataError, match="cue 1 cannot be"):
        pipeline.speak(TALK[1::-1])
    with pytest.raises(DataError, match="Nothing is said"):
        pipeline.speak([])
    with pytest.raises(DataError, match="str"):
        pipeline.speak(["손을 든다"])
    with pytest.raises(DataError, match="goes on longer"):
        pipeline.speak(TALK, seconds=5.0)
    with pytest.raises(ConfigError, match="speaks at this rate"):
        pipeline.speak("손", syllables_per_second=0)
    assert pipeline.generate([]) == []


def test_save_and_load(pipeline, tmp_path):
    pipeline.save_pretrained(tmp_path)
    again = UtteranceToMotion.from_pretrained(tmp_path)
    motions = [p.generate(["손을 든다"], seconds=1.0, generator=seeded())[0].positions for p in (pipeline, again)]
    np.testing.assert_array_equal(*motions)
    written = json.loads((tmp_path / "pipeline.json").read_text())
    (tmp_path / "pipeline.json").write_text(json.dumps(written | {"text_encoder": "ke-t5/mean/512/abc"}))
    with pytest.raises(CheckpointError, match=r"another text encoder.*ke-t5/mean/512/abc.*usem3"):
        UtteranceToMotion.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"ke-t5/mean/512/abc.*usem3"):
        UtteranceToMotion.from_pretrained(tmp_path, text_encoder=EmbeddedTextEncoder())
    (tmp_path / "pipeline.json").write_text("{}")
    with pytest.raises(CheckpointError, match="another kind"):
        UtteranceToMotion.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"pipeline\.json"):
        UtteranceToMotion.from_pretrained(tmp_path / "transformer")


def test_an_aligned_encoder_is_kept_inside(tokenizer, tmp_path):
    evaluator = MotionEvaluator(EvaluatorConfig(width=16, embedding_size=8), text_encoder=EmbeddedTextEncoder())
    aligned = AlignedTextEncoder(evaluator.eval())
    model = make_transformer(tokenizer, text_dim=8, text_encoder=aligned.identity)
    for number, encoder in enumerate((aligned, KnownTexts(aligned))):
        UtteranceToMotion(tokenizer, model, encoder).save_pretrained(tmp_path / str(number))
        again = UtteranceToMotion.from_pretrained(tmp_path / str(number))
        assert again.text_encoder.identity == aligned.identity
        assert torch.equal(again.text_encoder.encode(["손을 든다"]), aligned.encode(["손을 든다"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_codes": 17}, r"number of codes differs.*17.*16"),
        ({"frames_per_token": 8}, r"frames per token differs.*8.*4"),
        ({"tokenizer": "0123"}, r"tokenizer differs.*0123"),
        ({"text_dim": 768}, r"text vector differs.*768.*512"),
        ({"text_encoder": "clip-vit-b32"}, r"text encoder differs.*clip-vit-b32.*usem3"),
    ],
)
def test_parts_that_do_not_fit(tokenizer, changes, message):
    with pytest.raises(CheckpointError, match=message):
        UtteranceToMotion(tokenizer, make_transformer(tokenizer, **changes), EmbeddedTextEncoder())


def test_unrecorded_parts_are_taken_on_trust(tokenizer):
    model = make_transformer(tokenizer, tokenizer="", text_encoder="")
    assert UtteranceToMotion(tokenizer, model, EmbeddedTextEncoder()).fps == 20


def test_motions_are_finished_on_request(pipeline):
    (raw,) = pipeline.generate(["손을 들어요"], seconds=3.0, generator=seeded())
    (rigid,) = pipeline.generate(["손을 들어요"], seconds=3.0, finish=True, generator=seeded())
    assert rigid.rotations is not None
    assert len(raw) == len(rigid) == 60
    for motion in (rigid, pipeline.speak(TALK, finish=True, generator=seeded())):
        bones = motion.positions[:, 1:] - motion.positions[:, list(SMPL_22.parents[1:])]
        lengths = np.linalg.norm(bones, axis=-1)
        assert (lengths.std(0) / lengths.mean(0)).max() < 0.01
