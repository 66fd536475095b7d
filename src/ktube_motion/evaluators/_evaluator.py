"""A trainable evaluator: motions and texts of any language in one space."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from ..errors import CheckpointError, ConfigError, DataError, ShapeError
from ..models import HubModel, evaluating
from ..skeletons import Skeleton
from ..text import vectors_per_text
from ..types import FeatureStats
from ._batching import Clips, Lengths, as_clips, in_batches
from ._encoders import AttentionPool, BiGRU, Halving, Transformer
from ._reading import ReadsMotion, keep_text_encoder, kept_text_encoder

__all__ = ["EvaluatorConfig", "EvaluatorOutput", "MotionEvaluator"]

_CHOICES = {"motion_encoder": ("gru", "transformer"), "text_input": ("sentence", "sequence", "words")}


@dataclass(frozen=True)
class EvaluatorConfig:
    """Sizes of a `MotionEvaluator`, and what it was trained with.

    Attributes
    ----------
    skeleton : str
        Name of the `Skeleton`; decides the size of the motion vectors.
    fps : float
        Frames per second of the motion.
    motion_encoder : {"gru", "transformer"}
        What reads the motion, after two halvings of its rate.
    text_input : {"sentence", "sequence", "words"}
        One vector per text from a `TextEncoder`, several from a `text.SequenceTextEncoder`, or the
        original's word vectors with parts of speech.
    text_dim : int
        Size of those vectors; taken from the text encoder when one is given.
    text_encoder : str
        ``identity`` of the text encoder; likewise.
    width, embedding_size : int
    num_layers, num_heads : int
        Layers of the motion encoder; heads are for the transformer.
    dropout : float
    normalize : bool
        Unit-length embeddings, as `contrastive_loss` likes them; False for `margin_loss`.

    Raises
    ------
    ConfigError
        If a value cannot work.

    Examples
    --------
    >>> EvaluatorConfig(skeleton="kit_21").feature_size
    251
    """

    skeleton: str = "smpl_22"
    fps: float = 20.0
    motion_encoder: str = "gru"
    text_input: str = "sentence"
    text_dim: int = 512
    text_encoder: str = ""
    width: int = 256
    embedding_size: int = 256
    num_layers: int = 1
    num_heads: int = 4
    dropout: float = 0.1
    normalize: bool = True

    def __post_init__(self) -> None:
        Skeleton.named(self.skeleton)
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ConfigError(f"Unknown {name}.", expected=" or ".join(choices), found=repr(getattr(self, name)))
        for name in ("text_dim", "width", "embedding_size", "num_layers", "num_heads", "fps"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive.", found=getattr(self, name))
        if not 0 <= self.dropout < 1:
            raise ConfigError("dropout must be in [0, 1).", found=self.dropout)
        if self.motion_encoder == "transformer" and self.width % self.num_heads:
            raise ConfigError("width must be a multiple of num_heads.", found=f"{self.width} and {self.num_heads}")

    @property
    def feature_size(self) -> int:
        """Size of a motion vector."""
        return Skeleton.named(self.skeleton).feature_size


class EvaluatorOutput(NamedTuple):
    """Paired embeddings of a training batch, each ``(B, E)``; the losses take them.

    Examples
    --------
    >>> EvaluatorOutput(torch.zeros(2, 8), torch.zeros(2, 8))[0].shape
    torch.Size([2, 8])
    """

    motion: torch.Tensor
    text: torch.Tensor


class MotionEvaluator(ReadsMotion, HubModel, tags=["motion-evaluation"]):
    """Embeddings of motions and of texts, trained so that true pairs are near.

    The text side is a small head over the vectors of a frozen `TextEncoder`,
    so it understands what that encoder understands. The checkpoint holds the
    statistics, frame rate, skeleton and the text encoder's identity: two
    papers that share the folder share the measure.

    Parameters
    ----------
    config : EvaluatorConfig
    stats : FeatureStats, optional
        Mean and deviation of the features; without them features are taken as they are.
    text_encoder : TextEncoder, optional
        Lets `embed_text` take sentences; for ``text_input="words"`` a `WordVectorizer`. Its weights are not saved,
        but how it is loaded again is: a folder brings its text encoder back where that is at hand.

    Raises
    ------
    ConfigError
        If `stats` are of another size than the features.
    CheckpointError
        If `text_encoder` is not the one named in `config`.

    Examples
    --------
    >>> evaluator = MotionEvaluator(EvaluatorConfig(width=32, embedding_size=16, text_dim=8))
    >>> evaluator.embed_motion([np.zeros((40, 263)), np.zeros((87, 263))]).shape
    torch.Size([2, 16])
    >>> evaluator.embed_text(np.zeros((3, 8))).shape
    torch.Size([3, 16])
    """

    kind = "motion_evaluator"
    config_type = EvaluatorConfig
    config: EvaluatorConfig
    text_encoder: Any
    halving: Halving
    motion_pool: AttentionPool
    log_temperature: nn.Parameter
    words: BiGRU
    text_pool: AttentionPool
    parts: nn.Linear
    text_layers: Transformer
    text_head: nn.Sequential

    def __init__(self, config: EvaluatorConfig, stats: FeatureStats | None = None, text_encoder: Any = None) -> None:
        super().__init__()
        self.config = config = _named_encoder(config, text_encoder)
        self.__dict__["text_encoder"] = text_encoder  # an attribute, not a part: its weights are not ours to save
        size = config.feature_size
        self.hold_stats(stats, size)
        width, dropout = config.width, config.dropout
        self.halving = Halving(self._standardized(self.mean).shape[-1], width, dropout)
        if config.motion_encoder == "gru":
            self.motion: nn.Module = BiGRU(width, width, config.num_layers, dropout)
        else:
            self.motion = Transformer(width, config.num_layers, config.num_heads, dropout)
        self.motion_pool = AttentionPool(width, config.embedding_size)
        if config.text_input == "words":
            self.words = BiGRU(config.text_dim, width, 1, dropout)
            self.text_pool = AttentionPool(width, config.embedding_size)
        elif config.text_input == "sequence":
            self.parts = nn.Linear(config.text_dim, width)
            self.text_layers = Transformer(width, 2, config.num_heads, dropout)
            self.text_pool = AttentionPool(width, config.embedding_size)
        else:
            self.text_head = nn.Sequential(
                nn.LayerNorm(config.text_dim),
                nn.Linear(config.text_dim, width),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(width, config.embedding_size),
            )
        self.log_temperature = nn.Parameter(torch.tensor(np.log(0.1), dtype=torch.float32))

    def _save_pretrained(self, save_directory: str | Path) -> None:
        super()._save_pretrained(save_directory)
        if hasattr(self.text_encoder, "identity"):
            keep_text_encoder(self.text_encoder, save_directory)

    @classmethod
    def _saved_parts(cls, source: str | Path) -> dict[str, Any]:
        encoder = kept_text_encoder(source)
        return {} if encoder is None else {"text_encoder": encoder}

    @property
    def temperature(self) -> torch.Tensor:
        """Learnable temperature of `contrastive_loss`, held between 0.01 and 1."""
        return self.log_temperature.exp().clamp(0.01, 1.0)

    @property
    def embedding_size(self) -> int:
        """Size of an embedding."""
        return self.config.embedding_size

    def motion_side(self) -> nn.ModuleList:
        """Give the parts that read motion."""
        return nn.ModuleList([self.halving, self.motion, self.motion_pool])

    def forward(
        self,
        features: torch.Tensor,
        lengths: torch.Tensor,
        text: torch.Tensor,
        text_lengths: torch.Tensor | None = None,
        *,
        motion: torch.Tensor | None = None,
    ) -> EvaluatorOutput:
        """Embed a training batch of pairs.

        Parameters
        ----------
        features : tensor [shape=(B, T, D)]
            Raw, padded at the end with anything finite.
        lengths : int tensor [shape=(B,)]
            Valid frames, at least 4.
        text : tensor [shape=(B, text_dim)] or [shape=(B, L, text_dim)]
            Vectors of sentences, of their parts, or of words.
        text_lengths : int tensor [shape=(B,)], optional
            Valid words.
        motion : tensor [shape=(B, E)], optional
            What the motions were embedded to before; features and lengths are then not looked at.

        Returns
        -------
        output : EvaluatorOutput
        """
        motion = self._motion(features, lengths) if motion is None else motion
        return EvaluatorOutput(motion, self._text(text, text_lengths))

    def _finish(self, embeddings: torch.Tensor) -> torch.Tensor:
        return F.normalize(embeddings, dim=-1) if self.config.normalize else embeddings

    def _motion(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        steps, lengths = self.halving(self._standardized(features), lengths.to(self.mean.device))
        return self._finish(self.motion_pool(self.motion(steps, lengths), lengths))

    def _text(self, text: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        text = text.to(self.mean)
        if self.config.text_input == "sentence":
            return self._finish(self.text_head(text))
        if self.config.text_input == "sequence":
            filled = text.any(-1).sum(-1).clamp_min(1)
            return self._finish(self.text_pool(self.text_layers(self.parts(text), filled), filled))
        if lengths is None:
            raise ConfigError("Words come with their numbers.", fix="Give text_lengths=…")
        lengths = lengths.to(text.device)
        return self._finish(self.text_pool(self.words(text, lengths), lengths))

    @torch.no_grad()
    def embed_motion(self, features: Clips, lengths: Lengths | None = None, *, batch_size: int = 256) -> torch.Tensor:
        """Embed raw motion features.

        Parameters
        ----------
        features : list of arrays ``(T, D)``, or array or tensor [shape=(B, T, D)]
            Raw vectors; they are normalised here. Any number, any length from 4 frames.
        lengths : sequence of int, optional
            Valid frames of padded features.
        batch_size : int
            Clips at once; they are sorted by length inside.

        Returns
        -------
        embeddings : float32 tensor [shape=(N, E)]
            In input order, on the CPU.

        Raises
        ------
        ShapeError, DataError
            If a clip has the wrong size, is shorter than four frames or has NaN.
        """
        clips = as_clips(features, lengths, self.feature_size)
        sizes = [len(clip) for clip in clips]

        def encode(batch: list[torch.Tensor]) -> torch.Tensor:
            lengths = torch.tensor([len(clip) for clip in batch])
            return self._motion(pad_sequence([clip.to(self.mean) for clip in batch], batch_first=True), lengths)

        with evaluating(self):
            return in_batches(encode, clips, sizes, batch_size=batch_size, size=self.embedding_size)

    @torch.no_grad()
    def embed_text(self, texts: Any, *, batch_size: int = 1024) -> torch.Tensor:
        """Embed sentences, or their vectors.

        Parameters
        ----------
        texts : sequence of str or Utterance, or array or tensor [shape=(B, text_dim)]
            With ``text_input="words"``: token lists, Utterances with tokens,
            or a list of arrays ``(L, text_dim)``.
        batch_size : int

        Returns
        -------
        embeddings : float32 tensor [shape=(N, E)]
            In input order, on the CPU.

        Raises
        ------
        ConfigError
            If sentences are given and there is no text encoder.
        ShapeError, DataError
            If vectors have another size, or NaN.
        """
        vectors = [torch.as_tensor(np.asarray(vector)) for vector in self._vectors(texts)]
        ndim = 1 if self.config.text_input == "sentence" else 2
        for index, vector in enumerate(vectors):
            if vector.ndim != ndim or vector.shape[-1] != self.config.text_dim or not vector.numel():
                raise ShapeError(
                    f"Text {index} does not fit this evaluator.",
                    expected=f"{self.config.text_input} vectors of size {self.config.text_dim}",
                    found=tuple(vector.shape),
                )
            if not torch.isfinite(vector).all():
                raise DataError(f"The vector of text {index} has NaN or infinity.")

        def encode(batch: list[torch.Tensor]) -> torch.Tensor:
            lengths = torch.tensor([len(vector) for vector in batch])
            return self._text(pad_sequence([vector.to(self.mean) for vector in batch], batch_first=True), lengths)

        sizes = [len(vector) for vector in vectors]
        with evaluating(self):
            return in_batches(encode, vectors, sizes, batch_size=batch_size, size=self.embedding_size)

    def _vectors(self, texts: Any) -> Any:
        """Turn sentences or tokens into vectors; pass vectors on."""
        if not len(texts) or not (isinstance(texts[0], str) or hasattr(texts[0], "text") or _is_tokens(texts[0])):
            return texts
        if self.text_encoder is None:
            raise ConfigError(
                "This evaluator has no text encoder to read sentences with.",
                expected=self.config.text_encoder or "text vectors",
                fix="Give MotionEvaluator.from_pretrained(path, text_encoder=...).",
            )
        if self.config.text_input != "words":
            return self.text_encoder.encode([getattr(text, "text", text) for text in texts]).cpu()
        encoded = [self.text_encoder.encode_tokens(getattr(text, "tokens", text)) for text in texts]
        return [np.concatenate([words, pos], -1)[:length] for words, pos, length in encoded]


def _is_tokens(text: object) -> bool:
    return isinstance(text, (list, tuple)) and len(text) > 0 and isinstance(text[0], (str, tuple))


def _named_encoder(config: EvaluatorConfig, text_encoder: Any) -> EvaluatorConfig:
    """Write the text encoder's identity and size into a config that has none; refuse another one."""
    if text_encoder is None:
        return config
    identity = getattr(text_encoder, "identity", "")
    size = text_encoder.dim + (15 if config.text_input == "words" else 0)  # word vector and POS one-hot
    if config.text_encoder and config.text_encoder != identity:
        raise CheckpointError(
            "The evaluator was trained with another text encoder.",
            expected=config.text_encoder,
            found=identity or type(text_encoder).__name__,
            fix="Vectors of equal size from another encoder would fit and mean nothing.",
        )
    if (config.text_input == "sequence") != (vectors_per_text(text_encoder) > 1):
        raise ConfigError(
            "Evaluator and text encoder do not fit.",
            expected="text_input='sequence' with a SequenceTextEncoder, and only with it",
            found=f"{config.text_input!r} with {identity}",
        )
    if config.text_encoder and config.text_dim != size:
        raise CheckpointError("The text encoder has another size.", expected=config.text_dim, found=size)
    return replace(config, text_encoder=identity, text_dim=size)
