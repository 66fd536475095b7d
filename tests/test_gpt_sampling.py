"""Sampling: lengths, streams, prefix, sliding context, guidance, bad input."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate, stream


def make(**changes):
    torch.manual_seed(0)
    sizes = {"num_codes": 16, "width": 32, "text_dim": 8, "num_layers": 1, "num_heads": 4, "block_size": 11} | changes
    model = MotionTransformer(TransformerConfig(**sizes)).eval()
    for weight in model.parameters():
        weight.data *= 3  # far from uniform, so that a wrong logit shows
    return model


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture(scope="module")
def text():
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(1))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def lists(tokens):
    return [row.tolist() for row in tokens]


def ends_first():
    """Give a model that is certain of the end token."""
    other = make()
    other.norm.weight.data.zero_()
    other.norm.bias.data.fill_(1.0)
    other.head.weight.data.zero_()
    other.head.weight.data[-1] = 1.0
    return other


@pytest.mark.parametrize("options", [{}, {"guidance_scale": 2.5}, {"top_k": 5, "top_p": 0.9, "temperature": 1.3}])
def test_a_sample_does_not_depend_on_its_batch(model, text, options):
    options = {"num_tokens": [3, 30, 12, 0, 25, 30], **options}
    together = generate(model, text, seeds=range(6), **options)
    small = generate(model, text, seeds=range(6), batch_size=2, **options)
    assert lists(together) == lists(small)
    for row, length in enumerate(options.pop("num_tokens")):
        alone = generate(model, text[row : row + 1], seeds=[row], num_tokens=length, **options)
        assert lists(alone) == lists(together[row : row + 1])


def test_first_texts_of_a_generator_do_not_depend_on_later_ones(model, text):
    assert lists(generate(model, text, min_tokens=1, generator=seeded()))[:2] == lists(
        generate(model, text[:2], min_tokens=1, generator=seeded())
    )


def test_generator_decides(model, text):
    first, again, other = (generate(model, text, num_tokens=9, generator=seeded(seed)) for seed in (0, 0, 1))
    assert lists(first) == lists(again) != lists(other)


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=6), prefix=st.integers(0, 25))
def test_exact_length(lengths, prefix):
    model = make()
    found = generate(model, torch.zeros(len(lengths), 8), num_tokens=lengths, prefix=torch.arange(prefix) % 16)
    assert [len(row) for row in found] == lengths
    assert all(0 <= int(row.min()) <= int(row.max()) < 16 for row in found if len(row))


def test_min_and_max_tokens(text):
    ending = ends_first()
    with pytest.warns(UserWarning, match=r"6 of 6 texts got no motion"):
        assert [len(row) for row in generate(ending, text)] == [0] * 6
    assert [len(row) for row in generate(ending, text, min_tokens=4)] == [4] * 6
    assert [len(row) for row in generate(ending, text, num_tokens=7)] == [7] * 6
    never = make()
    never.head.weight.data[-1] = 0
    never.norm.bias.data.fill_(5.0)
    never.head.weight.data[0] = 5.0
    assert [len(row) for row in generate(never, text, max_tokens=13)] == [13] * 6


def test_greedy_equals_plain_loop(model, text):
    wanted = []
    with torch.inference_mode():
        for row in text:
            tokens = torch.zeros(1, 0, dtype=torch.int64)
            while tokens.shape[1] < 10:
                logits = model(tokens, row[None])[:, -1, :-1]
                tokens = torch.cat((tokens, logits.argmax(-1, keepdim=True)), 1)
            wanted.append(tokens[0].tolist())
    assert lists(generate(model, text, num_tokens=10, temperature=0)) == wanted
    assert len({tuple(row) for row in wanted}) > 1


def test_sliding_context_reads_the_last_half_block(model, text):
    """Token 11 is the first written after the block of 11 (text and 10 tokens) has slid on."""
    found = generate(model, text[:1], num_tokens=14, temperature=0)[0]
    assert len(found) == 14
    with torch.inference_mode():
        logits = model(found[None, 6:11], text[:1])[0, -1, :-1]
    assert found[11] == logits.argmax()


def test_prefix_is_continued_not_repeated(model, text):
    whole = generate(model, text, num_tokens=9, temperature=0)
    rest = generate(model, text, num_tokens=5, temperature=0, prefix=[row[:4] for row in whole])
    assert lists(rest) == [row[4:].tolist() for row in whole]
    ragged = generate(model, text, num_tokens=2, temperature=0, prefix=[row[: i + 1] for i, row in enumerate(whole)])
    assert lists(ragged) == [row[i + 1 : i + 3].tolist() for i, row in enumerate(whole)]
    full = generate(model, text, num_tokens=2, temperature=0, prefix=torch.stack(whole)[:, :3])
    assert lists(full) == [row[3:5].tolist() for row in whole]


def test_stream_equals_generate(model, text):
    wanted = generate(model, text[:1], seeds=[7], num_tokens=25)[0].tolist()
    tokens = stream(model, text[0], seed=7, num_tokens=25)
    first = next(tokens)
    assert not torch.is_inference_mode_enabled()
    assert [first, *tokens] == wanted
    with pytest.raises(ConfigError, match="temperature"):
        stream(model, text[0], temperature=-1)


def test_narrow_sampling_is_greedy(model, text):
    greedy = lists(generate(model, text, num_tokens=8, temperature=0))
    assert lists(generate(model, text, num_tokens=8, top_k=1)) == greedy
    assert lists(generate(model, text, num_tokens=8, top_p=1e-6)) == greedy
    assert lists(generate(model, text, num_tokens=8, top_k=99, top_p=1.0, seeds=range(6))) == lists(
        generate(model, text, num_tokens=8, seeds=range(6))
    )


def test_frequencies_follow_the_model(model):
    with torch.inference_mode():
        logits = model(torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 8))[0, -1, :-1]
    drawn = torch.cat(generate(model, torch.zeros(4000, 8), num_tokens=1, generator=seeded(), batch_size=1000))
    frequency = torch.bincount(drawn, minlength=16) / 4000
    torch.testing.assert_close(frequency, logits.softmax(-1), atol=0.025, rtol=0)


def test_top_p_keeps_just_enough(model):
    with torch.inference_mode():
        logits = model(torch.zeros(1, 0, dtype=torch.int64), torch.zeros(1, 8))[0, -1, :-1]
    ordered, order = logits.softmax(-1).sort(descending=True)
    count = int((ordered.cumsum(-1) < 0.5).sum()) + 1
    drawn = torch.cat(generate(model, torch.zeros(800, 8), num_tokens=1, top_p=0.5, generator=seeded(), batch_size=800))
    assert set(drawn.tolist()) == set(order[:count].tolist())


def test_guidance_is_linear_in_the_logits(model, text):
    empty = torch.zeros(1, 0, dtype=torch.int64)
    with torch.inference_mode():
        with_text, without = model(empty, text[:1]), model(empty, torch.zeros(1, 8))
    wanted = (without + 4 * (with_text - without))[0, -1, :-1].argmax()
    assert generate(model, text[:1], num_tokens=1, temperature=0, guidance_scale=4.0)[0].item() == wanted
    assert lists(generate(model, text, num_tokens=8, temperature=0, guidance_scale=0.0)) == lists(
        generate(model, torch.zeros_like(text), num_tokens=8, temperature=0)
    )


def test_dropout_is_off_while_writing(text):
    model = make(dropout=0.9)
    wanted = lists(generate(model, text, num_tokens=20, temperature=0))
    assert lists(generate(model.train(), text, num_tokens=20, temperature=0)) == wanted
    assert model.training


def test_bfloat16_writes(text):
    found = generate(make().bfloat16(), text, num_tokens=15, generator=seeded())
    assert [len(row) for row in found] == [15] * 6


def test_no_texts(model):
    assert generate(model, torch.zeros(0, 8)) == []


def test_bad_input(model, text):
    for options, message in (
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens <= max_tokens"),
        ({"num_tokens": -1}, "num_tokens"),
        ({"num_tokens": [1, 2]}, "one, or 6"),
        ({"num_tokens": 2.5}, "whole numbers"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"guidance_scale": -1.0}, "guidance_scale"),
        ({"seeds": [1]}, "seeds"),
        ({"batch_size": 0}, "batch_size"),
    ):
        with pytest.raises(ConfigError, match=message):
            generate(model, text, **options)
    with pytest.raises(ShapeError, match=r"\(B, 8\).*\(6, 9\)"):
        generate(model, torch.zeros(6, 9))
    with pytest.raises(DataError, match=r"rows \[2\]"):
        generate(model, text.index_fill(0, torch.tensor([2]), torch.nan))
    with pytest.raises(DataError, match="another tokenizer"):
        generate(model, text, prefix=torch.tensor([3, 16]))
    with pytest.raises(ShapeError, match="6 rows"):
        generate(model, text, prefix=[torch.tensor([3])])
