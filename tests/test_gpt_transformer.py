"""The transformer against the reference's recorded outputs; checkpoints; losses."""

import json

import numpy as np
import pytest
import torch

from ktube_motion.errors import CheckpointError, ConfigError, DataError, ShapeError
from ktube_motion.gpt import (
    MotionTransformer,
    TransformerConfig,
    corrupt_tokens,
    generate,
    load_t2m_gpt_transformer,
    to_t2m_gpt_state_dict,
    transformer_loss,
)

SMALL = {"num_codes": 16, "width": 32, "text_dim": 8, "num_layers": 1, "num_heads": 4, "block_size": 11}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MotionTransformer(TransformerConfig(**SMALL)).eval()


@pytest.fixture(scope="module")
def recorded(golden):
    with np.load(golden / "gpt/gpt_small.npz", allow_pickle=False) as data:
        return {name: torch.from_numpy(data[name]) for name in data if data[name].dtype.kind != "U"} | {
            "grad_names": data["grad_names"].tolist()
        }


@pytest.fixture(scope="module")
def published(golden):
    return load_t2m_gpt_transformer(golden / "gpt/gpt_small.pth", heads=8, dropout=0.0)


def close(found, wanted, tolerance=1e-5):
    error = (found - wanted).abs().max() / wanted.abs().max()
    assert error < tolerance, f"relative error {error:.2e}"


@pytest.mark.parametrize(("tokens", "logits"), [("idx", "logits"), ("idx50", "logits50"), (None, "logits_empty")])
def test_logits_match_reference(published, recorded, tokens, logits):
    tokens = recorded[tokens] if tokens else torch.zeros(2, 0, dtype=torch.int64)
    with torch.inference_mode():
        close(published(tokens, recorded["cond"]), recorded[logits])


def test_greedy_sampling_matches_reference(published, recorded):
    with pytest.warns(UserWarning, match=r"got no motion, the end came first: \[2"):
        found = generate(published, recorded["sample_cond"], temperature=0)
    for tokens, wanted, length in zip(found, recorded["greedy_tokens"], recorded["greedy_len"].tolist(), strict=True):
        assert tokens.tolist() == wanted[:length].tolist()


def test_training_loss_and_gradients_match_reference(published, recorded):
    published.zero_grad()
    tokens = recorded["train_target"][:, :-1]
    result = transformer_loss(
        published, tokens, recorded["train_lens"], recorded["train_cond"], inputs=recorded["train_input"]
    )
    result.loss.backward()
    close(result.loss.detach(), recorded["train_loss_per_sample_mean"].float())
    counted = int((recorded["train_lens"] + 1).sum())
    assert round(result.accuracy.item() * counted) == int(recorded["train_right_argmax"])
    # The converter also carries gradients back to the reference's names.
    grads = MotionTransformer(published.config)
    grads.load_state_dict({name: weight.grad for name, weight in published.named_parameters()})
    grads = to_t2m_gpt_state_dict(grads)["trans"]
    assert len(recorded["grad_names"]) == 70
    for name, norm in zip(recorded["grad_names"], recorded["grad_norms"].tolist(), strict=True):
        assert grads[name].norm().item() == pytest.approx(norm, rel=2e-5, abs=1e-6), name


def test_foreign_checkpoint_round_trip(published, recorded, golden, tmp_path):
    state = to_t2m_gpt_state_dict(published)
    original = torch.load(golden / "gpt/gpt_small.pth", weights_only=True)["trans"]
    assert set(state["trans"]) == set(original)
    for name, tensor in original.items():
        assert state["trans"][name].shape == tensor.shape
        if name != "trans_base.pos_embedding.weight":
            close(state["trans"][name], tensor)
    torch.save(state, tmp_path / "net.pth")
    again = load_t2m_gpt_transformer(tmp_path / "net.pth", heads=8)
    with torch.inference_mode():
        assert torch.equal(again(recorded["idx"], recorded["cond"]), published(recorded["idx"], recorded["cond"]))


def test_foreign_checkpoint_errors(model, tmp_path):
    path = tmp_path / "net.pth"
    with pytest.raises(CheckpointError, match="Cannot read"):
        load_t2m_gpt_transformer(path)
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"net\.pth"):
        load_t2m_gpt_transformer(path)
    torch.save({"net": {}}, path)
    with pytest.raises(CheckpointError, match=r"trans.*net"):
        load_t2m_gpt_transformer(path)
    state = to_t2m_gpt_state_dict(model)
    torch.save({"trans": state["trans"] | {"extra": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match=r"unknown.*extra"):
        load_t2m_gpt_transformer(path, heads=4)
    del state["trans"]["trans_head.blocks.0.attn.key.bias"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"trans_head\.blocks\.0\.attn\.key\.bias"):
        load_t2m_gpt_transformer(path, heads=4)


def test_save_and_load(model, tmp_path):
    model.save_pretrained(tmp_path)
    again = MotionTransformer.from_pretrained(tmp_path)
    assert again.config == model.config
    tokens, text = torch.arange(10)[None], torch.randn(1, 8)
    assert torch.equal(again(tokens, text), model(tokens, text))
    half = MotionTransformer(model.config).bfloat16()
    half.save_pretrained(tmp_path)
    assert MotionTransformer.from_pretrained(tmp_path).head.weight.dtype == torch.bfloat16


def test_load_errors(model, tmp_path):
    with pytest.raises(CheckpointError, match="no such folder"):
        MotionTransformer.from_pretrained(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        MotionTransformer.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    for change, message in (
        ({"kind": "motion_tokenizer"}, r"another kind.*motion_transformer.*motion_tokenizer"),
        ({"colour": 1}, r"unknown fields.*colour"),
        ({"width": 64}, r"not those that were saved together"),
        ({"num_heads": 5}, r"config cannot work.*num_heads"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(written | change))
        with pytest.raises(CheckpointError, match=message):
            MotionTransformer.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(written))
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="weights are damaged"):
        MotionTransformer.from_pretrained(tmp_path)


def test_future_tokens_change_nothing(model):
    tokens, text = torch.arange(10).repeat(2, 1), torch.randn(1, 8).repeat(2, 1)
    tokens[1, 6:] = 3
    logits = model(tokens, text)
    torch.testing.assert_close(logits[0, :7], logits[1, :7])
    assert (logits[0, 7] - logits[1, 7]).abs().max() > 1e-4


def test_cache_equals_full_reading(model):
    tokens, text = torch.randint(16, (3, 10)), torch.randn(3, 8)
    with torch.inference_mode():
        wanted = model(tokens, text)
        logits, cache = model.start(tokens[:, :4], text)
        for place in range(4, 10):
            torch.testing.assert_close(logits, wanted[:, place], atol=1e-5, rtol=1e-5)
            logits = model.step(tokens[:, place], cache)
        torch.testing.assert_close(logits, wanted[:, 10], atol=1e-5, rtol=1e-5)


def test_model_bad_input(model):
    text = torch.zeros(1, 8)
    with pytest.raises(ShapeError, match=r"L <= 10.*\(1, 11\)"):
        model(torch.zeros(1, 11, dtype=torch.int64), text)
    with pytest.raises(ShapeError, match=r"\(B, 8\).*\(1, 9\)"):
        model(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 9))
    with pytest.raises(DataError, match=r"0 to 17.*18"):
        model(torch.tensor([[18]]), text)
    with pytest.raises(DataError, match="whole numbers"):
        model(torch.zeros(1, 2), text)
    for change in ({"width": 30}, {"num_layers": 0}, {"block_size": 1}, {"dropout": 1.0}, {"num_codes": 2.5}):
        with pytest.raises(ConfigError, match=next(iter(change))):
            TransformerConfig(**SMALL | change)


def test_loss_is_a_mean_of_sample_means(model):
    tokens, text = torch.randint(16, (3, 8)), torch.randn(3, 8)
    lengths = torch.tensor([8, 3, 0])
    whole = transformer_loss(model, tokens, lengths, text, keep_probability=1.0).loss
    alone = [
        transformer_loss(model, tokens[i : i + 1], lengths[i : i + 1], text[i : i + 1], keep_probability=1.0).loss
        for i in range(3)
    ]
    torch.testing.assert_close(whole, torch.stack(alone).mean())
    # What lies behind a length is ignored, unlike what lies before it.
    behind, before = tokens.clone(), tokens.clone()
    behind[1, 3:], before[1, 2] = 17, (tokens[1, 2] + 1) % 16
    torch.testing.assert_close(whole, transformer_loss(model, behind, lengths, text, keep_probability=1.0).loss)
    assert transformer_loss(model, before, lengths, text, keep_probability=1.0).loss != whole


def test_loss_randomness_is_the_generators(model):
    arguments = torch.randint(16, (4, 8)), torch.full((4,), 8), torch.randn(4, 8)
    losses = [
        transformer_loss(model, *arguments, text_dropout=0.5, generator=torch.Generator().manual_seed(seed)).loss
        for seed in (1, 1, 2)
    ]
    assert losses[0] == losses[1] != losses[2]
    empty = transformer_loss(model, *arguments, text_dropout=1.0, keep_probability=1.0).loss
    zeros = transformer_loss(model, *arguments[:2], torch.zeros(4, 8), keep_probability=1.0).loss
    assert empty == zeros


def test_corruption_rate():
    tokens = torch.full((200, 500), 17)  # pad tokens: what is replaced shows
    found = corrupt_tokens(tokens, num_codes=16, keep_probability=0.7, generator=torch.Generator().manual_seed(0))
    assert (found == 17).float().mean().item() == pytest.approx(0.7, abs=0.01)
    assert sorted(set(found.unique().tolist())) == [*range(16), 17]
    assert (tokens == 17).all()


def test_loss_bad_input(model):
    tokens, lengths, text = torch.zeros(2, 5, dtype=torch.int64), torch.tensor([5, 2]), torch.zeros(2, 8)
    with pytest.raises(ConfigError, match="keep_probability"):
        transformer_loss(model, tokens, lengths, text, keep_probability=1.5)
    with pytest.raises(ConfigError, match="text_dropout"):
        transformer_loss(model, tokens, lengths, text, text_dropout=-0.1)
    with pytest.raises(DataError, match="outside its row"):
        transformer_loss(model, tokens, torch.tensor([6, 2]), text)
    with pytest.raises(DataError, match="no motion code"):
        transformer_loss(model, tokens + 16, lengths, text)
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        transformer_loss(model, tokens, torch.tensor([1, 2, 3]), text)
