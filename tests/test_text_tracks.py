"""Words as vectors, and on the grid of motion tokens."""

import numpy as np
import pytest
import torch

from ktube_motion.errors import DataError
from ktube_motion.text import (
    NUM_TIMES,
    CachedTextEncoder,
    ContextWordEncoder,
    FormWordEncoder,
    HFTextEncoder,
    SequenceTextEncoder,
    WindowWordEncoder,
    WordEncoder,
    word_encoder,
    word_track,
)
from ktube_motion.text import _tracks as tracks_of
from ktube_motion.types import Word


class LetterEncoder:
    dim, identity = 8, "letters"

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return torch.tensor([[sum(ord(c) % 8 == k for c in text) for k in range(8)] for text in texts]).float()


def track(words, count=10, start=0, rate=5.0):
    return word_track(words, torch.eye(len(words), 4), num_tokens=count, tokens_per_second=rate, start=start)


def test_words_never_look_ahead():
    encoder = WindowWordEncoder(LetterEncoder())
    assert isinstance(encoder, WordEncoder)
    said = "여러분 왼쪽으로 가면 나와요".split()
    whole = encoder.encode_words(said)
    assert whole.shape == (4, encoder.dim) == (4, 24)
    for count in range(1, 4):
        assert torch.equal(encoder.encode_words(said[:count]), whole[:count])
    assert not torch.equal(encoder.encode_words(said[1:]), whole[1:])  # the word before is heard
    assert encoder.encode_words([]).shape == (0, 24)


def test_dictionary_forms_are_alike_and_strings_are_read_once():
    letters = LetterEncoder()
    encoder = WindowWordEncoder(letters)
    forms = [encoder.encode_words([word])[0, 8:16] for word in ("왼쪽으로", "왼쪽을", "왼쪽에서")]
    assert torch.equal(forms[0], forms[1])
    assert torch.equal(forms[0], forms[2])
    encoder.encode_words(["왼쪽으로", "왼쪽을"])
    assert len(letters.asked) == len(set(letters.asked))
    assert encoder.encode_words(["ㅋㅋ", "…!"]).isfinite().all()  # no dictionary has these


@pytest.mark.parametrize("kind", [WindowWordEncoder, FormWordEncoder])
def test_of_many_words_the_last_ones_are_kept(kind, monkeypatch):
    monkeypatch.setattr(tracks_of, "_KEPT_LIVE", 30)
    letters = LetterEncoder()
    whole = kind(letters)
    encoder = tracks_of.live_word_encoder(whole)
    often = encoder.encode_words(["네"])
    for number in range(100):
        encoder.encode_words([f"가{number}"])
        assert torch.equal(encoder.encode_words(["네"]), often)
        assert len(encoder._read.known) <= 30
    assert letters.asked.count("네") == 1  # what is asked for again and again is not forgotten
    assert encoder.encode_words([f"나{number}" for number in range(100)]).isfinite().all()  # more than are kept
    assert len(encoder._read.known) == 30
    sizes = [(vector.nbytes, vector.untyped_storage().nbytes()) for vector in encoder._read.known.values()]
    assert set(sizes) == {(32, 32)}  # and nothing else with them
    said = [f"다{number}" for number in range(100)]
    assert torch.equal(whole.encode_words(said), encoder.encode_words(said))
    assert len(whole._read.known) >= 100  # what a corpus says again is read once


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small RoBERTa whose tokenizer cuts words into letters, so that a word has several states."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    letters = sorted({*"여러분왼쪽으로가면나와요오른"})
    pieces = ["<pad>", "<unk>", "<s>", "</s>", *letters, *(f"##{letter}" for letter in letters)]
    inner = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(pieces), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=40, pad_token_id=0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("roberta")
    RobertaModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    return HFTextEncoder(folder)


def test_forms_alone_are_alike_whatever_the_ending_and_the_words_before():
    inner = LetterEncoder()
    encoder = FormWordEncoder(inner)
    assert isinstance(encoder, WordEncoder)
    assert (encoder.dim, encoder.identity) == (8, "letters/forms")
    said = ["박수가", "멈춰", "박수를", "멈추십시오.", "…"]
    first, second, again, polite, dots = encoder.encode_words(said)
    assert torch.equal(first, again)
    assert torch.equal(second, polite)
    assert not torch.equal(first, second)
    assert torch.equal(first, LetterEncoder().encode(["박수"])[0])
    assert torch.equal(dots, LetterEncoder().encode(["…"])[0])  # no word: as it stands
    assert inner.asked == ["박수", "멈추다", "…"]
    assert torch.equal(encoder.encode_words(["멈춰", "박수도"])[1], first)
    assert encoder.encode_words([]).shape == (0, 8)
    built = word_encoder(CachedTextEncoder(inner, "unused"), identity=encoder.identity)
    assert isinstance(built, FormWordEncoder)
    assert built.encoder is inner


def test_states_of_a_word_after_what_led_to_it(model):
    encoder, said = ContextWordEncoder(model, before=2), "여러분 왼쪽으로 가면 나와요".split()
    found = encoder.encode_words(said)
    assert found.shape == (4, encoder.dim) == (4, 16)
    (states,) = model.encode_states(["여러분 왼쪽으로 가면"])  # <s> 3 letters, 4 letters, 2 letters </s>
    torch.testing.assert_close(found[2], states[8:10].mean(0), atol=1e-5, rtol=0)
    (states,) = model.encode_states(["왼쪽으로 가면 나와요"])
    torch.testing.assert_close(found[3], states[7:10].mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.encode_words(said[:2]), found[:2], atol=1e-6, rtol=0)
    assert encoder.encode_words([]).shape == (0, 16)


def test_word_encoder_takes_what_there_is(model, tmp_path):
    letters = LetterEncoder()
    assert isinstance(word_encoder(letters), WindowWordEncoder)
    assert isinstance(word_encoder(CachedTextEncoder(letters, tmp_path)), WindowWordEncoder)
    for encoder in (model, SequenceTextEncoder(model, length=4)):
        found = word_encoder(encoder)
        assert isinstance(found, ContextWordEncoder)
        assert found.encoder is model
        assert isinstance(found, WordEncoder)


def test_rows_are_shares_of_time():
    rows = track([Word(0.3, 0.7, "가"), Word(1.25, 1.3, "나")])
    np.testing.assert_allclose(rows[:, 0], 2 * np.array([0, 0.5, 1, 0.5, 0, 0, 0, 0, 0, 0]), atol=1e-6)
    np.testing.assert_allclose(rows[:, 1], 2 * np.array([0, 0, 0, 0, 0, 0, 0.25, 0, 0, 0]), atol=1e-6)
    speech, begins, since, left, pause, known = rows[:, -NUM_TIMES:].T
    np.testing.assert_allclose(speech, [0, 0.5, 1, 0.5, 0, 0, 0.25, 0, 0, 0], atol=1e-6)
    assert begins.tolist() == [0, 1, 0, 0, 0, 0, 1, 0, 0, 0]
    np.testing.assert_allclose(since, [2, 0, 0.2, 0.4, 0.6, 0.8, 0.05, 0.25, 0.45, 0.65], atol=1e-6)
    np.testing.assert_allclose(left[1:5], [0.4, 0.2, 0.0, -0.2], atol=1e-6)
    np.testing.assert_allclose(pause, [2, 0, 0, 0, 0.2, 0.4, 0, 0.2, 0.4, 0.6], atol=1e-6)
    assert (known == 1).all()


def test_a_row_tells_nothing_of_words_to_come():
    words = [Word(0.3, 0.7, "가"), Word(1.21, 1.5, "나"), Word(1.6, 2.0, "다")]
    np.testing.assert_array_equal(track(words)[:6], track([words[0], words[1], words[1]])[:6])
    alone = word_track(words[:1], torch.eye(3, 4)[:1], num_tokens=6, tokens_per_second=5.0)
    np.testing.assert_array_equal(track(words)[:6], alone)


def test_a_part_is_cut_from_the_whole():
    words = [Word(k * 0.5, k * 0.5 + 0.4, "가") for k in range(4)]
    np.testing.assert_allclose(track(words, 4, start=3), track(words)[3:7], atol=1e-6)
    assert track(words, 3, start=-3)[:, :-NUM_TIMES].abs().sum() == 0


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_overlap_order_and_no_words(order):
    words = [Word(0.0, 1.0, "가"), Word(0.2, 0.4, "나"), Word(0.9, 0.9, "다")]
    rows = word_track([words[k] for k in order], torch.eye(3, 4)[list(order)], num_tokens=6, tokens_per_second=5.0)
    np.testing.assert_allclose(rows[1, :3], [2, 2, 0], atol=1e-6)
    assert rows[1, 4] == 1  # no more than a whole token is speech
    assert rows[2, 8] == 0  # the longer word still lasts, so there is no pause
    silence = track([], 3)
    assert silence[:, :4].abs().sum() == 0
    assert silence[:, 4:].tolist() == [[0, 0, 2, -2, 2, 1]] * 3


def test_bad_words():
    with pytest.raises(DataError, match="differ in number"):
        word_track([Word(0, 1, "가")], torch.zeros(2, 4), num_tokens=3, tokens_per_second=5.0)
    for word in (Word(1.0, 0.5, "가"), Word(float("nan"), 1.0, "가"), Word(0.0, float("inf"), "가")):
        with pytest.raises(DataError, match="times of words"):
            track([word])
