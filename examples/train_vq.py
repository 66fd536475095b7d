"""The original's step 3.1: train a motion tokenizer: ``ktube-motion train-vq``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["train-vq", *sys.argv[1:]]))
