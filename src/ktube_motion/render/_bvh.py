"""Writing BVH: joint angles that any animation program reads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..io._files import write_text
from ..kinematics import Body
from ..types import Motion, PoseSequence
from ._rigs import Rig, make_rig

__all__ = ["euler_angles", "save_bvh"]

_UNITS = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
_ORDERS = ("ZXY", "ZYX", "XYZ", "YXZ", "XZY", "YZX")
_SAFE = np.radians(70)  # a middle angle below this stays clear of gimbal lock


def euler_angles(rotations: np.ndarray, order: str) -> np.ndarray:
    """Turn rotations over time into Euler angles without jumps.

    Parameters
    ----------
    rotations : array [shape=(T, ..., 3, 3)]
    order : str
        Axes as in BVH: "ZXY" means ``Rz @ Rx @ Ry``.

    Returns
    -------
    angles : float64 array [shape=(T, ..., 3)]
        Radians, in the order of `order`. Of the two ways to write a rotation,
        and all full turns, each frame takes the one next to the frame before.

    Examples
    --------
    >>> angle = np.linspace(0, 7, 8); c, s, o = np.cos(angle), np.sin(angle), np.zeros(8)
    >>> turn = np.stack([c, -s, o, s, c, o, o, o, o + 1], -1).reshape(8, 3, 3)
    >>> euler_angles(turn, "ZXY")[:, 0].round(6)
    array([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    i, j, k = ("XYZ".index(axis) for axis in order)
    sign = 1.0 if (j - i) % 3 == 1 else -1.0
    r = np.asarray(rotations, np.float64)
    middle = np.arcsin(np.clip(sign * r[..., i, k], -1, 1))
    first = np.arctan2(-sign * r[..., j, k], r[..., k, k])
    third = np.arctan2(-sign * r[..., i, j], r[..., i, i])
    ways = np.stack(
        [np.stack([first, middle, third], -1), np.stack([first + np.pi, np.pi - middle, third + np.pi], -1)]
    )
    locked = np.hypot(r[..., j, k], r[..., k, k]) < 1e-5
    angles = np.empty(ways.shape[1:])
    last = np.zeros(ways.shape[2:])
    for frame in range(len(angles)):
        near = ways[:, frame] + 2 * np.pi * np.round((last - ways[:, frame]) / (2 * np.pi))
        second = np.abs(near[1] - last).sum(-1) < np.abs(near[0] - last).sum(-1)
        chosen = np.where(second[..., None], near[1], near[0])
        if locked[frame].any():
            # Only first ± third is known: the first angle stays, the third takes the rest.
            held = _third_given_first(r[frame], chosen, last, (i, j, k), sign)
            chosen = np.where(locked[frame][..., None], held, chosen)
        angles[frame] = last = chosen
    return angles


def _third_given_first(
    r: np.ndarray, chosen: np.ndarray, last: np.ndarray, axes: tuple[int, int, int], sign: float
) -> np.ndarray:
    i, j, k = axes
    first, middle = last[..., 0], chosen[..., 1]
    # Row i..k of Rj(-b) Ri(-a) R is that of Rk(c); its (j, i) and (j, j) entries do not depend on b.
    sine = np.cos(first) * r[..., j, i] + sign * np.sin(first) * r[..., k, i]
    cosine = np.cos(first) * r[..., j, j] + sign * np.sin(first) * r[..., k, j]
    third = np.arctan2(sign * sine, cosine)
    third = third + 2 * np.pi * np.round((last[..., 2] - third) / (2 * np.pi))
    return np.stack([first, middle, third], -1)


def save_bvh(
    motion: Motion | PoseSequence,
    path: str | Path,
    *,
    unit: str = "cm",
    bone_names: str = "smplx",
    finish: bool = True,
    body: Body | None = None,
) -> Path:
    """Write a motion as BVH.

    Parameters
    ----------
    motion : Motion or PoseSequence
        Motions without rotations are turned into rotations first. A joint that comes near gimbal lock is written in
        another order of angles.
    path : path
        Ends in .bvh.
    unit : {"cm", "m", "mm"}
        Length unit of the file; BVH itself does not say.
    bone_names : {"smplx", "humanoid", "vrm", "mixamo", "mixamo:"}
        ``"mixamo"`` has no colon, with which three.js would play nothing; ``"mixamo:"`` is Mixamo's own spelling.
    finish : bool
        Finish joints without rotations (`kinematics.finish`), and set poses that stand elsewhere on the ground.
    body : Body, optional
        For poses; by default the embedded body.

    Returns
    -------
    path : Path

    Raises
    ------
    ConfigError
        If the suffix, unit or bone names are unknown.
    ShapeError, DataError
        If there is no frame, or NaN in it.
    KtubeError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from ktube_motion.io._bvh import load_bvh
    >>> poses = PoseSequence(rotvecs=np.zeros((3, 55, 3)), fps=20)
    >>> load_bvh(save_bvh(poses, Path(tempfile.mkdtemp()) / "a.bvh")).rotations.shape
    (3, 55, 3, 3)
    """
    path = Path(path)
    if path.suffix.lower() != ".bvh":
        raise ConfigError("A BVH file ends in .bvh.", where=path, expected=".bvh", found=path.suffix or "no suffix")
    if unit not in _UNITS:
        raise ConfigError("Unknown length unit.", expected="cm, m or mm", found=repr(unit))
    rig = make_rig(motion, body=body, style=bone_names, finish=finish)
    angles, orders = _angles(rig.rotations)
    offsets = rig.offsets * _UNITS[unit]
    lines = ["HIERARCHY"]
    visited = _hierarchy(lines, rig, offsets, orders, 0, 0)
    values = [rig.translation * _UNITS[unit], *(np.degrees(angles[:, joint]) for joint in visited)]
    numbers = np.concatenate(values, 1)
    lines += ["MOTION", f"Frames: {len(numbers)}", f"Frame Time: {1 / rig.fps:.9f}"]
    lines += [" ".join(f"{number:.6f}" for number in row) for row in numbers]
    write_text(path, "\n".join(lines) + "\n")
    return path


def _angles(rotations: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Give angles ``(T, J, 3)`` and for each joint the order that stays clear of gimbal lock."""
    orders = [_ORDERS[0]] * rotations.shape[1]
    angles = euler_angles(rotations, _ORDERS[0])
    reach = np.abs(np.sin(angles[..., 1])).max(0)
    for joint in np.flatnonzero(reach > np.sin(_SAFE)):
        for order in _ORDERS[1:]:
            other = euler_angles(rotations[:, joint], order)
            highest = np.abs(np.sin(other[:, 1])).max()
            if highest < reach[joint]:
                orders[joint], angles[:, joint], reach[joint] = order, other, highest
    return angles, orders


def _hierarchy(
    lines: list[str], rig: Rig, offsets: np.ndarray, orders: Sequence[str], joint: int, depth: int
) -> list[int]:
    """Write one joint and what hangs on it; give the joints in the order of the file."""
    tab = "  " * depth
    numbers = lambda offset: " ".join(f"{number:.6f}" for number in offset)  # noqa: E731
    axes = " ".join(f"{axis}rotation" for axis in orders[joint])
    place = "6 Xposition Yposition Zposition " if joint == 0 else "3 "
    lines += [f"{tab}{'JOINT' if depth else 'ROOT'} {rig.names[joint]}", f"{tab}{{"]
    lines += [f"{tab}  OFFSET {numbers(offsets[joint])}", f"{tab}  CHANNELS {place}{axes}"]
    children = [child for child, parent in enumerate(rig.parents) if parent == joint]
    visited = [joint]
    for child in children:
        visited += _hierarchy(lines, rig, offsets, orders, child, depth + 1)
    if not children:
        # Where the last bone ends BVH wants to know; half of the bone before is near enough.
        lines += [f"{tab}  End Site", f"{tab}  {{", f"{tab}    OFFSET {numbers(offsets[joint] / 2)}", f"{tab}  }}"]
    lines.append(f"{tab}}}")
    return visited
