"""From a video file to poses: frames, shots, the speaker, landmarks; a body is fitted to them in `kinematics`."""

from ._engines import ENGINES, Engine, SeenBody, SeenHand, load_engine, register_engine
from ._estimation import VideoLandmarks, estimate_landmarks, estimate_poses, fit_video
from ._frames import VideoInfo, probe_video, read_frames
from ._keypoints import read_landmarks
from ._litert import LiteRTEngine
from ._models import ModelFile, find_models
from ._regions import Region
from ._shots import Shot, find_cuts, find_shots
from ._tasks import TasksEngine

__all__ = [
    "ENGINES",
    "Engine",
    "ModelFile",
    "Region",
    "SeenBody",
    "SeenHand",
    "Shot",
    "VideoInfo",
    "VideoLandmarks",
    "estimate_landmarks",
    "estimate_poses",
    "find_cuts",
    "find_models",
    "find_shots",
    "fit_video",
    "load_engine",
    "probe_video",
    "read_frames",
    "read_landmarks",
    "register_engine",
]

register_engine("litert", LiteRTEngine)
register_engine("tasks", TasksEngine)
