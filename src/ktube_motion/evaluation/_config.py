"""What decides the figures of an evaluation, in one place."""

from dataclasses import dataclass
from typing import Any, Self

from ..errors import ConfigError

__all__ = ["EvaluationConfig"]


@dataclass(frozen=True)
class EvaluationConfig:
    """The settings of the protocol; two evaluations can be compared when these and the data are the same.

    Attributes
    ----------
    split : str
        Whose clips are measured.
    repeats : int
        Draws of texts, batches and pairs; the report gives mean and 95 % interval.
    seed : int
    min_frames, max_frames : int
        Limits of a sample; what is outside is left out and counted.
    limit_clips : bool
        Whether a clip outside the limits is left out with all that is said in parts of it, as published.
    batch_size : int
        Pool of R-precision.
    drop_last : bool
        Leave the samples after the last full batch out, as published.
    multimodality_texts, multimodality_samples, multimodality_pairs : int
        Generations of each of so many texts in every repeat (all texts when fewer), and pairs of them; 0 texts
        turns it off.

    Raises
    ------
    ConfigError
        If a number cannot be.

    Examples
    --------
    >>> EvaluationConfig.kit().min_frames, EvaluationConfig.ktube(split="val", repeats=5).repeats
    (24, 5)
    """

    split: str = "test"
    repeats: int = 20
    seed: int = 0
    min_frames: int = 40
    max_frames: int = 199
    limit_clips: bool = True
    batch_size: int = 32
    drop_last: bool = False
    multimodality_texts: int = 100
    multimodality_samples: int = 30
    multimodality_pairs: int = 10

    def __post_init__(self) -> None:
        least = {"repeats": 1, "min_frames": 1, "batch_size": 1, "multimodality_texts": 0}
        least |= {"multimodality_samples": 1, "multimodality_pairs": 1, "seed": 0, "max_frames": self.min_frames}
        for name, bound in least.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < bound:
                raise ConfigError(f"{name} cannot be that.", expected=f"a whole number >= {bound}", found=repr(value))

    @classmethod
    def humanml3d(cls, **changes: Any) -> Self:
        """Give the protocol published for HumanML3D: clips of 40 to 199 frames at 20 fps."""
        return cls(**changes)

    @classmethod
    def kit(cls, **changes: Any) -> Self:
        """Give the protocol published for KIT-ML: clips of 24 to 199 frames at 12.5 fps."""
        return cls(**{"min_frames": 24, **changes})

    @classmethod
    def ktube(cls, **changes: Any) -> Self:
        """Give the protocol of KTubeUM: utterances of one second to 199 frames at 20 fps, also those inside talks."""
        return cls(**{"min_frames": 20, "limit_clips": False, **changes})
