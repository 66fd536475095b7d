"""Make spans of a motion again with other words, as the editor of a page (press E in it) asks for.

    ktube-motion edit talk.npy edit.json --output talk_2.npy
    ktube-motion edit talk.npy edit.json --pipeline output/quickstart/pipeline --output talk_2.html

MOTION is a .npy of joints (T, 22, 3) at the rate of the model, as `generate --output talk.npy` and eval-gpt leave.
EDIT is the .json that the page saves: {"format": "ktube_motion edit", "version": 1,
"changes": [{"start": 1.0, "end": 2.5, "text": "왼손을 흔들어요"}]}, in seconds.

Writes --output, in the format its suffix names; .npy is the same as MOTION to the last bit outside the spans.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ._generate import add_model_options, add_sampling_options, asked_sampling, load
from ._shared._console import say
from ._shared._options import add_flags
from ._shared._places import existing

OURS = "guidance-scale text-encoder text-tokenizer text-pooling bone-names unit body as-given"


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    parser.usage = "ktube-motion edit MOTION EDIT [options]"
    parser.add_argument("motion", type=Path, metavar="MOTION", help="the motion, a .npy of joints")
    parser.add_argument("edit", type=Path, metavar="EDIT", help="what to change, the .json of a page's editor")
    add_model_options(parser)
    parser.add_argument(
        "--output", type=Path, default=Path("output/edited.npy"), metavar="FILE",
        help=".npy .mp4 .gif .html .bvh .glb .npz",
    )  # fmt: skip
    add_sampling_options(parser)
    add_flags(parser, ours=OURS)


def run(options: Namespace) -> None:
    """Change the motion and write it."""
    import torch

    from ..pipeline import edit_motion, read_changes
    from ._shared._motions import check_suffix, read_joints, write_motion

    check_suffix(options.output)
    existing(options.motion, "motion", flag="MOTION", make="ktube-motion generate --output talk.npy")
    existing(options.edit, "file of changes", flag="EDIT", make="the editor of a page: press E in it")
    pipeline = load(options)
    motion = read_joints(options.motion, fps=pipeline.fps)
    changes = read_changes(options.edit, motion=motion)
    generator = torch.Generator().manual_seed(options.seed)
    edited = edit_motion(pipeline, motion, changes, generator=generator, **asked_sampling(options))
    write_motion(edited, options.output, options)
    say(f"{len(changes)} of its spans made again: {options.output}")
