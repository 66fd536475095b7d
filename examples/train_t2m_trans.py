"""The original's step 3.2: train the transformer: ``ktube-motion train-gpt``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["train-gpt", *sys.argv[1:]]))
