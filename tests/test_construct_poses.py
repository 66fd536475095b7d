"""Faulty poses on their way into a corpus: told in manifest and report, refused where the body lies."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ktube_motion.construct import BuildOptions, build_corpus, pair_sources, read_sources
from ktube_motion.errors import ConfigError
from ktube_motion.io import load_poses, save_poses
from ktube_motion.samples import make_speaker


def change(path, edit):
    data = json.loads(path.read_text())
    edit(data)
    path.write_text(json.dumps(data))


def z_up(data):
    turn = Rotation.from_euler("x", 90, degrees=True) * Rotation.from_euler("x", 180, degrees=True).inv()
    for one in data["frames"]:
        one["smplx_root_pose"] = (turn * Rotation.from_rotvec(one["smplx_root_pose"])).as_rotvec().tolist()


RUNS = ((40, 10), (90, 20), (150, 45))  # first frame, frames


def blank(one):
    for key in set(one) - {"frame"}:
        one[key] = [0.0] * len(one[key])


def zeros(data):
    del data["fps"]
    for one in data["frames"][10:25]:
        blank(one)


def build(sources, root, **options):
    report = build_corpus(sources, root, options=BuildOptions(mirror=False, **options), progress=False)
    return report, json.loads((root / "manifest.json").read_text())


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for seed, name in enumerate(("good", "lying", "gone")):
        make_speaker(folder, seed=seed, num_utterances=2, name=name)
    change(folder / "lying.json", z_up)
    change(folder / "gone.json", zeros)
    return folder


def test_a_lying_video_is_refused_and_zeros_are_gaps(videos, tmp_path):
    report, manifest = build(pair_sources(videos, videos)[0], tmp_path / "K")
    assert list(report.failed) == ["lying"]
    assert "it would in axes='z up'" in report.failed["lying"]
    sources = {one["name"]: one for one in manifest["sources"]}
    assert (sources["gone"]["stand_ins"], sources["gone"]["fps_assumed"]) == (15, True)
    assert (sources["good"]["stand_ins"], sources["good"]["fps_assumed"], sources["good"]["axes"]) == (
        0,
        False,
        "camera",
    )
    assert any("stand-ins" in warning and warning.startswith("gone:") for warning in report.warnings)
    page = (tmp_path / "K" / "report.html").read_text()
    assert "30 (assumed)" in page
    assert "does not stand" in page


def test_a_z_up_npz_is_refused_unless_told_and_zero_runs_are_counted(tmp_path):
    """Axes of a layout hold, or it is refused; plain arrays have none and are read as the body stands, and told."""
    folder, turn = tmp_path / "in", Rotation.from_euler("x", 90, degrees=True)
    for seed, name in enumerate(("own", "arrays", "zeros")):
        make_speaker(folder, seed=seed, num_utterances=3, name=name)
    change(folder / "zeros.json", lambda data: [blank(one) for at, n in RUNS for one in data["frames"][at : at + n]])
    for name in ("own", "arrays"):
        path = folder / f"{name}.json"
        poses = load_poses(path)
        path.unlink()
        rotvecs = poses.rotvecs.copy()
        rotvecs[:, 0] = (turn * Rotation.from_rotvec(rotvecs[:, 0])).as_rotvec()
        lying = poses.replace(rotvecs=rotvecs, transl=turn.apply(poses.transl))
        if name == "own":
            save_poses(lying, path.with_suffix(".npz"))
        else:
            parts = {"global_orient": lying.rotvecs[:, 0], "body_pose": lying.rotvecs[:, 1:22], "transl": lying.transl}
            np.savez(path.with_suffix(".npz"), **parts, fps=30.0)
    sources = pair_sources(folder, folder)[0]
    report, manifest = build(sources, tmp_path / "K")
    assert list(report.failed) == ["own"]
    assert "it would in axes='z up'" in report.failed["own"]
    assert any("axes='z up' taken" in warning for warning in report.warnings if warning.startswith("arrays:"))
    assert any("75 frames are all zeros" in warning for warning in report.warnings if warning.startswith("zeros:"))
    assert {one["name"]: (one["axes"], one["stand_ins"]) for one in manifest["sources"] if one["clips"]} == {
        "arrays": ("z up", 0),
        "zeros": ("camera", 75),
    }
    told = [replace(source, axes="z up") if source.name == "own" else source for source in sources]
    assert not build(told, tmp_path / "L")[0].failed
    for name in ("own_000", "arrays_000"):
        joints = np.load(tmp_path / "L" / "joints" / f"{name}.npy")
        assert (joints[:, 15, 1] > joints[:, 0, 1] + 0.3).all()


def test_axes_come_from_the_table_or_the_options(videos, tmp_path):
    table = tmp_path / "videos.csv"
    table.write_text(f"poses,transcript,axes\n{videos}/lying.json,{videos}/lying.srt,z up\n")
    [source] = read_sources(table)
    report, manifest = build([source], tmp_path / "K")
    assert not report.failed
    assert manifest["sources"][0]["axes"] == "z up"
    joints = np.load(next((tmp_path / "K" / "joints").glob("*.npy")))
    assert (joints[:, 15, 1] > joints[:, 0, 1]).all()
    [same] = [one for one in pair_sources(videos, videos)[0] if one.name == "lying"]
    assert not build([same], tmp_path / "L", axes="z up")[0].failed
    assert not build([same], tmp_path / "M", axes="camera")[0].failed  # told: then it is somebody lying
    with pytest.raises(ConfigError, match="z up"):
        BuildOptions(axes="up")


def test_the_frame_rate_is_named_only_where_it_is_likely(videos, tmp_path):
    folder = tmp_path / "in"
    make_speaker(folder, seed=7, num_utterances=4, name="a")
    change(folder / "a.json", lambda data: data.update(fps=60))
    report, _ = build(pair_sources(folder, folder)[0], tmp_path / "K")
    assert any("frame rate? It is 60, at 30 " in warning for warning in report.warnings)
    change(folder / "a.json", lambda data: data.update(fps=30, frames=data["frames"][: len(data["frames"]) // 3]))
    report, _ = build(pair_sources(folder, folder)[0], tmp_path / "L")
    assert any("was the video cut" in warning for warning in report.warnings)
    assert not any("frame rate?" in warning for warning in report.warnings)
