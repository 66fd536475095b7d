"""Writing USD: a skinned, animated body for Omniverse, Blender, Houdini, Maya and Unreal."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, MissingDependencyError
from ..io._files import atomic_path
from ..kinematics import Body, load_body
from ..kinematics._ground import rest_on_ground
from ..skeletons import SMPLX_55
from ..types import Motion, PoseSequence
from ._glb import strongest_joints
from ._rigs import as_poses, bone_names
from ._tracks import joint_quats, root_path

__all__ = ["save_usd"]

_SUFFIXES = (".usd", ".usda", ".usdc")


def save_usd(
    motion: Motion | PoseSequence,
    path: str | Path,
    *,
    body: Body | None = None,
    bone_names: str = "smplx",
    finish: bool = True,
) -> Path:
    """Write a motion as a skinned, animated body in USD (UsdSkel).

    Parameters
    ----------
    motion : Motion or PoseSequence
        Motions of 22, 52 or 55 joints become SMPL-X poses first.
    path : path
        Ends in .usd or .usdc (binary) or .usda (text).
    body : Body, optional
        By default the embedded body.
    bone_names : {"smplx", "humanoid", "vrm", "mixamo"}
    finish : bool
        Finish joints without rotations (`kinematics.finish`), and set poses that stand elsewhere on the ground.

    Returns
    -------
    path : Path

    Raises
    ------
    ConfigError
        If the suffix or bone names are unknown, or the joints are not those of SMPL-X.
    ShapeError, DataError
        If there is no frame, or NaN in it.
    MissingDependencyError
        If usd-core is not installed.
    KtubeError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> poses = PoseSequence(rotvecs=np.zeros((2, 55, 3)), fps=20)
    >>> save_usd(poses, Path(tempfile.mkdtemp()) / "a.usdc").read_bytes()[:8]
    b'PXR-USDC'
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError("USD ends otherwise.", where=path, expected=", ".join(_SUFFIXES), found=path.suffix or "none")
    names = _paths(bone_names)
    try:
        from pxr import Usd, UsdGeom
    except ImportError as error:
        raise MissingDependencyError("USD needs usd-core.", fix='pip install "ktube_motion[usd]"') from error
    body = load_body() if body is None else body
    poses = as_poses(motion, body=body, finish=finish)
    quats = joint_quats(poses, body)
    with atomic_path(path) as temporary:
        temporary.unlink()  # USD makes its files itself
        stage = Usd.Stage.CreateNew(str(temporary))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        stage.SetTimeCodesPerSecond(poses.fps)
        stage.SetFramesPerSecond(poses.fps)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(len(poses) - 1)
        _fill(stage, names, poses, body, quats)
        stage.GetRootLayer().Save()
    return path


def _paths(style: str) -> list[str]:
    """Names of joints as USD wants them: with all that is above them."""
    paths: list[str] = []
    for name, parent in zip(bone_names(SMPLX_55.joint_names, style), SMPLX_55.parents, strict=True):
        if ":" in name:
            raise ConfigError("USD has no colon in names.", expected="mixamo", found=repr(style))
        paths.append(name if parent < 0 else f"{paths[parent]}/{name}")
    return paths


def _fill(stage: Any, names: list[str], poses: PoseSequence, body: Body, quats: np.ndarray) -> None:
    from pxr import Gf, UsdSkel, Vt

    rest = np.array(body.rest_joints(poses.betas), np.float64)
    rest[:, 1] += rest_on_ground(poses, body)
    bones = rest - rest[[max(parent, 0) for parent in SMPLX_55.parents]]
    bones[0] = rest[0]

    def moves(places: np.ndarray) -> Any:
        return Vt.Matrix4dArray([Gf.Matrix4d(1).SetTranslate(Gf.Vec3d(*place)) for place in places.tolist()])

    root = UsdSkel.Root.Define(stage, "/body")
    stage.SetDefaultPrim(root.GetPrim())
    skeleton = UsdSkel.Skeleton.Define(stage, "/body/skeleton")
    skeleton.CreateJointsAttr(names)
    skeleton.CreateBindTransformsAttr(moves(rest))
    skeleton.CreateRestTransformsAttr(moves(bones))
    animation = UsdSkel.Animation.Define(stage, "/body/skeleton/animation")
    animation.CreateJointsAttr(names)
    animation.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1)] * len(names)))
    turns, places = animation.CreateRotationsAttr(), animation.CreateTranslationsAttr()
    path = root_path(poses, body)
    bones = bones.astype(np.float32)
    for frame in range(len(poses)):
        bones[0] = path[frame]
        places.Set(Vt.Vec3fArray.FromNumpy(bones), frame)
        turns.Set(Vt.QuatfArray.FromNumpy(np.ascontiguousarray(quats[:, frame])), frame)
    UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([animation.GetPath()])
    _add_mesh(stage, skeleton, poses, body)


def _add_mesh(stage: Any, skeleton: Any, poses: PoseSequence, body: Body) -> None:
    from pxr import Gf, UsdGeom, UsdSkel, Vt

    vertices = np.array(body.rest_vertices(poses.betas), np.float32)
    vertices[:, 1] += rest_on_ground(poses, body)
    joints, weights = strongest_joints(body.weights)
    mesh = UsdGeom.Mesh.Define(stage, "/body/mesh")
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(vertices))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(body.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(np.ascontiguousarray(body.faces, np.int32).ravel()))
    mesh.CreateSubdivisionSchemeAttr("none")
    mesh.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([vertices.min(0), vertices.max(0)])))
    mesh.CreateDisplayColorAttr([(0.72, 0.62, 0.5)])
    binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
    binding.CreateJointIndicesPrimvar(False, 4).Set(Vt.IntArray.FromNumpy(joints.astype(np.int32).ravel()))
    binding.CreateJointWeightsPrimvar(False, 4).Set(Vt.FloatArray.FromNumpy(weights.ravel()))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1))
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
