"""Weights packed for the processor: the same tokens, and only where the processor has them."""

import pytest
import torch

from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate
from ktube_motion.gpt import _packing as packing

pytestmark = pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN")  # said by PyTorch's own `flags`
CONFIG = TransformerConfig(num_codes=20, width=32, num_heads=4, num_layers=1, block_size=24, text_dim=8)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@pytest.fixture
def faster(monkeypatch):
    """Packed weights are always worth it, whatever this processor would say."""
    monkeypatch.setattr(packing, "packing_gain", lambda *_: 9.0)


def make(dtype=torch.float32):
    torch.manual_seed(0)
    return MotionTransformer(CONFIG).to(dtype).eval()


def write(model):
    text = torch.randn(6, CONFIG.text_dim, generator=torch.Generator().manual_seed(1))
    return torch.stack(generate(model, text.to(model.head.weight.dtype), num_tokens=20, temperature=0))


def packed_layers(model):
    return sum(isinstance(layer, packing.PackedLinear) for layer in model.modules())


def test_packed_weights_write_the_same(faster):
    model = make()
    packed = packing.packed_for(model, rows=6, steps=20)
    assert packed_layers(packed) == sum(
        isinstance(layer, torch.nn.Linear) for block in model.blocks for layer in block.modules()
    )
    assert packed_layers(model) == 0
    x = torch.randn(6, 3, CONFIG.width)
    with torch.inference_mode():
        torch.testing.assert_close(packed.blocks[0].expand(x), model.blocks[0].expand(x))
    found = write(model)
    with torch.backends.mkldnn.flags(enabled=False):
        assert torch.equal(write(model), found)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_every_processor_writes_many_texts(dtype):
    """Nothing is forced here: what this processor has must do, in batches that would be packed, too."""
    assert write(make(dtype)).shape == (6, 20)
    assert packing.packing_gain((32, 32), torch.float32, 6, 1) > 0


def test_a_processor_without_blocks_for_bf16_is_not_asked_for_them(faster, monkeypatch):
    model = make(torch.bfloat16)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    monkeypatch.setattr(packing.PackedLinear, "__init__", lambda *_: pytest.fail("asked for blocks"))
    assert packing.packed_for(model, rows=6, steps=20) is model
    assert write(model).shape == (6, 20)


def test_where_nothing_is_packed(faster, monkeypatch):
    model = make()
    assert packing.packed_for(model, rows=2, steps=20) is model, "too few texts"
    assert packing.packed_for(model, rows=6, steps=3) is model, "too few tokens"
    assert packing.packed_for(make(torch.float64), rows=6, steps=20).head.weight.dtype == torch.float64
    with torch.backends.mkldnn.flags(enabled=False):
        assert packing.packed_for(model, rows=6, steps=20) is model
    monkeypatch.setattr(packing, "_has_room", lambda size: False)
    assert packing.packed_for(model, rows=6, steps=20) is model
    monkeypatch.undo()
    monkeypatch.setattr(packing, "packing_gain", lambda *_: 1.0)
    assert packing.packed_for(model, rows=6, steps=20) is model
