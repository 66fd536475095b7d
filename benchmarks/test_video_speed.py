"""Frames a second from a video file to landmarks, on one processor; needs MediaPipe's networks.

Run: ``OMP_NUM_THREADS=1 python -m pytest benchmarks/test_video_speed.py -s``
"""

import resource

import pytest

from ktube_motion.errors import MissingDependencyError
from ktube_motion.render import save_mesh_video
from ktube_motion.samples import make_speaker
from ktube_motion.video import estimate_landmarks, find_models, fit_video

pytest.importorskip("ai_edge_litert")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Give four seconds of a speaker, 640 × 640 pixels at 20 frames a second."""
    try:
        find_models()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    path = tmp_path_factory.mktemp("film") / "talk.mp4"
    return save_mesh_video(make_speaker(num_utterances=1).truth[:120], path, size=(640, 640), fps=20, progress=False)


def worked():
    """Give the seconds that one processor worked for this program and for the ffmpeg it ran."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@pytest.mark.parametrize(("hands", "least"), [(False, 10), (True, 6)], ids=["body", "body and hands"])
def test_frames_a_second(film, hands, least):
    estimate_landmarks(film, fps=20, hands=hands)  # warm
    began = worked()
    seen = estimate_landmarks(film, fps=20, hands=hands)
    looked = worked()
    poses, _ = fit_video(seen)
    fitted = worked()
    speed = len(poses) / (fitted - began)
    print(f"\n{speed:.1f} frames/s, of which fitting {(fitted - looked) / len(poses) * 1000:.1f} ms a frame")
    assert speed > least
