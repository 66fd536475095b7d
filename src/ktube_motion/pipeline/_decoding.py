"""From motion tokens to joints: all at once, or piece by piece as the tokens come."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch

from ..models import map_rows
from ..skeletons import Skeleton
from ..vq import MotionTokenizer
from ._joining import Before, Neighbour
from ._placing import go_on

__all__ = ["decode_joints", "decode_rows", "decode_stream"]

CHUNK = 1024  # tokens decoded at once


def decode_rows(tokenizer: MotionTokenizer, skeleton: Skeleton, rows: Sequence[torch.Tensor]) -> list[np.ndarray]:
    """Decode rows of tokens ``(L_i,)``, of whatever lengths, to joints ``(T_i, J, 3)``."""
    return map_rows(lambda tokens: decode_joints(tokenizer, skeleton, tokens), rows, batch_size=CHUNK)


def decode_joints(tokenizer: MotionTokenizer, skeleton: Skeleton, tokens: torch.Tensor) -> np.ndarray:
    """Decode tokens ``(B, L)`` to joints ``(B, T, J, 3)``; long motion in pieces that do not show."""
    per_token, reach = tokenizer.frames_per_token, tokenizer.decoder.reach
    count, length = tokens.shape
    joints = np.empty((count, length * per_token, skeleton.num_joints, 3), np.float32)
    # Group norm looks at the clip as a whole, which therefore cannot be cut.
    chunk = max(length, 1) if tokenizer.config.norm == "GN" else CHUNK
    last = None
    for start in range(0, length, chunk):
        first, stop = max(0, start - reach), min(length, start + chunk)
        window = tokenizer.decode(tokens[:, first : stop + reach].to(tokenizer.mean.device)).cpu()
        wanted = window[:, (start - first) * per_token : (stop - first) * per_token]
        piece, last = go_on(wanted, last, skeleton)
        joints[:, start * per_token : stop * per_token] = piece.numpy()
    return joints


def decode_stream(
    tokenizer: MotionTokenizer,
    skeleton: Skeleton,
    tokens: Iterable[int],
    *,
    lookahead: int,
    before: Before | None = None,
) -> Iterator[np.ndarray]:
    """Yield the joints ``(frames_per_token, J, 3)`` of each token, once `lookahead` more have come.

    Parameters
    ----------
    tokens : iterable of int
    lookahead : int
    before : joining.Before, optional
        What the motion goes on from. Its tokens are seen by the decoder; a
        `Neighbour` says where the motion starts.
    """
    per_token, reach = tokenizer.frames_per_token, tokenizer.decoder.reach
    read = [] if before is None else before.tokens.tolist()
    first, given, last = 0, len(read), None
    put: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor.double
    offsets = torch.zeros(0, skeleton.num_joints, 3)
    tokens = iter(tokens)
    ended = False
    while not ended or given < first + len(read):
        if not ended:
            token = next(tokens, None)
            ended = token is None
            read += [] if ended else [token]
        if given >= first + len(read) - (0 if ended else lookahead):
            continue
        # Tokens further back than the decoder sees are forgotten.
        gone = max(0, given - reach - first)
        read, first = read[gone:], first + gone
        window = tokenizer.decode(torch.tensor(read, device=tokenizer.mean.device)).cpu()[None]
        place = (given - first) * per_token
        if last is None and isinstance(before, Neighbour):
            known, last = go_on(window[:, place - 2 : place], None, skeleton)
            put, offsets = before.seam(known[0])
        joints, last = go_on(window[:, place : place + per_token], last, skeleton)
        joints = put(joints[0])
        joints[: len(offsets)] += offsets[:per_token]
        offsets = offsets[per_token:]
        given += 1
        yield joints.float().numpy()
