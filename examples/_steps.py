"""What the steps of the data set have in common: files in, files out, what exists is kept, what failed is told."""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from ktube_motion.errors import KtubeError


def read_arguments(doc, source, target, add=None):
    """Read --input, --output and --overwrite, and what `add` adds to the parser."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, default=Path(source), help=f"folder to read (default: {source})")
    parser.add_argument("--output", type=Path, default=Path(target), help=f"folder to write (default: {target})")
    parser.add_argument("--overwrite", action="store_true", help="make again what exists already")
    if add is not None:
        add(parser)
    return parser.parse_args()


def list_files(folder, suffix):
    """Give the files of a folder; KtubeError if there is none."""
    files = sorted(path for path in Path(folder).glob(f"*{suffix}") if not path.name.startswith("."))
    if not files:
        raise KtubeError(f"No {suffix} files here.", where=folder, fix="Run the step before, or give --input.")
    return files


def convert(files, make, *, finished, overwrite):
    """Run ``make(path)`` for every file that is not ``finished(path)``; print what became of them."""
    made, kept, failed = 0, 0, {}
    for path in tqdm(files, unit="file", disable=None):
        if not overwrite and finished(path):
            kept += 1
            continue
        try:
            make(path)
            made += 1
        except KtubeError as error:
            failed[path.name] = str(error)
    print(f"{made} made, {kept} existed already (--overwrite makes them again), {len(failed)} skipped")
    for name, reason in failed.items():
        print(f"skipped {name}: {reason}")
    if failed and not made and not kept:
        raise KtubeError("Nothing could be made.", found=f"{len(failed)} files, all skipped")


def run(main):
    """Run a script: an error the library foresaw ends it with one line."""
    try:
        main()
    except KtubeError as error:
        sys.exit(f"error: {error}")
