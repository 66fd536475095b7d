"""The made-up speaker's files: poses as estimators write them, subtitles, words in time."""

import json
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from ..types import Cue, PoseSequence, Word

__all__ = ["CAMERA", "TRANSCRIPTS", "pose_json"]

CAMERA = Rotation.from_rotvec([np.pi, 0, 0])  # y down, z forward


def pose_json(poses: PoseSequence) -> str:
    """The raw dictionary of Hand4Whole and OSX, frame by frame, in a camera frame."""
    root = (CAMERA * Rotation.from_rotvec(poses.rotvecs[:, 0])).as_rotvec()
    camera = CAMERA.apply(poses.transl)
    parts = {
        "smplx_root_pose": root,
        "smplx_body_pose": poses.body_pose,
        "smplx_lhand_pose": poses.left_hand_pose,
        "smplx_rhand_pose": poses.right_hand_pose,
        "smplx_jaw_pose": poses.jaw_pose,
        "smplx_shape": np.broadcast_to(poses.betas, (len(root), len(poses.betas))),
        "smplx_expr": poses.expression,
        "cam_trans": camera,
    }
    rounded = {key: np.round(values.reshape(len(root), -1).astype(float), 5) for key, values in parts.items()}
    rows = [
        json.dumps(
            {"frame": frame, **{key: values[frame].tolist() for key, values in rounded.items()}}, separators=(",", ":")
        )
        for frame in np.flatnonzero(poses.valid).tolist()
    ]
    return f'{{"fps":{poses.fps},"frames":[\n' + ",\n".join(rows) + "\n]}\n"


def _srt(cues: Sequence[Cue]) -> str:
    blocks = (
        f"{number}\n{_clock(cue.start)} --> {_clock(cue.end)}\n{cue.text}\n" for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d},{rest % 1000:03d}"


def _textgrid(cues: Sequence[Cue]) -> str:
    """Praat's long format: a tier of utterances, a tier of words."""
    end = cues[-1].end
    tiers: dict[str, Sequence[Cue | Word]] = {"utterances": cues, "words": [word for cue in cues for word in cue.words]}
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end:.3f}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, spoken) in enumerate(tiers.items(), 1):
        intervals = list(_with_silence(spoken))
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", f"        xmax = {end:.3f}", f"        intervals: size = {len(intervals)}"]
        for count, (start, stop, text) in enumerate(intervals, 1):
            lines += [f"        intervals [{count}]:", f"            xmin = {start:.3f}"]
            lines += [f"            xmax = {stop:.3f}", f'            text = "{text}"']
    return "\n".join(lines) + "\n"


def _with_silence(spoken: Sequence[Cue | Word]) -> Iterator[tuple[float, float, str]]:
    """Give (start, end, text) without holes: silence has no text."""
    clock = 0.0
    for part in spoken:
        if part.start > clock:
            yield clock, part.start, ""
        yield part.start, part.end, part.text
        clock = part.end


TRANSCRIPTS = {"srt": _srt, "TextGrid": _textgrid}
