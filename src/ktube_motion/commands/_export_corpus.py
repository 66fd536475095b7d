"""Turn a corpus into shards, files of many clips each, or shards into a corpus of one file a clip.

    ktube-motion export-corpus --root dataset/KTubeUM --output dataset/KTubeUM-shards
    ktube-motion export-corpus --root dataset/KTubeUM-shards --output dataset/KTubeUM
    ktube-motion export-corpus --root dataset/KTubeUM --output dataset/KTubeUM-shards --workers 8

Shards are Arrow files, which a machine maps into memory: a corpus of any size is opened at once, and
Hugging Face's `datasets` reads it. Every bit is kept, on the way and back.

Reads a corpus --root, of either kind.

Writes --output: vectors, joints, texts, words, splits, statistics, manifest and report; of shards also
README.md, the data card. Stopped at any moment, the same command goes on. What is no part of a corpus is
left behind and named.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ..errors import CorpusError
from ._shared._console import say
from ._shared._options import add_flags
from ._shared._places import CORPORA, command_line, existing


def add_options(parser: ArgumentParser) -> None:
    """Add the flags."""
    parser.add_argument("--root", type=Path, default=Path(CORPORA["ktube"]), metavar="DIR", help="corpus to read")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="new folder to write")
    parser.add_argument("--form", choices=["shards", "folder"], help="what to write; by default what --root is not")
    parser.add_argument("--shard-size", type=float, default=500.0, metavar="X", help="megabytes of vectors in a shard")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--cluster", metavar="ADDRESS", help="dask scheduler to work on, as tcp://host:8786")
    add_flags(parser, ours="follow-links")


def run(options: Namespace) -> None:
    """Write the corpus anew."""
    from ..io import Corpus, export_corpus
    from ..io._executors import processes
    from ._build import executor_of

    build = command_line("build", "--root", options.root.as_posix())
    root = existing(options.root, "corpus", flag="--root", make=build, error=CorpusError)
    corpus = Corpus(root, follow_links=options.follow_links)
    shards = None if options.form is None else options.form == "shards"
    settings = {"shards": shards, "shard_bytes": round(1e6 * options.shard_size)}
    if options.workers > 1 and options.cluster is None:
        with processes(options.workers) as pool:
            say(export_corpus(corpus, options.output, executor=pool, **settings))
    else:
        say(export_corpus(corpus, options.output, executor=executor_of(options.cluster), **settings))
    say(f"The corpus is {options.output.resolve()}")
