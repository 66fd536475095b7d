"""Text encoders on small models made here; no network."""

import json
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from ktube_motion.errors import CheckpointError, ConfigError, DataError
from ktube_motion.text import (
    CachedTextEncoder,
    ClipTextEncoder,
    EmbeddedTextEncoder,
    HFTextEncoder,
    KeT5TextEncoder,
    SequenceTextEncoder,
    TextEncoder,
    clean_texts,
    load_text_encoder,
    register_text_encoder,
    save_text_encoder,
)

SENTENCES = ["오른손을 들어 크게 흔든다", "왼발을 든다", "고개를 끄덕인다", "두 팔을 벌려 인사한다", "손을 들어 인사"]


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<unk>", "<s>", "</s>", *dict.fromkeys(" ".join(SENTENCES).split())]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


@pytest.fixture(scope="module")
def roberta(tmp_path_factory, tokenizer):
    from transformers import RobertaConfig, RobertaModel

    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=14, pad_token_id=0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("roberta")
    RobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory, tokenizer):
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text = CLIPTextConfig(
        **sizes, vocab_size=40, projection_dim=12, max_position_embeddings=12, eos_token_id=3, bos_token_id=2
    )
    vision = CLIPVisionConfig(**sizes, image_size=8, patch_size=4, projection_dim=12)
    folder = tmp_path_factory.mktemp("clip")
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=12)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_clean_texts():
    decomposed = unicodedata.normalize("NFD", "손을 든다")
    assert clean_texts([decomposed, "손을\t\x00든다", " 손을 \r\n든다\x7f", "\ud800손을 든다"]) == ["손을 든다"] * 4
    assert clean_texts(["👩‍👩‍👧 😀", "hello 안녕 你好"]) == ["👩‍👩‍👧 😀", "hello 안녕 你好"]
    for blank in ("", "  \n", "\x00\x07", "\u200b\u200d"):
        with pytest.raises(DataError, match="Text 1 is blank"):
            clean_texts(["손", blank])
    with pytest.raises(DataError, match=r"Text 0 is no text.*int"):
        clean_texts([3])
    with pytest.raises(DataError, match="list of str"):
        clean_texts("손")


def test_embedded_encoder():
    encoder = EmbeddedTextEncoder()
    assert isinstance(encoder, TextEncoder)
    vectors = encoder.encode([*SENTENCES, "😀", "가나 " * 3333, "a\x00b"])
    assert vectors.shape == (8, 512)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(8))
    torch.testing.assert_close(encoder.encode(SENTENCES[2:3])[0], vectors[2], atol=1e-6, rtol=0)
    # It understands Korean: the translation is nearer than another sentence.
    near, far = encoder.encode(["Wave the right hand widely", "고양이가 생선을 먹었다"]) @ vectors[0]
    assert near > far + 0.1
    assert encoder.encode([]).shape == (0, 512)


@pytest.mark.parametrize("name", ["mean_relu", "mean_gated-gelu"])
def test_ke_t5_matches_reference(golden, tokenizer, name):
    encoder = KeT5TextEncoder(golden / "t5" / name, tokenizer=tokenizer)
    plain = KeT5TextEncoder(golden / "t5" / name, tokenizer=tokenizer, pooler="none")
    with np.load(golden / f"t5/{name}.npz", allow_pickle=False) as data:
        arguments = torch.from_numpy(data["input_ids"]), torch.from_numpy(data["attention_mask"])
        assert np.abs(encoder.embed(*arguments).numpy() - data["pooled"]).max() < 1e-5
        assert np.abs(plain.embed(*arguments).numpy() - data["raw_mean_pool_sqrt"]).max() < 1e-5
        first = KeT5TextEncoder(golden / "t5" / name, tokenizer=tokenizer, pooler="simple")
        wanted = first.model.pooler(torch.from_numpy(data["raw_first_token"]))
        assert np.abs(first.embed(*arguments).numpy() - wanted.detach().numpy()).max() < 1e-5
    assert len({encoder.identity, plain.identity, first.identity}) == 3


def test_ke_t5_with_its_sentencepiece_tokenizer(tmp_path):
    """The layout of the real ones: a plain T5 with spiece.model, and no pooler."""
    spm = pytest.importorskip("sentencepiece")
    from transformers import T5Config, T5Model

    torch.manual_seed(0)
    with (tmp_path / "spiece.model").open("wb") as file:
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES * 20), model_writer=file, vocab_size=30, pad_id=0, eos_id=1, unk_id=2,
            bos_id=-1, minloglevel=2,
        )  # fmt: skip
    config = T5Config(vocab_size=140, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
    T5Model(config).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"lacks.*pooler.*dense1.*pooler='none'"):
        KeT5TextEncoder(tmp_path)
    encoder = KeT5TextEncoder(tmp_path, pooler="none", batch_size=2)
    pieces = encoder.tokenizer.convert_ids_to_tokens(encoder.tokenizer("손을 들어")["input_ids"])
    assert pieces[-1] == "</s>"
    assert "<unk>" not in pieces
    vectors = encoder.encode(SENTENCES)
    assert vectors.shape == (5, 16)
    for row, sentence in enumerate(SENTENCES):
        torch.testing.assert_close(encoder.encode([sentence])[0], vectors[row], atol=1e-5, rtol=1e-5)
    wrong = tmp_path / "wrong"
    with pytest.raises(CheckpointError, match="no such folder"):
        KeT5TextEncoder(wrong)
    with pytest.raises(ConfigError, match="pooler"):
        KeT5TextEncoder(tmp_path, pooler="max")


def test_clip_gives_the_projected_end_token(clip, tokenizer):
    from transformers import CLIPModel

    encoder = ClipTextEncoder(clip)
    assert (encoder.dim, encoder.max_tokens) == (12, 12)
    vectors = encoder.encode(SENTENCES)
    model = CLIPModel.from_pretrained(clip).eval()
    for row, sentence in enumerate(SENTENCES):
        tokens = tokenizer(sentence, return_tensors="pt")["input_ids"]
        assert tokens[0, -1] == 3
        with torch.inference_mode():
            wanted = model.text_projection(model.text_model(input_ids=tokens).last_hidden_state[0, -1])
        torch.testing.assert_close(vectors[row], wanted, atol=1e-5, rtol=1e-5)
    assert (vectors.norm(dim=1) - 1).abs().min() > 1e-3


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "sqrt_mean"])
def test_poolings(roberta, tokenizer, pooling):
    from transformers import AutoModel

    encoder = HFTextEncoder(roberta, pooling=pooling, batch_size=3)
    vectors = encoder.encode(SENTENCES)
    model = AutoModel.from_pretrained(roberta).eval()
    for row, sentence in enumerate(SENTENCES):
        with torch.inference_mode():
            states = model(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
        wanted = {
            "mean": states.mean(0), "cls": states[0], "last": states[-1],
            "sqrt_mean": states.sum(0) / len(states) ** 0.5,
        }[pooling]  # fmt: skip
        torch.testing.assert_close(vectors[row], wanted, atol=1e-5, rtol=1e-5)
    unit = HFTextEncoder(roberta, pooling=pooling, normalize=True)
    torch.testing.assert_close(unit.encode(SENTENCES), vectors / vectors.norm(dim=1, keepdim=True), atol=1e-5, rtol=0)
    assert unit.identity != encoder.identity == HFTextEncoder(roberta, pooling=pooling).identity


def test_identity_knows_the_weights(roberta, tokenizer, tmp_path):
    from transformers import AutoModel

    model = AutoModel.from_pretrained(roberta)
    model.embeddings.word_embeddings.weight.data[0] += 1
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert HFTextEncoder(tmp_path).identity != HFTextEncoder(roberta).identity


def test_long_text_is_never_cut(roberta):
    half = " ".join(SENTENCES[:3])
    long = f"{half} {half}"
    encoder = HFTextEncoder(roberta)
    assert encoder.max_tokens == 13  # 14 positions, less RoBERTa's first
    with pytest.raises(DataError, match=r"Text 1 is too long.*at most 13 tokens.*18"):
        encoder.encode([SENTENCES[0], long])
    splitting = HFTextEncoder(roberta, overflow="split")
    vectors = splitting.encode([SENTENCES[0], long, "손" * 10])
    torch.testing.assert_close(vectors[1], encoder.encode([half])[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vectors[0], encoder.encode(SENTENCES[:1])[0], atol=1e-5, rtol=1e-5)
    # Uneven parts weigh by their tokens.
    uneven = f"{half} {SENTENCES[0]} {SENTENCES[1]} {SENTENCES[2]} 손 손 손 손"
    parts = splitting._fitting(uneven, 0)
    sizes = torch.tensor([len(part.split()) + 2.0 for part in parts])
    assert " ".join(parts) == uneven
    assert sizes.min() < sizes.max()
    wanted = (encoder.encode(parts) * sizes[:, None]).sum(0) / sizes.sum()
    torch.testing.assert_close(splitting.encode([uneven])[0], wanted, atol=1e-5, rtol=1e-5)
    assert torch.isfinite(splitting.encode(["손을 들어 " * 2000])).all()
    with pytest.raises(ConfigError, match="'error' or 'split'"):
        HFTextEncoder(roberta, overflow="cut")


def test_states_of_the_tokens_as_a_sequence(roberta, clip, tokenizer):
    from transformers import AutoModel

    encoder, model = HFTextEncoder(roberta, overflow="split"), AutoModel.from_pretrained(roberta).eval()
    rows = SequenceTextEncoder(encoder, length=12).encode(SENTENCES)
    torch.testing.assert_close(rows[:, 0], encoder.encode(SENTENCES))
    for row, sentence in zip(rows, SENTENCES, strict=True):
        with torch.inference_mode():
            states = model(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
        torch.testing.assert_close(row[1 : 1 + len(states)], states, atol=1e-5, rtol=1e-5)
        assert not row[1 + len(states) :].any()
    (long,) = SequenceTextEncoder(encoder, length=5).encode(["손을 들어 " * 30])
    assert long.any(-1).all()
    with pytest.raises(ConfigError, match=r"12 numbers.*16"):
        SequenceTextEncoder(ClipTextEncoder(clip))


def test_broken_models(tmp_path, roberta):
    with pytest.raises(CheckpointError, match="Cannot load this model"):
        HFTextEncoder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="Cannot load this model"):
        HFTextEncoder(tmp_path)
    with pytest.raises(ConfigError, match="pooling"):
        HFTextEncoder(roberta, pooling="max")
    with pytest.raises(CheckpointError, match="no such folder"):
        ClipTextEncoder("./nowhere")


class Counting:
    """An encoder that counts what it is asked."""

    dim, identity = 3, "counting"

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return torch.tensor([[len(text), ord(text[0]), 1.0] for text in texts])


def test_cache_asks_once(tmp_path):
    inner = Counting()
    encoder = CachedTextEncoder(inner, tmp_path)
    wanted = inner.encode(["나", "가", "나"])
    inner.asked.clear()
    assert torch.equal(encoder.encode(["나", "가", "나"]), wanted)
    assert torch.equal(encoder.encode(["가 ", "나", "다"])[:2], wanted[[1, 0]])
    assert inner.asked == ["나", "가", "다"]
    other = Counting()
    other.identity = "other"
    CachedTextEncoder(other, tmp_path).encode(["가"])
    assert other.asked == ["가"]
    assert encoder.encode([]).shape == (0, 3)


def test_cache_mends_damaged_files(tmp_path):
    encoder = CachedTextEncoder(Counting(), tmp_path)
    wanted = encoder.encode(["가"])
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:10])
    with pytest.warns(UserWarning, match=r"damaged.*anew"):
        assert torch.equal(encoder.encode(["가"]), wanted)
    assert torch.equal(encoder.encode(["가"]), wanted)


def test_cache_with_many_writers(tmp_path):
    texts = [f"손을 {number}번 든다" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: CachedTextEncoder(Counting(), tmp_path).encode(texts), range(8)))
    assert all(torch.equal(vectors, found[0]) for vectors in found)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 40


@pytest.mark.parametrize("name", ["roberta", "clip"])
def test_a_model_folder_loads_by_what_it_is(request, tokenizer, name, tmp_path):
    source = request.getfixturevalue(name)
    options = {} if (source / "tokenizer.json").exists() else {"tokenizer": tokenizer}
    encoder = load_text_encoder(source, **options)
    assert isinstance(encoder, {"roberta": HFTextEncoder, "clip": ClipTextEncoder}[name])
    assert torch.equal(encoder.encode(SENTENCES), type(encoder)(source, **options).encode(SENTENCES))


def test_saved_encoders_come_back(roberta, tmp_path):
    encoder = HFTextEncoder(roberta, pooling="cls", normalize=True)
    for number, known in enumerate(
        (
            encoder,
            CachedTextEncoder(encoder, tmp_path / "cache"),
            SequenceTextEncoder(encoder, 5),
            SequenceTextEncoder(EmbeddedTextEncoder(), 7, dictionary=True),
        )
    ):
        save_text_encoder(known, tmp_path / str(number))
        again = load_text_encoder(tmp_path / str(number))
        assert again.identity == known.identity
        assert torch.equal(again.encode(SENTENCES[:2]), known.encode(SENTENCES[:2]))


def test_a_saved_encoder_that_is_gone_is_told(roberta, tokenizer, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(roberta)
    save_text_encoder(HFTextEncoder(moved), tmp_path / "kept")
    moved.unlink()
    with pytest.raises(CheckpointError, match=r"not here.*roberta/mean.*Pass text_encoder="):
        load_text_encoder(tmp_path / "kept")
    save_text_encoder(HFTextEncoder(roberta, tokenizer=tokenizer), tmp_path / "made by hand")
    with pytest.raises(CheckpointError, match="cannot be loaded by itself"):
        load_text_encoder(tmp_path / "made by hand")
    save_text_encoder(EmbeddedTextEncoder(), tmp_path / "other")
    path = tmp_path / "other" / "text_encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"identity": "usem4"}))
    with pytest.raises(CheckpointError, match=r"another text encoder.*usem4.*usem3"):
        load_text_encoder(tmp_path / "other")


def test_an_encoder_from_outside_is_one_line(tmp_path):
    class Lengths:
        dim = 1

        def __init__(self, scale):
            self.identity, self.recipe, self.scale = f"lengths/{scale}", {"kind": "lengths", "scale": scale}, scale

        def encode(self, texts):
            return torch.tensor([[len(text) * self.scale] for text in clean_texts(texts)])

    register_text_encoder("lengths", lambda *, scale, device: Lengths(scale))
    save_text_encoder(Lengths(0.5), tmp_path)
    assert load_text_encoder(tmp_path).encode(["손을"]).tolist() == [[1.0]]
    with pytest.raises(ConfigError, match="already"):
        register_text_encoder("lengths", print)
    with pytest.raises(CheckpointError, match=r"not known.*lengths.*'width'"):
        load_text_encoder({"kind": "width"})
    with pytest.raises(CheckpointError, match="does not take this"):
        load_text_encoder({"kind": "lengths", "size": 1})
    with pytest.raises(CheckpointError, match="no model folder"):
        load_text_encoder(tmp_path.parent)
