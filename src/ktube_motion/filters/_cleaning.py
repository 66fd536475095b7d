"""The usual chain from raw estimates to clean poses."""

from ..types import PoseSequence
from ._posture import fix_root
from ._repairing import fill_gaps, reject_outliers, split_at_gaps
from ._smoothing import lowpass

__all__ = ["clean_poses"]


def clean_poses(
    poses: PoseSequence,
    *,
    root: str | None = "median",
    max_gap_seconds: float = 0.5,
    cutoff_hz: float | None = 3.0,
    order: int = 2,
) -> PoseSequence:
    """Turn raw pose estimates of a speaker into poses fit for a corpus.

    The natural chain: `reject_outliers`, `fill_gaps`, `fix_root`, then
    `lowpass` on every valid stretch.

    Parameters
    ----------
    poses : PoseSequence
        As `io.load_poses` gives them.
    root : {"first", "median", "identity"} or None
        How to hold the root, see `fix_root`; ``None`` leaves it free.
    max_gap_seconds : float
        Longer gaps stay invalid, see `fill_gaps`.
    cutoff_hz : float or None
        See `lowpass`; ``None`` leaves the jitter in.
    order : int
        See `lowpass`.

    Returns
    -------
    poses : PoseSequence
        Of the same length; cut it with `split_at_gaps` if gaps remain.

    Raises
    ------
    DataError
        If no frame is valid, or a valid frame is not finite.
    ConfigError
        If an option cannot work.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.03, (60, 55, 3))
    >>> clean = clean_poses(PoseSequence(rotvecs=noise, fps=30))
    >>> bool(np.diff(clean.rotvecs[:, 16], axis=0).std() < 0.2 * np.diff(noise[:, 16], axis=0).std())
    True
    """
    poses = fill_gaps(reject_outliers(poses), max_gap_seconds=max_gap_seconds)
    if root is not None:
        poses = fix_root(poses, to=root)
    return poses if cutoff_hz is None else lowpass_stretches(poses, cutoff_hz=cutoff_hz, order=order)


def lowpass_stretches(poses: PoseSequence, *, cutoff_hz: float, order: int = 2) -> PoseSequence:
    """Smooth every valid stretch by itself; invalid frames stay as they are."""
    parts = {name: getattr(poses, name).copy() for name in ("rotvecs", "transl", "expression")}
    for start, stretch in split_at_gaps(poses):
        smooth = lowpass(stretch, cutoff_hz=cutoff_hz, order=order)
        for name, values in parts.items():
            values[start : start + len(stretch)] = getattr(smooth, name)
    return poses.replace(**parts)
