"""The page for reviewing a corpus: every clip moves, with its words and figures, and a box to keep or drop it."""

import base64
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from .. import palette
from ..io import Corpus
from ..io._files import write_text
from ..io._manifests import read_manifest
from ._report import STYLE, embedded_font

__all__ = ["write_review"]

_FPS = 10.0
_SIDES = {"left": palette.LEFT, "right": palette.RIGHT}
_LOOK = """
#list { display: flex; flex-wrap: wrap; gap: 12px } .card { width: 218px; border: 1px solid var(--line);
  border-radius: 6px; padding: 8px; content-visibility: auto; contain-intrinsic-size: 218px 320px }
.card canvas { width: 200px; height: 200px; display: block } .card p { margin: 4px 0 } .card.dropped { opacity: 0.4 }
nav { position: sticky; top: 0; background: #fff; padding: 8px 0; display: flex; gap: 1rem; align-items: center }
"""


def write_review(root: str | Path, path: str | Path | None = None) -> Path:
    """Write a page on which clips are kept or dropped by looking at them.

    Parameters
    ----------
    root : path
        A corpus made by `build_corpus`.
    path : path, optional
        Default: ``review.html`` in the corpus.

    Returns
    -------
    path : Path
        One HTML file that needs nothing else: every clip as a moving figure
        seen from the front, its words, length, filled frames, jitter and, where
        words were aligned, their confidence. Its button saves ``dropped.txt``,
        which `curate` reads.

    Raises
    ------
    CorpusError
        If there is no corpus, or it has no manifest.

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
    clips = [_describe(corpus, clip) for clip in told["clips"]]
    names = corpus.skeleton.joint_names
    data = {
        "title": corpus.root.resolve().name,
        "fps": _FPS,
        "joints": len(names),
        "bones": [
            [joint, parent, _SIDES.get(names[joint].split("_")[0], palette.MIDDLE)]
            for joint, parent in enumerate(corpus.skeleton.parents)
            if parent >= 0
        ],
        "clips": clips,
    }
    write_text(path, _page(data))
    return path


def _describe(corpus: Corpus, clip: Mapping[str, Any]) -> dict[str, Any]:
    joints = corpus.joints(clip["name"], recovered=True)
    frames = np.arange(0, len(joints), max(corpus.fps / _FPS, 1)).astype(int)
    middle = (joints.min((0, 1)) + joints.max((0, 1))) / 2
    millimetres = np.round(1000 * (joints[frames, :, :2] - middle[:2])).clip(-32000, 32000).astype("<i2")
    seconds = clip["frames"] / corpus.fps
    figures = [f"{seconds:.1f} s", f"{100 * clip['filled']:.0f} % filled", f"jitter {clip['jitter_before']:.0f} m/s³"]
    figures += [f"confidence {clip['confidence']:.2f}"] if "confidence" in clip else []
    return {
        "name": clip["name"],
        "text": clip["text"],
        "seconds": round(seconds, 2),
        "filled": clip["filled"],
        "jitter": clip["jitter_before"],
        "figures": ", ".join([*figures, f"hands {' and '.join(clip['hands']) or 'still'}"]),
        "joints": base64.b64encode(millimetres.tobytes()).decode(),
    }


def _page(data: Mapping[str, Any]) -> str:
    script = (files(__package__) / "review.js").read_text(encoding="utf-8")
    words = "".join(clip["name"] + clip["text"] for clip in data["clips"])
    # A text that closes the script element would end it: no "<" stands in the data.
    packed = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    body = (
        '<h1>KTubeUM: review</h1><nav><span id="summary"></span><label>first <select id="order">'
        '<option value="name">by name</option><option value="filled">most filled</option>'
        '<option value="jitter">most jitter</option><option value="dropped">dropped</option></select></label>'
        '<button id="save">Save dropped.txt</button></nav><div id="list"></div>'
        '<template id="card"><div class="card"><canvas width="400" height="400"></canvas><label>'
        '<input type="checkbox"> <b></b></label><p></p><small class="note"></small></div></template>'
    )
    return (
        f'<!DOCTYPE html><html lang="ko"><head><meta charset="utf-8"><title>KTubeUM: review</title><style>'
        f"{embedded_font(body + words)}{STYLE}{_LOOK}</style></head><body>{body}"
        f'<script type="application/json" id="clips">{packed}</script><script>{script}</script></body></html>\n'
    )
