"""Int8 weights: close to the model they come from, for writing only."""

import pytest
import torch

from ktube_motion.errors import ConfigError, DataError
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate, quantize, stream, to_t2m_gpt_state_dict
from ktube_motion.gpt import _quantized as quantized
from ktube_motion.gpt._quantized import Int8Linear, _largest


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = TransformerConfig(num_codes=64, width=128, text_dim=8, num_layers=2, num_heads=4)
    model = MotionTransformer(config).eval()
    for weight in model.parameters():
        weight.data *= 2
    return model


@pytest.fixture(scope="module")
def text():
    return torch.randn(4, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=[False, True], ids=["whole numbers", "widened"])
def widened(request, monkeypatch):
    """Each way of multiplying, whichever is faster here."""
    monkeypatch.setattr(quantized, "_widens", lambda: request.param)
    return request.param


def test_a_layer_is_close_and_rows_do_not_mix(widened):
    torch.manual_seed(0)
    linear = torch.nn.Linear(256, 96)
    linear.weight.data *= torch.logspace(-3, 3, 96)[:, None]  # channels of very different size
    layer = Int8Linear(linear)
    assert layer.widened == widened
    x = torch.randn(5, 7, 256) * torch.logspace(-4, 4, 5)[:, None, None]
    with torch.inference_mode():
        wanted, found = linear(x) - linear.bias, layer(x) - linear.bias
        error = (found - wanted).norm(dim=-1) / wanted.norm(dim=-1)
        assert error.max() < (0.02 if widened or _largest() == 127 else 0.04)
        for row in range(5):
            torch.testing.assert_close(layer(x[row]), layer(x)[row], atol=0, rtol=0)
        assert layer(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("size", [1, 7, 33, 100])
def test_layers_of_any_size_are_close(widened, size):
    torch.manual_seed(0)
    linear = torch.nn.Linear(size, 5)
    layer, x = Int8Linear(linear), torch.randn(3, size)
    assert not layer.widened  # it would read beyond the end of such rows
    torch.testing.assert_close(layer(x), linear(x).detach(), atol=0.05, rtol=0.05)


def test_a_layer_of_whole_numbers_is_exact(monkeypatch):
    monkeypatch.setattr(quantized, "_widens", lambda: False)
    linear = torch.nn.Linear(64, 16, bias=False)
    linear.weight.data = torch.randint(-_largest(), _largest() + 1, (16, 64)).float()
    linear.weight.data[:, 0] = _largest()  # so that every scale is 1
    x = torch.randint(-127, 128, (3, 64)).float()
    x[:, 0] = 127
    torch.testing.assert_close(Int8Linear(linear)(x), linear(x).detach(), atol=0, rtol=1e-6)
    nothing = torch.nn.Linear(64, 16)
    torch.nn.init.zeros_(nothing.weight)
    torch.testing.assert_close(Int8Linear(nothing)(torch.zeros(2, 64)), nothing.bias.detach().expand(2, -1))


def test_a_widened_layer_is_exact_to_the_digits_of_bfloat16(monkeypatch):
    monkeypatch.setattr(quantized, "_widens", lambda: True)
    linear = torch.nn.Linear(64, 16, bias=False)
    linear.weight.data = torch.randint(-127, 128, (16, 64)).float()
    linear.weight.data[:, 0] = 127  # so that every scale is 1
    x = torch.randint(-127, 128, (3, 64)).float()
    torch.testing.assert_close(Int8Linear(linear)(x), linear(x).detach(), atol=0, rtol=2**-8)


def test_logits_are_close(model, text, widened):
    small = quantize(model)
    tokens = torch.randint(64, (4, 40), generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        wanted, found = model(tokens, text).log_softmax(-1), small(tokens, text).log_softmax(-1)
    divergence = (wanted.exp() * (wanted - found)).sum(-1)
    assert 0 < divergence.max() < 2e-3
    assert (wanted.argmax(-1) == found.argmax(-1)).float().mean() > 0.95


def test_it_writes(model, text, widened):
    small = quantize(model)
    found = generate(small, text, num_tokens=[60, 3, 0, 70], seeds=range(4), guidance_scale=1.5)
    assert [len(row) for row in found] == [60, 3, 0, 70]
    alone = generate(small, text[:1], num_tokens=60, seeds=[0], guidance_scale=1.5)
    assert alone[0].tolist() == found[0].tolist()
    assert list(stream(small, text[0], num_tokens=60, seed=0, guidance_scale=1.5)) == found[0].tolist()


def test_the_model_itself_stays_as_it_was(model, text):
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    small = quantize(model)
    generate(small, text, num_tokens=5)
    small.head.weight.data.zero_()
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert small.blocks[0].qkv.codes.dtype == torch.int8
    codes = sum(buffer.numel() for buffer in small.buffers() if buffer.dtype == torch.int8)
    matrices = sum(weight.numel() for block in model.blocks for weight in block.parameters() if weight.ndim == 2)
    assert codes == matrices
    assert isinstance(quantize(model.bfloat16()), MotionTransformer)
    model.float()


def test_what_it_cannot_do(model, tmp_path):
    small = quantize(model)
    assert not small.eval().training
    for call, message in (
        (small.train, "cannot be trained"),
        (lambda: small.save_pretrained(tmp_path / "small"), "not saved.*quantize was given"),
        (lambda: torch.save(small.state_dict(), tmp_path / "small.pt"), "not saved"),
        (lambda: to_t2m_gpt_state_dict(small), "not saved"),
        (small.bfloat16, "stay on the CPU"),
        (lambda: small.to("meta"), "stay on the CPU"),
        (lambda: quantize(small), "already"),
        (lambda: quantize(MotionTransformer(model.config).to("meta")), "for the CPU.*meta"),
    ):
        with pytest.raises(ConfigError, match=message):
            call()
    assert not (tmp_path / "small" / "model.safetensors").exists()
    broken = MotionTransformer(model.config)
    broken.blocks[1].out.weight.data[0, 0] = torch.nan
    with pytest.raises(DataError, match=r"blocks\.1\.out\.weight.*NaN|NaN.*blocks\.1\.out\.weight"):
        quantize(broken)
