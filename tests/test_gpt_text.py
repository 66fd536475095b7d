"""Transformers led by several vectors of a text."""

import pytest
import torch

from ktube_motion.errors import CheckpointError, ConfigError, ShapeError
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate, to_t2m_gpt_state_dict, transformer_loss
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.text import EmbeddedTextEncoder, SequenceTextEncoder
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

SIZES = {"num_codes": 16, "width": 32, "text_dim": 8, "num_layers": 1, "num_heads": 4, "block_size": 14}


@pytest.fixture(params=[0, 2], ids=["prefix", "read in both directions"])
def model(request):
    torch.manual_seed(0)
    return MotionTransformer(TransformerConfig(**SIZES, text_tokens=4, text_layers=request.param)).eval()


def texts(count, filled=3):
    rows = torch.randn(count, 4, 8)
    rows[:, filled:] = 0
    return rows


def test_room_for_motion(model):
    assert model.config.max_tokens == 10
    assert model(torch.zeros(2, 10, dtype=torch.int64), texts(2)).shape == (2, 11, 17)
    with pytest.raises(ShapeError, match="L <= 10"):
        model(torch.zeros(2, 11, dtype=torch.int64), texts(2))


def test_cache_equals_full_reading(model):
    tokens, text = torch.randint(16, (3, 10)), texts(3)
    with torch.inference_mode():
        wanted = model(tokens, text)
        logits, cache = model.start(tokens[:, :2], text)
        for place in range(2, 10):
            torch.testing.assert_close(logits, wanted[:, place], atol=1e-5, rtol=1e-5)
            logits = model.step(tokens[:, place], cache)


def test_every_vector_is_read_and_motion_does_not_change_the_text(model):
    tokens, text = torch.randint(16, (1, 5)), texts(1)
    before = model(tokens, text)
    for row in range(3):
        other = text.clone()
        other[:, row] += 1
        assert (model(tokens, other)[:, 0] - before[:, 0]).abs().max() > 1e-4
    other = tokens.clone()
    other[:, 3] = (other[:, 3] + 1) % 16
    torch.testing.assert_close(model(other, text)[:, :4], before[:, :4])


def test_empty_rows_say_nothing_to_text_blocks():
    torch.manual_seed(0)
    model = MotionTransformer(TransformerConfig(**SIZES, text_tokens=4, text_layers=1)).eval()
    text = texts(1, filled=2)
    x = model.embed(torch.zeros(1, 0, dtype=torch.int64), text)
    with torch.no_grad():
        model.positions[3] += 5  # where a row is empty, what stands there must not reach the others
    torch.testing.assert_close(model.embed(torch.zeros(1, 0, dtype=torch.int64), text)[:, :2], x[:, :2])


def test_long_motion_slides_on(model):
    tokens = generate(model, texts(3), num_tokens=[25, 3, 40], seeds=[1, 2, 3])
    assert [len(row) for row in tokens] == [25, 3, 40]


def test_a_sample_does_not_depend_on_its_batch(model):
    text = texts(4)
    together = generate(model, text, num_tokens=12, seeds=range(4), guidance_scale=1.5)
    alone = [generate(model, text[k : k + 1], num_tokens=12, seeds=[k], guidance_scale=1.5)[0] for k in range(4)]
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_loss_reaches_the_text_blocks():
    torch.manual_seed(0)
    model = MotionTransformer(TransformerConfig(**SIZES, text_tokens=4, text_layers=1))
    loss = transformer_loss(model, torch.randint(16, (2, 5)), torch.tensor([5, 3]), texts(2), text_dropout=0.5).loss
    loss.backward()
    assert model.text_blocks[0].qkv.weight.grad.abs().max() > 0


def test_config_and_export():
    with pytest.raises(ConfigError, match=">= 5"):
        TransformerConfig(**SIZES | {"block_size": 4}, text_tokens=4)
    with pytest.raises(ConfigError, match="text_layers"):
        TransformerConfig(**SIZES, text_layers=-1)
    with pytest.raises(CheckpointError, match="no place"):
        to_t2m_gpt_state_dict(MotionTransformer(TransformerConfig(**SIZES, text_tokens=4)))


@pytest.mark.parametrize("dictionary", [False, True])
def test_pipeline_of_sequences(tmp_path, dictionary):
    tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
    encoder = SequenceTextEncoder(EmbeddedTextEncoder(), length=6, dictionary=dictionary)
    sizes = SIZES | {"num_codes": 8, "text_dim": 512, "block_size": 20}
    transformer = MotionTransformer(TransformerConfig(**sizes, text_tokens=6, text_encoder=encoder.identity))
    pipeline = UtteranceToMotion(tokenizer, transformer, encoder)
    pipeline.save_pretrained(tmp_path)
    again = UtteranceToMotion.from_pretrained(tmp_path)
    told = {"seconds": 2.0, "seeds": [3]}
    assert again.text_encoder.identity == encoder.identity
    made, repeated = (x.generate(["왼손을 들어요"], **told)[0].positions for x in (pipeline, again))
    assert (made == repeated).all()
    assert len(made) == 40
    other = MotionTransformer(TransformerConfig(**sizes, text_tokens=6))
    with pytest.raises(CheckpointError, match="vectors of a text"):
        UtteranceToMotion(tokenizer, other, EmbeddedTextEncoder())
