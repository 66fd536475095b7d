"""The quality report of a corpus: one HTML page that needs nothing else."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from .. import palette
from ..errors import MissingDependencyError
from ..io import Corpus
from ..io._files import write_text
from ..io._manifests import read_manifest
from ._drawing import bar_list, histogram, stick_figures

__all__ = ["STYLE", "embedded_font", "write_report"]

MOST_CLIPS = 400  # read for the histogram of joint speeds
MOST_ROWS = 300  # of a table; the manifest has them all
STYLE = (
    f"""
:root {{ --mark: {palette.RIGHT}; --ink: {palette.INK}; --soft: {palette.SOFT}; --line: {palette.GRID} }}
"""
    + """
body { font: 15px/1.5 "KTube", "Noto Sans KR", "Noto Sans CJK KR", "Malgun Gothic", "Apple SD Gothic Neo",
  NanumGothic, sans-serif; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid var(--line) }
table { border-collapse: collapse; font-size: 13px } td, th { padding: 2px 10px 2px 0; text-align: left;
  vertical-align: top; border-bottom: 1px solid var(--line) } td.n { text-align: right; white-space: nowrap }
.grid { display: flex; flex-wrap: wrap; gap: 1rem 2rem } figure { margin: 0; max-width: 460px }
figcaption, .note { font-size: 13px; color: var(--soft) } svg { max-width: 100%; height: auto; font: 12px sans-serif }
.bars { columns: 3; font-size: 13px } .bar { display: flex; gap: 6px; align-items: center; break-inside: avoid }
.bar span { width: 6.5em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.bar i { background: var(--mark); height: 9px; max-width: 45%; display: block } .bar b { font-weight: normal }
"""
)


def write_report(root: str | Path, path: str | Path | None = None) -> Path:
    """Write how good a corpus is, as one self-contained HTML page.

    Parameters
    ----------
    root : path
        A corpus with a ``manifest.json``, as `build_corpus`, and in short
        `build_gesture_corpus`, write it.
    path : path, optional
        Default: ``report.html`` in the corpus.

    Returns
    -------
    path : Path
        The page: durations, speech rate, words, jitter before and after
        filtering, share of filled frames, joint speeds, a few poses, figures
        of each video, and all that was left out with its reason. The same
        corpus gives the same bytes.

    Raises
    ------
    CorpusError
        If there is no corpus, or it has no manifest.

    Notes
    -----
    Jitter is the mean size of the jerk of 22 joints; "before" is the same
    clip with gaps filled and root fixed, but not low-passed. The speech rate
    counts Hangul syllables per second of the clip.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.construct import build_corpus, pair_sources
    >>> from ktube_motion.samples import make_speaker
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = make_speaker(folder, num_utterances=2)
    >>> _ = build_corpus(pair_sources(folder, folder)[0], folder / "KTubeUM", report=False, progress=False)
    >>> write_report(folder / "KTubeUM").name
    'report.html'
    """
    corpus = Corpus(root)
    path = corpus.root / "report.html" if path is None else Path(path)
    manifest = read_manifest(corpus.root, needed=["clips"], of_clips=["frames"])
    excluded = set(manifest.get("excluded", ()))
    clips = [clip for clip in manifest["clips"] if clip["name"] not in excluded]
    sections = [
        ("", _summary(corpus, manifest, clips)),
        ("Speech", _speech(corpus, clips)),
        ("Words", _words(corpus, clips)),
        ("Motion", _motion(corpus, clips)),
        ("Poses", _poses(corpus, clips)),
        ("Videos", _videos(manifest)),
        ("Left out", _left_out(manifest, excluded)),
    ]
    body = "".join(f"<h2>{title}</h2>{content}" if title else content for title, content in sections if content)
    page = f"<h1>KTubeUM: quality of the corpus</h1>{body}"
    write_text(path, f'<!DOCTYPE html><html lang="ko"><head><meta charset="utf-8"><title>KTubeUM: quality</title>'
                     f"<style>{embedded_font(page)}{STYLE}</style></head><body>{page}</body></html>\n")  # fmt: skip
    return path


def embedded_font(page: str) -> str:
    """Embed the letters of the page, so that Korean shows on a machine without a Korean font."""
    from ..render._fonts import embed_font

    try:
        font = embed_font("".join(sorted(set(page))))
    except MissingDependencyError:
        font = ""  # the page then uses the fonts of the machine that shows it
    source = f"url(data:font/woff;base64,{font})"
    return f'@font-face {{ font-family: "KTube"; src: {source} }}' if font else ""


def _table(rows: Iterable[Iterable[object]], head: Iterable[str] = ()) -> str:
    """Draw a table; numbers stand on the right, all text is escaped."""

    def cell(value: object) -> str:
        number = isinstance(value, int | float)
        text = f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if number else str(value)
        return f'<td class="n">{text}</td>' if number else f"<td>{escape(text)}</td>"

    rows = list(rows)
    top = f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>" if head else ""
    more = (
        f'<p class="note">… and {len(rows) - MOST_ROWS} more, see manifest.json.</p>' if len(rows) > MOST_ROWS else ""
    )
    lines = ("".join(map(cell, row)) for row in rows[:MOST_ROWS])
    return f"<table>{top}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>{more}"


def _figures(*figures: tuple[str, str]) -> str:
    return '<div class="grid">' + "".join(
        f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>" for picture, caption in figures
    ) + "</div>"  # fmt: skip


def _spread(values: Sequence[float] | np.ndarray, unit: str) -> str:
    """Say median and range of some numbers."""
    if not len(values):
        return "no data"
    low, middle, high = np.percentile(values, [5, 50, 95])
    return f"median {middle:.3g} {unit}, 5 to 95 %: {low:.3g} to {high:.3g}"


def _summary(corpus: Corpus, manifest: Mapping[str, Any], clips: Sequence[Mapping[str, Any]]) -> str:
    frames = sum(clip["frames"] for clip in clips)
    splits = [f"{split} {len(corpus.names(split))}" for split in ("train", "val", "test")]
    rows = [
        ("Clips", len(clips)),
        ("Minutes", frames / corpus.fps / 60),
        ("Videos", len({clip.get("source", clip["name"]) for clip in clips})),
        ("Speakers", len({clip.get("speaker", "") for clip in clips})),
        ("Clips in the splits, mirrored ones included", ", ".join(splits)),
        ("Skeleton, frames per second", f"{corpus.skeleton.name}, {corpus.fps:g}"),
        ("Words, by where their time comes from", _words_by_source(clips)),
        ("Utterances skipped", len(manifest.get("skipped", ()))),
        ("Videos failed", len(manifest.get("failed", ()))),
        ("Clips excluded by curation", len(manifest.get("excluded", ()))),
        ("Made by", f"ktube_motion {manifest.get('version', '')}"),
    ]
    return _table(rows)


def _words_by_source(clips: Iterable[Mapping[str, Any]]) -> str:
    counts = sum((Counter(clip.get("words", {})) for clip in clips), Counter())
    return ", ".join(f"{source} {count:,}" for source, count in sorted(counts.items())) or "unknown"


def _speech(corpus: Corpus, clips: Sequence[Mapping[str, Any]]) -> str:
    seconds = [clip["frames"] / corpus.fps for clip in clips]
    figures = [(histogram({"clips": seconds}, label="seconds"), f"Length of the clips: {_spread(seconds, 's')}")]
    rates = [clip["syllables"] / s for clip, s in zip(clips, seconds, strict=True) if clip.get("syllables") and s > 0]
    if rates:
        caption = f"Speech rate: {_spread(rates, 'syllables/s')}"
        figures.append((histogram({"clips": rates}, label="Hangul syllables per second"), caption))
    return _figures(*figures)


def _words(corpus: Corpus, clips: Sequence[Mapping[str, Any]]) -> str:
    """Count the words that carry meaning, in the clips' own text files."""
    every: Counter[str] = Counter()
    content: Counter[str] = Counter()
    for clip in clips:
        for utterance in corpus.texts(clip["name"]):
            every.update(utterance.text.split())
            content.update(word for word, tag in utterance.tokens if tag in ("NOUN", "VERB", "ADJ", "ADV", "PRON"))
    note = (
        f"{every.total():,} words, {len(every):,} different ones. The most frequent nouns, verbs, adjectives, adverbs:"
    )
    return f'<p class="note">{note}</p>{bar_list(sorted(content.items(), key=lambda item: (-item[1], item[0]))[:45])}'


def _motion(corpus: Corpus, clips: Sequence[Mapping[str, Any]]) -> str:
    figures = []
    if clips and "jitter_after" in clips[0]:
        before, after = ([clip[f"jitter_{when}"] for clip in clips] for when in ("before", "after"))
        caption = f"Jitter (mean jerk). Before: {_spread(before, 'm/s³')}. After: {_spread(after, 'm/s³')}"
        top = max(float(np.percentile(before + after, 99)), 1e-3)
        series = {"before filtering": before, "after": after}
        figures.append((histogram(series, label="m/s³", bins=40, top=top), caption))
        filled = [100 * clip["filled"] for clip in clips]
        caption = f"Frames filled in (missing or outliers): {np.mean(filled):.2f} % of a clip on average"
        figures.append((histogram({"clips": filled}, label="% of the clip's frames"), caption))
        hands = Counter(" and ".join(clip["hands"]) or "none" for clip in clips)
        rows = sorted(hands.items())
        figures.append((_table(rows, ("hands whose fingers move", "clips")), "A hand not seen keeps one pose"))
    chosen = clips[:: max(len(clips) // MOST_CLIPS, 1)]
    per_clip = [
        np.linalg.norm(np.diff(corpus.joints(clip["name"]), axis=0), axis=-1).ravel() * corpus.fps for clip in chosen
    ]
    speeds = np.concatenate(per_clip) if per_clip else np.zeros(0)
    top = max(float(np.percentile(speeds, 99.5)), 1e-3) if len(speeds) else 1.0
    caption = f"Joint speed in {len(chosen)} clips, every joint and frame: {_spread(speeds, 'm/s')}"
    figures.append((histogram({"speed": speeds}, label="m/s", bins=40, top=top), caption))
    return _figures(*figures)


def _poses(corpus: Corpus, clips: Sequence[Mapping[str, Any]]) -> str:
    """Show frames of clips spread over the corpus, each with its sentence."""
    skeleton = corpus.skeleton
    figures = []
    for clip in clips[:: max(len(clips) // 6, 1)][:6]:
        joints = corpus.joints(clip["name"], recovered=True)
        frames = [joints[i] for i in np.linspace(0, len(joints) - 1, 4).astype(int)]
        texts = corpus.texts(clip["name"])
        picture = stick_figures(frames, skeleton.parents, skeleton.joint_names, title=clip["name"], size=115)
        figures.append((picture, f"{clip['name']}: {texts[0].text if texts else ''}"))
    return _figures(*figures)


def _videos(manifest: Mapping[str, Any]) -> str:
    columns = {
        "name": "video", "speaker": "speaker", "clips": "clips", "skipped": "skipped", "seconds": "seconds",
        "words_end": "words end", "fps": "fps", "offset": "offset", "axes": "axes", "missing": "share missing",
        "stand_ins": "stand-ins",
        "outliers": "outlier frames", "unfilled": "share unfilled",
    }  # fmt: skip
    sources = manifest.get("sources", ())
    rows = [[_figure(source, key) for key in columns] for source in sources]
    warnings = [(warning,) for warning in manifest.get("warnings", ())]
    return (_table(rows, columns.values()) if rows else "") + (_table(warnings, ["warnings"]) if warnings else "")


def _figure(source: Mapping[str, Any], key: str) -> object:
    """Give one figure of a video; a frame rate that nobody said is marked."""
    value = source.get(key, "")
    return f"{value:g} (assumed)" if key == "fps" and value and source.get("fps_assumed") else value


def _left_out(manifest: Mapping[str, Any], excluded: Collection[str]) -> str:
    skipped, failed = manifest.get("skipped", ()), manifest.get("failed", {})
    kinds = Counter(skip.get("problem", skip["reason"]) for skip in skipped)
    parts = []
    if failed:
        parts.append(_table(sorted(failed.items()), ("failed video", "reason")))
    if kinds:
        parts.append(_table(kinds.most_common(), ("skipped because", "utterances")))
        rows = [
            (skip.get("source", skip.get("name", "")), skip.get("start", ""), skip.get("text", ""), skip["reason"])
            for skip in skipped
        ]
        parts.append(_table(rows, ("video", "second", "words", "reason")))
    if excluded:
        parts.append(_table([(name,) for name in sorted(excluded)], ["excluded by curation"]))
    return "".join(f"<p>{part}</p>" for part in parts) or '<p class="note">Nothing.</p>'
