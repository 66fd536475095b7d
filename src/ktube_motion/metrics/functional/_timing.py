"""Do the beats of a gesture fall together with the words?"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from ...arrays import Array, ArrayLike, to_torch
from ...errors import ConfigError, DataError, ShapeError
from ...skeletons import SMPL_22, Skeleton
from ...types import Word
from ._kinematic import _positions

__all__ = ["beat_consistency", "beat_preference", "motion_beats", "speech_beats"]

_ARMS = ("elbow", "wrist")


def motion_beats(
    positions: Array, *, fps: float, skeleton: Skeleton = SMPL_22, smooth: float = 0.05, prominence: float = 0.2
) -> Array:
    """Times at which the arms come to rest or turn: local minima of their speed.

    Parameters
    ----------
    positions : array or tensor [shape=(T, J, 3)]
        One clip, ``T >= 4``.
    fps : float
    skeleton : Skeleton
        Its elbows and wrists are watched, relative to the root.
    smooth : float
        Gaussian width in seconds, against jitter.
    prominence : float
        How deep a minimum must be, as a share of the mean speed.

    Returns
    -------
    times : same kind as `positions` [shape=(B,)]
        Seconds, ascending; empty for a motion without beats.

    Raises
    ------
    ShapeError, DataError
        If the positions are not one clip of the skeleton, or not finite.

    Examples
    --------
    >>> t = np.arange(80) / 20
    >>> x = np.zeros((80, 22, 3)); x[:, 18:22, 1] = np.sin(np.pi * t)[:, None]  # turns at 0.5, 1.5, 2.5, 3.5 s
    >>> motion_beats(x, fps=20).round(1)
    array([0.5, 1.5, 2.5, 3.5])
    """
    tensor, restore = to_torch(positions, name="positions")
    clip = _positions(positions, "positions", 4).cpu().numpy()
    if clip.ndim != 3 or clip.shape[1] != skeleton.num_joints:
        raise ShapeError(
            "Beats are found clip by clip.", expected=f"(T, {skeleton.num_joints}, 3)", found=tuple(clip.shape)
        )
    arms = [j for j, name in enumerate(skeleton.joint_names) if name.endswith(_ARMS)]
    speed = np.linalg.norm(np.diff(clip[:, arms] - clip[:, :1], axis=0), axis=-1).mean(-1) * fps
    if speed.mean() < 1e-9 / skeleton.metres_per_unit:
        return restore(tensor.new_zeros(0))
    speed = gaussian_filter1d(speed, smooth * fps)
    minima, _ = find_peaks(-speed, prominence=prominence * speed.mean())
    times = (minima + 0.5) / fps  # speed lies between two frames
    return restore(torch.from_numpy(times).to(tensor.device))


def speech_beats(words: Sequence[Word], *, unit: str = "word") -> np.ndarray:
    """Times at which words, or Hangul syllables, begin.

    Parameters
    ----------
    words : sequence of Word
        Spoken words with their times (`Cue.words`).
    unit : {"word", "syllable"}
        Syllables are the characters of a word that are letters, spread evenly over its time.

    Returns
    -------
    times : float64 array [shape=(B,)]
        Seconds, ascending.

    Raises
    ------
    ConfigError
        If `unit` is unknown.

    Examples
    --------
    >>> speech_beats([Word(0.0, 0.6, "안녕,"), Word(1.0, 1.5, "네")], unit="syllable")
    array([0. , 0.3, 1. ])
    """
    if unit not in ("word", "syllable"):
        raise ConfigError("Unknown unit of speech.", expected="word or syllable", found=repr(unit))
    times: list[float] = []
    for word in words:
        count = max(sum(sign.isalnum() for sign in word.text), 1) if unit == "syllable" else 1
        times.extend(word.start + (word.end - word.start) * k / count for k in range(count))
    return np.sort(np.asarray(times, dtype=np.float64))


def beat_consistency(motion_times: ArrayLike, speech_times: ArrayLike, *, sigma: float = 0.1) -> float:
    """How close each motion beat is to the nearest speech beat.

    Parameters
    ----------
    motion_times : array [shape=(M,)]
        Seconds, from `motion_beats`.
    speech_times : array [shape=(S,)]
        Seconds, from `speech_beats`; at least one.
    sigma : float > 0
        Distance in seconds at which a beat counts ``exp(-1/2)``.

    Returns
    -------
    consistency : float in [0, 1]
        Mean of ``exp(-d^2 / (2 sigma^2))`` over motion beats; 0 for a motion without beats.

    Raises
    ------
    DataError
        If there is no speech beat, or a time is not finite.
    ConfigError
        If `sigma` is not positive.

    References
    ----------
    .. [1] H. Liu et al., BEAT, ECCV 2022, after R. Li et al., AI Choreographer, ICCV 2021.

    Examples
    --------
    >>> beat_consistency([0.5, 1.5], [0.5, 1.5]), beat_consistency([], [0.5])
    (1.0, 0.0)
    """
    motion, speech = (np.asarray(times, dtype=np.float64).reshape(-1) for times in (motion_times, speech_times))
    if not sigma > 0:
        raise ConfigError("sigma must be positive.", found=sigma)
    if not len(speech) or not (np.isfinite(motion).all() and np.isfinite(speech).all()):
        raise DataError(
            "Beat consistency needs finite times and at least one speech beat.", found=f"{len(speech)} speech beats"
        )
    if not len(motion):
        return 0.0
    nearest = np.abs(motion[:, None] - speech).min(1)
    return float(np.exp(-(nearest**2) / (2 * sigma**2)).mean())


def beat_preference(
    motion_times: Sequence[ArrayLike], speech_times: Sequence[ArrayLike], *, sigma: float = 0.1
) -> float:
    """How often a motion keeps time with its own words better than with another's; chance is 0.5.

    Parameters
    ----------
    motion_times, speech_times : sequences of N arrays
        Beats of each clip in seconds, from `motion_beats` and `speech_beats`; at least one speech beat each.
    sigma : float
        As in `beat_consistency`.

    Returns
    -------
    preference : float in [0, 1]
        Over all ``N (N - 1)`` mismatches; equal consistencies count one half.

    Raises
    ------
    ShapeError
        If there are fewer than two clips, or the two differ in number.

    Notes
    -----
    Crowded words are near any beat. Every clip's words are compared as its own
    and as a stranger's equally often, so this favours neither.

    Examples
    --------
    >>> beat_preference([[0.5], [1.0]], [[0.5], [1.0]])
    1.0
    """
    count = len(motion_times)
    if count < 2 or len(speech_times) != count:
        raise ShapeError(
            "Preference needs pairs.", expected="two pairs at least", found=f"{count} and {len(speech_times)}"
        )
    table = np.array([[beat_consistency(m, s, sigma=sigma) for s in speech_times] for m in motion_times])
    better = np.sign(np.diag(table)[:, None] - table)  # 0 on the diagonal
    return float(0.5 + better.sum() / (2 * count * (count - 1)))
