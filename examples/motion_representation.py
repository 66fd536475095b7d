"""The original's step 3 of the data set: joints to motion vectors: ``ktube-motion represent-motion``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["represent-motion", *sys.argv[1:]]))
