"""Train the evaluator of a corpus: ``ktube-motion train-evaluator``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["train-evaluator", *sys.argv[1:]]))
