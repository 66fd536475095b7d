"""Draw every clip of a corpus as a video with its words: the original's animation.ipynb.

Clips that have a video already are left as they are; the rest are drawn in
parallel. Bad clips are skipped and listed at the end.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from ktube_motion.errors import KtubeError
from ktube_motion.io import Corpus
from ktube_motion.render import save_gallery, save_skeleton_video


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("HumanML3D"), help="the corpus (default: HumanML3D)")
    parser.add_argument("--output", type=Path, help="folder of the videos (default: ROOT/animations)")
    parser.add_argument("--split", default="all", help="train, val, test or all")
    parser.add_argument("--names", nargs="+", metavar="CLIP", help="only these clips")
    parser.add_argument("--suffix", default=".mp4", choices=[".mp4", ".gif"], help="kind of file")
    parser.add_argument("--size", type=int, default=480, help="width and height in pixels")
    parser.add_argument("--overwrite", action="store_true", help="draw clips anew that have a video")
    parser.add_argument("--gallery", action="store_true", help="also write gallery.html, a page to leaf through")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="clips drawn at a time")
    return parser.parse_args()


def draw(root, name, path, size):
    """Draw one clip; give the reason where it cannot be drawn."""
    corpus = Corpus(root)
    try:
        motion = corpus.motion(name)
        save_skeleton_video(motion, path, titles=motion.name, size=(size, size), progress=False)
    except KtubeError as error:
        return str(error)
    return None


def main():
    options = read_arguments()
    corpus, output = Corpus(options.root), options.output or options.root / "animations"
    names = options.names or corpus.names(options.split)
    unknown = sorted(set(names) - set(corpus.names("all")))
    if unknown:
        raise KtubeError("The corpus has no such clip.", where=options.root, found=", ".join(unknown[:5]))
    todo = [name for name in names if options.overwrite or not (output / f"{name}{options.suffix}").exists()]
    skipped = {}
    # A fork of a process that has used torch's threads can hang.
    with ProcessPoolExecutor(max(options.workers, 1), mp_context=get_context("spawn")) as pool:
        futures = {
            pool.submit(draw, options.root, name, output / f"{name}{options.suffix}", options.size): name
            for name in todo
        }
        for future in tqdm(as_completed(futures), total=len(futures), desc="clips", unit="clip", disable=None):
            reason = future.result()
            if reason is not None:
                skipped[futures[future]] = reason
    if options.gallery:
        save_gallery(corpus, output / "gallery.html", split=options.split)
    drawn = len(todo) - len(skipped)
    print(f"{drawn} drawn, {len(names) - len(todo)} there already, {len(skipped)} skipped, in {output}")
    for name, reason in sorted(skipped.items()):
        print(f"skipped {name}: {reason}")


if __name__ == "__main__":
    try:
        main()
    except KtubeError as error:
        sys.exit(f"error: {error}")
