"""Bodies that poses move: SMPL-X parameters to joints and vertices."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import roma
import torch
from einops import rearrange
from scipy.sparse import csr_array
from typing_extensions import override

from ..arrays import check_finite
from ..errors import ConfigError, DataError, MissingDependencyError
from ..skeletons import SMPL_22, SMPLH_52, SMPLX_55, Skeleton
from ..types import Motion, PoseSequence
from ._model_files import find_model, read_model

if TYPE_CHECKING:
    import trimesh

__all__ = ["Body", "EmbeddedBody", "SmplxBody", "load_body", "pose_to_joints"]

# Where the joints of each skeleton stand in SMPL-X order: 52 leaves out jaw and eyes.
_IN_SMPLX = {SMPL_22: list(range(22)), SMPLH_52: [*range(22), *range(25, 55)], SMPLX_55: list(range(55))}

# The mannequin's 54 joints in SMPL-X numbers; its two hands of no length move with the wrists.
_IN_MANNEQUIN = [*range(22), 20, 21, *range(25, 55)]


def load_body(path: str | PathLike[str] | None = None, *, gender: str = "neutral") -> "Body":
    """Load the body that joints and meshes are computed with.

    Parameters
    ----------
    path : path, optional
        An SMPL-X ``.npz`` file, or a folder with ``SMPLX_NEUTRAL.npz`` in it
        or in its subfolder ``smplx``. ``None`` gives the free body that comes
        with the library, a wooden mannequin with the joints of neutral SMPL-X.
    gender : {"neutral", "male", "female"}
        Which file of a folder.

    Returns
    -------
    body : Body

    Raises
    ------
    FormatError
        If there is no such file or it is not an SMPL-X model. Pickled models
        are refused: they could run code.
    MissingDependencyError
        If the embedded body is not installed.

    Examples
    --------
    >>> body = load_body()
    >>> body.rest_joints(np.zeros(10)).shape, body.faces.shape[1]
    ((55, 3), 3)
    """
    return _embedded() if path is None else SmplxBody(find_model(Path(path), gender))


def pose_to_joints(poses: PoseSequence, *, body: "Body | None" = None, skeleton: Skeleton = SMPL_22) -> Motion:
    """Turn SMPL-X poses into joint motion.

    Parameters
    ----------
    poses : PoseSequence
        Without invalid frames.
    body : Body, optional
        By default the embedded body.
    skeleton : Skeleton
        `SMPL_22`, `SMPLH_52` or `SMPLX_55`.

    Returns
    -------
    motion : Motion
        Positions, true local rotations (the mean hand added where the poses
        are relative to it) and the root position, at the same fps. No mesh is
        computed.

    Raises
    ------
    ConfigError
        If SMPL-X has no such joints.
    DataError
        If frames are invalid, or not finite.

    Examples
    --------
    >>> motion = pose_to_joints(PoseSequence(rotvecs=np.zeros((10, 55, 3)), fps=20))
    >>> motion.positions.shape, motion.rotations.shape, motion.translation.shape
    ((10, 22, 3), (10, 22, 3, 3), (10, 3))
    """
    if skeleton not in _IN_SMPLX:
        names = ", ".join(known.name for known in _IN_SMPLX)
        raise ConfigError("SMPL-X poses do not move this skeleton.", expected=names, found=skeleton.name)
    for name in ("rotvecs", "transl"):
        check_finite(getattr(poses, name), name=name, where=poses.source or None)
    body = load_body() if body is None else body
    positions, rotations = body.joints(poses), body.rotations(poses)
    joints = _IN_SMPLX[skeleton]
    return Motion(
        skeleton=skeleton,
        positions=positions[:, joints],
        rotations=rotations[:, joints],
        translation=positions[:, 0],
        fps=poses.fps,
    )


class Body(ABC):
    """A skinned body in SMPL-X order: 55 joints, shape coefficients, a mesh.

    The root turns about the pelvis; the pelvis stands at its rest position
    plus ``poses.transl``, as SMPL-X defines it. Where that is no trajectory
    (``poses.trajectory``), it stays above the origin, as high as it stands at rest.

    Attributes
    ----------
    faces : int64 array [shape=(F, 3)]
        Triangles, as vertex numbers.
    weights : float32 array [shape=(V, 55)]
        How much each joint moves each vertex; rows sum to 1.
    hand_mean : float32 array [shape=(30, 3)]
        Axis-angle of the relaxed left and right hand, added to poses whose
        ``flat_hand_mean`` is False.
    num_betas : int
        Shape coefficients that are used; more are ignored, missing ones are 0.

    Examples
    --------
    >>> body = load_body()
    >>> poses = PoseSequence(rotvecs=np.zeros((3, 55, 3)), fps=30)
    >>> body.joints(poses).shape
    (3, 55, 3)
    """

    parents: tuple[int, ...] = SMPLX_55.parents
    faces: np.ndarray
    weights: np.ndarray
    hand_mean: np.ndarray
    num_betas: int

    @abstractmethod
    def rest_joints(self, betas: np.ndarray) -> np.ndarray:
        """Joints of a body shape in the rest pose (T, flat hands), float32 ``(55, 3)``."""

    @abstractmethod
    def rest_vertices(self, betas: np.ndarray) -> np.ndarray:
        """Vertices of a body shape in the rest pose, float32 ``(V, 3)``."""

    def rotations(self, poses: PoseSequence) -> np.ndarray:
        """Local rotation matrices, mean hand included, float32 ``(T, 55, 3, 3)``."""
        if not poses.valid.all():
            raise DataError(
                f"{int((~poses.valid).sum())} of {len(poses)} frames are invalid.",
                where=poses.source or None,
                fix="Use filters.clean_poses or fill_gaps first, and split_at_gaps where gaps are too long.",
            )
        rotvecs = poses.rotvecs.copy()
        if not poses.flat_hand_mean:
            rotvecs[:, 25:] += self.hand_mean
        return roma.rotvec_to_rotmat(torch.from_numpy(rotvecs)).numpy()

    def joints(self, poses: PoseSequence) -> np.ndarray:
        """Global joint positions in metres, float32 ``(T, 55, 3)``, without computing a mesh."""
        posed, _ = turned_joints(self.rotations(poses), self._frame_joints(poses))
        return posed + self.root_path(poses)[:, None]

    def root_path(self, poses: PoseSequence) -> np.ndarray:
        """Where the root goes, float32 ``(T, 3)``: ``poses.transl``, or still on the spot where that is no path."""
        if poses.trajectory:
            return poses.transl
        height = -float(np.asarray(self.rest_joints(poses.betas))[:, 1].min())
        return np.broadcast_to(np.array([0, height, 0], np.float32), (len(poses), 3))

    def vertices(self, poses: PoseSequence) -> np.ndarray:
        """All vertices in metres, float32 ``(T, V, 3)``; see `iter_vertices` for long clips."""
        return np.concatenate(list(self.iter_vertices(poses))) if len(poses) else np.zeros((0, len(self.weights), 3))

    def iter_vertices(self, poses: PoseSequence, *, chunk_frames: int = 16) -> Iterator[np.ndarray]:
        """Go through the vertices ``(n, V, 3)`` of `chunk_frames` frames at a time, in bounded memory."""
        weights = csr_array(self.weights)
        rest = self.rest_vertices(poses.betas)
        for start in range(0, len(poses), chunk_frames):
            part = poses[start : start + chunk_frames]
            local = self.rotations(part)
            _, moves = turned_joints(local, self._frame_joints(part))
            # Few joints move a vertex: a sparse product is faster than smplx's own.
            blended = weights @ rearrange(moves, "t j row column -> j (t row column)")
            blended = rearrange(blended, "v (t row column) -> t v row column", row=3, column=4)
            shaped = self._frame_vertices(rest, part, local)
            posed = (blended[..., :3] @ shaped[..., None])[..., 0] + blended[..., 3]
            yield posed + self.root_path(part)[:, None]

    def mesh(self, poses: PoseSequence, *, frame: int = 0) -> "trimesh.Trimesh":
        """Give the body in one frame as a mesh of `trimesh <https://trimesh.org>`_, to measure, cut or export.

        Parameters
        ----------
        poses : PoseSequence
        frame : int
            Which frame; negative ones count from the end.

        Returns
        -------
        mesh : trimesh.Trimesh
            In metres, y up; vertices and faces in the body's order.

        Raises
        ------
        ConfigError
            If there is no such frame.
        DataError
            If the frame is invalid.

        Examples
        --------
        >>> mesh = load_body().mesh(PoseSequence(rotvecs=np.zeros((3, 55, 3)), fps=30), frame=-1)
        >>> bool(1.5 < mesh.extents[1] < 2)  # metres tall
        True
        >>> mesh.export(file_type="obj").splitlines()[1].split()[0]  # or mesh.export("body.ply")
        'v'
        """
        import trimesh

        if not -len(poses) <= frame < len(poses):
            raise ConfigError("There is no such frame.", expected=f"0 to {len(poses) - 1}", found=frame)
        vertices = self.vertices(poses[frame % len(poses) :][:1])[0]
        return trimesh.Trimesh(vertices, self.faces, process=False)

    def _frame_joints(self, poses: PoseSequence) -> np.ndarray:
        """Rest joints of each frame, ``(1, 55, 3)`` or ``(T, 55, 3)``."""
        return self.rest_joints(poses.betas)[None]

    def _frame_vertices(self, rest: np.ndarray, poses: PoseSequence, rotations: np.ndarray) -> np.ndarray:
        """Rest vertices of each frame, ``(1, V, 3)`` or ``(T, V, 3)``."""
        return rest[None]


class EmbeddedBody(Body):
    """The free body of the library: mannequin-x's wooden figure on SMPL-X joints.

    It has neither jaw nor eyes: these joints ride on the head.

    Raises
    ------
    MissingDependencyError
        If mannequin-x is not installed.
    """

    num_betas = 10

    def __init__(self) -> None:
        try:
            from mannequin import Mannequin
        except ImportError as error:
            raise MissingDependencyError(
                "The embedded body needs mannequin-x.", fix="pip install mannequin-x, or load_body(<SMPL-X file>)."
            ) from error
        self._kind, self._figure = Mannequin, Mannequin("wooden", flat_hand_mean=True)
        self.faces = np.asarray(self._figure.faces, np.int64)
        self.hand_mean = self._relaxed_hands()
        self.weights = self._skin_weights()
        self._rest_vertices = lru_cache(4)(self._shaped_vertices)

    @override
    def rest_joints(self, betas: np.ndarray) -> np.ndarray:
        """See `Body.rest_joints`."""
        pose = self._figure.rest_pose() | {"shape": _fit(betas, self.num_betas)}
        joints = np.zeros((55, 3), np.float32)
        joints[_IN_MANNEQUIN] = self._figure.joint_transforms(pose)[:, :3, 3]
        joints[22:25] = joints[15] + SMPLX_55.offsets[22:25]
        return joints

    @override
    def rest_vertices(self, betas: np.ndarray) -> np.ndarray:
        """See `Body.rest_vertices`."""
        return self._rest_vertices(tuple(_fit(betas, self.num_betas).tolist()))

    def _relaxed_hands(self) -> np.ndarray:
        relaxed = self._kind("wooden")
        turned = relaxed.joint_transforms(relaxed.rest_pose())[:, :3, :3]
        above = turned[list(relaxed.parents)]
        local = rearrange(above, "j row column -> j column row")[24:] @ turned[24:]
        return roma.rotmat_to_rotvec(torch.from_numpy(local)).numpy().astype(np.float32)

    def _skin_weights(self) -> np.ndarray:
        # mannequin-x 0.3 has no public way to its skinning; a test compares the result with its own vertices.
        joints = np.array(_IN_MANNEQUIN)[self._figure._skin_joint_indices]
        weights = np.zeros((len(joints), 55), np.float32)
        np.add.at(weights, (np.arange(len(joints))[:, None], joints), self._figure._skin_weights)
        return weights

    def _shaped_vertices(self, betas: tuple[float, ...]) -> np.ndarray:
        figure = self._kind("wooden", flat_hand_mean=True, shape=np.array(betas, np.float32))
        vertices = np.asarray(figure.vertices(figure.rest_pose()), np.float32)
        vertices.flags.writeable = False  # shared by the cache
        return vertices


class SmplxBody(Body):
    """An SMPL-X model from its ``.npz`` file, with shape, expression and pose correctives.

    Computes what ``smplx.SMPLX`` computes, but opens the file without
    unpickling anything, and skips the mesh where only joints are asked for.

    Parameters
    ----------
    path : path
        An SMPL-X ``.npz`` file.

    Raises
    ------
    FormatError
        If the file is not an SMPL-X model.
    """

    def __init__(self, path: Path) -> None:
        data = read_model(path)

        def number(key: str) -> np.ndarray:
            return np.asarray(data[key], np.float32)

        self.faces, self.weights = np.asarray(data["f"], np.int64), number("weights")
        self.hand_mean = np.concatenate([number("hands_meanl").reshape(15, 3), number("hands_meanr").reshape(15, 3)])
        directions = number("shapedirs")
        # Old files hold 10 shape and 10 expression directions, new ones 300 and 100.
        self.num_betas = 300 if directions.shape[-1] >= 400 else 10
        self._template, self._posedirs = number("v_template"), number("posedirs")
        self._shape, self._expression = directions[..., : self.num_betas], directions[..., self.num_betas :]
        # Joints are linear in the shape: what moves the vertices moves them, and no mesh is needed.
        self._joint_template, self._joint_shape, self._joint_expression = (
            _regress(number("J_regressor"), moved)
            for moved in (self._template[..., None], self._shape, self._expression)
        )

    @override
    def rest_joints(self, betas: np.ndarray) -> np.ndarray:
        """See `Body.rest_joints`."""
        return self._joint_template[..., 0] + _blend(_fit(betas, self.num_betas)[None], self._joint_shape)[0]

    @override
    def rest_vertices(self, betas: np.ndarray) -> np.ndarray:
        """See `Body.rest_vertices`."""
        return self._template + _blend(_fit(betas, self.num_betas)[None], self._shape)[0]

    @override
    def _frame_joints(self, poses: PoseSequence) -> np.ndarray:
        face = _fit(poses.expression, self._expression.shape[-1])
        return self.rest_joints(poses.betas) + _blend(face, self._joint_expression)

    @override
    def _frame_vertices(self, rest: np.ndarray, poses: PoseSequence, rotations: np.ndarray) -> np.ndarray:
        face = _fit(poses.expression, self._expression.shape[-1])
        bent = (rotations[:, 1:] - np.eye(3, dtype=np.float32)).reshape(len(poses), -1)
        return rest + _blend(face, self._expression) + _blend(bent, self._posedirs)


@lru_cache(1)
def _embedded() -> EmbeddedBody:
    return EmbeddedBody()


def turned_joints(rotations: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posed joints ``(T, 55, 3)`` of rest joints ``(1 or T, 55, 3)``, and how each moves a point ``(T, 55, 3, 4)``."""
    from smplx.lbs import batch_rigid_transform

    joints = np.repeat(joints, len(rotations), 0) if len(joints) == 1 else joints
    parents = torch.tensor(SMPLX_55.parents)
    posed, moves = batch_rigid_transform(torch.from_numpy(rotations), torch.from_numpy(joints), parents)
    return posed.numpy(), moves[..., :3, :].numpy()


def _blend(coefficients: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Offsets ``(T, V, 3)`` of coefficients ``(T, K)`` along directions ``(V, 3, K)``."""
    from smplx.lbs import blend_shapes

    return blend_shapes(torch.from_numpy(coefficients), torch.from_numpy(directions)).numpy()


def _regress(regressor: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Directions ``(V, 3, K)`` of the vertices to those of the joints ``(55, 3, K)``."""
    from smplx.lbs import vertices2joints

    vertices = rearrange(torch.from_numpy(directions), "v xyz k -> k v xyz")
    return rearrange(vertices2joints(torch.from_numpy(regressor), vertices), "k j xyz -> j xyz k").numpy()


def _fit(coefficients: np.ndarray, size: int) -> np.ndarray:
    """Cut or pad the last axis to `size`."""
    fitted = np.zeros((*np.shape(coefficients)[:-1], size), np.float32)
    known = min(size, np.shape(coefficients)[-1])
    fitted[..., :known] = np.asarray(coefficients)[..., :known]
    return fitted
