"""Look at every byte and every clip of a data set, or of checkpoints.

    ktube-motion check dataset/KTubeUM
    ktube-motion check output/VQVAE

Reads every file below DIR: of a corpus the clips, texts, splits and statistics, and its manifest, which knows
size and SHA-256 of each file; of checkpoints (folders, .pt and .pth) their checksums.

Writes nothing. The exit code is 1 where something was found; clips that are broken are made again by the build
command that made them.
"""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import KtubeError
from ._shared._console import say
from ._shared._places import existing


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("dataset/KTubeUM"), metavar="DIR",
        help="a corpus, or a folder with checkpoints; by default dataset/KTubeUM",
    )  # fmt: skip


def run(options: Namespace) -> int:
    """Look at a folder; 1 where something was found."""
    from ..io._hub import is_sharded

    folder = existing(options.folder, "folder to check", make="ktube-motion build --samples 8")
    if os.path.isdir(folder / "new_joint_vecs") or is_sharded(folder):
        from ..construct import check_corpus

        check = check_corpus(folder)
        say(check)
        return 0 if check.fine else 1
    return check_checkpoints(folder)


def check_checkpoints(folder: Path) -> int:
    """Compare every checkpoint below a folder with its checksum."""
    from ..models._checkpoints import verify_checkpoint
    from ..models._torch_files import load_checked

    found = sorted(path.parent for path in folder.rglob("model.safetensors"))
    files = sorted(path for suffix in ("*.pt", "*.pth") for path in folder.rglob(suffix))
    broken = []
    for path in [*found, *files]:
        try:
            (verify_checkpoint if os.path.isdir(path) else load_checked)(path)
        except KtubeError as error:
            broken.append(str(error))
    say(f"{len(found) + len(files)} checkpoints compared: {len(broken)} broken")
    for line in broken:
        say(f"broken: {line}")
    if not found and not files:
        say("There is neither a corpus (a folder with new_joint_vecs/) nor a checkpoint here.")
    return 0 if not broken and (found or files) else 1
