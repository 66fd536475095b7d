"""A transformer that hears words: what it hears, what it waits for, what it keeps."""

import pytest
import torch

from ktube_motion.errors import CheckpointError, ConfigError, DataError, ShapeError
from ktube_motion.gpt import (
    MotionTransformer,
    TransformerConfig,
    generate,
    quantize,
    stream,
    to_t2m_gpt_state_dict,
    transformer_loss,
)
from ktube_motion.gpt._hearing import heard_live, heard_together

SMALL = {"num_codes": 16, "width": 32, "text_dim": 8, "num_layers": 1, "num_heads": 4, "block_size": 11}
WORDS = {"word_dim": 12, "word_past": 2, "word_ahead": 3}


@pytest.fixture(params=[0, 5], ids=["vectors", "kinds"])
def model(request):
    torch.manual_seed(0)
    model = MotionTransformer(TransformerConfig(**SMALL, **WORDS, word_kinds=request.param)).eval()
    with torch.no_grad():  # an untrained model hardly hears, and minds little
        for parameter in (*model.hearing.parameters(), model.head.weight):
            parameter.mul_(10)
    return model


def rows(count, seed=0):
    return torch.randn(count, 12, generator=torch.Generator().manual_seed(seed))


def test_a_token_hears_its_neighbourhood_and_no_more(model):
    tokens, text = torch.zeros(1, 9, dtype=torch.int64), torch.zeros(1, 8)
    words = rows(2 + 10 + 3)[None]
    heard = model(tokens, text, words)
    for row in range(words.shape[1]):
        other = words.clone()
        other[0, row] += 1
        changed = (model(tokens, text, other) - heard).abs().amax(-1)[0] > 1e-6
        # Row r is about token r - 2. Directly it is heard by tokens r - 5 to r; through them by all later ones.
        first = max(row - 5, 0)
        assert changed[first:].all()
        assert not changed[:first].any()


@pytest.mark.parametrize(("first", "stop"), [(0, 1), (1, 3), (0, 4), (3, 5), (4, 5), (9, 10)])
def test_what_is_not_known_is_zeros_on_its_side(model, first, stop):
    words, config = rows(5), model.config
    wanted = torch.cat((torch.zeros(2, 12), words, torch.zeros(9, 12)))[first : stop + 2 + 3]
    for heard in (heard_live(model, words), heard_together(model, [words])):
        assert (heard.past, heard.ahead) == (config.word_past, config.word_ahead) == (2, 3)
        assert torch.equal(heard.around(first, stop)[0], wanted)


def test_no_words_are_rows_of_zeros(model):
    tokens, text = torch.arange(9)[None], torch.randn(1, 8)
    assert torch.equal(model(tokens, text), model(tokens, text, torch.zeros(1, 15, 12)))


def test_cache_equals_full_reading(model):
    tokens, text, words = torch.randint(16, (3, 10)), torch.randn(3, 8), torch.stack([rows(16, k) for k in range(3)])
    with torch.inference_mode():
        wanted = model(tokens, text, words)
        logits, cache = model.start(tokens[:, :4], text, words[:, : 4 + 6])
        for place in range(4, 10):
            torch.testing.assert_close(logits, wanted[:, place], atol=1e-5, rtol=1e-5)
            logits = model.step(tokens[:, place], cache, words[:, place + 1 : place + 7])
        torch.testing.assert_close(logits, wanted[:, 10], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"guidance_scale": 2.0}, {"prefix": torch.arange(4)}, {"prefix": torch.arange(15)}]
)
def test_stream_writes_what_generate_writes(model, options):
    words, before = rows(60), len(options.get("prefix", ()))
    (wanted,) = generate(model, None, words=[words], seeds=[3], **options)
    assert len(wanted) == 60 - before
    assert list(stream(model, None, words=iter(words), seed=3, **options)) == wanted.tolist()
    other = torch.cat((words[:40], rows(20, 1)))
    (found,) = generate(model, None, words=[other], seeds=[3], **options)
    assert torch.equal(found[: 37 - before], wanted[: 37 - before])  # token 37 hears row 40
    assert not torch.equal(found, wanted)


def test_texts_of_a_batch_hear_their_own_words(model):
    words = [rows(20, 1), rows(33, 2), rows(5, 3), torch.zeros(0, 12)]
    text = torch.randn(4, 8)
    together = generate(model, text, words=words, seeds=range(4))
    assert [len(tokens) for tokens in together] == [20, 33, 5, 0]
    for k, tokens in enumerate(together):
        assert torch.equal(generate(model, text[k : k + 1], words=words[k : k + 1], seeds=[k])[0], tokens)


def test_words_behind_the_end_are_heard(model):
    found = [
        generate(model, None, words=[words], num_tokens=10, seeds=[0])[0].tolist()
        for words in (rows(13), torch.cat((rows(13), rows(5, 1))), rows(10))
    ]
    assert found[0] == found[1] != found[2]


def test_a_stream_waits_for_what_it_hears_and_no_longer(model):
    asked = []

    def coming():
        for number, row in enumerate(rows(30)):
            asked.append(number)
            yield row

    for token, _ in enumerate(stream(model, None, words=coming(), seed=0)):
        assert asked[-1] == min(token + 3, 29)
    assert token == 29
    assert list(stream(model, None, words=iter(()))) == []


def test_a_stream_keeps_what_it_can_hear(model):
    heard = heard_live(model, iter(rows(5000)))
    for token in range(4990):
        assert heard.around(max(token - 9, 0), token + 1).shape[1] == min(token, 9) + 6
    assert heard.rows.shape[1] == model.config.max_tokens + model.config.hears


def test_loss_knows_no_end(model):
    tokens, lengths, text = torch.randint(16, (2, 8)), torch.tensor([8, 5]), torch.zeros(2, 8)
    words = torch.stack((rows(14, 1), rows(14, 2)))
    result = transformer_loss(model, tokens, lengths, text, words=words, keep_probability=1.0)
    logits = model(tokens, text, words).log_softmax(-1)
    wanted = [-logits[k, torch.arange(n), tokens[k, :n]].mean() for k, n in enumerate(lengths)]
    torch.testing.assert_close(result.loss, torch.stack(wanted).mean())
    dropped = transformer_loss(model, tokens, lengths, text, words=words, keep_probability=1.0, word_dropout=1.0)
    silent = transformer_loss(model, tokens, lengths, text, words=0 * words, keep_probability=1.0)
    assert dropped.loss == silent.loss != result.loss
    with pytest.raises(DataError, match="at least one token"):
        transformer_loss(model, tokens, torch.tensor([8, 0]), text, words=words)


def test_int8_and_saved_models_hear(model, tmp_path):
    model.save_pretrained(tmp_path)
    again = MotionTransformer.from_pretrained(tmp_path)
    words = rows(20)
    assert torch.equal(*(generate(m, None, words=[words], seeds=[0])[0] for m in (model, again)))
    fast = quantize(model)
    assert len(generate(fast, None, words=[words], seeds=[0])[0]) == 20
    with pytest.raises(CheckpointError, match="hears no words"):
        to_t2m_gpt_state_dict(model)


def test_bad_words(model):
    deaf = MotionTransformer(TransformerConfig(**SMALL)).eval()
    for call in (lambda: generate(deaf, None, words=[rows(3)]), lambda: stream(deaf, None, words=rows(3))):
        with pytest.raises(ConfigError, match="hears no words"):
            call()
    with pytest.raises(ShapeError, match="hears no words"):
        deaf(torch.zeros(1, 3, dtype=torch.int64), torch.zeros(1, 8), torch.zeros(1, 9, 12))
    with pytest.raises(ConfigError, match="how long a motion lasts"):
        generate(model, torch.zeros(1, 8))
    with pytest.raises(ConfigError, match="how long a motion lasts"):
        stream(model, torch.zeros(8))
    with pytest.raises(DataError, match="end before the prefix"):
        generate(model, None, words=[rows(3)], prefix=torch.arange(5))
    with pytest.raises(ShapeError, match=r"1 of \(N, 12\)"):
        generate(model, None, words=[torch.zeros(4, 11)])
    for texts in (1, 3):
        with pytest.raises(ShapeError, match="2 of "):
            generate(model, torch.zeros(texts, 8), words=[rows(3), rows(3)])
    with pytest.raises(DataError, match="words of text 0"):
        generate(model, None, words=[torch.full((4, 12), torch.nan)])
    with pytest.raises(ShapeError, match=r"\(12,\)"):
        list(stream(model, None, words=iter([torch.zeros(11)])))
    with pytest.raises(DataError, match="NaN"):
        list(stream(model, None, words=iter([torch.full((12,), torch.nan)])))
    with pytest.raises(ConfigError, match="Neither texts nor words"):
        generate(model, None)
    with pytest.raises(ShapeError, match=r"\(1, 9, 12\)"):
        model(torch.zeros(1, 3, dtype=torch.int64), torch.zeros(1, 8), torch.zeros(1, 8, 12))
    for change in ({"word_dim": -1}, {"word_ahead": 1.5}, {"word_kinds": 1}, {"word_kinds": 4, "word_dim": 6}):
        with pytest.raises(ConfigError, match=next(iter(change))):
            TransformerConfig(**SMALL, **WORDS | change)
