"""A pipeline on its way: to a device, to the hub, and back."""

import os
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import torch
from huggingface_hub import HfApi, ModelCard, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from ..errors import CheckpointError
from ..gpt._transformer import MotionTransformer
from ..models._cards import model_card
from ..text import TextEncoder
from ..text._loading import text_encoder_source
from ..vq import MotionTokenizer

__all__ = ["SharedPipeline", "find_pipeline"]

_FILES = ["pipeline.json", "tokenizer/*", "transformer/*", "text_encoder/*"]


def find_pipeline(source: str | Path, **hub: Any) -> Path:
    """Give the folder of a pipeline: itself, or what the hub has under an id as ``"user/model"``.

    Raises
    ------
    CheckpointError
        If there is neither.
    """
    folder = Path(source)
    if os.path.isdir(folder):
        return folder
    if isinstance(source, Path) or folder.is_absolute() or str(source).startswith(".") or str(source).count("/") != 1:
        raise CheckpointError(
            "There is no such folder.", where=folder.absolute(), expected="a folder with pipeline.json",
            fix="`ktube-motion quickstart` leaves one in output/quickstart/pipeline.",
        )  # fmt: skip
    try:
        return Path(snapshot_download(str(source), allow_patterns=_FILES, **hub))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise CheckpointError("Neither a folder here nor a pipeline on the hub.", where=source, found=error) from error


def _move(encoder: Any, device: torch.device) -> None:
    """Move the modules of a text or word encoder, and of the encoders inside it."""
    for part in (getattr(encoder, name, None) for name in ("model", "evaluator", "encoder")):
        if isinstance(part, torch.nn.Module):
            part.to(device)
        elif part is not None:
            _move(part, device)


class SharedPipeline:
    """What a pipeline does as a whole: move, and go to the hub."""

    tokenizer: MotionTokenizer
    transformer: MotionTransformer
    text_encoder: TextEncoder
    word_encoder: Any
    fps: float

    def save_pretrained(self, folder: str | Path) -> None:
        """Write everything to a folder."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where tokenizer and transformer compute."""
        return next(chain(self.transformer.parameters(), self.transformer.buffers())).device

    def to(self, device: torch.device | str) -> Self:
        """Move tokenizer, transformer and text encoder to a device; gives the pipeline itself, as torch does.

        Examples
        --------
        >>> from ktube_motion.gpt import TransformerConfig
        >>> from ktube_motion.pipeline import UtteranceToMotion
        >>> from ktube_motion.text import EmbeddedTextEncoder
        >>> from ktube_motion.vq import TokenizerConfig
        >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
        >>> transformer = MotionTransformer(TransformerConfig(num_codes=8, width=32, num_layers=1, num_heads=4))
        >>> UtteranceToMotion(tokenizer, transformer, EmbeddedTextEncoder()).to("cpu").device
        device(type='cpu')
        """
        device = torch.device(device)
        self.tokenizer.to(device)
        self.transformer.to(device)
        for encoder in (self.text_encoder, self.word_encoder):
            _move(encoder, device)
        return self

    def generate_model_card(self, *, license: str | None = None, data: str | None = None) -> ModelCard:
        """Write the card that `push_to_hub` sends along.

        Parameters
        ----------
        license : str, optional
            Of the weights, as the hub calls it.
        data : str, optional
            What they were trained on, and under which terms.
        """
        parts = (self.tokenizer, self.transformer)
        facts = {
            "frames per second": self.fps,
            "skeleton": self.tokenizer.config.skeleton,
            "text encoder": self.text_encoder.identity,
            "its weights": text_encoder_source(self.text_encoder),
            "hears words in time": "yes" if self.word_encoder is not None else "no",
            "parameters": sum(weight.numel() for part in parts for weight in part.parameters()),
        }
        return model_card("utterance_to_motion", facts=facts, license=license, data=data)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        license: str | None = None,
        data: str | None = None,
        private: bool | None = None,
        token: str | None = None,
        commit_message: str = "A pipeline of ktube_motion",
    ) -> str:
        """Send the pipeline to the hub, with its card; ``from_pretrained(repo_id)`` loads it.

        Parameters
        ----------
        repo_id : str
            As ``"user/model"``.
        license, data : str, optional
            For the card, see `generate_model_card`. A text encoder that is not the embedded one or an aligned one
            goes as its recipe: its own weights stay where they are.
        private, token, commit_message
            As `huggingface_hub.HfApi` has them.

        Returns
        -------
        url : str
            Of the commit.
        """
        api = HfApi(token=token)
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            self.generate_model_card(license=license, data=data).save(Path(folder) / "README.md")
            return str(api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=commit_message))
