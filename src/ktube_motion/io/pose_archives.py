"""Pose files that hold a whole clip: GVHMR, PromptHMR, AMASS, BEAT2, SMPL-X, Motion-X, SHOW."""

import math
from pathlib import Path

import numpy as np

from ..errors import ConfigError, FormatError
from .timeline import Track
from .untrusted import load_numpy, load_torch, to_numpy

__all__ = ["read_amass", "read_gvhmr", "read_motionx", "read_prompthmr", "read_show"]


def _numeric(value, width, name, where, length=None):
    """Give a parameter as ``(T, width)``; ``width`` None takes what is there."""
    try:
        array = np.asarray(to_numpy(value))
        array = array.astype(np.float64) if array.dtype.kind in "fiubO" else None
    except (TypeError, ValueError, OverflowError):
        array = None
    if array is None or value is None:
        raise FormatError(f"{name} is missing or no array of numbers.", where=where)
    # (T, 21, 3) and (T, 1, 3) are (T, 63) and (T, 3).
    array = array.reshape(len(array), math.prod(array.shape[1:])) if array.ndim else array.reshape(1, 1)
    rows_fit = length is None or len(array) == length
    if not rows_fit or width not in (None, array.shape[1]):
        wanted = f"({'T' if length is None else length}, {'any' if width is None else width})"
        raise FormatError(f"{name} has the wrong shape.", where=where, expected=wanted, found=np.shape(to_numpy(value)))
    return array


def _shape(value, name, where, length):
    """Give betas as ``(T, B)`` where there is one set per frame, else ``(B,)``."""
    if value is None:
        return np.zeros(10, np.float32)
    array = to_numpy(value)
    if np.ndim(array) == 2 and len(array) == length > 1:
        return _numeric(array, None, name, where)
    return _numeric([np.ravel(array)], None, name, where)[0]


def _dict(value, what, where):
    if not isinstance(value, dict):
        raise FormatError(f"This is no {what} file.", where=where, expected="a dict", found=type(value).__name__)
    return value


def read_gvhmr(path, *, incam=False):
    """Read GVHMR's ``hmr4d_results.pt``: the body without hands, in the world or in the camera."""
    key = "smpl_params_incam" if incam else "smpl_params_global"
    data = _dict(load_torch(path), "GVHMR", path)
    params = _dict(data.get(key), f"GVHMR (no {key})", path)
    where = f"{path}, {key}"
    root = _numeric(params.get("global_orient"), 3, "global_orient", where)
    count = len(root)
    pose = np.zeros((count, 165))
    pose[:, :3] = root
    pose[:, 3:66] = _numeric(params.get("body_pose"), 63, "body_pose", where, count)
    transl = _numeric(params.get("transl"), 3, "transl", where, count)
    return Track(pose.reshape(count, 55, 3), transl, _shape(params.get("betas"), "betas", where, count))


def read_prompthmr(data, path, *, person=None):
    """Take one person's world poses out of PromptHMR's results: `person`, or whoever is seen longest."""
    people = _dict(_dict(data, "PromptHMR", path).get("people"), "PromptHMR (no people)", path)
    tracks = {str(name): value for name, value in people.items() if isinstance(value, dict) and "smplx_world" in value}
    if not tracks:
        raise FormatError("Nobody in this file has world poses.", where=path, expected="people[id]['smplx_world']")
    worlds = {name: _dict(value["smplx_world"], "PromptHMR", path) for name, value in tracks.items()}
    if person is None:
        person = max(worlds, key=lambda name: np.shape(to_numpy(worlds[name].get("pose")))[:1])
    if str(person) not in worlds:
        raise ConfigError("There is no such person.", where=path, expected=f"one of {', '.join(worlds)}", found=person)
    world, where = worlds[str(person)], f"{path}, person {person}"
    pose = _numeric(world.get("pose"), 165, "pose", where)
    count = len(pose)
    frames = tracks[str(person)].get("frames")
    if frames is not None:
        frames = _numeric(frames, 1, "frames", where, count)[:, 0]
        if not (np.isfinite(frames) & (frames == np.floor(frames))).all():
            raise FormatError("Frame numbers must be whole.", where=where)
    transl = _numeric(world.get("trans"), 3, "trans", where, count)
    betas = _shape(world.get("shape"), "shape", where, count)
    return Track(pose.reshape(count, 55, 3), transl, betas, frames=frames)


def read_amass(data, path):
    """Read an AMASS, BEAT2 or SMPL-X archive: ``(track, fps or None, further arrays)``.

    SMPL-H poses (156 numbers) get a still face; their betas belong to another
    body model and become zeros.
    """
    poses = _numeric(data.get("poses"), None, "poses", path)
    count, width = poses.shape
    if width == 156:
        poses = np.concatenate([poses[:, :66], np.zeros((count, 9)), poses[:, 66:]], axis=1)
    elif width != 165:
        raise FormatError(
            "poses has the wrong shape.", where=path, expected="(T, 165) SMPL-X or (T, 156) SMPL-H", found=poses.shape
        )
    transl = _numeric(data.get("trans"), 3, "trans", path, count)
    expression = data.get("expressions")
    if expression is not None and np.size(expression):
        expression = _numeric(expression, None, "expressions", path, count)
    else:
        expression = np.zeros((count, 0))
    betas = np.zeros(10) if width == 156 else _shape(data.get("betas"), "betas", path, count)
    fps = next((data[key] for key in ("mocap_frame_rate", "mocap_framerate") if key in data), None)
    return Track(poses.reshape(count, 55, 3), transl, betas, expression), fps


def read_motionx(path):
    """Read Motion-X's ``(T, 322)`` array: root, body, hands, jaw, face, translation, shape."""
    rows = _numeric(load_numpy(path), 322, "The array", path)
    pose = np.zeros((len(rows), 165))
    pose[:, :66], pose[:, 66:69], pose[:, 75:] = rows[:, :66], rows[:, 156:159], rows[:, 66:156]
    return Track(pose.reshape(-1, 55, 3), rows[:, 309:312], rows[:, 312:], rows[:, 159:209])


def read_show(data, path, *, body_model=None):
    """Read a SHOW (TalkSHOW) clip; its hands are PCA numbers and need the body model's components."""
    if isinstance(data, list | tuple) and len(data) == 1:
        data = data[0]
    data = _dict(data, "SHOW", path)
    body = _numeric(data.get("body_pose_axis"), 63, "body_pose_axis", path)
    count = len(body)
    pose = np.zeros((count, 165))
    pose[:, 3:66] = body
    small = {"global_orient": 0, "jaw_pose": 66, "leye_pose": 69, "reye_pose": 72}
    for name, first in small.items():
        pose[:, first : first + 3] = _numeric(data.get(name), 3, name, path, count)
    for side, first in (("left", 75), ("right", 120)):
        name = f"{side}_hand_pose"
        hand = _numeric(data.get(name), None, name, path, count)
        if hand.shape[1] != 45:
            hand = hand @ _hand_components(body_model, side, hand.shape[1], path)
        pose[:, first : first + 45] = hand
    transl = _numeric(data.get("transl"), 3, "transl", path, count)
    expression = data.get("expression")
    expression = None if expression is None else _numeric(expression, None, "expression", path, count)
    return Track(pose.reshape(count, 55, 3), transl, _shape(data.get("betas"), "betas", path, count), expression)


def _hand_components(body_model, side, count, path):
    """Load the first `count` principal components of one hand, ``(count, 45)``."""
    if body_model is None:
        raise ConfigError(
            f"The hands of this file are {count} PCA numbers.",
            where=path,
            fix="Give body_model=: an SMPL-X .npz file or its folder (from smpl-x.is.tue.mpg.de).",
        )
    model = Path(body_model)
    if model.is_dir():
        names = [folder / name for folder in (model, model / "smplx") for name in ("SMPLX_NEUTRAL.npz", "model.npz")]
        names += sorted(model.glob("SMPLX_*.npz")) + sorted(model.glob("smplx/SMPLX_*.npz"))
        model = next((name for name in names if name.is_file()), None)
        if model is None:
            raise ConfigError("No SMPL-X .npz file is in this folder.", where=body_model)
    key = f"hands_components{side[0]}"
    components = _dict(load_numpy(model), "body model", model).get(key)
    if components is None or components.shape != (45, 45) or not 0 < count <= 45:
        raise ConfigError(
            f"This body model does not fit {count} hand components.", where=model, expected=f"{key} of shape (45, 45)"
        )
    return components[:count]
