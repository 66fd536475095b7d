"""The original's step 5 of the data set: draw every clip: ``ktube-motion animate``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["animate", *sys.argv[1:]]))
