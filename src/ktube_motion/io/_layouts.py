"""The layouts of pose files, one row each: how a file is recognised, what its parts are called, where up is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigError

__all__ = ["AXES", "POSE_FORMATS", "PoseFormat", "layout_table", "register_pose_format"]

AXES = ("camera", "y up", "z up")
_PER_FRAME = (".npz", ".pkl", ".json", ".pt", ".npy")


@dataclass(frozen=True)
class PoseFormat:
    """How one estimator or data set writes poses.

    Attributes
    ----------
    name : str
        What ``format=`` takes.
    file : str
        For the documentation: which files.
    axes : str or None
        ``camera`` (y down, z forward), ``y up`` or ``z up``; None where files
        differ, and the body decides: of the three the one in which it stands.
    flat_hand_mean : bool
        Whether its hand rotations are whole, or relative to the mean hand.
    suffixes : tuple of str
        Of the files.
    marks : tuple of str
        Keys that tell it, down to the third level; all must be there.
    inside : str or None
        The key whose value holds the poses, where others hold them too.
    renamed : mapping of str to str
        Keys that mean a part of the pose in this layout only; see `pose_parts.PARTS`.
    columns : tuple of (str, int, int)
        Where the file is one array of rows: part, first column, last.
    folder : bool
        A folder with a file per frame.
    longest : bool
        Of several people, the one who is seen longest comes first.
    own_gaps : bool
        The file says itself which frames are valid; none are taken for stand-ins.
    camera_trajectory : bool
        The translation belongs to a virtual camera and is no path, whatever it is called.
    scale : str or None
        The key of a number that the translation is divided by.
    boxes : str or None
        ``sizes`` (x, y, width, height) or ``corners``; None where files differ, and all frames together decide.
    unseen : str or None
        The key of a list beside the people of a frame: who has no 0 there is not seen, and his pose is an old one.
    fps : float or None
        The frame rate that all its files have; what a file says goes first.
    read : callable or None
        For what no row of this table can say: ``read(path)`` gives dicts, lists and arrays as the others have them.

    Examples
    --------
    >>> known = POSE_FORMATS["aistpp"]
    >>> known.axes, known.suffixes, known.folder
    ('y up', (), False)
    """

    name: str
    file: str
    axes: str | None = None
    flat_hand_mean: bool = False
    suffixes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    inside: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[tuple[str, int, int], ...] = ()
    folder: bool = False
    longest: bool = False
    own_gaps: bool = False
    camera_trajectory: bool = False
    scale: str | None = None
    boxes: str | None = None
    unseen: str | None = None
    fps: float | None = None
    read: Callable[[Path], Any] | None = None

    @property
    def width(self) -> int:
        """Numbers in a row, for layouts of rows."""
        return max((last for _, _, last in self.columns), default=0)


# An estimator's own formats come before the general ones: the first whose marks are all there is taken.
_TABLE = (
    PoseFormat("json", "JSON of Hand4Whole, OSX, SMPLer-X, SMPLest-X, Motion-X and their wrappers, also "
               "``.jsonl`` and ``.json.gz``: frames in a list, keyed by number or image, as COCO annotations, or "
               "whole-clip arrays; or a folder with a file per frame", "camera",
               suffixes=(".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz")),
    PoseFormat("smplerx", "folder of SMPLer-X's ``00012_0.npz``", "camera", suffixes=(".npz",), folder=True),
    PoseFormat("aios", "folder of AiOS's ``12_personId_0.pkl``", "camera", suffixes=(".pkl",), folder=True),
    PoseFormat("frames", "folder with a ``.npz``, ``.pkl``, ``.pt`` or ``.json`` per frame under any usual name, "
               "SMPLify-X's ``results/000012/000.pkl``", suffixes=_PER_FRAME, folder=True),
    PoseFormat("gvhmr", "GVHMR ``hmr4d_results.pt``, world; no hands", "y up", marks=("smpl_params_global",),
               inside="smpl_params_global"),
    PoseFormat("gvhmr_incam", "the same file, in the camera", "camera", inside="smpl_params_incam"),
    PoseFormat("prompthmr", "PromptHMR ``results.pkl``, world", "y up", True, marks=("people", "smplx_world"),
               inside="smplx_world", longest=True),
    PoseFormat("wham", "WHAM ``wham_output.pkl``, world; SMPL, hands at rest", "y up",
               marks=("pose_world", "trans_world"),
               renamed={"pose_world": "whole", "trans_world": "transl", "pose": "", "trans": ""}, longest=True),
    PoseFormat("tram", "TRAM ``hps_track_0.npy``; SMPL", "camera", marks=("pred_rotmat", "pred_shape"),
               renamed={"pred_rotmat": "whole", "pred_pose": ""}, camera_trajectory=True),
    PoseFormat("romp", "ROMP, BEV ``video_results.npz``; SMPL", "camera", marks=("smpl_thetas",),
               camera_trajectory=True),
    PoseFormat("phalp", "PHALP, 4DHumans ``demo_*.pkl``; SMPL, people by track", "camera", marks=("smpl", "tid"),
               inside="smpl", camera_trajectory=True, longest=True, boxes="sizes", unseen="tracked_time"),
    PoseFormat("aistpp", "AIST++ ``.pkl``; SMPL, 60 frames a second", "y up",
               marks=("smpl_poses", "smpl_trans"), scale="smpl_scaling", fps=60.0),
    PoseFormat("show", "SHOW, TalkSHOW ``.pkl``; hands are PCA and need ``body_model=``", "camera",
               marks=("body_pose_axis",)),
    PoseFormat("pymafx", "PyMAF-X ``output.pkl``", "camera", True, marks=("smplx_params", "orig_cam"),
               inside="smplx_params", camera_trajectory=True, boxes="sizes"),
    PoseFormat("multihmr", "Multi-HMR: ``rotvec`` of 53 joints", "camera", True, marks=("rotvec",),
               renamed={"transl_pelvis": "transl"}),
    PoseFormat("humandata", "MMHuman3D HumanData ``.npz``", marks=("__data_len__",), inside="smplx"),
    PoseFormat("smplifyx", "SMPLify-X ``.pkl``", marks=("camera_rotation", "camera_translation"),
               camera_trajectory=True),
    PoseFormat("motionx", "Motion-X ``.npy`` of ``(T, 322)``, 30 frames a second", "y up", True,
               (".npy",), fps=30.0, columns=(
        ("root", 0, 3), ("body", 3, 66), ("hands", 66, 156), ("jaw", 156, 159), ("expression", 159, 209),
        ("transl", 309, 312), ("betas", 312, 322))),
    PoseFormat("rows182", "``.npy`` of ``(T, 182)``: root, body, hands, jaw, shape, expression, translation", None,
               suffixes=(".npy",), columns=(
        ("root", 0, 3), ("body", 3, 66), ("left hand", 66, 111), ("right hand", 111, 156), ("jaw", 156, 159),
        ("betas", 159, 169), ("expression", 169, 179), ("transl", 179, 182)), camera_trajectory=True),
    PoseFormat("smplx", "``.npz`` of `save_poses`", "y up", True, (".npz",), ("poses", "flat_hand_mean", "valid"),
               own_gaps=True),
    PoseFormat("beat2", "BEAT2 ``.npz``", "y up", True, (".npz",), ("poses", "expressions")),
    PoseFormat("amass", "AMASS ``.npz``, SMPL-X or SMPL-H, with ``poses`` or in parts (stage II)", "z up", True,
               (".npz",)),
    PoseFormat("arrays", "``.npz``, ``.pkl``, ``.pt``, ``.npy`` of whole-clip arrays under the usual names"),
)  # fmt: skip

POSE_FORMATS: dict[str, PoseFormat] = {}


def register_pose_format(layout: PoseFormat) -> PoseFormat:
    """Add a layout, so that `load_poses` recognises and reads it.

    Parameters
    ----------
    layout : PoseFormat

    Returns
    -------
    layout : PoseFormat

    Raises
    ------
    ConfigError
        If the name is taken, or the axes are none of `AXES`.

    Examples
    --------
    >>> names = {"my_rotations": "whole"}
    >>> mine = PoseFormat("mine", "our own ``.npz``", "z up", marks=("my_rotations",), renamed=names)
    >>> register_pose_format(mine).name
    'mine'
    >>> del POSE_FORMATS["mine"]
    """
    if layout.name in POSE_FORMATS or layout.name == "auto":
        raise ConfigError("A pose format of this name is there already.", found=layout.name)
    if layout.axes not in (*AXES, None):
        raise ConfigError("Unknown axes.", expected=" or ".join(AXES), found=repr(layout.axes))
    POSE_FORMATS[layout.name] = layout
    return layout


for _layout in _TABLE:
    register_pose_format(_layout)


def layout_table() -> str:
    """Give all layouts as the table of the documentation, in reStructuredText."""
    rows = [
        (f"``{one.name}``", one.file, one.axes or "by the body", "whole" if one.flat_hand_mean else "relative")
        for one in POSE_FORMATS.values()
    ]
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 12 58 15 15", ""]
    for row in (("format", "file", "axes", "hands"), *rows):
        lines += [f"   {'*' if number == 0 else ' '} - {cell}" for number, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
