"""USD: read back by Pixar's own library, skinned as it skins."""

import numpy as np
import pytest
from test_finishing import generated, gesture

from ktube_motion.errors import ConfigError, DataError, KtubeError, ShapeError
from ktube_motion.kinematics import load_body
from ktube_motion.kinematics._ground import on_ground
from ktube_motion.render import save_usd

pxr = pytest.importorskip("pxr", reason="usd-core is not installed")


@pytest.mark.parametrize("suffix", [".usd", ".usda", ".usdc"])
def test_usd_skins_it_as_the_body(tmp_path, suffix):
    from pxr import Usd, UsdGeom, UsdSkel

    body = load_body()
    poses = on_ground(gesture(1), body)
    path = save_usd(poses, tmp_path / f"말{suffix}", bone_names="humanoid")
    stage = Usd.Stage.Open(str(path))
    assert (stage.GetTimeCodesPerSecond(), stage.GetEndTimeCode()) == (20, 19)
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    UsdSkel.BakeSkinning(UsdSkel.Root(stage.GetPrimAtPath("/body")))
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/body/mesh"))
    for frame in (0, 7, 19):
        points = np.array(mesh.GetPointsAttr().Get(frame))
        assert np.abs(points - body.vertices(poses[frame : frame + 1])[0]).max() < 1e-3
    assert not [check for check in tmp_path.iterdir() if check != path]


def test_a_generated_motion_stands(tmp_path):
    from pxr import Usd, UsdSkel

    stage = Usd.Stage.Open(str(save_usd(generated(seconds=2), tmp_path / "a.usdc")))
    animation = UsdSkel.Animation(stage.GetPrimAtPath("/body/skeleton/animation"))
    assert 0.8 < animation.GetTranslationsAttr().Get(0)[0][1] < 1.1


def test_bad_input_leaves_nothing(tmp_path):
    poses = gesture(1)
    with pytest.raises(ConfigError, match="usda"):
        save_usd(poses, tmp_path / "a.fbx")
    with pytest.raises(ConfigError, match="colon"):
        save_usd(poses, tmp_path / "a.usda", bone_names="mixamo:")
    with pytest.raises(ShapeError, match="no frames"):
        save_usd(poses[:0], tmp_path / "a.usda")
    rotvecs = poses.rotvecs.copy()
    rotvecs[2, 3] = np.nan
    with pytest.raises(DataError, match="rotvecs"):
        save_usd(poses.replace(rotvecs=rotvecs), tmp_path / "a.usda")
    (tmp_path / "file").write_text("")
    with pytest.raises(KtubeError, match="Cannot write"):
        save_usd(poses, tmp_path / "file" / "a.usda")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
