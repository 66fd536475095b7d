"""The VMC protocol: an avatar's bones, root and mouth as OSC messages over UDP."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import MissingDependencyError

__all__ = ["UNITY_NAMES", "packets", "vmc_messages"]

# What Unity calls the bones of SMPL-X; jaw and eyes are left to the avatar.
UNITY_NAMES: dict[str, str] = dict(
    pelvis="Hips", left_hip="LeftUpperLeg", right_hip="RightUpperLeg", spine1="Spine", left_knee="LeftLowerLeg",
    right_knee="RightLowerLeg", spine2="Chest", left_ankle="LeftFoot", right_ankle="RightFoot", spine3="UpperChest",
    left_foot="LeftToes", right_foot="RightToes", neck="Neck", left_collar="LeftShoulder", right_collar="RightShoulder",
    head="Head", left_shoulder="LeftUpperArm", right_shoulder="RightUpperArm", left_elbow="LeftLowerArm",
    right_elbow="RightLowerArm", left_wrist="LeftHand", right_wrist="RightHand",
)  # fmt: skip
UNITY_NAMES |= {
    f"{side}_{finger}{number}": f"{side.title()}{'Little' if finger == 'pinky' else finger.title()}{segment}"
    for side in ("left", "right")
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for number, segment in enumerate(("Proximal", "Intermediate", "Distal"), start=1)
}
# VRM 0.x calls the mouths otherwise than VRM 1.0, and most receivers still go by it.
_VRM0 = {"aa": "A", "ih": "I", "ou": "U", "ee": "E", "oh": "O"}
_DATAGRAM = 1400  # bytes: less than what a network takes in one piece


def vmc_messages(
    joint_names: Sequence[str],
    quats: np.ndarray,
    offsets: np.ndarray,
    root: np.ndarray,
    *,
    mouth: Mapping[str, float],
    seconds: float,
    vrm: int = 0,
) -> list[tuple[str, list[Any]]]:
    """Give one frame as addresses and values of the VMC protocol.

    Parameters
    ----------
    joint_names : sequence of str
        Names of SMPL-X.
    quats : array [shape=(J, 4)]
        Local rotations from a T pose, xyzw.
    offsets : array [shape=(J, 3)]
        Bones of the rest pose, metres.
    root : array [shape=(3,)]
        Where the hips are: their height goes to the hips, their place on the ground to the avatar.
    mouth : mapping of str to float
        Weights of VRM's mouths.
    seconds : float
        Time of the frame.
    vrm : {0, 1}
        Whose names the mouths have: ``A`` or ``aa``.

    Returns
    -------
    messages : list of (str, list)
        In Unity's left-handed axes, as the protocol has them.

    Examples
    --------
    >>> turn = np.array([[0, 0.6, 0, 0.8]])
    >>> messages = vmc_messages(["pelvis"], turn, np.zeros((1, 3)), np.array([0.5, 0.9, 0]), mouth={}, seconds=0)
    >>> messages[0], messages[3]
    (('/VMC/Ext/OK', [1]), ('/VMC/Ext/Bone/Pos', ['Hips', 0.0, 0.9, 0.0, 0.0, -0.6, 0.0, 0.8]))
    """
    messages: list[tuple[str, list[Any]]] = [("/VMC/Ext/OK", [1]), ("/VMC/Ext/T", [float(seconds)])]
    place = [-float(root[0]), 0.0, float(root[2])]
    messages.append(("/VMC/Ext/Root/Pos", ["root", *place, 0.0, 0.0, 0.0, 1.0]))
    for joint, name in enumerate(joint_names):
        if name not in UNITY_NAMES:
            continue
        x, y, z = (0.0, float(root[1]), 0.0) if joint == 0 else map(float, offsets[joint])
        i, j, k, w = map(float, quats[joint])
        values = [_plus(value) for value in (-x, y, z, i, -j, -k, w)]
        messages.append(("/VMC/Ext/Bone/Pos", [UNITY_NAMES[name], *values]))
    for shape, weight in mouth.items():
        messages.append(("/VMC/Ext/Blend/Val", [_VRM0.get(shape, shape) if vrm == 0 else shape, float(weight)]))
    return [*messages, ("/VMC/Ext/Blend/Apply", [])]


def _plus(value: float) -> float:
    return value + 0.0  # no minus zero


def packets(messages: Sequence[tuple[str, list[Any]]]) -> Iterator[bytes]:
    """Pack messages into OSC bundles that each go into one datagram.

    Raises
    ------
    MissingDependencyError
        If python-osc is not installed.
    """
    try:
        from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
        from pythonosc.osc_message_builder import OscMessageBuilder
    except ImportError as error:
        raise MissingDependencyError("VMC needs python-osc.", fix='pip install "ktube_motion[live]"') from error
    bundle, size = OscBundleBuilder(IMMEDIATELY), 16
    for address, values in messages:
        builder = OscMessageBuilder(address)
        for value in values:
            builder.add_arg(value)
        message = builder.build()
        if size + message.size + 4 > _DATAGRAM:
            yield bundle.build().dgram
            bundle, size = OscBundleBuilder(IMMEDIATELY), 16
        bundle.add_content(message)
        size += message.size + 4
    yield bundle.build().dgram
