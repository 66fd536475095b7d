"""Every estimator's poses in, one `PoseSequence` out; and back to a file others read."""

from pathlib import Path

import numpy as np

from ..errors import ConfigError, FormatError
from ..types import PoseSequence
from .files import atomic_path
from .people import choose_person
from .pose_archives import read_amass, read_gvhmr, read_motionx, read_prompthmr, read_show
from .pose_folders import read_aios, read_json_folder, read_smplerx
from .pose_json import read_json_poses
from .timeline import CAMERA_TO_Y_UP, DEFAULT_FPS, Z_UP_TO_Y_UP, Track, choose_fps, place_times, to_poses
from .untrusted import load_numpy, load_pickle

__all__ = ["POSE_FORMATS", "load_poses", "save_poses"]

# name: (flat_hand_mean, rotation to y up or None)
POSE_FORMATS = {
    "json": (False, CAMERA_TO_Y_UP),
    "smplerx": (False, CAMERA_TO_Y_UP),
    "aios": (False, CAMERA_TO_Y_UP),
    "gvhmr": (False, None),
    "gvhmr_incam": (False, CAMERA_TO_Y_UP),
    "prompthmr": (True, None),
    "amass": (True, Z_UP_TO_Y_UP),
    "beat2": (True, None),
    "smplx": (True, None),
    "motionx": (True, None),
    "show": (False, CAMERA_TO_Y_UP),
}
_BY_SUFFIX = {".json": "json", ".npy": "motionx", ".pt": "gvhmr", ".pth": "gvhmr"}
_PICKLES = (".pkl", ".pickle", ".joblib")
_ARCHIVES = ("amass", "beat2", "smplx")


def load_poses(path, *, format="auto", fps=None, person=None, body_model=None) -> PoseSequence:
    """Load SMPL-X poses of one person, from any of the common estimators and data sets.

    Parameters
    ----------
    path : path
        A file, or a folder with a file per frame.
    format : str
        ``"auto"`` decides by suffix and content; see Notes for the names.
    fps : float, optional
        Frames per second; goes before what the file says. Without either,
        30. Time stamps in the file (``time``, ``timestamp`` in seconds) tell
        the rate too, and place the frames where these have no numbers.
    person : int or str, optional
        Whom to keep, where there are several. A track's name where the source
        tracks people (PromptHMR; JSON with ``track_id`` or people by name);
        else the position in the first frame that has so many. Default:
        PromptHMR's longest track; elsewhere the largest box, else the
        closest to the camera, in the first frame with anybody, followed from
        frame to frame by nearness of place, root rotation and body shape.
    body_model : path, optional
        SMPL-X ``.npz`` file or its folder, for SHOW's PCA hands.

    Returns
    -------
    poses : PoseSequence
        y up. Frame 0 is frame 0 of the video: missing frames, and frames with
        NaN, infinity or absurd numbers (beyond 1e5), are gaps with
        ``valid=False`` and zeros. ``betas`` is the median over valid frames.

    Raises
    ------
    FormatError
        If the file is damaged, of another kind or refused as unsafe; if an
        array has the wrong length; if frame numbers are negative, double or
        absurd (more than 100 missing for each one present, or ten hours).
        The message names file, frame and key.
    DataError
        If no frame is usable.
    ConfigError
        If an option cannot work: format, fps, person, body_model.

    Notes
    -----
    ============= ================================== ========== ================
    format        file                               axes       flat_hand_mean
    ============= ================================== ========== ================
    json          Hand4Whole, OSX, SMPLer-X JSON:    camera     False
                  list, ``frames``, by frame, or a
                  folder of one file per frame
    smplerx       folder of ``00012_0.npz``          camera     False
    aios          folder of ``12_personId_0.pkl``    camera     False
    gvhmr         ``hmr4d_results.pt``, world        y up       False (no hands)
    gvhmr_incam   the same, in the camera            camera     False (no hands)
    prompthmr     ``results.pkl``, world             y up       True
    amass         AMASS ``.npz``                     z up       True
    beat2         BEAT2 ``.npz``                     y up       True
    smplx         `save_poses`                       y up       as written
    motionx       ``.npy`` of (T, 322)               y up       True
    show          SHOW, TalkSHOW ``.pkl``            camera     False
    ============= ================================== ========== ================

    Camera axes (y down, z forward) are turned by half a turn about x, z up by
    a quarter; `timeline.turn` says what that leaves open. ``cam_trans``
    belongs to a virtual camera around the person's crop: it is kept in
    `transl` but is no trajectory; `filters.fix_root` removes it.
    Motion-capture poses (AMASS, BEAT2) are whole rotations, so their hands
    are flat at zero; BEAT2's own scripts still draw them with
    ``flat_hand_mean=False``. An ``.npz`` of poses without expressions or our
    marks counts as AMASS: say ``format="beat2"`` where such a file is y up.
    Image sequences number their files from 1 unless there is a 0; numbers
    inside JSON count from 0.

    Pickles and ``.pt`` files never run code. Frames left out or turned into
    gaps are counted in the log of ``ktube_motion.io``.

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
    path = Path(path)
    if format not in ("auto", *POSE_FORMATS):
        raise ConfigError("Unknown pose format.", expected=f"auto, {', '.join(POSE_FORMATS)}", found=repr(format))
    choose_fps(fps, DEFAULT_FPS, where=path)
    if not path.exists():
        raise FormatError("There is no such file.", where=path)
    if path.is_dir():
        path, name = _look_inside(path, format)
    else:
        name = format
    data = None
    if name == "auto" or name in _ARCHIVES or name in ("prompthmr", "show"):
        name, data = _recognise(path, name)
    if name in ("json", "smplerx", "aios"):
        return _from_detections(path, name, fps, person)
    return _from_clip(path, name, data, fps, person, body_model)


def save_poses(poses, path):
    """Write poses as an SMPL-X ``.npz`` that AMASS and BEAT2 tools read, atomically.

    Parameters
    ----------
    poses : PoseSequence
    path : path
        Ends in ``.npz``.

    Raises
    ------
    ConfigError
        If `path` ends in anything else.

    Notes
    -----
    Keys: ``poses`` (T, 165: root, 21 body joints, jaw, eyes, left hand, right
    hand), ``trans``, ``betas``, ``expressions``, ``mocap_frame_rate``,
    ``gender``, ``surface_model_type``, and ours: ``valid``, ``flat_hand_mean``.
    y up, as BEAT2 (AMASS itself is z up). `load_poses` reads it back exactly.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "talk.npz"
    >>> save_poses(PoseSequence(np.zeros((4, 55, 3)), fps=20), path)
    >>> len(load_poses(path))
    4
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise ConfigError("Poses are saved as .npz.", expected="a name that ends in .npz", found=path.name)
    arrays = {
        "poses": poses.rotvecs.reshape(len(poses), -1),
        "trans": poses.transl,
        "betas": poses.betas,
        "expressions": poses.expression,
        "mocap_frame_rate": np.float64(poses.fps),
        "gender": np.str_("neutral"),
        "surface_model_type": np.str_("smplx"),
        "valid": poses.valid,
        "flat_hand_mean": np.bool_(poses.flat_hand_mean),
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _look_inside(folder, format):
    """Find what a folder holds: ``(file or folder, format)``."""
    for name, kind in (("hmr4d_results.pt", "gvhmr"), ("results.pkl", "prompthmr")):
        if (folder / name).is_file() and format in ("auto", kind, f"{kind}_incam"):
            return folder / name, kind if format == "auto" else format
    per_frame = {"smplerx": ".npz", "aios": ".pkl", "json": ".json"}
    if format in per_frame:
        return folder, format
    places = [place for place in (folder, folder / "smplx") if place.is_dir()]
    counts = {kind: sum(len(list(p.glob(f"*{suffix}"))) for p in places) for kind, suffix in per_frame.items()}
    kind = max(counts, key=counts.get)
    if format != "auto" or not counts[kind]:
        raise FormatError(
            "No poses are recognised in this folder.",
            where=folder,
            expected="a .npz, .pkl or .json file per frame",
            fix="Give a file, or the folder that holds the frames.",
        )
    return folder, kind


def _recognise(path, name):
    """Open an archive or pickle once and tell its format: ``(name, contents or None)``."""
    suffix = path.suffix.lower()
    if name == "auto" and suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix], None
    if name in _ARCHIVES or (name == "auto" and suffix == ".npz"):
        data = load_numpy(path)
        if not isinstance(data, dict) or "poses" not in data:
            raise _unknown(path, "poses", data)
        found = "smplx" if "flat_hand_mean" in data else "beat2" if "expressions" in data else "amass"
        return (found if name == "auto" else name), data
    if name in ("prompthmr", "show") or suffix in _PICKLES:
        data = load_pickle(path)
        inside = data[0] if isinstance(data, list | tuple) and len(data) == 1 else data
        marks = {"people": "prompthmr", "body_pose_axis": "show"}
        found = next((marks[key] for key in marks if isinstance(inside, dict) and key in inside), None)
        if found is None or name not in ("auto", found):
            raise _unknown(path, " or ".join(marks), inside)
        return found, data
    raise FormatError(
        "This file is of no known pose format.",
        where=path,
        expected=".json, .npz, .npy, .pt, .pkl or a folder",
        found=suffix or "no suffix",
        fix=f"Name the format: {', '.join(POSE_FORMATS)}.",
    )


def _unknown(path, wanted, data):
    found = f"the keys {', '.join(map(str, list(data)[:10]))}" if isinstance(data, dict) else type(data).__name__
    return FormatError(
        "This file holds no clip of poses.",
        where=path,
        expected=f"the key {wanted}",
        found=found,
        fix="For one file per frame, give the folder.",
    )


def _from_detections(path, name, fps, person):
    header = {}
    if name == "json":
        detections, header = read_json_folder(path) if path.is_dir() else read_json_poses(path)
    else:
        detections = (read_smplerx if name == "smplerx" else read_aios)(path)
    rows = choose_person(detections, person=person)
    frames = np.array([detections.frames[row] for row in rows])
    length = detections.last_frame + 1
    found = next((header[key] for key in ("fps", "frame_rate") if header.get(key) is not None), None)
    times = detections.times
    if times and not times.keys() >= set(detections.frames):
        raise FormatError("Some frames have a time stamp and some have none.", where=path)
    if times:
        found = found if found is not None else _fps_of(detections, path)
    fps = choose_fps(fps, found, where=path)
    if times and not detections.numbered:
        stamps = [times[frame] for frame in frames]
        kept, frames, length = place_times(stamps, last=max(times.values()), fps=fps, where=path)
        rows = rows[kept]
    rotvecs, transl, betas, expression = (part[rows] for part in detections.arrays())
    track = Track(rotvecs, transl, betas if betas.shape[1] else np.zeros(10), expression, frames, length)
    flat, axes = POSE_FORMATS[name]
    return to_poses(track, path=path, fps=fps, source=name, flat_hand_mean=flat, axes=axes)


def _fps_of(detections, path):
    """Derive the rate from time stamps, and frame numbers where there are any: the median step."""
    frames = np.array(sorted(detections.times))
    times = np.array([detections.times[frame] for frame in frames])
    if len(frames) < 2:
        return None
    steps = np.diff(times) / np.diff(frames) if detections.numbered else np.diff(np.sort(times))
    step = np.median(steps)
    if not 0.001 <= step <= 5:
        raise FormatError(
            "The time stamps give no frame rate.",
            where=path,
            expected="seconds, growing from frame to frame",
            found=f"a median step of {step:g}",
            fix="Give fps=, or write milliseconds as timestamp_ms.",
        )
    return round(1 / step, 3)


def _from_clip(path, name, data, fps, person, body_model):
    found, valid = None, None
    flat, axes = POSE_FORMATS[name]
    if person not in (None, 0) and name != "prompthmr":
        raise ConfigError("There is one person in such a file.", where=path, expected="person=None", found=repr(person))
    if name.startswith("gvhmr"):
        track = read_gvhmr(path, incam=name == "gvhmr_incam")
    elif name == "prompthmr":
        track = read_prompthmr(data, path, person=person)
    elif name == "motionx":
        track = read_motionx(path)
    elif name == "show":
        track = read_show(data, path, body_model=body_model)
    else:
        track, found = read_amass(data, path)
        flat = bool(np.all(data.get("flat_hand_mean", flat)))
        valid = data.get("valid")
        if valid is not None and valid.shape != (len(track.rotvecs),):
            raise FormatError("valid has the wrong shape.", where=path, expected=len(track.rotvecs), found=valid.shape)
    if not len(track.rotvecs):
        raise FormatError("This file has no frames.", where=path)
    fps = choose_fps(fps, found, where=path)
    return to_poses(track, path=path, fps=fps, source=name, flat_hand_mean=flat, axes=axes, valid=valid)
