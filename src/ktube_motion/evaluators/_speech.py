"""A trainable evaluator of timing: does a motion go with what is being said at every moment?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

from ..errors import CheckpointError, ConfigError
from ..models import HubModel, evaluating
from ..skeletons import Skeleton
from ..text import NUM_TIMES, WordEncoder, timed_words, word_encoder, word_track
from ..types import Cue, FeatureStats, Word
from ._batching import Clips, as_clips
from ._reading import ReadsMotion, keep_text_encoder, kept_text_encoder

__all__ = ["SpeechEvaluator", "SpeechEvaluatorConfig", "SpeechOutput"]

_FARTHEST = 8.0  # deviations; a frame that is broken must not drown its clip


@dataclass(frozen=True)
class SpeechEvaluatorConfig:
    """Sizes of a `SpeechEvaluator`, and what it was trained with.

    Attributes
    ----------
    skeleton : str
        Name of the `Skeleton`; decides the size of the motion vectors.
    fps : float
        Frames per second of the motion.
    frames_per_step : int
        Frames to a step, at which motion and words are compared.
    word_dim : int
        Size of a word's vector; taken from the word encoder when one is given.
    word_encoder : str
        ``identity`` of the word encoder; likewise.
    width, embedding_size : int
    num_layers : int
        Convolutions on each side; a step looks ``2 ** num_layers - 1`` steps back and ahead.
    dropout : float
    input_noise : float
        Deviation of the noise added in training to the motion, which has deviation 1: what tells a gesture in
        clean motion must also be found in motion that a model wrote.

    Raises
    ------
    ConfigError
        If a value cannot work.

    Examples
    --------
    >>> SpeechEvaluatorConfig().steps_per_second
    10.0
    """

    skeleton: str = "smpl_22"
    fps: float = 20.0
    frames_per_step: int = 2
    word_dim: int = 1536
    word_encoder: str = ""
    width: int = 128
    embedding_size: int = 64
    num_layers: int = 3
    dropout: float = 0.2
    input_noise: float = 0.5

    def __post_init__(self) -> None:
        Skeleton.named(self.skeleton)
        for name in ("fps", "frames_per_step", "word_dim", "width", "embedding_size", "num_layers"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive.", found=getattr(self, name))
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout must be in [0, 1).", found=self.dropout)
        if not self.input_noise >= 0:
            raise ConfigError("input_noise must not be negative.", found=self.input_noise)

    @property
    def feature_size(self) -> int:
        """Size of a motion vector."""
        return Skeleton.named(self.skeleton).feature_size

    @property
    def steps_per_second(self) -> float:
        """How often motion and words are compared."""
        return self.fps / self.frames_per_step


class SpeechOutput(NamedTuple):
    """Embeddings of a training batch step by step, each ``(B, S, E)``; `timed_contrastive_loss` takes them.

    Examples
    --------
    >>> SpeechOutput(torch.zeros(2, 5, 8), torch.zeros(2, 5, 8))[0].shape
    torch.Size([2, 5, 8])
    """

    motion: torch.Tensor
    words: torch.Tensor


class _Convolutions(nn.Module):
    """Dilated convolutions: what a step tells depends on the steps near it, never on where the clip begins."""

    enter: nn.Linear
    dropout: nn.Dropout
    norms: nn.ModuleList
    near: nn.ModuleList
    mix: nn.ModuleList
    leave: nn.Sequential

    def __init__(self, size: int, width: int, output: int, num_layers: int, dropout: float) -> None:
        super().__init__()
        self.enter, self.dropout = nn.Linear(size, width), nn.Dropout(dropout)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(num_layers))
        self.near = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=2**layer, dilation=2**layer) for layer in range(num_layers)
        )
        self.mix = nn.ModuleList(nn.Linear(width, width) for _ in range(num_layers))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, output))

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        x = self.dropout(self.enter(steps))
        for norm, near, mix in zip(self.norms, self.near, self.mix, strict=True):
            around = near(rearrange(norm(x), "b t c -> b c t"))
            x = x + self.dropout(mix(F.gelu(rearrange(around, "b c t -> b t c"))))
        return self.leave(x)


class SpeechEvaluator(ReadsMotion, HubModel, tags=["motion-evaluation"]):
    """Says at every moment how well a motion goes with the words that are said then.

    Motion and words are embedded step by step, each from the one and a half
    seconds around it. The evidence that a motion belongs to its words is the
    dot product of the two, added up over time: a still moment weighs little,
    a gesture on its word much, one beside it speaks against it. It sees motion
    vectors alone, nothing of any model that generates.

    Parameters
    ----------
    config : SpeechEvaluatorConfig
    stats : FeatureStats, optional
        Mean and deviation of the features; without them features are taken as they are.
    word_encoder : WordEncoder, optional
        Lets `embed_words` read utterances. Its weights are not saved; a folder brings it back where it is what
        `text.word_encoder` makes of a text encoder that is at hand.

    Raises
    ------
    ConfigError
        If `stats` are of another size than the features.
    CheckpointError
        If `word_encoder` is not the one named in `config`.

    Examples
    --------
    >>> import numpy as np
    >>> from ktube_motion.text import EmbeddedTextEncoder, WindowWordEncoder
    >>> words = WindowWordEncoder(EmbeddedTextEncoder())
    >>> evaluator = SpeechEvaluator(SpeechEvaluatorConfig(width=32), word_encoder=words)
    >>> motion, = evaluator.embed_motion([np.zeros((61, 263))])
    >>> said, = evaluator.embed_words([[Cue(0.5, 2.0, "왼쪽을 보세요.")]], [30])
    >>> motion.shape, said.shape
    (torch.Size([30, 64]), torch.Size([30, 64]))
    """

    kind = "speech_evaluator"
    config_type = SpeechEvaluatorConfig
    config: SpeechEvaluatorConfig
    word_encoder: WordEncoder | None

    def __init__(
        self,
        config: SpeechEvaluatorConfig,
        stats: FeatureStats | None = None,
        word_encoder: WordEncoder | None = None,
    ) -> None:
        super().__init__()
        self.config = config = _named_encoder(config, word_encoder)
        self.__dict__["word_encoder"] = word_encoder  # an attribute, not a part: its weights are not ours to save
        self.hold_stats(stats, config.feature_size)
        motion_size = self._standardized(self.mean).shape[-1] * config.frames_per_step
        sizes = (config.width, config.embedding_size, config.num_layers, config.dropout)
        self.motion: _Convolutions = _Convolutions(motion_size, *sizes)
        self.words: _Convolutions = _Convolutions(config.word_dim + NUM_TIMES, *sizes)

    def _save_pretrained(self, save_directory: str | Path) -> None:
        super()._save_pretrained(save_directory)
        text_encoder = getattr(self.word_encoder, "encoder", None)
        if text_encoder is not None and word_encoder(text_encoder).identity == self.config.word_encoder:
            keep_text_encoder(text_encoder, save_directory)

    @classmethod
    def _saved_parts(cls, source: str | Path) -> dict[str, Any]:
        encoder = kept_text_encoder(source)
        return {} if encoder is None else {"word_encoder": word_encoder(encoder)}

    def forward(self, features: torch.Tensor, tracks: torch.Tensor) -> SpeechOutput:
        """Embed a training batch.

        Parameters
        ----------
        features : tensor [shape=(B, S * frames_per_step, D)]
            Raw.
        tracks : tensor [shape=(B, S, word_dim + NUM_TIMES)]
            From `track`.

        Returns
        -------
        output : SpeechOutput
        """
        return SpeechOutput(self._motion(features), self.words(tracks.to(self.mean)))

    def _motion(self, features: torch.Tensor) -> torch.Tensor:
        features = self._standardized(features).clamp(-_FARTHEST, _FARTHEST)
        if self.training:
            features = features + self.config.input_noise * torch.randn_like(features)
        return self.motion(features.unflatten(1, (-1, self.config.frames_per_step)).flatten(2))

    def read(self, spoken: Sequence[Cue]) -> tuple[list[Word], torch.Tensor]:
        """Give the words of utterances with times, and their vectors ``(len(words), word_dim)``.

        Raises
        ------
        ConfigError
            If there is no word encoder.
        DataError
            If an utterance lasts no time.
        """
        if self.word_encoder is None:
            raise ConfigError(
                "This evaluator has no word encoder to read with.",
                expected=self.config.word_encoder or "a word encoder",
                fix="Give SpeechEvaluator.from_pretrained(path, word_encoder=...).",
            )
        parts = [timed_words(utterance) for utterance in spoken]
        vectors = [self.word_encoder.encode_words([word.text for word in words]) for words in parts]
        words = [word for part in parts for word in part]
        return words, torch.cat(vectors) if vectors else torch.zeros(0, self.config.word_dim)

    def track(self, words: Sequence[Word], vectors: torch.Tensor, num_steps: int, *, start: int = 0) -> torch.Tensor:
        """Lay what `read` gave on steps: float32 ``(num_steps, word_dim + NUM_TIMES)``, from step `start` on."""
        rate = self.config.steps_per_second
        return word_track(words, vectors, num_tokens=num_steps, tokens_per_second=rate, start=start)

    @torch.no_grad()
    def embed_motion(self, features: Clips) -> list[torch.Tensor]:
        """Embed raw motion features step by step.

        Parameters
        ----------
        features : list of arrays ``(T, D)``
            Any length from 4 frames; frames that fill no step are left out.

        Returns
        -------
        embeddings : list of float32 tensors [shape=(T // frames_per_step, E)]
            On the CPU.

        Raises
        ------
        ShapeError, DataError
            If a clip has the wrong size, is shorter than four frames or has NaN.
        """
        clips, per_step = as_clips(features, None, self.feature_size), self.config.frames_per_step
        with evaluating(self):
            return [self._motion(clip[None, : len(clip) // per_step * per_step])[0].cpu() for clip in clips]

    @torch.no_grad()
    def embed_words(
        self, spoken: Sequence[Sequence[Cue]], num_steps: Sequence[int], *, shift: float = 0.0
    ) -> list[torch.Tensor]:
        """Embed what is said in clips step by step.

        Parameters
        ----------
        spoken : list of sequences of Cue or Utterance
            For each clip what is said, in seconds from its start; words without times are estimated.
        num_steps : sequence of int
            Steps of each clip.
        shift : float
            Seconds by which all words are moved: how a motion looks that comes so much too early.

        Returns
        -------
        embeddings : list of float32 tensors [shape=(S, E)]
            On the CPU.

        Raises
        ------
        ConfigError
            If there is no word encoder.
        DataError
            If an utterance lasts no time.
        """
        found = []
        with evaluating(self):
            for utterances, count in zip(spoken, num_steps, strict=True):
                words, vectors = self.read(utterances)
                moved = [replace(word, start=word.start + shift, end=word.end + shift) for word in words]
                found.append(self.words(self.track(moved, vectors, count).to(self.mean)[None])[0].cpu())
        return found


def _named_encoder(config: SpeechEvaluatorConfig, encoder: WordEncoder | None) -> SpeechEvaluatorConfig:
    """Write the word encoder's identity and size into a config that has none; refuse another one."""
    if encoder is None:
        return config
    if config.word_encoder and (config.word_encoder, config.word_dim) != (encoder.identity, encoder.dim):
        raise CheckpointError(
            "The evaluator was trained with another word encoder.",
            expected=f"{config.word_encoder} of size {config.word_dim}",
            found=f"{encoder.identity} of size {encoder.dim}",
            fix="Vectors of equal size from another encoder would fit and mean nothing.",
        )
    return replace(config, word_encoder=encoder.identity, word_dim=encoder.dim)
