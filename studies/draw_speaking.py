"""Draw the moving picture of the README: the made-up speaker says a few sentences, as a body and as sticks.

    python studies/draw_speaking.py docs/images/speaking.webp

Takes about a minute with OpenGL in software.
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image
from study import run

from ktube_motion.render import save_mesh_video
from ktube_motion.samples import make_speaker


def frames_of(motion, cues, *, fps, size):
    """Draw a motion from the front and from its left; give the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        save_mesh_video(motion, Path(folder) / "front", fps=fps, size=size, azimuth=0.25, subtitles=cues)
        for path in sorted((Path(folder) / "front").iterdir()):
            with Image.open(path) as picture:
                yield picture.convert("RGB")


def main():
    """Draw, and write one WebP that goes round and round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    speaker = make_speaker(num_utterances=3, seed=options.seed)
    motion = speaker.truth[: round(options.seconds * speaker.truth.fps)]
    first, *rest = frames_of(motion, speaker.cues, fps=options.fps, size=(520, 520))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    first.save(
        options.output,
        save_all=True,
        append_images=rest,
        duration=round(1000 / options.fps),
        loop=0,
        quality=72,
        method=4,
    )
    print(f"{options.output}: {len(rest) + 1} frames, {options.output.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    run(main)
