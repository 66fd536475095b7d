"""What the evaluators trained here share: the motion they read, and the text encoder that lies in their folder."""

import os
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from ..models import StandardizedModel
from ..skeletons import Skeleton
from ..text import TextEncoder, load_text_encoder, save_text_encoder

__all__ = ["ReadsMotion", "keep_text_encoder", "kept_text_encoder"]

_CONTACTS = 4
_FOLDER = "text_encoder"  # inside an evaluator's


class ReadsMotion(StandardizedModel):
    """Reads the motion vectors of one skeleton at one frame rate."""

    config: Any

    @property
    def skeleton(self) -> Skeleton:
        """Skeleton whose motion it reads."""
        return Skeleton.named(self.config.skeleton)

    @property
    def fps(self) -> float:
        """Frames per second of the motion it reads."""
        return float(self.config.fps)

    @property
    def feature_size(self) -> int:
        """Size of a motion vector."""
        return self.skeleton.feature_size

    def _standardized(self, features: torch.Tensor) -> torch.Tensor:
        """Give raw features in deviations from the mean, without the foot contacts."""
        return ((features.to(self.mean) - self.mean) / self.std)[..., :-_CONTACTS]


def keep_text_encoder(encoder: TextEncoder, evaluator: str | Path) -> None:
    """Write into an evaluator's folder how its text encoder is loaded again."""
    save_text_encoder(encoder, Path(evaluator) / _FOLDER)


def kept_text_encoder(evaluator: str | Path) -> TextEncoder | None:
    """Load the text encoder that an evaluator's folder names, if it is at hand."""
    folder = Path(evaluator) / _FOLDER
    try:
        return load_text_encoder(folder) if os.path.isdir(folder) else None
    except CheckpointError:  # told when something is to be read, which most uses never do
        return None
