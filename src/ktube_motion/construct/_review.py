"""The page for reviewing a corpus: clips move, with their words and figures, and a box to keep or drop each."""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from heapq import nlargest
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from .. import palette
from ..arrays import check_whole
from ..errors import CorpusError
from ..io import Corpus
from ..io._files import write_text
from ..io._manifests import read_manifest
from ._report import STYLE, embedded_font

__all__ = ["write_review"]

_FPS = 10.0
_LONGEST = 20.0  # seconds of a clip: a talk of minutes would fill the page
_SIDES = {"left": palette.LEFT, "right": palette.RIGHT}
_LOOK = """
#list { display: flex; flex-wrap: wrap; gap: 12px } .card { width: 218px; border: 1px solid var(--line);
  border-radius: 6px; padding: 8px; content-visibility: auto; contain-intrinsic-size: 218px 320px }
.card canvas { width: 200px; height: 200px; display: block } .card p { margin: 4px 0 } .card.dropped { opacity: 0.4 }
nav { position: sticky; top: 0; background: #fff; padding: 8px 0; display: flex; gap: 1rem; align-items: center }
"""


def write_review(
    root: str | Path, path: str | Path | None = None, *, names: Collection[str] | None = None, most: int = 300
) -> Path:
    """Write a page on which clips are kept or dropped by looking at them.

    It shows the clips that need eyes most, in turn the most filled one, the one
    with most jitter and the one with least confidence, until there are `most`:
    of a corpus of 12,345 clips 300, as the page says. So the page of a large
    corpus is no larger than that of 300 clips, and writing it takes no more
    memory, beside the manifest.

    Parameters
    ----------
    root : path
        A corpus made by `build_corpus`.
    path : path, optional
        Default: ``review.html`` in the corpus.
    names : collection of str, optional
        The clips to choose from, by default all: those of one speaker, or what
        an earlier page has not shown.
    most : int
        As many clips at most. One of 5 seconds takes 6 kB, the longest 25.

    Returns
    -------
    path : Path
        One HTML file that needs nothing else: each clip, its first 20 seconds
        at most, as a moving figure seen from the front, its words, length,
        filled frames, jitter and, where words were aligned, their confidence.
        Its button saves ``dropped.txt``, which `curate` reads.

    Raises
    ------
    CorpusError
        If there is no corpus, it has no manifest, or a name is not in it.
    ConfigError
        If `most` is no whole number from 1 on.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.construct import build_corpus, curate, pair_sources
    >>> from ktube_motion.samples import make_speaker
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = make_speaker(folder, num_utterances=2)
    >>> _ = build_corpus(pair_sources(folder, folder)[0], folder / "KTubeUM", report=False, progress=False)
    >>> write_review(folder / "KTubeUM").name
    'review.html'
    >>> _ = (folder / "dropped.txt").write_text("speaker_0000_001\\n")
    >>> curate(folder / "KTubeUM", exclude=folder / "dropped.txt")
    ['speaker_0000_001']
    """
    corpus = Corpus(root)
    path = corpus.root / "review.html" if path is None else Path(path)
    told = read_manifest(corpus.root, needed=["clips"], of_clips=["text", "frames", "filled", "jitter_before", "hands"])
    clips = told["clips"] if names is None else _named(told["clips"], names, corpus.root)
    chosen = _need_eyes(clips, check_whole(most, name="most", least=1))
    joints = corpus.skeleton.joint_names
    data = {
        "title": corpus.root.resolve().name,
        "fps": _FPS,
        "joints": len(joints),
        "all": len(told["clips"]),
        "bones": [
            [joint, parent, _SIDES.get(joints[joint].split("_")[0], palette.MIDDLE)]
            for joint, parent in enumerate(corpus.skeleton.parents)
            if parent >= 0
        ],
        "clips": [_describe(corpus, clip) for clip in chosen],
    }
    write_text(path, _page(data))
    return path


def _named(clips: Sequence[dict[str, Any]], names: Collection[str], root: Path) -> list[dict[str, Any]]:
    wanted = {names} if isinstance(names, str) else set(names)
    unknown = sorted(wanted - {clip["name"] for clip in clips})
    if unknown:
        raise CorpusError("These clips are not in the corpus.", where=root, found=unknown[:5])
    return [clip for clip in clips if clip["name"] in wanted]


def _need_eyes(clips: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Choose clips in turn from the ends of three orders; they stay in the order of the corpus."""
    if len(clips) <= most:
        return list(clips)
    filled = [number for number, clip in enumerate(clips) if clip["filled"] > 0]
    sure = [number for number, clip in enumerate(clips) if clip.get("confidence") is not None]
    # `nlargest` keeps the order of equal ones, so that the same corpus gives the same page.
    orders = [
        nlargest(most, filled, key=lambda number: clips[number]["filled"]),
        nlargest(most, range(len(clips)), key=lambda number: clips[number]["jitter_before"]),
        nlargest(most, sure, key=lambda number: -clips[number]["confidence"]),
    ]
    chosen: dict[int, None] = {}
    for place in range(most):
        chosen |= {order[place]: None for order in orders if place < len(order)}
    return [clips[number] for number in sorted(list(chosen)[:most])]


def _describe(corpus: Corpus, clip: Mapping[str, Any]) -> dict[str, Any]:
    seconds = clip["frames"] / corpus.fps
    joints = corpus.joints(clip["name"], recovered=True)[: round(_LONGEST * corpus.fps)]
    frames = np.arange(0, len(joints), max(corpus.fps / _FPS, 1)).astype(int)
    middle = (joints.min((0, 1)) + joints.max((0, 1))) / 2
    millimetres = np.round(1000 * (joints[frames, :, :2] - middle[:2])).clip(-32000, 32000).astype("<i2")
    length = f"{seconds:.1f} s" + (f", the first {_LONGEST:.0f} shown" if seconds > _LONGEST else "")
    confidence = clip.get("confidence")
    figures = [length, f"{100 * clip['filled']:.0f} % filled", f"jitter {clip['jitter_before']:.0f} m/s³"]
    figures += [f"confidence {confidence:.2f}"] if confidence is not None else []
    return {
        "name": clip["name"],
        "text": clip["text"],
        "seconds": round(seconds, 2),
        "filled": clip["filled"],
        "jitter": clip["jitter_before"],
        "confidence": 1 if confidence is None else confidence,
        "figures": ", ".join([*figures, f"hands {' and '.join(clip['hands']) or 'still'}"]),
        "joints": base64.b64encode(millimetres.tobytes()).decode(),
    }


def _page(data: Mapping[str, Any]) -> str:
    script = (files(__package__) / "review.js").read_text(encoding="utf-8")
    words = "".join(clip["name"] + clip["text"] for clip in data["clips"])
    # A text that closes the script element would end it: no "<" stands in the data.
    packed = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    part = (
        f'<p class="note" id="part">{len(data["clips"]):,} of {data["all"]:,} clips are shown, those most filled, with '
        "most jitter or least confidence; write_review(…, names=…) shows others.</p>"
        if len(data["clips"]) < data["all"] else ""
    )  # fmt: skip
    body = (
        '<h1>KTubeUM: review</h1><nav><span id="summary"></span><label>first <select id="order">'
        '<option value="name">by name</option><option value="filled">most filled</option>'
        '<option value="jitter">most jitter</option><option value="confidence">least confidence</option>'
        '<option value="dropped">dropped</option></select></label>'
        f'<button id="save">Save dropped.txt</button></nav>{part}<div id="list"></div>'
        '<template id="card"><div class="card"><canvas width="400" height="400"></canvas><label>'
        '<input type="checkbox"> <b></b></label><p></p><small class="note"></small></div></template>'
    )
    return (
        f'<!DOCTYPE html><html lang="ko"><head><meta charset="utf-8"><title>KTubeUM: review</title><style>'
        f"{embedded_font(body + words)}{STYLE}{_LOOK}</style></head><body>{body}"
        f'<script type="application/json" id="clips">{packed}</script><script>{script}</script></body></html>\n'
    )
