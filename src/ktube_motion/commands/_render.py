"""Draw evaluated motions as bodies, the truth beside what was generated.

The documented command, after eval-gpt:

    ktube-motion render --filedir output/TEST_GPT/ --motion-list 000019 005485

Reads NAME_gt.npy and NAME_pred.npy, which eval-gpt and eval-vq leave in their folder.

Writes NAME.mp4 beside them. Motions that have a video already are left as they are. A pair of ten
seconds takes minutes without a graphics card; after the first, the time that is left is told.
"""

import os
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import DataError
from ._shared._console import say
from ._shared._options import add_flags
from ._shared._places import existing, maker_of

KINDS = {"gt": "truth", "pred": "generated"}


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "--filedir",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with NAME_gt.npy and NAME_pred.npy (required)",
    )
    parser.add_argument("--motion-list", nargs="+", metavar="NAME", help="which motions; by default all there are")
    parser.add_argument("--fps", type=float, default=20.0, metavar="X", help="frames per second of the motions")
    parser.add_argument("--size", type=int, default=720, metavar="N", help="width and height of a body in pixels")
    parser.add_argument(
        "--renderer", default="auto", choices=["auto", "egl", "osmesa", "rays"],
        help="auto takes OpenGL where there is one, else rays, which needs none",
    )  # fmt: skip
    add_flags(parser, ours="body as-given overwrite")


def run(options: Namespace) -> None:
    """Draw the motions."""
    from ..io import check_name
    from ..kinematics import load_body
    from ..render import save_mesh_video
    from ._shared._motions import read_joints

    folder = existing(
        options.filedir, "evaluation", flag="--filedir", make=maker_of(options.filedir / "report.json", "eval-gpt")
    )
    wanted = [check_name(name) for name in options.motion_list or names_in(folder)]
    check(folder, wanted)
    body, spent, drawn = load_body(options.body), 0.0, 0
    if options.motion_list is None and len(wanted) > 1:
        say(f"{len(wanted)} pairs, one after the other; --motion-list {wanted[0]} would draw that one only")
    for number, name in enumerate(wanted, 1):
        target = folder / f"{name}.mp4"
        if os.path.exists(target) and not options.overwrite:
            say(f"{target} is there already")
            continue
        began = time.perf_counter()
        motions = [
            read_joints(folder / f"{name}_{kind}.npy", fps=options.fps, name=title) for kind, title in KINDS.items()
        ]
        save_mesh_video(
            motions, target, body=body, titles=list(KINDS.values()), size=(options.size, options.size),
            renderer=options.renderer, finish=not options.as_given,
        )  # fmt: skip
        spent, drawn = spent + time.perf_counter() - began, drawn + 1
        say(f"{target}{time_left(spent / drawn, len(wanted) - number)}")


def time_left(seconds: float, jobs: int) -> str:
    """Say how long the rest takes, where it is minutes.

    Examples
    --------
    >>> time_left(180, 54), time_left(1, 3)
    (' (3.0 minutes each, about 2.7 hours left)', '')
    """
    left = seconds * jobs
    if left < 60:
        return ""
    each = f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.0f} s"
    return f" ({each} each, about {f'{left / 3600:.1f} hours' if left >= 5400 else f'{left / 60:.0f} minutes'} left)"


def names_in(folder: Path) -> list[str]:
    """Give the names that have both arrays."""
    stems = {path.stem for path in folder.glob("*.npy")}
    return sorted(stem[: -len("_gt")] for stem in stems if stem.endswith("_gt") and f"{stem[:-3]}_pred" in stems)


def check(folder: Path, wanted: list[str]) -> None:
    """Raise where a motion is not there, and tell those that are."""
    there = names_in(folder)
    missing = [name for name in wanted if name not in there]
    if missing or not there:
        more = f" and {len(there) - 20} more" if len(there) > 20 else ""
        raise DataError(
            "There is no such motion.", where=folder.absolute(), found=", ".join(missing) or "no pairs of arrays",
            expected=(", ".join(there[:20]) + more) or "NAME_gt.npy and NAME_pred.npy",
            fix="" if there else "`ktube-motion eval-gpt` and `eval-vq` leave them in their folder.",
        )  # fmt: skip
