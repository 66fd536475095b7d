"""Text encoders on transformers models: KE-T5 and VL-KE-T5, CLIP, and any other encoder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import CheckpointError, ConfigError, DataError
from ._encoders import clean_texts
from ._model_loading import (
    fingerprint_model,
    load_model,
    load_tokenizer,
    pooled_t5,
    token_limit,
    transformers_library,
)

__all__ = ["ClipTextEncoder", "HFTextEncoder", "KeT5TextEncoder"]


class _PretrainedTextEncoder:
    """Tokenise, read in batches of like length, pool: what the three encoders share."""

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Any,
        *,
        name: str,
        pooling: str,
        dim: int,
        max_tokens: int | None,
        overflow: str,
        batch_size: int,
        recipe: Mapping[str, Any] | None,
    ) -> None:
        if overflow not in ("error", "split"):
            raise ConfigError("overflow is not known.", expected="'error' or 'split'", found=repr(overflow))
        if tokenizer.pad_token is None:
            raise ConfigError("The tokenizer has no padding token.", fix="Set tokenizer.pad_token.")
        if batch_size < 1:
            raise ConfigError("batch_size must be positive.", found=batch_size)
        self.model: Any
        self.tokenizer: Any
        self.model, self.tokenizer = model.eval(), tokenizer
        self.dim: int
        self.batch_size: int
        self.dim, self.overflow, self.batch_size = dim, overflow, batch_size
        self.max_tokens: int = max_tokens or token_limit(model.config, tokenizer)
        self.identity: str = f"{name}/{pooling}/{dim}/{fingerprint_model(model, tokenizer)}"
        self.recipe = recipe

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Give vectors of texts.

        Parameters
        ----------
        texts : sequence of str

        Returns
        -------
        vectors : float32 tensor [shape=(len(texts), dim)]
            On the CPU, in the order of `texts`.

        Raises
        ------
        DataError
            If a text is blank, or has more than ``max_tokens`` tokens and
            ``overflow`` is ``"error"``.
        """
        parts = [
            (row, part, len(self.tokenizer(part)["input_ids"]))
            for row, text in enumerate(clean_texts(texts))
            for part in self._fitting(text, row)
        ]
        parts.sort(key=lambda part: part[2])  # like lengths together: little padding
        total, weight = torch.zeros(len(texts), self.dim), torch.zeros(len(texts), 1)
        for start in range(0, len(parts), self.batch_size):
            places, batch, lengths = zip(*parts[start : start + self.batch_size], strict=True)
            # On the right, because pooling counts from the left.
            tokens = self.tokenizer(list(batch), padding=True, padding_side="right", return_tensors="pt")
            vectors = self.embed(tokens["input_ids"], tokens["attention_mask"])
            rows, sizes = torch.tensor(places), torch.tensor(lengths)[:, None]
            total.index_add_(0, rows, vectors * sizes)
            weight.index_add_(0, rows, sizes.float())
        return total / weight

    def embed(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Give vectors ``(B, dim)`` of tokens ``(B, L)``, padded on the right."""
        device = next(self.model.parameters()).device
        with torch.inference_mode():
            vectors = self._pooled(input_ids.to(device), attention_mask.to(device))
        return vectors.float().cpu().clone()

    def encode_states(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """Give the last state of every token, ``(S_i, state_dim)`` for each text; errors are those of `encode`."""
        device, states = next(self.model.parameters()).device, []
        for row, text in enumerate(clean_texts(texts)):
            parts = [self.tokenizer(part, return_tensors="pt").to(device) for part in self._fitting(text, row)]
            with torch.inference_mode():
                read = [self._states(part["input_ids"], part["attention_mask"])[0] for part in parts]
            states.append(torch.cat(read).float().cpu().clone())
        return states

    def encode_last_words(self, texts: Sequence[str]) -> torch.Tensor:
        """Give the mean of the last states over the last word of each text, ``(len(texts), state_dim)``.

        Errors are those of `encode`.
        """
        found = [torch.zeros(0, self.state_dim)]
        fitting = [self._fitting(text, row)[-1] for row, text in enumerate(clean_texts(texts))]
        device = next(self.model.parameters()).device
        for start in range(0, len(fitting), self.batch_size):
            batch = fitting[start : start + self.batch_size]
            tokens = self.tokenizer(
                batch, padding=True, padding_side="right", return_tensors="pt", return_offsets_mapping=True
            )
            begins, ends = tokens.pop("offset_mapping").unbind(-1)
            last = torch.tensor([text.rfind(" ") + 1 for text in batch])[:, None]
            inside = ((ends > last) & (ends > begins)).float()
            with torch.inference_mode():
                states = self._states(tokens["input_ids"].to(device), tokens["attention_mask"].to(device))
            found.append(_sum(states.float().cpu(), inside) / inside.sum(1, keepdim=True))
        return torch.cat(found)

    @property
    def state_dim(self) -> int:
        """Size of the states that `encode_states` and `encode_last_words` give."""
        return self.model.config.hidden_size

    def _states(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    def _pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Run the model; one vector per row."""
        raise NotImplementedError

    def _fitting(self, text: str, row: int) -> list[str]:
        """Give the text, or its parts where it is too long and may be split."""
        length = len(self.tokenizer(text)["input_ids"])
        if length <= self.max_tokens:
            return [text]
        if self.overflow == "error" or len(text) < 2:
            raise DataError(
                f"Text {row} is too long for this encoder.",
                expected=f"at most {self.max_tokens} tokens",
                found=f"{length} ({text[:30]}…)",
                fix="Shorten it, or pass overflow='split' for the mean over its parts.",
            )
        middle = len(text) // 2
        spaces = [place for place, letter in enumerate(text) if letter == " "]
        cut = min(spaces, key=lambda place: abs(place - middle)) if spaces else middle
        halves = (half.strip() for half in (text[:cut], text[cut:]))
        return [part for half in halves for part in self._fitting(half, row)]


class KeT5TextEncoder(_PretrainedTextEncoder):
    """KE-T5 and VL-KE-T5, the Korean-English T5 that KTube trains on.

    Parameters
    ----------
    source : path or str
        Folder (of VL-KE-T5: ``language/``) or hub id, as ``"KETI-AIR/ke-t5-base"``.
    tokenizer : path, str or transformers tokenizer, optional
        Folder or hub id of the tokenizer, for VL-KE-T5 that of ke-t5-base; by
        default `source`.
    pooler : str
        VL-KE-T5's: ``"mean"``, the sum over tokens divided by the root of
        their number, or ``"simple"``, the first token; both then go through
        the trained dense layer and layer norm. ``"none"`` is for plain KE-T5,
        which has no pooler: the same sum, as it is.
    max_tokens : int, optional
        By default what the tokenizer says, or 512.
    overflow : str
        ``"error"`` for text longer than that, or ``"split"``: the text is
        halved at spaces until its parts fit, and its vector is their mean,
        weighted by their tokens.
    batch_size : int
    device : str or torch.device
    local_files_only : bool
        Take a hub id only from what was fetched before.

    Raises
    ------
    CheckpointError
        If the model or its pooler is missing.

    Examples
    --------
    >>> KeT5TextEncoder("checkpoints/vl-ke-t5/language", tokenizer="checkpoints/ke-t5-base")  # doctest: +SKIP
    """

    def __init__(
        self,
        source: Any,
        *,
        tokenizer: Any = None,
        pooler: str = "mean",
        max_tokens: int | None = None,
        overflow: str = "error",
        batch_size: int = 32,
        device: torch.device | str = "cpu",
        local_files_only: bool = False,
    ) -> None:
        if pooler not in ("mean", "simple", "none"):
            raise ConfigError("pooler is not known.", expected="'mean', 'simple' or 'none'", found=repr(pooler))
        self.pooler = pooler
        kind = pooled_t5() if pooler != "none" else transformers_library().T5EncoderModel
        model, missing = load_model(kind, source, local_files_only)
        if missing:
            raise CheckpointError(
                "This T5 lacks weights of its pooler." if any("pooler" in name for name in missing) else "Incomplete.",
                where=source,
                expected="pooler.dense1 and pooler.layernorm, as in VL-KE-T5's folder language/",
                found=f"no {', '.join(sorted(missing)[:4])}",
                fix="For plain KE-T5 pass pooler='none'.",
            )
        super().__init__(
            model.to(device),
            load_tokenizer(source if tokenizer is None else tokenizer, local_files_only),
            name="ke-t5",
            pooling=pooler,
            dim=model.config.d_model,
            max_tokens=max_tokens,
            overflow=overflow,
            batch_size=batch_size,
            recipe=_recipe("ke-t5", source, tokenizer, pooler=pooler, max_tokens=max_tokens, overflow=overflow),
        )

    def _pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self._states(input_ids, attention_mask)
        pooled = _POOLINGS["cls" if self.pooler == "simple" else "sqrt_mean"](states, attention_mask)
        return pooled if self.pooler == "none" else self.model.pooler(pooled)


class ClipTextEncoder(_PretrainedTextEncoder):
    """CLIP's text vector: the projected end token, not normalised.

    Published T2M-GPT checkpoints were trained on that of ViT-B/32 (512-d).
    CLIP knows English and reads 77 tokens.

    Parameters
    ----------
    source : path or str
        Folder or hub id, as ``"openai/clip-vit-base-patch32"``.
    tokenizer, max_tokens, overflow, batch_size, device, local_files_only
        As for `KeT5TextEncoder`.

    Raises
    ------
    CheckpointError
        If the model is missing or has no text projection.

    Examples
    --------
    >>> ClipTextEncoder("openai/clip-vit-base-patch32")  # doctest: +SKIP
    """

    def __init__(
        self,
        source: Any,
        *,
        tokenizer: Any = None,
        max_tokens: int | None = None,
        overflow: str = "error",
        batch_size: int = 32,
        device: torch.device | str = "cpu",
        local_files_only: bool = False,
    ) -> None:
        kind = transformers_library().CLIPTextModelWithProjection
        model, missing = load_model(kind, source, local_files_only)
        if missing:
            raise CheckpointError(
                "This CLIP is incomplete.", where=source, found=f"no {', '.join(sorted(missing)[:4])}"
            )
        super().__init__(
            model.to(device),
            load_tokenizer(source if tokenizer is None else tokenizer, local_files_only),
            name="clip",
            pooling="projection",
            dim=model.config.projection_dim,
            max_tokens=max_tokens,
            overflow=overflow,
            batch_size=batch_size,
            recipe=_recipe("clip", source, tokenizer, max_tokens=max_tokens, overflow=overflow),
        )

    def _pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).text_embeds


class HFTextEncoder(_PretrainedTextEncoder):
    """Any encoder of transformers: KoSimCSE, KLUE-RoBERTa, BGE-M3 and their like.

    Of an encoder-decoder model the encoder is used.

    Parameters
    ----------
    source : path or str
        Folder or hub id.
    pooling : str
        ``"mean"`` over the tokens; ``"cls"``, the first; ``"last"``, the last;
        ``"sqrt_mean"``, the sum divided by the root of their number.
    normalize : bool
        Scale vectors to length 1.
    tokenizer, max_tokens, overflow, batch_size, device, local_files_only
        As for `KeT5TextEncoder`.

    Raises
    ------
    CheckpointError
        If the model is missing.
    ConfigError
        If `pooling` is not known.

    Examples
    --------
    >>> HFTextEncoder("BM-K/KoSimCSE-roberta", pooling="cls")  # doctest: +SKIP
    """

    def __init__(
        self,
        source: Any,
        *,
        pooling: str = "mean",
        normalize: bool = False,
        tokenizer: Any = None,
        max_tokens: int | None = None,
        overflow: str = "error",
        batch_size: int = 32,
        device: torch.device | str = "cpu",
        local_files_only: bool = False,
    ) -> None:
        if pooling not in _POOLINGS:
            raise ConfigError("pooling is not known.", expected=", ".join(_POOLINGS), found=repr(pooling))
        self.pooling: str
        self.normalize: bool
        self.pooling, self.normalize = pooling, normalize
        model, missing = load_model(transformers_library().AutoModel, source, local_files_only)
        # Sentence encoders are often saved without the head for BERT's own training, which is not used here.
        missing = {name for name in missing if not name.startswith("pooler.")}
        if missing:
            raise CheckpointError("Weights are missing.", where=source, found=f"no {', '.join(sorted(missing)[:4])}")
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        super().__init__(
            model.to(device),
            load_tokenizer(source if tokenizer is None else tokenizer, local_files_only),
            name=model.config.model_type,
            pooling=pooling + ("-normalized" if normalize else ""),
            dim=model.config.hidden_size,
            max_tokens=max_tokens,
            overflow=overflow,
            batch_size=batch_size,
            recipe=_recipe(
                "transformers",
                source,
                tokenizer,
                pooling=pooling,
                normalize=normalize,
                max_tokens=max_tokens,
                overflow=overflow,
            ),
        )

    def _pooled(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self._states(input_ids, attention_mask)
        pooled = _POOLINGS[self.pooling](states, attention_mask)
        return nn.functional.normalize(pooled, dim=-1) if self.normalize else pooled


def _recipe(kind: str, source: str | Path, tokenizer: object, **options: Any) -> dict[str, Any] | None:
    """Tell how an encoder is loaded again; None where its tokenizer was made elsewhere.

    A source that a file names is not fetched: only what the caller names is.
    """
    if not isinstance(tokenizer, (str, Path, type(None))):
        return None
    paths = {"source": str(source), "tokenizer": None if tokenizer is None else str(tokenizer)}
    return {"kind": kind, **paths, **options, "local_files_only": True}


def _sum(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (states * mask[..., None]).sum(1)


_POOLINGS = {
    "mean": lambda states, mask: _sum(states, mask) / mask.sum(1, keepdim=True),
    "cls": lambda states, mask: states[:, 0],
    "last": lambda states, mask: states[torch.arange(len(states)), mask.sum(1) - 1],
    "sqrt_mean": lambda states, mask: _sum(states, mask) / mask.sum(1, keepdim=True).sqrt(),
}
