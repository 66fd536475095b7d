"""The rows of words that a model hears while it writes: known from the start, or as they come."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from ..errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from ._transformer import MotionTransformer, TransformerConfig

__all__ = ["Heard", "check_words", "heard_live", "heard_together"]


class Heard:
    """Rows around the tokens of a batch, forgotten when no token can hear them any more.

    Row ``k`` of a sequence is about its token ``k``, the prefix counted. Rows
    before the first and behind the last are zeros: nothing is known.

    Parameters
    ----------
    config : TransformerConfig
    rows : tensor [shape=(B, N, word_dim)]
        What is known at the beginning.
    coming : iterator of tensors [shape=(word_dim,)], optional
        More rows, for a batch of one; asked for no earlier than a token needs them.
    """

    past: int
    ahead: int
    rows: torch.Tensor
    first: int

    def __init__(
        self, config: "TransformerConfig", rows: torch.Tensor, coming: Iterator[torch.Tensor] | None = None
    ) -> None:
        self.past, self.ahead = config.word_past, config.word_ahead
        self.most: int = config.max_tokens + config.hears  # rows that reading a whole block afresh hears
        self.rows, self.coming, self.first = rows, coming, 0
        self.live: bool = coming is not None

    def around(self, first: int, stop: int) -> torch.Tensor:
        """Give the rows ``(B, word_past + stop - first + word_ahead, word_dim)`` that these tokens hear."""
        self._listen(stop + self.ahead)
        left, right = first - self.past - self.first, stop + self.ahead - self.first
        count = self.rows.shape[1]
        found = self.rows[:, max(left, 0) : max(min(right, count), 0)]
        missing = (right - left) - found.shape[1]
        before = min(max(-left, 0), missing)
        return torch.nn.functional.pad(found, (0, 0, before, missing - before))

    def has(self, token: int) -> bool:
        """Tell whether there is a row for this token; waits for it, no longer."""
        self._listen(token + 1)
        return token < self.first + self.rows.shape[1]

    def keep(self, samples: torch.Tensor) -> None:
        """Go on with these sequences of the batch only."""
        self.rows = self.rows[samples]

    def _listen(self, stop: int) -> None:
        if self.coming is None:
            return
        new: list[torch.Tensor] = []
        while self.first + self.rows.shape[1] + len(new) < stop:
            row = next(self.coming, None)
            if row is None:
                self.coming = None
                break
            new.append(_row(row, self.rows))
        if new:
            rows = torch.cat((self.rows, torch.stack(new)[None]), 1)
            gone = max(0, rows.shape[1] - self.most)
            self.rows, self.first = rows[:, gone:].clone(), self.first + gone


def _row(row: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    row = torch.as_tensor(row)
    if tuple(row.shape) != (like.shape[2],):
        raise ShapeError("A row of words does not fit the model.", expected=(like.shape[2],), found=tuple(row.shape))
    if not torch.isfinite(row).all():
        raise DataError("A row of words has NaN or infinity.")
    return row.to(like)


def check_words(
    model: "MotionTransformer", words: Sequence[torch.Tensor] | None, count: int
) -> list[torch.Tensor] | None:
    """Give the rows ``(N_i, word_dim)`` of each text.

    Raises
    ------
    ConfigError
        If the model hears no words.
    ShapeError, DataError
        If the words fit neither texts nor model, or are not finite.
    """
    if words is None:
        return None
    size = model.config.word_dim
    if not size:
        raise ConfigError("This model hears no words.", fix="Train one with a word_encoder, or leave words out.")
    rows = [torch.as_tensor(track) for track in words]
    if len(rows) != count or any(track.ndim != 2 or track.shape[1] != size for track in rows):
        raise ShapeError(
            "Words do not fit texts and model.",
            expected=f"{count} of (N, {size})",
            found=f"{len(rows)} of {sorted({tuple(track.shape) for track in rows})[:3]}",
            fix=f"It was trained with the word encoder {model.config.word_encoder or '(not recorded)'!r}.",
        )
    for number, track in enumerate(rows):
        if not torch.isfinite(track).all():
            raise DataError(f"The words of text {number} have NaN or infinity.")
    return rows


def heard_together(model: "MotionTransformer", rows: Sequence[torch.Tensor]) -> Heard:
    """Put the rows of a batch side by side; behind the end of the shorter ones nothing is known."""
    like = model.head.weight
    return Heard(
        model.config, torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True).to(like.device, like.dtype)
    )


def heard_live(model: "MotionTransformer", rows: Iterable[torch.Tensor]) -> Heard:
    """Listen to rows ``(word_dim,)`` as they come."""
    if not model.config.word_dim:
        raise ConfigError("This model hears no words.", fix="Train one with a word_encoder, or leave words out.")
    return Heard(model.config, model.head.weight.new_zeros(1, 0, model.config.word_dim), iter(rows))
