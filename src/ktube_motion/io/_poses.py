"""Every estimator's poses in, one `PoseSequence` out; and back to a file others read."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..types import PoseSequence
from ._files import atomic_path
from ._layouts import POSE_FORMATS
from ._pose_reading import read_poses

__all__ = ["POSE_FORMATS", "load_poses", "save_poses"]


def load_poses(
    path: str | Path,
    *,
    format: str = "auto",
    fps: float | None = None,
    person: int | str | None = None,
    axes: str | None = None,
    body_model: str | Path | None = None,
) -> PoseSequence:
    """Load SMPL-X poses of one person, from any of the common estimators and data sets.

    Parameters
    ----------
    path : path
        A file, or a folder with a file per frame.
    format : str
        ``"auto"`` decides by suffix and content; `layouts.POSE_FORMATS` has
        the names, and the documentation their table.
    fps : float, optional
        Frames per second; goes before what the file says, wherever it says
        it. Without either, 30, with a warning. Time stamps in the file
        (``time``, ``timestamp`` in seconds) tell the rate too, and place the
        frames where these have no numbers.
    person : int or str, optional
        Whom to keep, where there are several: ``"largest"`` or ``"central"``
        over the whole clip, or an id that `list_people` gives. A track's name
        where the source tracks people; else the position in the first frame
        that has so many. Default: in PHALP's, WHAM's and PromptHMR's tracks
        the longest; else whoever is largest over the clip (by boxes, else by
        nearness to the camera), followed from frame to frame by nearness of
        place, root rotation and body shape. Tracks that go on in the same
        pose are joined, which is told.
    axes : str, optional
        ``"camera"`` (y down, z forward), ``"y up"`` or ``"z up"``: the axes of
        the file, where they are not those of its format.
    body_model : path, optional
        SMPL-X ``.npz`` file or its folder, for hands that are PCA numbers.

    Returns
    -------
    poses : PoseSequence
        y up. Frame 0 is frame 0 of the video: missing frames, stand-ins for
        them (zeros, frozen copies, constants), null parameters, and frames
        with NaN, infinity or absurd numbers (beyond 1e5, turns beyond 100)
        are gaps with ``valid=False`` and zeros. ``betas`` is the median over
        valid frames. ``trajectory`` is False where the translation is that of
        a virtual camera.

    Raises
    ------
    FormatError
        If the file is damaged, of another kind or refused as unsafe; if an
        array has the wrong length; if frame numbers are negative, double or
        absurd (more than 100 missing for each one present, or ten hours).
        The message names file, frame and key, the keys that were found, and
        what to do.
    DataError
        If no frame is usable.
    ConfigError
        If an option cannot work: format, fps, person, axes, body_model.

    See Also
    --------
    check_poses : what the numbers seem to mean, printed.
    list_people : everybody in a file.
    pose_reading.read_poses : the same, with all that was decided.

    Notes
    -----
    Camera axes (y down, z forward) are turned by half a turn about x, z up by
    a quarter; `timeline.turn` says what that leaves open. After loading, the
    body is looked at: where it does not stand in most frames, a warning names
    the axes in which it would. Motion-capture poses (AMASS, BEAT2) are whole
    rotations, so their hands are flat at zero; BEAT2's own scripts still draw
    them with ``flat_hand_mean=False``. An ``.npz`` of poses without
    expressions or our marks counts as AMASS: say ``format="beat2"`` or
    ``axes="y up"`` where such a file is y up. Image sequences number their
    files from 1 unless there is a 0; numbers inside JSON count from 0.

    Pickles and ``.pt`` files never run code. Whatever was left out, assumed or
    turned into gaps is counted in the log of ``ktube_motion.io``.

    Examples
    --------
    >>> import json, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.json"
    >>> pose = {"smplx_root_pose": [np.pi, 0, 0], "smplx_body_pose": [0] * 63}
    >>> _ = path.write_text(json.dumps({"fps": 25, "frames": [{"frame": 0, **pose}, {"frame": 2, **pose}]}))
    >>> poses = load_poses(path)
    >>> poses.fps, poses.valid, poses.global_orient[0].round(3) + 0
    (25.0, array([ True, False,  True]), array([0., 0., 0.], dtype=float32))
    """
    options: dict[str, Any] = {"format": format, "fps": fps, "person": person, "axes": axes, "body_model": body_model}
    return read_poses(path, **options).poses


def save_poses(poses: PoseSequence, path: str | Path, *, fps: float | None = None, cleaned: bool = False) -> None:
    """Write poses as an SMPL-X ``.npz`` that AMASS, BEAT2 and Blender tools read, atomically.

    Parameters
    ----------
    poses : PoseSequence
    path : path
        Ends in ``.npz``.
    fps : float, optional
        Another frame rate: 30 or 60 for the SMPL-X add-on of Blender, which takes no other. Rotations go over by
        slerp, the path linearly; a frame is valid if both its neighbours were. By default that of the poses.
    cleaned : bool
        The poses went through `filters.clean_poses`: `construct.build_corpus` then does not clean them again.

    Raises
    ------
    ConfigError
        If `path` ends in anything else, or `fps` is not a positive number.
    KtubeError
        If the file cannot be written.

    Notes
    -----
    The whole form of AMASS's SMPL-X files: ``poses`` (T, 165: root, 21 body joints, jaw, eyes, left hand, right
    hand) and the same in parts, ``root_orient``, ``pose_body``, ``pose_jaw``, ``pose_eye``, ``pose_hand``;
    ``trans``, ``betas``, ``num_betas``, ``gender``, ``surface_model_type``, the rate as ``mocap_frame_rate`` and
    ``mocap_framerate``, ``mocap_time_length`` in seconds; BEAT2's ``expressions``; and ours: ``valid``,
    ``flat_hand_mean``, ``trajectory``, ``cleaned``. y up, as BEAT2 (AMASS itself is z up). `load_poses` reads it
    back exactly.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.npz"
    >>> save_poses(PoseSequence(np.zeros((4, 55, 3)), fps=20), path, fps=30)
    >>> poses = load_poses(path)
    >>> len(poses), poses.fps
    (5, 30.0)
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ConfigError("Poses are saved as .npz.", expected="a name that ends in .npz", found=path.name)
    if fps is not None:
        poses = _at_rate(poses, fps)
    parts = {
        "poses": poses.rotvecs,
        "root_orient": poses.global_orient,
        "pose_body": poses.body_pose,
        "pose_jaw": poses.jaw_pose,
        "pose_eye": poses.eye_pose,
        "pose_hand": poses.rotvecs[:, 25:],
    }
    arrays: dict[str, Any] = {name: part.reshape(len(poses), -1) for name, part in parts.items()}
    arrays |= {
        "trans": poses.transl,
        "betas": poses.betas,
        "num_betas": np.int64(len(poses.betas)),
        "expressions": poses.expression,
        "mocap_frame_rate": np.float64(poses.fps),
        "mocap_framerate": np.float64(poses.fps),
        "mocap_time_length": np.float64(poses.seconds),
        "gender": np.str_("neutral"),
        "surface_model_type": np.str_("smplx"),
        "valid": poses.valid,
        "flat_hand_mean": np.bool_(poses.flat_hand_mean),
        "trajectory": np.bool_(poses.trajectory),
        "cleaned": np.bool_(cleaned),
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _at_rate(poses: PoseSequence, fps: float) -> PoseSequence:
    """Poses at another rate; `filters.resample` does the same, but stands to the right of this room."""
    from scipy.spatial.transform import Rotation, Slerp

    if not (np.isfinite(fps) and fps > 0):
        raise ConfigError("fps must be a positive number.", found=repr(fps))
    if len(poses) < 2 or fps == poses.fps:
        return poses.replace(fps=fps)
    times = np.arange(len(poses)) / poses.fps
    now = np.minimum(np.arange(int(np.floor(times[-1] * fps + 1e-6)) + 1) / fps, times[-1])
    turns = [Slerp(times, Rotation.from_rotvec(joint))(now).as_rotvec() for joint in poses.rotvecs.swapaxes(0, 1)]
    lines = [[np.interp(now, times, line) for line in part.T] for part in (poses.transl, poses.expression)]
    place = now * poses.fps
    before, after = np.floor(place + 1e-4).astype(int), np.ceil(place - 1e-4).astype(int)
    return poses.replace(
        rotvecs=np.stack(turns, 1),
        transl=np.array(lines[0]).T,
        expression=np.array(lines[1]).reshape(-1, len(now)).T,
        valid=poses.valid[before] & poses.valid[after],
        fps=fps,
    )
