"""The published English evaluator of HumanML3D and KIT-ML (``text_mot_match``).

The checkpoint ``finest.tar`` holds three state dictionaries: a movement
encoder (convolutions, four frames to one step), a motion encoder and a text
encoder (bidirectional GRUs). Its statistics lie in a ``meta`` folder beside.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

from ..errors import CheckpointError, ConfigError, DataError, ShapeError
from ..models import StandardizedModel, evaluating, load_stats, load_torch_file
from ..skeletons import Skeleton
from ..types import FeatureStats
from ._batching import Clips, Lengths, as_clips, in_batches

__all__ = ["T2MEvaluator", "load_t2m_evaluator"]

_PARTS = ("movement_encoder", "text_encoder", "motion_encoder")
# The published data set cuts clips to 196 frames and pads shorter ones with zeros up to there.
PADDED_FRAMES = 196


class _Movement(nn.Module):
    """Convolutions that turn ``(B, T, D - 4)`` into ``(B, T // 4, H)``."""

    main: nn.Sequential
    out_net: nn.Linear

    def __init__(self, size: int, hidden: int, output: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(size, hidden, 4, 2, 1),
            nn.Dropout(0.2),
            nn.LeakyReLU(0.2),
            nn.Conv1d(hidden, output, 4, 2, 1),
            nn.Dropout(0.2),
            nn.LeakyReLU(0.2),
        )
        self.out_net = nn.Linear(output, output)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.out_net(rearrange(self.main(rearrange(features, "b t c -> b c t")), "b c t -> b t c"))


class _GRU(nn.Module):
    """Linear, bidirectional GRU with a learned first state, and a two-layer head."""

    input_emb: nn.Linear
    gru: nn.GRU
    output_net: nn.Sequential
    hidden: nn.Parameter

    def __init__(self, size: int, hidden: int, output: int) -> None:
        super().__init__()
        self.input_emb = nn.Linear(size, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(
            nn.Linear(2 * hidden, hidden), nn.LayerNorm(hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, output)
        )
        self.hidden = nn.Parameter(torch.zeros(2, 1, hidden))

    def read(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = pack_padded_sequence(self.input_emb(steps), lengths.cpu(), batch_first=True, enforce_sorted=False)
        _, last = self.gru(packed, self.hidden.expand(-1, len(steps), -1).contiguous())
        return self.output_net(torch.cat([last[0], last[1]], -1))


class _MotionBiGRU(_GRU):
    def forward(self, steps: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.read(steps, lengths)


class _TextBiGRU(_GRU):
    pos_emb: nn.Linear

    def __init__(self, word_size: int, pos_size: int, hidden: int, output: int) -> None:
        super().__init__(word_size, hidden, output)
        self.pos_emb = nn.Linear(pos_size, word_size)

    def forward(self, words: torch.Tensor, pos: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self.read(words + self.pos_emb(pos), lengths)


class T2MEvaluator(StandardizedModel):
    """Text and motion embeddings of the published evaluator; make it with `load_t2m_evaluator`.

    Attributes
    ----------
    feature_size, embedding_size : int
    skeleton : Skeleton
    fps : float
        20, or 12.5 for KIT-ML.
    stats : FeatureStats
        The evaluator's own; zeros and ones when none were given.
    """

    feature_size: int
    embedding_size: int
    movement_encoder: _Movement
    motion_encoder: _MotionBiGRU
    text_encoder: _TextBiGRU

    def __init__(
        self,
        weights: Mapping[str, Mapping[str, torch.Tensor]],
        stats: FeatureStats | None = None,
        word_vectorizer: Any = None,
    ) -> None:
        super().__init__()
        movement, text, motion = (weights[name] for name in _PARTS)
        hidden, size, _ = movement["main.0.weight"].shape
        output = len(movement["out_net.weight"])
        self.movement_encoder = _Movement(size, hidden, output)
        self.motion_encoder = _MotionBiGRU(output, *_gru_sizes(motion))
        word_size, pos_size = text["pos_emb.weight"].shape
        self.text_encoder = _TextBiGRU(word_size, pos_size, *_gru_sizes(text))
        self.feature_size, self.embedding_size = size + 4, len(motion["output_net.3.weight"])
        self.skeleton: Skeleton = Skeleton.for_feature_size(self.feature_size)
        self.fps: float = 12.5 if self.skeleton.name == "kit_21" else 20.0
        if stats is not None and len(stats.mean) != self.feature_size:
            raise CheckpointError(
                "The statistics are of another data set.", expected=self.feature_size, found=len(stats.mean)
            )
        self.hold_stats(stats, self.feature_size)
        self.word_vectorizer = word_vectorizer
        for name in _PARTS:
            getattr(self, name).load_state_dict(weights[name])
        self.eval()

    @torch.no_grad()
    def embed_motion(self, features: Clips, lengths: Lengths | None = None, *, batch_size: int = 256) -> torch.Tensor:
        """Embed raw motion features.

        Parameters
        ----------
        features : list of arrays ``(T, D)``, or array or tensor [shape=(B, T, D)]
            Raw vectors; they are normalised here. Any number, any length from 4 frames.
        lengths : sequence of int, optional
            Valid frames of padded features; what lies beyond counts as padding.
        batch_size : int

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
        result = torch.zeros(len(clips), self.embedding_size)
        long = np.array([len(clip) > PADDED_FRAMES for clip in clips], dtype=bool)
        with evaluating(self):
            for part in (np.flatnonzero(~long), np.flatnonzero(long)):
                chosen = [clips[index] for index in part]
                lengths = [len(clip) for clip in chosen]
                rows = in_batches(self._motions, chosen, lengths, batch_size=batch_size, size=self.embedding_size)
                result[torch.from_numpy(part)] = rows
        return result

    def _motions(self, clips: list[torch.Tensor]) -> torch.Tensor:
        clips = [(clip.to(self.mean) - self.mean) / self.std for clip in clips]
        longest = max(len(clip) for clip in clips)
        # The convolutions see the padding: what was published to 196 frames, and enough zeros beyond,
        # so that no clip feels its batch.
        padded = PADDED_FRAMES if longest <= PADDED_FRAMES else longest + 8
        blank = clips[0].new_zeros(padded, self.feature_size)
        batch = pad_sequence([blank, *clips], batch_first=True)[1:]
        steps = self.movement_encoder(batch[..., :-4])
        return self.motion_encoder(steps, torch.tensor([len(clip) // 4 for clip in clips]))

    @torch.no_grad()
    def embed_text(self, texts: Any, *, batch_size: int = 256) -> torch.Tensor:
        """Embed texts given as word vectors or as tagged words.

        Parameters
        ----------
        texts : (words, pos, lengths) or sequence of token lists
            Arrays ``(B, L, 300)``, ``(B, L, 15)`` and ``(B,)``; or, with a
            word vectorizer, one list of (word, POS) pairs or ``word/POS``
            strings per text, or `Utterance` objects with tokens.
        batch_size : int

        Returns
        -------
        embeddings : float32 tensor [shape=(N, E)]
            In input order, on the CPU.

        Raises
        ------
        ConfigError
            If tokens are given and there is no word vectorizer.
        DataError
            If a text has no tokens.
        """
        if not _is_arrays(texts):
            texts = self._vectorize(texts)
        words, pos, lengths = (torch.as_tensor(np.asarray(part)) for part in texts)
        expected = (self.text_encoder.pos_emb.out_features, self.text_encoder.pos_emb.in_features)
        if (words.shape[-1], pos.shape[-1]) != expected or words.shape[:2] != pos.shape[:2]:
            raise ShapeError(
                "Word vectors or POS one-hots have the wrong shape.",
                expected=f"(B, L, {expected[0]}) and (B, L, {expected[1]})",
                found=f"{tuple(words.shape)} and {tuple(pos.shape)}",
            )
        items = list(zip(words.to(self.mean), pos.to(self.mean), lengths.tolist(), strict=True))
        with evaluating(self):
            return in_batches(self._texts, items, lengths, batch_size=batch_size, size=self.embedding_size)

    def _texts(self, items: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        words, pos, lengths = zip(*items, strict=True)
        return self.text_encoder(torch.stack(words), torch.stack(pos), torch.tensor(lengths))

    def _vectorize(self, texts: Sequence[Any]) -> tuple[np.ndarray, ...]:
        if self.word_vectorizer is None:
            raise ConfigError(
                "This evaluator reads word vectors, not sentences.",
                fix="Give load_t2m_evaluator(word_vectorizer=ktube_motion.text.WordVectorizer(folder)).",
            )
        tokens = [getattr(text, "tokens", text) for text in texts]
        empty = [index for index, text in enumerate(tokens) if isinstance(text, str) or not len(text)]
        if empty:
            raise DataError(
                f"{len(empty)} of {len(tokens)} texts have no tagged words, first text {empty[0]}.",
                expected="(word, POS) pairs",
                fix="Tag the texts first; for Korean use a MotionEvaluator.",
            )
        rows = [self.word_vectorizer.encode_tokens(text) for text in tokens]
        return tuple(np.stack([np.asarray(row[k]) for row in rows]) for k in range(3))


def _gru_sizes(weights: Mapping[str, torch.Tensor]) -> tuple[int, int]:
    return weights["input_emb.weight"].shape[0], weights["output_net.3.weight"].shape[0]


def _is_arrays(texts: object) -> bool:
    return isinstance(texts, tuple) and len(texts) == 3 and getattr(texts[0], "ndim", 0) == 3


def load_t2m_evaluator(
    path: str | Path,
    *,
    mean: npt.ArrayLike | Path | None = None,
    std: npt.ArrayLike | Path | None = None,
    word_vectorizer: Any = None,
) -> T2MEvaluator:
    """Load the published evaluator of HumanML3D (263) or KIT-ML (251).

    Parameters
    ----------
    path : path
        ``finest.tar``, or a folder that holds it (``text_mot_match`` or ``text_mot_match/model``).
    mean, std : array [shape=(D,)] or path, optional
        The evaluator's own statistics. Looked for as ``meta/mean.npy`` and
        ``meta/std.npy`` beside the checkpoint's folder when not given; where
        there are none, motions are taken as normalised already.
    word_vectorizer : WordVectorizer, optional
        Lets `embed_text` take tagged words.

    Returns
    -------
    evaluator : T2MEvaluator

    Raises
    ------
    CheckpointError
        If the file is missing, damaged or of another layout, or the statistics do not fit it.

    References
    ----------
    .. [1] C. Guo et al., Generating Diverse and Natural 3D Human Motions from Text, CVPR 2022.

    Examples
    --------
    >>> load_t2m_evaluator("checkpoints/nowhere")
    Traceback (most recent call last):
    ktube_motion.errors.CheckpointError: checkpoints/nowhere: There is no evaluator here. ...
    """
    file = _find(Path(path))
    weights = dict(zip(_PARTS, load_torch_file(file, parts=_PARTS), strict=True))
    meta = file.parent.parent / "meta"
    if mean is None and std is None and os.path.exists(meta / "mean.npy") and os.path.exists(meta / "std.npy"):
        mean, std = meta / "mean.npy", meta / "std.npy"
    stats = load_stats(mean, std)
    try:
        return T2MEvaluator(weights, stats, word_vectorizer)
    except (KeyError, ValueError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            "The weights do not fit the published evaluator.", where=file, found=str(error).replace("\n", " ")
        ) from error


def _find(path: Path) -> Path:
    for candidate in (path, path / "finest.tar", path / "model" / "finest.tar"):
        if os.path.isfile(candidate):
            return candidate
    raise CheckpointError(
        "There is no evaluator here.",
        where=path,
        expected="finest.tar, or a folder text_mot_match with model/finest.tar",
        fix="`ktube-motion check-assets` says where it comes from.",
    )
