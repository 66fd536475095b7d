"""The original's step 4.1: evaluate a tokenizer: ``ktube-motion eval-vq``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["eval-vq", *sys.argv[1:]]))
