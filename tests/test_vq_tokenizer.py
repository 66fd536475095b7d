"""The tokenizer: masks, lengths, pieces, checkpoints, foreign checkpoints, bad input."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import CheckpointError, ConfigError, DataError, ShapeError
from ktube_motion.features import features_to_joints
from ktube_motion.skeletons import KIT_21
from ktube_motion.types import FeatureStats
from ktube_motion.vq import (
    QUANTIZERS,
    MotionTokenizer,
    TokenizerConfig,
    load_t2m_gpt_tokenizer,
    to_t2m_gpt_state_dict,
    tokenizer_loss,
)
from ktube_motion.vq._pieces import pieces

SMALL = TokenizerConfig(width=32, code_dim=16, num_codes=16)


def build(seed=0, **options):
    """A small tokenizer in evaluation mode whose tokens vary and whose norms are not at their start."""
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    stats = FeatureStats(mean=generator.normal(size=263), std=generator.uniform(0.5, 2, 263))
    tokenizer = MotionTokenizer(replace(SMALL, **options), stats)
    with torch.no_grad():
        for _ in range(2):
            tokenizer(motion(8, max(32, 2 * tokenizer.frames_per_token), seed=seed))
        for name, parameter in tokenizer.named_parameters():
            if "norm" in name:
                parameter += 0.3 * torch.randn_like(parameter)
    return tokenizer.eval()


def motion(*shape, seed=1):
    return torch.randn(*shape, 263, generator=torch.Generator().manual_seed(seed))


def prefix_mask(lengths, frames):
    return torch.arange(frames) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_every_quantizer_trains_and_round_trips(quantizer, tmp_path):
    options = {"num_quantizers": 3} if quantizer == "residual" else {}
    tokenizer = build(quantizer=quantizer, **options).train()
    features, mask = motion(4, 30), prefix_mask([30, 17, 8, 30], 30)
    optimizer = torch.optim.AdamW(tokenizer.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = tokenizer_loss(tokenizer(features, mask), mask=mask).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is not None for parameter in tokenizer.parameters())

    tokenizer.eval()
    tokens = tokenizer.encode(features)
    assert tokens.dtype == torch.int64
    assert tokens.shape == ((4, 8, 3) if options else (4, 8))
    assert tokens.min() >= 0
    assert tokens.max() < 16
    output = tokenizer(features)
    assert torch.equal(output.tokens, tokens)
    assert 0.999 < output.perplexity < 16.001
    torch.testing.assert_close(tokenizer.decode(tokens, frames=30), output.reconstruction, atol=1e-5, rtol=1e-5)

    tokenizer.save_pretrained(tmp_path)
    again = MotionTokenizer.from_pretrained(tmp_path)
    assert again.config == tokenizer.config
    assert again.fingerprint == tokenizer.fingerprint
    assert torch.equal(again.encode(features), tokens)


# In training, batch norm joins the clips: a test of its own follows.
@pytest.mark.parametrize(
    ("norm", "training"),
    [*((norm, False) for norm in (None, "LN", "GN", "BN")), *((norm, True) for norm in (None, "LN", "GN"))],
)
def test_padding_never_leaks(norm, training):
    """A clip beside longer ones, with anything in its padding, gives what it gives alone."""
    tokenizer = build(norm=norm, activation="silu", quantizer="orig")
    features, lengths = motion(3, 48), [48, 21, 34]
    mask = prefix_mask(lengths, 48)
    with torch.no_grad():
        garbage = torch.where(mask[..., None], features, float("nan"))
        together = tokenizer.train(training)(garbage, mask)
        for row, length in enumerate(lengths):
            alone = tokenizer(features[row, :length])
            tokens = -(-length // 4)
            torch.testing.assert_close(
                together.reconstruction[row, :length], alone.reconstruction, atol=2e-5, rtol=1e-4
            )
            assert torch.equal(together.tokens[row, :tokens], alone.tokens)
            assert (together.tokens[row, tokens:] == -1).all()
    if not training:
        assert torch.equal(tokenizer.encode(garbage, mask=mask), together.tokens)
        token_mask = prefix_mask([-(-length // 4) for length in lengths], 12)
        decoded = tokenizer.decode(together.tokens, mask=token_mask)
        valid = token_mask.repeat_interleave(4, 1)
        assert (decoded[~valid] == 0).all()
        valid = mask & valid
        torch.testing.assert_close(decoded[valid], together.reconstruction[valid], atol=1e-5, rtol=1e-4)


def test_batch_norm_statistics_skip_padding():
    alone, beside = build(norm="BN", quantizer="orig").train(), build(norm="BN", quantizer="orig").train()
    features = motion(2, 32)
    padded = torch.cat([features, motion(2, 16, seed=5)], 1)
    with torch.no_grad():
        want, got = alone(features), beside(padded, prefix_mask([32, 32], 48))
    torch.testing.assert_close(got.reconstruction[:, :32], want.reconstruction, atol=1e-4, rtol=1e-4)
    for (name, want), (_, got) in zip(alone.named_buffers(), beside.named_buffers(), strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5, msg=name)


def test_losses_skip_padding():
    tokenizer, features = build(), motion(2, 32)
    mask = prefix_mask([32, 32], 48)
    weights = {"joint_weight": 1.0, "trajectory_weight": 1.0}
    with torch.no_grad():
        want = tokenizer_loss(tokenizer(features), **weights)
        padded = torch.cat([features, torch.full((2, 16, 263), torch.nan)], 1)
        got = tokenizer_loss(tokenizer(padded, mask), mask=mask, **weights)
    for name in ("total", "reconstruction", "velocity", "commitment", "joint", "trajectory"):
        assert getattr(want, name) > 0
        torch.testing.assert_close(getattr(got, name), getattr(want, name), atol=1e-5, rtol=1e-4)


def test_mask_of_all_frames_changes_nothing():
    tokenizer, features = build(norm="GN"), motion(2, 32)
    with torch.no_grad():
        plain, masked = tokenizer(features), tokenizer(features, torch.ones(2, 32, dtype=torch.bool))
    torch.testing.assert_close(masked.reconstruction, plain.reconstruction, atol=1e-5, rtol=1e-5)
    assert torch.equal(masked.tokens, plain.tokens)


def test_mask_with_gaps_ignores_the_gap():
    tokenizer, features = build(), motion(1, 32)
    mask = torch.ones(1, 32, dtype=torch.bool)
    mask[:, :2] = mask[:, 9:17] = False
    other = torch.where(mask[..., None], features, 7.0)
    assert torch.equal(tokenizer.encode(features, mask=mask), tokenizer.encode(other, mask=mask))
    assert tokenizer.encode(features, mask=mask)[0, 3] == -1  # frames 12 to 15 are all in the gap


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(8, 150),
    chunk=st.integers(8, 60),
    batch=st.sampled_from([(), (1,), (3,), (2, 2)]),
    stride=st.sampled_from([2, 4]),
    down=st.integers(0, 2),
    depth=st.integers(1, 2),
)
def test_pieces_equal_the_whole(frames, chunk, batch, stride, down, depth):
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(
        replace(SMALL, width=8, code_dim=8, stride_t=stride, down_t=down, depth=depth, quantizer="orig")
    ).eval()
    per_token = stride**down
    frames, chunk = max(frames, per_token), max(chunk, per_token)
    features = motion(*batch, frames)
    whole = tokenizer.encode(features)
    assert whole.shape == (*batch, -(-frames // per_token))
    assert torch.equal(tokenizer.encode(features, chunk_frames=chunk), whole)
    decoded = tokenizer.decode(whole, frames=frames)
    assert decoded.shape == features.shape
    torch.testing.assert_close(
        tokenizer.decode(whole, frames=frames, chunk_frames=chunk), decoded, atol=1e-5, rtol=1e-5
    )
    with torch.no_grad():
        output = tokenizer(features)
    assert torch.equal(output.tokens, whole)
    torch.testing.assert_close(output.reconstruction, decoded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", [None, "LN", "GN", "BN"])
def test_pieces_with_masks_and_norms(norm):
    tokenizer, features = build(norm=norm), motion(2, 403)
    mask = prefix_mask([403, 150], 403)
    whole = tokenizer.encode(features, mask=mask)
    assert torch.equal(tokenizer.encode(features, mask=mask, chunk_frames=64), whole)
    decoded = tokenizer.decode(whole, mask=whole >= 0, frames=403)
    joined = tokenizer.decode(whole, mask=whole >= 0, frames=403, chunk_frames=64)
    torch.testing.assert_close(joined, decoded, atol=1e-5, rtol=1e-5)


def test_automatic_pieces():
    """No piece is longer than it may be, and many clips are taken a few at a time."""
    for clips, length in ((1, 18_000), (700, 16), (40, 300)):
        seen = torch.zeros(clips, length, dtype=torch.int)
        for rows, inner, outer in pieces(clips, length, 4, reach=22):
            seen[rows, inner] += 1
            widths = len(range(clips)[rows]), outer.stop - outer.start
            assert widths[0] * widths[1] * 4 <= 16384
        assert (seen == 1).all()


def test_reach_is_wide_enough_and_not_too_wide():
    """Change one frame: the tokens' vectors change exactly within reach."""
    tokenizer = build()
    features = motion(1, 400)
    changed = features.clone()
    changed[0, 200:204] += 1
    with torch.no_grad():
        moved = (tokenizer.encoder(changed) - tokenizer.encoder(features)).abs().sum(-1)[0].nonzero()[:, 0] - 50
        assert moved.abs().max() in (tokenizer.encoder.reach, tokenizer.encoder.reach - 1)
        vectors = torch.randn(1, 100, 16)
        other = vectors.clone()
        other[0, 50] += 1
        moved = (tokenizer.decoder(vectors) - tokenizer.decoder(other)).abs().sum(-1)[0].nonzero()[:, 0] // 4 - 50
        assert moved.abs().max() in (tokenizer.decoder.reach, tokenizer.decoder.reach - 1)


def joint_errors(tokenizer, features, tokens):
    """Mean distance of joints in the room of each clip, metres."""
    decoded = tokenizer.decode(tokens, frames=features.shape[-2])
    return (features_to_joints(decoded) - features_to_joints(features)).norm(dim=-1).mean((-1, -2))


@pytest.mark.parametrize("quantizer", QUANTIZERS)
def test_refined_tokens_decode_nearer(quantizer):
    tokenizer = build(quantizer=quantizer, **({"num_quantizers": 2} if quantizer == "residual" else {}))
    torch.manual_seed(0)
    for _ in range(10):
        tokenizer.train()(motion(4, 64))
    tokenizer.eval()
    # What the decoder can say; this encoder, hardly trained, does not know how.
    features = tokenizer.decode(tokenizer.encode(motion(6, 64) * 3).flip(1))
    plain, refined = tokenizer.encode(features), tokenizer.encode(features, refine=30)
    assert refined.shape == plain.shape
    assert refined.dtype == torch.int64
    before, after = (joint_errors(tokenizer, features, tokens) for tokens in (plain, refined))
    # The gradient of LFQ, straight past its projections, tells little.
    assert after.mean() < {"lfq": 0.99, "fsq": 0.8}.get(quantizer, 0.5) * before.mean()
    assert torch.equal(tokenizer.encode(features, refine=0), plain)


def test_a_clip_is_refined_alone_as_beside_others():
    tokenizer, features = build(), motion(3, 61) * 0.2
    mask = prefix_mask([61, 30, 44], 61)
    together = tokenizer.encode(features, mask=mask, refine=5)
    assert (together[1, 8:] == -1).all()
    same = []
    for row, length in enumerate((61, 30, 44)):
        alone = tokenizer.encode(features[row, :length], refine=5)
        same.append((together[row, : len(alone)] == alone).float().mean())
    assert min(same) > 0.9  # sums over another padding differ in the last digit, which can tip a code
    again = tokenizer.encode(features, mask=mask, refine=5)
    assert torch.equal(again, together)


def test_refining_leaves_the_model_alone():
    tokenizer = build().train()
    before = {name: value.clone() for name, value in tokenizer.state_dict().items()}
    tokens = tokenizer.encode(motion(2, 40).numpy(), refine=3)
    assert isinstance(tokens, np.ndarray)
    assert tokenizer.training
    assert all(torch.equal(value, before[name]) for name, value in tokenizer.state_dict().items())
    assert all(parameter.grad is None for parameter in tokenizer.parameters())
    with torch.inference_mode():
        assert np.array_equal(tokenizer.encode(motion(2, 40).numpy(), refine=3), tokens)
        tokenizer.encode(motion(2, 40), mask=prefix_mask([40, 9], 40), refine=1)
    for steps in (-1, 2.5, True):
        with pytest.raises(ConfigError, match=r"refine.*from 0 on"):
            tokenizer.encode(motion(2, 40), refine=steps)


def test_encode_and_decode_leave_training_alone():
    tokenizer = build(norm="BN", quantizer="residual", num_quantizers=2).train()
    tokenizer.decoder.eval()
    before = {name: value.clone() for name, value in tokenizer.state_dict().items()}
    tokenizer.decode(tokenizer.encode(motion(2, 16)))
    assert tokenizer.training
    assert tokenizer.quantizer.training
    assert not tokenizer.decoder.training
    assert all(torch.equal(value, before[name]) for name, value in tokenizer.state_dict().items())


def test_numpy_and_prefixes():
    tokenizer = build()
    features = motion(2, 3, 20)
    tokens = tokenizer.encode(features.numpy())
    assert isinstance(tokens, np.ndarray)
    assert tokens.dtype == np.int64
    assert (tokens == tokenizer.encode(features).numpy()).all()
    assert (tokens[1, 2] == tokenizer.encode(features[1, 2]).numpy()).all()
    decoded = tokenizer.decode(tokens)
    assert isinstance(decoded, np.ndarray)
    assert decoded.shape == (2, 3, 20, 263)
    assert decoded.dtype == np.float32
    assert tokenizer.encode(features[:0].reshape(0, 20, 263)).shape == (0, 5)


def test_normalisation_is_inside():
    tokenizer, raw = build(), motion(2, 16)
    plain = MotionTokenizer(tokenizer.config).eval()
    plain.load_state_dict(tokenizer.state_dict() | {"mean": torch.zeros(263), "std": torch.ones(263)})
    stats = tokenizer.stats
    assert torch.equal(tokenizer.encode(raw), plain.encode(stats.normalize(raw)))
    tokens = tokenizer.encode(raw)
    torch.testing.assert_close(tokenizer.decode(tokens), stats.denormalize(plain.decode(tokens)))


def test_fingerprint():
    tokenizer = build()
    first = tokenizer.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", first)
    tokenizer.quantizer.ema_count += 1  # of training only
    assert tokenizer.fingerprint == first
    with torch.no_grad():
        tokenizer.decoder.last.bias[0] += 1e-3
    assert tokenizer.fingerprint != first


def test_joint_losses_reach_the_drift():
    """A yaw velocity slightly off hardly shows in the features, but in headings and joints."""
    tokenizer, features = build(), motion(1, 64) * 0.1
    with torch.no_grad():
        output = tokenizer(features)
    drifted = features.clone()
    drifted[..., 0] += 0.01
    normal = lambda x: tokenizer.stats.normalize(x)  # noqa: E731
    output = replace(
        output,
        target=features,
        reconstruction=drifted.requires_grad_(),
        normalized=normal(features),
        normalized_reconstruction=normal(drifted),
    )
    loss = tokenizer_loss(output, joint_weight=1.0, trajectory_weight=1.0)
    assert loss.reconstruction < 1e-3 < 0.1 < loss.trajectory
    assert loss.joint > 0.01
    # Every frame is turned by 2 · 0.01 more than the one before: 31.5 times on average.
    heading = 2 * 0.01 * 31.5
    assert loss.trajectory > heading
    loss.total.backward()
    assert drifted.grad[0, 0, 0] > drifted.grad[0, 60, 0] > 0  # early errors cost more


# --- checkpoints ---


def test_checkpoint_folder(tmp_path):
    tokenizer = build()
    tokenizer.save_pretrained(tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["kind"] == "motion_tokenizer"
    assert config["width"] == 32
    again = MotionTokenizer.from_pretrained(str(tmp_path / "a"))
    assert not again.training
    for (name, want), (_, got) in zip(tokenizer.state_dict().items(), again.state_dict().items(), strict=True):
        assert torch.equal(want, got), name


def test_push_to_hub_sends_the_folder(tmp_path, monkeypatch):
    import huggingface_hub.hub_mixin as mixin

    sent = {}

    class Api:
        def __init__(self, **_):
            pass

        def create_repo(self, repo_id, **_):
            return type("Repo", (), {"repo_id": repo_id})

        def upload_folder(self, *, folder_path, **_):
            sent.update({path.name: path.read_bytes() for path in folder_path.iterdir()})
            return "done"

    monkeypatch.setattr(mixin, "HfApi", Api)
    assert build().push_to_hub("someone/tokenizer") == "done"
    assert {"config.json", "model.safetensors"} <= sent.keys()
    assert json.loads(sent["config.json"])["kind"] == "motion_tokenizer"


def test_resume_is_exact(tmp_path):
    """EMA counts, sums and the draws for dead codes go on where they stopped."""
    batches = [motion(2, 16, seed=seed) for seed in range(6)]
    straight = build().train()
    for batch in batches[:3]:
        straight(batch)
    straight.save_pretrained(tmp_path)
    resumed = MotionTokenizer.from_pretrained(tmp_path).train()
    for batch in batches[3:]:
        straight(batch), resumed(batch)
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "model.safetensors").unlink(),
            r"no model\.safetensors here.*README\.md, config\.json",
        ),
        (lambda folder: (folder / "config.json").unlink(), r"no config\.json here.*README\.md, model\.safetensors"),
        (lambda folder: _edit(folder, kind="motion_transformer"), "another kind.*motion_tokenizer.*motion_transformer"),
        (lambda folder: _edit(folder, kind=None), "config without a kind"),
        (lambda folder: _edit(folder, colour=3), "unknown fields.*colour"),
        (lambda folder: _edit(folder, stride_t=3), "cannot work.*stride_t"),
        (lambda folder: _edit(folder, width=64), "not those that were saved together"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "damaged"),
    ],
)
def test_bad_checkpoints(tmp_path, spoil, message):
    build().save_pretrained(tmp_path)
    spoil(tmp_path)
    with pytest.raises(CheckpointError, match=message) as caught:
        MotionTokenizer.from_pretrained(tmp_path)
    assert str(tmp_path) in str(caught.value)


def _edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_missing_folder(tmp_path):
    with pytest.raises(CheckpointError, match=r"no such folder"):
        MotionTokenizer.from_pretrained(tmp_path / "nowhere")


# --- T2M-GPT ---


@pytest.mark.parametrize("norm", [None, "LN", "GN", "BN"])
@pytest.mark.parametrize("quantizer", ["ema_reset", "reset", "orig"])
def test_t2m_gpt_round_trip(tmp_path, norm, quantizer):
    tokenizer = build(norm=norm, quantizer=quantizer, activation="gelu", down_t=3, depth=2, stride_t=4)
    state = to_t2m_gpt_state_dict(tokenizer)
    torch.save({"net": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "net_last.pth")
    stats = tokenizer.stats
    np.save(tmp_path / "Mean.npy", stats.mean)
    hints = {"norm": norm} if norm in ("LN", "GN") else {}
    if quantizer != "orig":
        hints["quantizer"] = quantizer
    again = load_t2m_gpt_tokenizer(
        tmp_path / "net_last.pth", mean=tmp_path / "Mean.npy", std=stats.std, activation="gelu", **hints
    )
    assert again.config == tokenizer.config
    assert again.fingerprint == tokenizer.fingerprint
    features = motion(2, 192)
    assert torch.equal(again.encode(features), tokenizer.encode(features))
    # Going on trains from where it was: no code jumps at the first step.
    before = again.quantizer.codebook.clone()
    again.train()(features)
    assert (again.quantizer.codebook - before).abs().max() < 0.2 or quantizer == "reset"


def test_t2m_gpt_kit(tmp_path):
    tokenizer = MotionTokenizer(replace(SMALL, skeleton="kit_21", feature_size=None, fps=12.5))
    torch.save({"net": to_t2m_gpt_state_dict(tokenizer)}, tmp_path / "a.pth")
    assert load_t2m_gpt_tokenizer(tmp_path / "a.pth", dataname="kit").config == tokenizer.config
    with pytest.raises(CheckpointError, match=r"not of the data set 't2m'.*251"):
        load_t2m_gpt_tokenizer(tmp_path / "a.pth", dataname="t2m")
    loss = tokenizer_loss(tokenizer(torch.randn(1, 16, 251)), skeleton=KIT_21, joint_weight=1.0)
    assert torch.isfinite(loss.total)


@pytest.mark.parametrize(
    ("change", "hints", "message"),
    [
        (lambda net: net.pop("vqvae.decoder.model.6.bias"), {}, r"missing decoder\.last\.bias"),
        (lambda net: net.update({"vqvae.extra": torch.zeros(1)}), {}, r"unknown vqvae\.extra"),
        (lambda net: net.update({"vqvae.quantizer.codebook": torch.zeros(16, 8)}), {}, r"code_dim|instead of"),
        (lambda net: net.pop("vqvae.quantizer.codebook"), {}, "quantizer.codebook is missing"),
        (lambda net: net.clear(), {}, "another kind of checkpoint"),
        (lambda net: None, {"width": 64}, "width=64 but the weights say 32"),
        (lambda net: None, {"quantizer": "orig"}, "quantizer does not fit.*ema_reset, ema or reset.*orig"),
        (lambda net: None, {"quantizer": "fsq"}, "quantizer does not fit"),
    ],
)
def test_bad_t2m_gpt_weights(tmp_path, change, hints, message):
    net = to_t2m_gpt_state_dict(build())
    change(net)
    torch.save({"net": net}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=message) as caught:
        load_t2m_gpt_tokenizer(tmp_path / "a.pth", **hints)
    assert "a.pth" in str(caught.value)


def test_bad_t2m_gpt_files(tmp_path):
    path = tmp_path / "a.pth"
    with pytest.raises(CheckpointError, match=r"No such file"):
        load_t2m_gpt_tokenizer(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"no checkpoint of weights alone"):
        load_t2m_gpt_tokenizer(path)
    torch.save({"trans": {}}, path)
    with pytest.raises(CheckpointError, match=r"Expected: {'net': weights}. Found: trans"):
        load_t2m_gpt_tokenizer(path)
    torch.save({"net": to_t2m_gpt_state_dict(build(norm="LN"))}, path)
    with pytest.raises(CheckpointError, match=r"norm='LN' or norm='GN'"):
        load_t2m_gpt_tokenizer(path)
    with pytest.raises(ConfigError, match=r"Unknown hints.*colour"):
        load_t2m_gpt_tokenizer(path, colour=1)
    with pytest.raises(ConfigError, match=r"belong together"):
        load_t2m_gpt_tokenizer(path, norm="LN", mean=np.zeros(263))


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"net": Evil()}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"weights alone"):
        load_t2m_gpt_tokenizer(tmp_path / "a.pth")
    assert not (tmp_path / "owned").exists()


def test_no_t2m_gpt_layout():
    with pytest.raises(ConfigError, match=r"no such quantizer.*fsq"):
        to_t2m_gpt_state_dict(MotionTokenizer(replace(SMALL, quantizer="fsq")))


# --- bad input ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_codes": 1}, "num_codes.*from 2 on"),
        ({"stride_t": 3}, "stride_t.*even"),
        ({"stride_t": 0}, "stride_t.*even"),
        ({"width": 2.5}, "width.*integer"),
        ({"depth": 0}, "depth"),
        ({"skeleton": "dog"}, "Unknown skeleton"),
        ({"feature_size": 100}, "feature_size.*263"),
        ({"activation": "tanh"}, "activation.*relu, silu, gelu.*'tanh'"),
        ({"norm": "IN"}, "norm.*LN, GN, BN"),
        ({"norm": "GN", "width": 48}, "multiple of 32"),
        ({"quantizer": "vq"}, "quantizer.*ema_reset.*residual"),
        ({"num_quantizers": 2}, "num_quantizers.*1 for"),
        ({"quantizer": "lfq", "num_codes": 100}, "power of two"),
        ({"quantizer": "fsq", "num_codes": 100}, "power of two"),
        ({"quantizer": "fsq", "num_codes": 100, "quantizer_options": {"levels": (5, 5)}}, "levels.*100"),
        ({"quantizer": "fsq", "num_codes": 4, "quantizer_options": {"levels": (2, 2)}}, "levels.*from 3 on"),
        ({"quantizer": "fsq", "num_codes": 8, "quantizer_options": {"levels": 8}}, "levels.*8"),
        ({"quantizer_options": {"levels": (8, 8)}}, "'ema_reset' has no such option.*none.*levels"),
        ({"quantizer_options": {"decay": 0.5}}, "no such option.*decay"),
        ({"quantizer_options": {"levels": object()}}, "quantizer_options.*object"),
        ({"quantizer_options": 3}, "quantizer_options"),
        ({"mu": 1.0}, "mu"),
        ({"fps": 0}, "fps"),
        ({"beta": float("nan")}, "beta"),
        ({"beta": -0.1}, "beta"),
    ],
)
def test_bad_configs(options, message):
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig(**options)


def test_config_facts():
    assert TokenizerConfig().feature_size == 263
    assert TokenizerConfig().bits_per_second == 20 / 4 * 9
    assert TokenizerConfig(beta=0).beta == 0
    original = TokenizerConfig.t2m_gpt(num_codes=128)
    assert (original.code_dim, original.num_codes) == (512, 128)


def test_bad_features():
    tokenizer = build()
    with pytest.raises(ShapeError, match=r"features.*\(\.\.\., …, 263\).*251"):
        tokenizer.encode(np.zeros((16, 251)))
    with pytest.raises(ShapeError, match=r"shorter than a token.*4 frames or more.*3"):
        tokenizer.encode(np.zeros((3, 263)))
    with pytest.raises(ShapeError, match=r"shorter than a token"):
        tokenizer(torch.zeros(2, 0, 263))
    with pytest.raises(ShapeError, match=r"shortest clip.*Found: 2"):
        tokenizer.encode(np.zeros((2, 8, 263)), mask=prefix_mask([8, 2], 8).numpy())
    with pytest.raises(ShapeError, match=r"mask does not fit"):
        tokenizer(torch.zeros(2, 8, 263), torch.ones(2, 8))
    features = np.zeros((2, 40, 263))
    features[1, 33, 5] = np.nan
    with pytest.raises(DataError, match=r"first at 33"):
        tokenizer.encode(features)
    with pytest.raises(DataError, match=r"NaN"):
        tokenizer.encode(features, mask=np.ones((2, 40), bool))
    with pytest.raises(DataError, match=r"not numeric"):
        tokenizer.encode(np.array([["a"]]))
    with pytest.raises(ConfigError, match=r"chunk_frames"):
        tokenizer.encode(np.zeros((8, 263)), chunk_frames=2)
    with pytest.raises(ConfigError, match=r"differ in size.*263.*251"):
        MotionTokenizer(SMALL, FeatureStats(np.zeros(251), np.ones(251)))


def test_bad_tokens():
    tokenizer = build()
    with pytest.raises(DataError, match=r"out of range.*0 to 15.*0 to 16"):
        tokenizer.decode(np.arange(17))
    with pytest.raises(DataError, match=r"out of range.*mask="):
        tokenizer.decode(np.array([3, -1]))
    with pytest.raises(DataError, match=r"must be integers.*float32"):
        tokenizer.decode(torch.zeros(4))
    with pytest.raises(DataError, match=r"must be integers"):
        tokenizer.decode(np.zeros(4, bool))
    with pytest.raises(ShapeError, match=r"frames does not fit.*13 to 16"):
        tokenizer.decode(np.zeros(4, int), frames=12)
    residual = build(quantizer="residual", num_quantizers=2)
    with pytest.raises(ShapeError, match=r"tokens.*\(\.\.\., …, 2\)"):
        residual.decode(np.zeros((4, 3), int))


def test_bad_losses():
    output = build()(motion(1, 8))
    with pytest.raises(ConfigError, match=r"l1_smooth, l1, l2"):
        tokenizer_loss(output, reconstruction="huber")
    with pytest.raises(ConfigError, match=r"skeleton has other features.*263"):
        tokenizer_loss(output, skeleton=KIT_21)


def test_missing_dependency(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "vector_quantize_pytorch", None)
    with pytest.raises(ImportError, match=r"pip install \"ktube_motion\[quantizers\]\""):
        MotionTokenizer(replace(SMALL, quantizer="fsq"))


def test_a_tokenizer_with_fingers_goes_through_the_published_layout(tmp_path):
    tokenizer = MotionTokenizer(TokenizerConfig(skeleton="smplh_52", width=32, code_dim=16, num_codes=8)).eval()
    torch.save({"net": to_t2m_gpt_state_dict(tokenizer)}, tmp_path / "net.pth")
    again = load_t2m_gpt_tokenizer(tmp_path / "net.pth")
    assert (again.config.skeleton, again.config.feature_size) == ("smplh_52", 623)
    features = torch.randn(1, 16, 623)
    assert torch.equal(again.encode(features), tokenizer.encode(features))
