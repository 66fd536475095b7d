"""An evaluator's text side as a text encoder: words that lie near the motion they mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from ..errors import CheckpointError
from ..models import fingerprint
from ..text import TextEncoder, clean_texts, register_text_encoder
from ._evaluator import MotionEvaluator

__all__ = ["AlignedTextEncoder"]


class AlignedTextEncoder:
    """Vectors of texts in the space that an evaluator shares with motion.

    An evaluator learns what words mean for motion much faster than a
    transformer does. A transformer conditioned on its vectors need not learn
    it again: train one on the corpus (contrastive pre-training), for
    paraphrases with a `text.SequenceTextEncoder` and a
    `text.TextAugmentation`, and give this to `training.train_transformer`.

    An evaluator that generation is conditioned on should not judge it too.

    Parameters
    ----------
    evaluator : MotionEvaluator
        With its text encoder.

    Examples
    --------
    >>> from ktube_motion.evaluators import EvaluatorConfig
    >>> from ktube_motion.text import EmbeddedTextEncoder
    >>> evaluator = MotionEvaluator(EvaluatorConfig(width=32, embedding_size=16), text_encoder=EmbeddedTextEncoder())
    >>> AlignedTextEncoder(evaluator).encode(["오른손을 든다"]).shape
    torch.Size([1, 16])
    """

    evaluator: MotionEvaluator
    dim: int

    recipe: ClassVar[dict[str, str]] = {"kind": "aligned"}

    def __init__(self, evaluator: MotionEvaluator) -> None:
        self.evaluator, self.dim = evaluator, evaluator.embedding_size
        self.identity: str = f"aligned/{evaluator.config.text_encoder}/{fingerprint(evaluator)}"

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, text_encoder: TextEncoder | None = None) -> "AlignedTextEncoder":
        """Load an evaluator's folder.

        Parameters
        ----------
        folder : path
        text_encoder : TextEncoder, optional
            The one it was trained with; needed only where the folder does not bring it back.

        Raises
        ------
        CheckpointError
            If it is needed, or is another one.
        """
        parts: dict[str, Any] = {} if text_encoder is None else {"text_encoder": text_encoder}
        evaluator = MotionEvaluator.from_pretrained(folder, **parts)
        if evaluator.text_encoder is None:
            raise CheckpointError(
                "This evaluator needs its text encoder.",
                where=folder,
                expected=evaluator.config.text_encoder,
                fix="Pass text_encoder=… .",
            )
        return cls(evaluator)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the evaluator, with what its own text encoder is loaded from."""
        self.evaluator.save_pretrained(folder)

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Give float32 vectors ``(len(texts), dim)`` on the CPU."""
        texts = clean_texts(texts)
        return self.evaluator.embed_text(texts) if texts else torch.zeros(0, self.dim)


def _load(*, folder: Path, device: str | torch.device = "cpu") -> AlignedTextEncoder:
    encoder = AlignedTextEncoder.from_pretrained(folder)
    encoder.evaluator.to(device)
    return encoder


register_text_encoder("aligned", _load)
