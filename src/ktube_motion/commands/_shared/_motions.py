"""Motion read from any file it lies in, and written as whatever is asked for."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError, FormatError
from ...features import features_to_joints
from ...io import load_bvh, load_poses, save_poses
from ...io._files import make_folder, save_array
from ...io._untrusted import load_numpy
from ...kinematics import load_body
from ...render import save_bvh, save_glb, save_html, save_skeleton_video, save_usd, save_vrma
from ...render._rigs import as_poses
from ...render._scene import as_motion
from ...skeletons import KIT_21, SMPL_22, SMPLH_52, SMPLX_55, Skeleton
from ...types import Cue, Motion, PoseSequence

__all__ = ["WRITERS", "check_suffix", "read_joints", "read_motion", "write_motion"]

Words = str | Sequence[Cue] | None

_SKELETONS = {skeleton.num_joints: skeleton for skeleton in (SMPL_22, KIT_21, SMPLH_52, SMPLX_55)}


def read_motion(path: Path, *, fps: float | None = None, axes: str | None = None) -> Motion | PoseSequence:
    """Read joints or motion vectors from .npy, BVH, or poses of any estimator; `axes` are those of poses."""
    if path.suffix.lower() == ".npy":
        return read_joints(path, fps=20.0 if fps is None else fps)
    if path.suffix.lower() == ".bvh":
        motion = load_bvh(path)
        return motion if fps is None else motion.replace(fps=fps)
    return load_poses(path, fps=fps, axes=axes)


def read_joints(path: Path, *, fps: float, name: str | None = None) -> Motion:
    """Read joints ``(T, J, 3)`` or motion vectors ``(T, D)`` from a .npy file.

    A leading axis of one, as T2M-GPT writes it, is dropped.
    """
    numbers = np.asarray(load_numpy(path))
    numbers = numbers[0] if numbers.ndim == 4 and len(numbers) == 1 else numbers
    if numbers.ndim == 2:
        skeleton = Skeleton.for_feature_size(numbers.shape[1])
        numbers = features_to_joints(numbers.astype(np.float32), skeleton=skeleton)
    elif numbers.ndim == 3 and numbers.shape[1] in _SKELETONS and numbers.shape[2] == 3:
        skeleton = _SKELETONS[numbers.shape[1]]
    else:
        expected = "(T, 22, 3), (T, 52, 3) or (T, 263)"
        raise FormatError("This is no array of joints.", where=path, expected=expected, found=numbers.shape)
    return Motion(skeleton=skeleton, positions=numbers, fps=fps, name=path.stem if name is None else name)


def write_motion(motion: Motion | PoseSequence, path: Path, options: Namespace, *, words: Words = None) -> None:
    """Write a motion in the format that the suffix of `path` names.

    Raises
    ------
    ConfigError
        If no format has this suffix.
    """
    write = WRITERS[check_suffix(path)]
    make_folder(path.parent)
    write(motion, path, options, words)


def check_suffix(path: Path) -> str:
    """Give the suffix of `path`, if a motion can be written so."""
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        *some, last = WRITERS
        raise ConfigError(
            "--output cannot be written.", expected=f"a name in {', '.join(some)} or {last}", found=path.name
        )
    return suffix


def _video(motion: Motion, path: Path, options: Namespace, words: Any) -> None:
    save_skeleton_video(motion, path, titles="" if words else None, subtitles=words, finish=not options.as_given)


def _page(motion: Motion, path: Path, options: Namespace, words: Any) -> None:
    save_html(motion, path, utterance=words, title=path.stem, finish=not options.as_given)


def _bvh(motion: Motion, path: Path, options: Namespace, words: Any) -> None:
    save_bvh(motion, path, unit=options.unit, bone_names=options.bone_names, **_usual(options))


def _glb(motion: Motion, path: Path, options: Namespace, words: Any) -> None:
    save_glb(motion, path, bone_names=options.bone_names, **_usual(options))


def _usd(motion: Motion, path: Path, options: Namespace, words: Any) -> None:
    save_usd(motion, path, bone_names=options.bone_names, **_usual(options))


def _vrma(motion: Motion, path: Path, options: Namespace, words: Any) -> None:
    save_vrma(motion, path, expressions=_mouth(motion, words), **_usual(options))


def _mouth(motion: Motion, words: Any) -> dict[str, np.ndarray] | None:
    """The mouth that says the words, where they have times."""
    from ...text import timed_words, visemes

    cues = [cue for cue in words or () if isinstance(cue, Cue) and cue.end > cue.start]
    said = [word for cue in cues for word in timed_words(cue)]
    return visemes(said, np.arange(len(motion)) / motion.fps) if said else None


def _poses(motion: Motion, path: Path, options: Namespace, words: Any) -> None:
    save_poses(as_poses(motion, body=load_body(options.body), finish=not options.as_given), path)


def _joints(motion: Motion, path: Path, options: Namespace, words: Any) -> None:
    save_array(path, as_motion(motion, finish=False).require("positions"))


def _usual(options: Namespace) -> dict[str, Any]:
    body = None if options.body is None else load_body(options.body)
    return {"body": body, "finish": not options.as_given}


WRITERS: dict[str, Callable[..., None]] = {
    ".mp4": _video, ".gif": _video, ".html": _page, ".bvh": _bvh, ".glb": _glb, ".vrma": _vrma, ".usd": _usd,
    ".npz": _poses, ".npy": _joints,
}  # fmt: skip
