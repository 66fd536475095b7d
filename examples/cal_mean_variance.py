"""The original's step 4 of the data set: mean and deviation: ``ktube-motion mean-variance``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["mean-variance", *sys.argv[1:]]))
