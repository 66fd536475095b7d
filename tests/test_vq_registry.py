"""A quantizer from outside the package: one class and one line."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from small_corpus import make_small_corpus

from ktube_motion.errors import CheckpointError, ConfigError
from ktube_motion.training import TokenizerTraining, train_tokenizer
from ktube_motion.vq import QUANTIZERS, MotionTokenizer, Quantizer, TokenizerConfig, make_quantizer, register_quantizer


class ShellQuantizer(Quantizer):
    """Codes the length of a vector and learns one direction; counts batches to try `training_state`."""

    training_state = ("batches",)

    def __init__(self, num_codes, code_dim, *, thickness=0.25, edges=(0.0,), beta=1.0):
        super().__init__(num_codes, code_dim)
        self.thickness, self.edges, self.beta = thickness, edges, beta
        self.direction = torch.nn.Parameter(torch.ones(code_dim))
        self.register_buffer("batches", torch.tensor(0))

    @classmethod
    def check(cls, num_codes, options):
        if options.get("thickness", 1) <= 0:
            raise ConfigError("thickness cannot be this.", expected="a positive number", found=options["thickness"])

    def _quantize(self, vectors, mask):
        shells = (vectors.detach().norm(dim=-1, keepdim=True) / self.thickness).long().clamp_max(self.num_codes - 1)
        codes = self._lookup(shells)
        loss = self.beta * (vectors - codes).square().mean(-1)
        loss = loss.mean() if mask is None else loss[mask].mean()
        return codes + vectors - vectors.detach(), shells, loss

    def _lookup(self, tokens):
        return (tokens + 0.5) * self.thickness * torch.nn.functional.normalize(self.direction, dim=0)

    def _learn(self, vectors, tokens, mask, counts):
        self.batches += 1


SMALL = TokenizerConfig(width=16, code_dim=8, num_codes=8, depth=1)
SHELL = {"quantizer": "shell", "quantizer_options": {"thickness": 0.5, "edges": (1, 2)}, "beta": 0.3}


@pytest.fixture
def shell():
    register_quantizer("shell", ShellQuantizer)
    yield
    del QUANTIZERS["shell"]


def test_a_foreign_quantizer_trains_saves_and_loads(shell, tmp_path):
    corpus = make_small_corpus(tmp_path / "KTubeUM")
    config = TokenizerTraining(
        steps=2, batch_size=8, warmup=1, window=32, tracker=None, tokenizer=replace(SMALL, **SHELL)
    )
    tokenizer = train_tokenizer(config, corpus, tmp_path / "run", progress=False)
    again = MotionTokenizer.from_pretrained(tmp_path / "run" / "last")
    assert type(again.quantizer) is ShellQuantizer
    assert (again.quantizer.thickness, again.quantizer.edges, again.quantizer.beta) == (0.5, [1, 2], 0.3)
    assert int(again.quantizer.batches) == 2
    assert again.config == tokenizer.config
    assert again.fingerprint == tokenizer.fingerprint
    assert not torch.equal(again.quantizer.direction, torch.ones(8))  # its gradient came through
    clip = corpus.features(corpus.names("train")[0])
    tokens = again.encode(clip)
    assert tokens.min() >= 0
    assert tokens.max() < 8
    assert (tokens == tokenizer.encode(clip)).all()
    assert again.decode(tokens, frames=len(clip)).shape == clip.shape

    again.quantizer.batches += 1
    assert again.fingerprint == tokenizer.fingerprint  # of training only
    with torch.no_grad():
        again.quantizer.direction[0] += 1
    assert again.fingerprint != tokenizer.fingerprint


def test_the_table_alone_is_enough(monkeypatch):
    monkeypatch.setitem(QUANTIZERS, "thin shell", partial(ShellQuantizer, thickness=0.1))
    config = replace(SMALL, quantizer="thin shell", beta=0.5)
    quantizer = make_quantizer(config)
    assert (quantizer.thickness, quantizer.beta) == (0.1, 0.5)
    with pytest.raises(ConfigError, match=r"'thin shell' has no such option.*some of edges.*thickness"):
        replace(config, quantizer_options={"thickness": 0.2})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantizer_options": {"thickness": -1}}, "thickness.*positive.*-1"),
        ({"quantizer_options": {"colour": 1}}, "'shell' has no such option.*edges, thickness.*colour"),
        ({"quantizer_options": {"beta": 1}}, "no such option.*beta"),  # it has a place of its own
        ({"num_quantizers": 2}, "num_quantizers.*1 for quantizer='shell'"),
    ],
)
def test_its_options_are_checked_before_anything_is_built(shell, changes, message):
    with pytest.raises(ConfigError, match=message):
        TokenizerConfig(**{"quantizer": "shell"} | changes)


def test_a_quantizer_of_several_codebooks(monkeypatch):
    class Books(Quantizer):
        def __init__(self, num_codes, code_dim, *, num_quantizers):
            super().__init__(num_codes, code_dim, num_quantizers)

        def _quantize(self, vectors, mask):
            tokens = (vectors[:, : self.num_quantizers] > 0).long()
            return vectors, tokens, vectors.new_zeros(())

        def _lookup(self, tokens):
            return torch.nn.functional.pad(tokens.float(), (0, self.code_dim - self.num_quantizers))

    monkeypatch.setitem(QUANTIZERS, "books", Books)
    tokenizer = MotionTokenizer(replace(SMALL, quantizer="books", num_quantizers=3)).eval()
    tokens = tokenizer.encode(torch.randn(2, 40, 263))
    assert tokens.shape == (2, 10, 3)
    assert tokenizer.decode(tokens).shape == (2, 40, 263)


def test_what_cannot_be_registered(shell):
    with pytest.raises(ConfigError, match=r"name is registered.*'shell'"):
        register_quantizer("shell", ShellQuantizer)
    with pytest.raises(ConfigError, match=r"name is registered.*'ema'"):
        register_quantizer("ema", ShellQuantizer)
    for other in (torch.nn.Linear, len, partial(torch.nn.Linear, bias=False), "shell"):
        with pytest.raises(ConfigError, match=r"no quantizer.*child of vq\.Quantizer"):
            register_quantizer("other", other)
    assert "other" not in QUANTIZERS


def test_a_checkpoint_of_an_unknown_quantizer_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(QUANTIZERS, "shell", ShellQuantizer)
    MotionTokenizer(replace(SMALL, **SHELL)).save_pretrained(tmp_path)
    monkeypatch.delitem(QUANTIZERS, "shell")
    with pytest.raises(CheckpointError, match=r"'shell'.*register_quantizer"):
        MotionTokenizer.from_pretrained(tmp_path)
