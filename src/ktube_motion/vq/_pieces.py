"""Cutting motion: frames that fill the last token, and pieces of a motion too long to go in whole."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

# Long motion goes through in pieces of so many frames; so many frames of several clips go at once.
PIECE_FRAMES = 4096
BATCH_FRAMES = 16384


def fill_tokens(
    frames: int, frames_per_token: int, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Tell which frame stands where, so that every token is full.

    Parameters
    ----------
    frames : int
        ``T``
    frames_per_token : int
    mask : bool tensor [shape=(B, T)], optional

    Returns
    -------
    index : int64 tensor [shape=(1 or B, T')] or None
        Frames to take; ``T'`` fills the last token. Padding takes the last
        valid frame before it, or the first one where there is none before.
        ``None`` where every frame stays where it is.
    token_mask : bool tensor [shape=(B, L)] or None
        True where any frame of a token is valid.

    Examples
    --------
    >>> fill_tokens(5, 4)[0]
    tensor([[0, 1, 2, 3, 4, 4, 4, 4]])
    """
    extra = -frames % frames_per_token
    if mask is None:
        return (torch.arange(frames + extra).clamp_max(frames - 1)[None] if extra else None), None
    positions = torch.arange(frames, device=mask.device)
    last = torch.where(mask, positions, -1).cummax(1).values
    index = torch.maximum(last, mask.int().argmax(1, keepdim=True))
    index = torch.cat([index, index[:, -1:].expand(-1, extra)], 1)
    return index, F.pad(mask, (0, extra)).unflatten(1, (-1, frames_per_token)).any(-1)


def take(
    clips: torch.Tensor, index: torch.Tensor | None, rows: slice = slice(None), frames: slice = slice(None)
) -> torch.Tensor:
    """Give some rows of ``(B, T, D)``, with the frames that `index` from `fill_tokens` names."""
    clips = clips[rows]
    if index is None:
        return clips[:, frames]
    index = index[rows if len(index) > 1 else slice(None), frames].to(clips.device)
    if len(index) == 1:
        return clips[:, index[0]]
    return clips.gather(1, index[..., None].expand(-1, -1, clips.shape[-1]))


def pieces(
    clips: int, length: int, frames_per_token: int, *, reach: int, chunk_frames: int | None = None
) -> Iterator[tuple[slice, slice, slice]]:
    """Cut a batch into pieces that overlap.

    Parameters
    ----------
    clips, length : int
        Size of the batch and of its token sequences.
    frames_per_token : int
    reach : int
        Tokens on each side that a token depends on.
    chunk_frames : int, optional
        Frames to a piece, without the overlap.

    Yields
    ------
    rows, inner, outer : slices
        Clips; the tokens wanted from this piece; the tokens that must go in.

    Examples
    --------
    >>> [(inner, outer) for _, inner, outer in pieces(1, 9, 4, reach=1, chunk_frames=20)]
    [(slice(0, 5, None), slice(0, 6, None)), (slice(5, 9, None), slice(4, 9, None))]
    """
    step = max(1, (chunk_frames or PIECE_FRAMES) // frames_per_token)
    step = min(step, max(length, 1))
    widest = min(length, step + 2 * reach)
    rows = max(1, BATCH_FRAMES // max(1, frames_per_token * widest))
    for row in range(0, clips, rows):
        for start in range(0, length, step):
            stop = min(start + step, length)
            yield slice(row, row + rows), slice(start, stop), slice(max(0, start - reach), min(length, stop + reach))


def scaled(tokens: slice, frames_per_token: int) -> slice:
    """Turn a slice of tokens into the slice of their frames."""
    return slice(tokens.start * frames_per_token, tokens.stop * frames_per_token)


def within(inner: slice, outer: slice) -> slice:
    """Give the slice `inner` as counted from the start of `outer`."""
    return slice(inner.start - outer.start, inner.stop - outer.start)
