"""Spans of a motion made again with other words: what a page's editor saves, and what is done with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch

from ..errors import ConfigError, DataError, FormatError
from ..io._files import read_json
from ..types import Motion
from ._utterance_to_motion import UtteranceToMotion

__all__ = ["Change", "edit_motion", "read_changes"]

_FORMAT = "ktube_motion edit"


@dataclass(frozen=True)
class Change:
    """A span of a motion, in seconds, and what is to be said in it."""

    start: float
    end: float
    text: str


def read_changes(path: str | Path, *, motion: Motion | None = None) -> list[Change]:
    """Read the file that the editor of a page saves.

    Parameters
    ----------
    path : path
        JSON: ``{"format": "ktube_motion edit", "version": 1, "frames": …, "fps": …, "changes":
        [{"start": 1.0, "end": 2.5, "text": "왼손을 흔들어요"}, …]}``.
    motion : Motion, optional
        What it is to change: its length and rate must be those that the file names.

    Returns
    -------
    changes : list of Change
        In time.

    Raises
    ------
    FormatError
        If this is no such file.
    DataError
        If it belongs to another motion.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "edit.json"
    >>> _ = path.write_text('{"format": "ktube_motion edit", "version": 1, "changes": '
    ...     '[{"start": 1, "end": 2.5, "text": "왼손을 흔들어요"}]}', encoding="utf-8")
    >>> read_changes(path)
    [Change(start=1.0, end=2.5, text='왼손을 흔들어요')]
    """
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != _FORMAT or data.get("version") != 1:
        raise FormatError("This is no file of changes.", where=path, expected=f'"format": "{_FORMAT}", "version": 1')
    listed = data.get("changes")
    if not isinstance(listed, list) or not listed:
        raise FormatError("The file names no change.", where=path, expected="a list of changes", found=listed)
    changes = sorted((_change(item, path) for item in listed), key=lambda change: change.start)
    if motion is not None:
        for key, own in (("frames", motion.num_frames), ("fps", motion.fps)):
            if data.get(key, own) != own:
                raise DataError(
                    f"These changes are of another motion: its {key}.", where=path, expected=own, found=data[key]
                )
    return changes


def _change(item: Any, path: str | Path) -> Change:
    expected = '{"start": 1.0, "end": 2.5, "text": "…"}, start before end'
    if not isinstance(item, dict) or not isinstance(item.get("text"), str) or not item["text"].strip():
        raise FormatError("A change says nothing.", where=path, expected=expected, found=item)
    start, end = (_seconds(item.get(key)) for key in ("start", "end"))
    if start is None or end is None or not 0 <= start < end:
        raise FormatError("A change has no span.", where=path, expected=expected, found=item)
    return Change(start, end, item["text"].strip())


def _seconds(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if number else None


def edit_motion(
    pipeline: UtteranceToMotion,
    motion: Motion,
    changes: Sequence[Change],
    *,
    generator: torch.Generator | None = None,
    **sampling: Any,
) -> Motion:
    """Make spans of a motion again, between what stands before and after them.

    Parameters
    ----------
    pipeline : UtteranceToMotion
    motion : Motion
        With positions, of the pipeline's skeleton and rate.
    changes : sequence of Change
        That do not overlap. One that reaches the end of the motion goes on from what is before it.
    generator : torch.Generator, optional
    **sampling
        As for `UtteranceToMotion.in_between`.

    Returns
    -------
    motion : Motion
        As long as before, with positions; the same to the last bit outside the spans.

    Raises
    ------
    DataError
        If a span is not in the motion, is no frame long, overlaps another, or leaves too little before or after it.
    ConfigError
        If options cannot work.

    Examples
    --------
    >>> pipeline = UtteranceToMotion.from_pretrained("output/quickstart/pipeline")  # doctest: +SKIP
    >>> edited = edit_motion(pipeline, motion, read_changes("edit.json", motion=motion))  # doctest: +SKIP
    """
    if not changes:
        raise ConfigError("There is nothing to change.", expected="at least one change")
    positions = motion.require("positions").copy()
    for first, stop, change in _spans(motion, changes, least=max(2, pipeline.tokenizer.frames_per_token)):
        # What was changed already is what the next span goes on from.
        whole = Motion(skeleton=motion.skeleton, positions=positions, fps=motion.fps)
        how = {"seconds": (stop - first) / motion.fps, "generator": generator, **sampling}
        if stop == len(motion):
            (made,) = pipeline.generate([change.text], prefix=whole[:first], **how)
        else:
            made = pipeline.in_between(change.text, whole[:first], whole[stop:], **how)
        positions[first:stop] = made.require("positions")
    return Motion(skeleton=motion.skeleton, positions=positions, fps=motion.fps, name=motion.name)


def _spans(motion: Motion, changes: Sequence[Change], *, least: int) -> list[tuple[int, int, Change]]:
    """Give first and last frame (not included) of each change; `least` frames must be left on both sides."""
    spans, done = [], 0
    for change in sorted(changes, key=lambda change: change.start):
        first, stop = round(change.start * motion.fps), min(round(change.end * motion.fps), len(motion))
        where = f"{change.start:g} to {change.end:g} s"
        if change.start < 0 or change.end > motion.seconds + 0.5 / motion.fps or first >= stop:
            raise DataError("This span is not in the motion.", where=where, expected=f"within {motion.seconds:g} s")
        if first < done:
            raise DataError("Two spans overlap.", where=where, fix="Make them one, or end the first before it.")
        if first < least or 0 < len(motion) - stop < least:
            needed = f"{least} frames ({least / motion.fps:g} s) before and after it, or an end with the motion"
            raise DataError("Too little of the motion is left beside this span.", where=where, expected=needed)
        spans.append((first, stop, change))
        done = stop
    return spans
