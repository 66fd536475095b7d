"""All steps in one: poses and transcripts to a KTubeUM corpus with texts, splits and a report.

    python build_ktubeum.py --poses pose_json --transcripts subtitles --root dataset/KTubeUM
    python build_ktubeum.py --table videos.csv --root dataset/KTubeUM

Poses of any estimator, transcripts as SRT, VTT, SBV, Whisper JSON, json3 or
TextGrid; paired by name, or by a table with the columns poses, transcript and,
where wanted, name, speaker, offset, fps, format, person. What exists already
is kept; stopped at any moment, the same command goes on. At the end
report.html in the corpus shows its quality.
"""

import argparse
import shutil
from pathlib import Path

from _steps import run

from ktube_motion.construct import BuildOptions, build_corpus, pair_sources, read_sources


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poses", type=Path, help="folder of pose files (any estimator's)")
    parser.add_argument("--transcripts", type=Path, help="folder of subtitles named like the pose files")
    parser.add_argument("--table", type=Path, help="CSV or TSV instead of the two folders")
    parser.add_argument("--root", type=Path, default=Path("dataset/KTubeUM"), help="the corpus")
    parser.add_argument("--fps", type=float, default=20.0, help="of the corpus")
    parser.add_argument("--pose-fps", type=float, help="of the poses, where the files do not say it")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds to add to all transcripts")
    parser.add_argument(
        "--skeleton", default="smpl_22", choices=["smpl_22", "smplh_52"], help="without or with fingers"
    )
    parser.add_argument("--fix-root", default="median", choices=["first", "median", "identity", "moving"])
    parser.add_argument("--cutoff", type=float, default=3.0, help="of the low-pass filter, in Hz; 0 leaves jitter in")
    parser.add_argument("--rest-lower-body", action="store_true", help="hold the legs at rest")
    parser.add_argument("--no-mirror", action="store_true", help="no mirrored twins M…")
    parser.add_argument("--split", type=float, nargs=3, default=(0.8, 0.1, 0.1), metavar=("TRAIN", "VAL", "TEST"))
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--cluster", metavar="ADDRESS", help="dask scheduler to work on, as tcp://host:8786")
    parser.add_argument("--overwrite", action="store_true", help="remove the corpus first and build all anew")
    options = parser.parse_args()
    if (options.table is None) == (options.poses is None or options.transcripts is None):
        parser.error("give either --table, or --poses and --transcripts")
    return options


def main():
    options = read_arguments()
    alone = []
    if options.table:
        sources = read_sources(options.table)
    else:
        sources, alone = pair_sources(options.poses, options.transcripts, fps=options.pose_fps, offset=options.offset)
    if options.overwrite and (options.root / "corpus.json").exists():
        shutil.rmtree(options.root)
    settings = BuildOptions(
        fps=options.fps, skeleton=options.skeleton, root=options.fix_root, cutoff_hz=options.cutoff or None,
        rest_lower_body=options.rest_lower_body, mirror=not options.no_mirror, split_sizes=tuple(options.split),
        seed=options.seed,
    )  # fmt: skip
    executor = None
    if options.cluster:
        from dask.distributed import Client

        executor = Client(options.cluster).get_executor()
    print(build_corpus(sources, options.root, options=settings, executor=executor))
    for path in alone:
        print(f"no partner: {path}")
    print(f"The corpus is {options.root.resolve()}; its quality: {(options.root / 'report.html').resolve()}")


if __name__ == "__main__":
    run(main)
