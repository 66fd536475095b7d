"""The original's step 1 of the data set: pose estimates to clean poses: ``ktube-motion json-to-npz``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["json-to-npz", *sys.argv[1:]]))
