"""One video becomes clips: poses cleaned, words cut into utterances, each pair checked and encoded."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, FormatError, KtubeError, MissingDependencyError
from ..filters import fill_gaps, fix_root, reject_outliers, resample, rest_lower_body
from ..filters._cleaning import lowpass_stretches
from ..io import Corpus, read_poses
from ..io._files import write_json
from ..kinematics import Body, load_body, pose_to_joints
from ..skeletons import Skeleton
from ..types import Cue, PoseSequence, Utterance
from ._clips import encode_motion
from ._records import clip_files, describe_files, empty_record, record_path, source_key
from ._sources import Source
from ._stretches import Stretch, stretches
from ._voices import spoken_cues
from ._watching import is_video, watch

if TYPE_CHECKING:
    from ._build import BuildOptions

__all__ = ["build_video"]

_HANDS = {"left": slice(25, 40), "right": slice(40, 55)}
_RATES = (30.0, 25.0, 29.97, 24.0, 23.976, 60.0, 59.94, 50.0, 120.0, 20.0, 15.0)
_SILENCE = 2.5  # seconds after the last word that need no word
_STILL = 1e-3  # radians: less than any estimator's jitter on a hand it really sees


def build_video(source: Source, root: str | Path, options: "BuildOptions") -> dict[str, Any]:
    """Make all clips of one video; runs in a worker, and raises only if the corpus cannot be written."""
    from ..text import utterances

    corpus = Corpus(root)
    record = empty_record(source.name)
    with _one_thread():
        try:
            record["key"] = source_key(source, options)
            poses, rough, seen, quality, looked = _clean(source, corpus.root, options)
            cues, words, told = spoken_cues(source, options)
            timed, confidences, heard, warnings = _listen(source, cues, options.aligner, quality["seconds"])
            spoken = utterances(timed, min_seconds=options.min_seconds, max_seconds=options.max_seconds)
        except MissingDependencyError:
            raise  # it would fail every video alike
        except KtubeError as error:
            record["failed"] = str(error)
        except OSError as error:
            record["failed"] = f"{error.filename}: Cannot read this file. Found: {error.strerror}."
        else:
            record["quality"] = quality | words | heard
            late = _compare_lengths(source.name, quality, words["words_end"])
            looked = [f"{source.name}: {warning}" for warning in looked]
            record["warnings"] = [*looked, *told, *late, *warnings]
            with corpus.writing(source.name):
                _cut_clips(corpus, record, poses, rough, seen, spoken, options)
            _note_confidence(record["clips"], timed, confidences)
    record["files"] = describe_files(root, clip_files(root, record, options))
    write_json(record_path(root, source.name), record)
    return record


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute with one thread: sums come out the same on every machine, and workers do not fight for cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _clean(
    source: Source, root: Path, options: "BuildOptions"
) -> tuple[PoseSequence, PoseSequence, np.ndarray, dict[str, Any], Sequence[str]]:
    """Give clean poses, the same without the low-pass, which frames were seen, figures of quality, and warnings."""
    axes = source.axes or options.axes
    file, watched, warnings = watch(source, root, options) if is_video(source.poses) else (source.poses, {}, [])
    reading = read_poses(
        file, format=source.format, fps=source.fps, person=source.person, axes=axes,
        body_model=options.body_model,
    )  # fmt: skip
    if not reading.upright and axes is None:
        raise DataError(
            "The body does not stand in most frames.",
            where=source.poses,
            expected=f"a head above the feet in the axes of the format ({reading.layout}: {reading.axes})",
            found=next((text for text in reading.warnings if "does not stand" in text), None),
            fix="Say axes= for this source: the right ones, or the same where the speaker lies.",
        )
    raw = reading.poses
    found, rough, poses = (raw, raw, raw) if reading.cleaned else _clean_raw(raw, options)
    quality = {
        "format": reading.layout,
        "axes": reading.axes,
        "fps": round(raw.fps, 4),
        "fps_assumed": reading.fps_assumed,
        "frames": len(raw),
        "seconds": round(raw.seconds, 3),
        "missing": round(1 - float(raw.valid.mean()), 4),
        "cleaned_before": reading.cleaned,
        "stand_ins": reading.stand_ins,
        "outliers": int(raw.valid.sum() - found.valid.sum()),
        "unfilled": round(1 - float(rough.valid.mean()), 4),
        **watched,
    }
    poses, rough = (resample(clip, fps=options.fps) for clip in (poses, rough))
    nearest = np.round(np.arange(len(poses)) * raw.fps / options.fps).astype(int)
    return poses, rough, found.valid[np.minimum(nearest, len(raw) - 1)], quality, [*warnings, *reading.warnings]


def _clean_raw(raw: PoseSequence, options: "BuildOptions") -> tuple[PoseSequence, PoseSequence, PoseSequence]:
    """Give poses without outliers, the same filled and held, and the same without jitter: as `clean_poses` does it."""
    found = reject_outliers(raw)
    rough = fill_gaps(found, max_gap_seconds=options.max_gap_seconds)
    if options.root != "moving":
        rough = fix_root(rough, to=options.root)
    if options.rest_lower_body:
        rough = rest_lower_body(rough)
    smooth = rough if options.cutoff_hz is None else lowpass_stretches(rough, cutoff_hz=options.cutoff_hz)
    return found, rough, smooth


def _listen(
    source: Source, cues: Sequence[Cue], aligner: str, seconds: float
) -> tuple[Sequence[Cue], Sequence[float], dict[str, Any], list[str]]:
    """Align the words with the sound where there is some: cues, confidences, figures, warnings.

    Without it, or where it cannot be read, the words' times are estimated later, and a warning says so.
    """
    from ..text import align_words
    from ..text._alignment import find_aligner

    if source.audio is None:
        return cues, [], {}, []
    try:
        found = align_words(cues, source.audio, aligner=find_aligner(aligner) if aligner else None)
    except FormatError as error:
        return cues, [], {"heard": {"unread": len(cues)}}, [f"{source.name}: no words were aligned; {error}"]
    told, sound = [], f"{source.name}: the sound ends at {found.seconds:.1f} s"
    if cues[-1].end - found.seconds > 1.0:
        told.append(f"{sound}, the words at {cues[-1].end:.1f} s")
    elif found.seconds - seconds > _SILENCE:
        told.append(f"{sound}, the poses at {seconds:.1f} s; is it the sound of another video?")
    heard = {kind: count for kind, count in found.counts.items() if count}
    return found.cues, found.confidences, {"heard": heard}, told


def _note_confidence(clips: Iterable[dict[str, Any]], cues: Sequence[Cue], confidences: Sequence[float]) -> None:
    """Write into each clip the least confidence of the cues that it has words of; none where no word was aligned."""
    heard = zip(cues, confidences, strict=True) if confidences else ()
    spans = [(cue.start, cue.end, confidence) for cue, confidence in heard if math.isfinite(confidence)]
    for clip in clips:
        inside = [
            confidence for start, end, confidence in spans if start < clip["end"] - 1e-3 and end > clip["start"] + 1e-3
        ]
        if inside:
            clip["confidence"] = round(min(inside), 3)


def _compare_lengths(name: str, quality: Mapping[str, Any], words_end: float) -> list[str]:
    """Warn where poses and words end apart; name the frame rate only where another usual one would fit."""
    seconds = quality["seconds"]
    if abs(words_end - seconds) <= 1.0:
        return []
    fps = quality["fps"]
    fitting = [rate for rate in _RATES if abs(rate - fps) > 0.01 and _fits(seconds * fps / rate, words_end)]
    if fitting and (quality["fps_assumed"] or words_end > seconds):
        said = " (assumed)" if quality["fps_assumed"] else ""
        hint = f"frame rate? It is {fps:g}{said}, at {fitting[0]:g} they would end together (29.97 is not 30)"
    elif words_end > seconds:
        hint = "was the video cut, or is the offset wrong?"
    elif seconds - words_end <= _SILENCE:
        return []
    else:
        hint = "silence at the end?"
    return [f"{name}: the poses end at {seconds:.1f} s, the words at {words_end:.1f} s; {hint}"]


def _fits(seconds: float, words_end: float) -> bool:
    """Say whether poses of that length end with the words, or after a short silence."""
    return -1.0 <= seconds - words_end <= max(1.5, 0.01 * seconds)


def _cut_clips(
    corpus: Corpus,
    record: dict[str, Any],
    poses: PoseSequence,
    rough: PoseSequence,
    seen: np.ndarray,
    spoken: Sequence[Utterance],
    options: "BuildOptions",
) -> None:
    body = load_body(options.body_model)
    for number, stretch in enumerate(stretches(spoken, poses.valid, options)):
        # The codec gives one vector fewer than frames: take the next frame too, where there is one.
        first, count = round(stretch.start * options.fps), round(stretch.seconds * options.fps)
        frames = slice(first, first + count + 1)
        place = {"start": round(stretch.start, 3), "end": round(stretch.end, 3), "text": stretch.text}
        try:
            _check_clip(stretch, poses.valid[frames], count + 1, options)
            entry = {"name": f"{record['name']}_{number:03d}", **place}
            told = stretch.told(first / options.fps, count / options.fps)
            clips = _encode(corpus, entry, poses[frames], rough[frames], told, body, options)
        except MissingDependencyError:
            raise
        except KtubeError as error:
            skip = {"source": record["name"], **place, "problem": error.problem, "reason": str(error)}
            record["skipped"].append(skip)
            continue
        for clip in clips:
            corpus.add_clip(**clip)
        entry["filled"] = round(1 - float(seen[frames].mean()), 4)
        record["clips"].append(entry)


def _check_clip(stretch: Stretch, valid: np.ndarray, wanted: Any, options: "BuildOptions") -> None:
    half = 0.5 / options.fps
    inside = options.min_seconds - half <= stretch.seconds <= options.max_seconds + half
    if not (inside or options.talk_seconds):
        raise DataError(
            f"The utterance is too {'short' if stretch.seconds < options.min_seconds else 'long'}.",
            expected=f"{options.min_seconds:g} to {options.max_seconds:g} s",
            found=f"{stretch.seconds:.2f} s",
        )
    if wanted - len(valid) > 0.1 * options.fps:
        raise DataError("The poses end before the words.", expected=f"{wanted} frames", found=f"{len(valid)} frames")
    if not valid.all():
        raise DataError(
            "The speaker is not seen all the time.",
            expected=f"no gap above {options.max_gap_seconds:g} s",
            found=f"{int((~valid).sum())} of {len(valid)} frames",
        )


def _encode(
    corpus: Corpus,
    entry: dict[str, Any],
    poses: PoseSequence,
    rough: PoseSequence,
    told: Sequence[Utterance],
    body: Body,
    options: "BuildOptions",
) -> Any:
    """Encode a clip and its twin, and write into `entry` what the manifest says of them."""
    from ..text import count_unmirrored

    motion = pose_to_joints(poses, body=body, skeleton=Skeleton.named(options.skeleton))
    clips = encode_motion(corpus, entry["name"], motion, told, mirror=options.mirror)
    entry["frames"] = len(clips[0]["features"])
    entry["jitter_before"] = _jitter(pose_to_joints(rough, body=body).require("positions"), options.fps)
    entry["jitter_after"] = _jitter(motion.require("positions")[:, :22], options.fps)
    entry["hands"] = _moving_hands(poses)
    entry["words"] = dict(sorted(Counter(word.source for text in told for word in text.words).items()))
    entry["unmirrored"] = sum(count_unmirrored(text.text) for text in told) if options.mirror else 0
    entry["syllables"] = sum("가" <= letter <= "힣" for text in told for letter in text.text)
    return clips


def _jitter(positions: np.ndarray, fps: float) -> float:
    """Mean jerk of the body's joints in m/s³, which is mostly the estimator's jitter."""
    if len(positions) < 4:
        return 0.0
    return round(float(np.linalg.norm(np.diff(positions.astype(np.float64), 3, axis=0), axis=-1).mean() * fps**3), 3)


def _moving_hands(poses: PoseSequence) -> list[str]:
    """Name the hands whose fingers move: an estimator gives a hand that it does not see one constant pose."""
    return [side for side, joints in _HANDS.items() if np.ptp(poses.rotvecs[:, joints], axis=0).max() > _STILL]
