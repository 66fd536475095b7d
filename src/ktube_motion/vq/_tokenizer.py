"""The motion tokenizer: raw motion vectors to tokens and back."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import torch

from ..arrays import Array, check_finite, check_shape, to_torch
from ..errors import ConfigError, DataError, ShapeError
from ..models import HubModel, StandardizedModel, evaluating, hash_weights
from ..types import FeatureStats
from ._autoencoder import Decoder, Encoder
from ._codebooks import PADDING, Quantizer
from ._config import TokenizerConfig
from ._pieces import fill_tokens, pieces, scaled, take, within
from ._refining import refine_tokens
from ._registry import make_quantizer

__all__ = ["MotionTokenizer", "TokenizerOutput"]


@dataclass(frozen=True, eq=False)
class TokenizerOutput:
    """What `MotionTokenizer.forward` gives; losses are computed from it.

    Attributes
    ----------
    reconstruction, target : tensors [shape=(..., T, D)]
        Decoded and given features, raw. Padding of the target holds the last valid frame.
    normalized_reconstruction, normalized : tensors [shape=(..., T, D)]
        The same with zero mean and unit deviation.
    tokens : int64 tensor [shape=(..., L)] or [shape=(..., L, Q)]
        -1 where masked.
    commitment_loss, perplexity : scalar tensors
        From the quantizer.

    Examples
    --------
    >>> output = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))(torch.zeros(2, 16, 263))
    >>> output.reconstruction.shape, output.tokens.shape
    (torch.Size([2, 16, 263]), torch.Size([2, 4]))
    """

    reconstruction: torch.Tensor
    target: torch.Tensor
    normalized_reconstruction: torch.Tensor
    normalized: torch.Tensor
    tokens: torch.Tensor
    commitment_loss: torch.Tensor
    perplexity: torch.Tensor


class MotionTokenizer(StandardizedModel, HubModel, tags=["motion-generation", "motion-tokenizer"]):
    """VQ-VAE over motion vectors: raw features in, tokens or raw features out.

    A length that `frames_per_token` does not divide is filled up by repeating
    the last frame, and cut back. Masked clips are filled up the same way, each
    after its last valid frame, so they give what they give alone.

    Parameters
    ----------
    config : TokenizerConfig
    stats : FeatureStats, optional
        Mean and deviation of the features; without them features are taken as they are.

    Raises
    ------
    ConfigError
        If `stats` are of another size than the features.
    MissingDependencyError
        If the quantizer needs a package that is not installed.

    References
    ----------
    .. [1] J. Zhang et al., T2M-GPT: Generating Human Motion from Textual
       Descriptions with Discrete Representations, CVPR 2023.

    Examples
    --------
    >>> tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=8))
    >>> tokens = tokenizer.encode(np.zeros((2, 67, 263), dtype=np.float32))
    >>> tokens.shape, tokenizer.decode(tokens).shape, tokenizer.decode(tokens, frames=67).shape
    ((2, 17), (2, 68, 263), (2, 67, 263))
    """

    kind = "motion_tokenizer"
    config_type = TokenizerConfig
    config: TokenizerConfig

    def __init__(self, config: TokenizerConfig, stats: FeatureStats | None = None) -> None:
        super().__init__()
        self.config = config
        self.hold_stats(stats, config.feature_size)
        self.encoder: Encoder = Encoder(config)
        self.quantizer: Quantizer = make_quantizer(config)
        self.decoder: Decoder = Decoder(config)

    @property
    def frames_per_token(self) -> int:
        """Frames that one token stands for."""
        return self.config.frames_per_token

    @property
    def fingerprint(self) -> str:
        """Short hash of config and weights: two tokenizers with the same one speak the same tokens."""
        skipped = {f"quantizer.{name}" for name in self.quantizer.training_state}
        return hash_weights(self.state_dict(), skip=skipped, start=json.dumps(asdict(self.config), sort_keys=True))

    def forward(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> TokenizerOutput:
        """Encode, quantize and decode; in training mode the codebook learns.

        Parameters
        ----------
        features : tensor [shape=(..., T, D)]
            Raw, with at least `frames_per_token` frames. Not searched for NaN.
        mask : bool tensor [shape=(..., T)], optional
            True where a frame is valid.

        Returns
        -------
        output : TokenizerOutput

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        """
        self._check_features(features, mask)
        prefix, frames = features.shape[:-2], features.shape[-2]
        flat = features.reshape(-1, *features.shape[-2:]).to(self.mean)
        index, token_mask = fill_tokens(
            frames, self.frames_per_token, None if mask is None else mask.reshape(-1, frames)
        )
        target = take(flat, index)
        normalized = (target - self.mean) / self.std
        codes = self.quantizer(self.encoder(normalized, token_mask), token_mask)
        rebuilt = self.decoder(codes.quantized, token_mask).to(self.mean.dtype)[:, :frames]
        return TokenizerOutput(
            reconstruction=_unflatten(rebuilt * self.std + self.mean, prefix),
            target=_unflatten(target[:, :frames], prefix),
            normalized_reconstruction=_unflatten(rebuilt, prefix),
            normalized=_unflatten(normalized[:, :frames], prefix),
            tokens=_unflatten(codes.tokens, prefix),
            commitment_loss=codes.loss,
            perplexity=codes.perplexity,
        )

    @torch.no_grad()
    def encode(
        self, features: Array, *, mask: Array | None = None, chunk_frames: int | None = None, refine: int = 0
    ) -> Array:
        """Turn motion into tokens.

        Parameters
        ----------
        features : array or tensor [shape=(..., T, D)]
            Raw. On any device: pieces are moved to the model's.
        mask : bool array or tensor [shape=(..., T)], optional
            True where a frame is valid.
        chunk_frames : int, optional
            Encode in pieces of about so many frames, which overlap so far that
            the tokens are those of the whole; by default 4096. With
            ``norm="GN"``, whose statistics span the clip, motion stays whole.
        refine : int
            Look so many steps for tokens that decode to motion nearer to the
            given one than the encoder's do, in the sum of the path above all.
            About thirty are enough; each costs as much as decoding three times.

        Returns
        -------
        tokens : int64, same kind as `features` [shape=(..., L)] or [shape=(..., L, Q)]
            ``L`` is ``T / frames_per_token``, rounded up; -1 where masked.

        Raises
        ------
        ShapeError
            If features are of another size or a clip is shorter than a token.
        DataError
            If a valid frame has NaN or infinity.
        ConfigError
            If an option cannot work.
        """
        if isinstance(refine, bool) or not isinstance(refine, int) or refine < 0:
            raise ConfigError("refine cannot be this.", expected="a whole number from 0 on", found=repr(refine))
        values, restore = to_torch(features, name="features")
        frame_mask = None if mask is None else torch.as_tensor(mask, device=values.device)
        self._check_features(values, frame_mask)
        prefix, frames = values.shape[:-2], values.shape[-2]
        flat = values.reshape(-1, *values.shape[-2:])
        frame_mask = None if frame_mask is None else frame_mask.reshape(-1, frames)
        if frame_mask is not None and len(frame_mask):
            self._check_length(int(frame_mask.sum(-1).min()), "The shortest clip of the batch")
        index, token_mask = fill_tokens(frames, self.frames_per_token, frame_mask)
        length, books = -(-frames // self.frames_per_token), self.config.num_quantizers
        shape = (len(flat), length) if books == 1 else (len(flat), length, books)
        tokens = torch.empty(shape, dtype=torch.long, device=values.device)
        with evaluating(self):
            for rows, inner, outer in self._pieces(len(flat), length, self.encoder.reach, chunk_frames):
                piece = take(flat, index, rows, scaled(outer, self.frames_per_token)).to(self.mean)
                if not torch.isfinite(piece.sum()):
                    check_finite(take(flat, index)[:, :frames].movedim(1, 0), name="features")
                valid = None if token_mask is None else token_mask[rows, outer].to(piece.device)
                vectors = self.encoder((piece - self.mean) / self.std, valid)
                if refine:
                    found = refine_tokens(self, piece, vectors, valid, steps=refine)
                else:
                    found = self.quantizer.encode(vectors)
                tokens[rows, inner] = found[:, within(inner, outer)].to(tokens.device)
        if token_mask is not None:
            tokens[~token_mask] = PADDING
        return restore(_unflatten(tokens, prefix))

    @torch.no_grad()
    def decode(
        self,
        tokens: Array,
        *,
        mask: Array | None = None,
        frames: int | None = None,
        chunk_frames: int | None = None,
    ) -> Array:
        """Turn tokens into motion.

        Parameters
        ----------
        tokens : int array or tensor [shape=(..., L)] or [shape=(..., L, Q)]
        mask : bool array or tensor [shape=(..., L)], optional
            True where a token is valid; others may hold anything, as -1.
        frames : int, optional
            Cut the motion to this length, which must need all `L` tokens.
        chunk_frames : int, optional
            As for `encode`.

        Returns
        -------
        features : float, same kind as `tokens` [shape=(..., T, D)]
            Raw; zeros in the frames of masked tokens. Carries no gradient:
            `forward` is for training.

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        DataError
            If tokens are not integers or out of range.
        """
        values, restore = _token_tensor(tokens)
        token_mask = None if mask is None else torch.as_tensor(mask, device=values.device)
        values = self._check_tokens(values, token_mask)
        tail = 1 if self.config.num_quantizers == 1 else 2
        prefix, length = values.shape[:-tail], values.shape[-tail]
        flat = values.reshape(-1, *values.shape[-tail:])
        token_mask = None if token_mask is None else token_mask.reshape(-1, length)
        frames = self._check_frames(frames, length)
        features = torch.empty(len(flat), frames, self.config.feature_size, dtype=self.mean.dtype, device=values.device)
        with evaluating(self):
            for rows, inner, outer in self._pieces(len(flat), length, self.decoder.reach, chunk_frames):
                valid = None if token_mask is None else token_mask[rows, outer].to(self.mean.device)
                vectors = self.quantizer.decode(flat[rows, outer].to(self.mean.device))
                piece = self.decoder(vectors, valid) * self.std + self.mean
                if valid is not None:
                    piece = piece * valid.repeat_interleave(self.frames_per_token, 1)[..., None]
                place = features[rows, scaled(inner, self.frames_per_token)]
                inside = piece[:, scaled(within(inner, outer), self.frames_per_token)]
                place.copy_(inside[:, : place.shape[1]])
        return restore(_unflatten(features, prefix))

    def _pieces(
        self, clips: int, length: int, reach: int, chunk_frames: int | None
    ) -> Iterator[tuple[slice, slice, slice]]:
        if chunk_frames is not None and chunk_frames < self.frames_per_token:
            raise ConfigError(
                "chunk_frames is shorter than a token.", expected=f"{self.frames_per_token} or more", found=chunk_frames
            )
        if self.config.norm == "GN":
            chunk_frames = length * self.frames_per_token
        return pieces(clips, length, self.frames_per_token, reach=reach, chunk_frames=chunk_frames)

    def _check_features(self, features: torch.Tensor, mask: torch.Tensor | None) -> None:
        check_shape(features, (None, self.config.feature_size), name="features")
        self._check_length(features.shape[-2], "The clip")
        if mask is not None and (mask.shape != features.shape[:-1] or mask.dtype != torch.bool):
            expected = f"bool {tuple(features.shape[:-1])}"
            raise ShapeError("mask does not fit.", expected=expected, found=f"{mask.dtype} {tuple(mask.shape)}")

    def _check_length(self, frames: int, what: str) -> None:
        if frames < self.frames_per_token:
            raise ShapeError(
                f"{what} is shorter than a token.",
                expected=f"{self.frames_per_token} frames or more",
                found=frames,
                fix="Leave such clips out.",
            )

    def _check_tokens(self, tokens: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if tokens.is_floating_point() or tokens.dtype == torch.bool or tokens.is_complex():
            raise DataError("Tokens must be integers.", found=tokens.dtype)
        books = self.config.num_quantizers
        check_shape(tokens, (None,) if books == 1 else (None, books), name="tokens")
        shape = tokens.shape if books == 1 else tokens.shape[:-1]
        if mask is not None:
            if mask.shape != shape or mask.dtype != torch.bool:
                expected = f"bool {tuple(shape)}"
                raise ShapeError("mask does not fit.", expected=expected, found=f"{mask.dtype} {tuple(mask.shape)}")
            tokens = tokens.masked_fill(~(mask if books == 1 else mask[..., None]), 0)
        low, high = (int(x) for x in tokens.aminmax()) if tokens.numel() else (0, 0)
        if low < 0 or high >= self.config.num_codes:
            raise DataError(
                "Tokens are out of range.",
                expected=f"0 to {self.config.num_codes - 1}",
                found=f"{low} to {high}",
                fix="Take end tokens off, and give mask= where -1 marks padding.",
            )
        return tokens.long()

    def _check_frames(self, frames: int | None, length: int) -> int:
        longest = length * self.frames_per_token
        if frames is None:
            return longest
        if not longest - self.frames_per_token < frames <= longest:
            expected = f"{longest - self.frames_per_token + 1} to {longest} for {length} tokens"
            raise ShapeError("frames does not fit the tokens.", expected=expected, found=frames)
        return frames


def _unflatten(clips: torch.Tensor, prefix: torch.Size) -> torch.Tensor:
    """Give the batch back its axes."""
    return clips.reshape(*prefix, *clips.shape[1:])


def _token_tensor(tokens: Array) -> tuple[torch.Tensor, Callable[[torch.Tensor], Array]]:
    """Give tokens as a tensor, and the way back to their kind."""
    if isinstance(tokens, torch.Tensor):
        return tokens, lambda features: features
    values = np.asarray(tokens)
    if values.dtype.kind not in "fiub":
        raise DataError("Tokens must be integers.", found=values.dtype)
    return torch.tensor(values), lambda features: features.cpu().numpy()
