"""The original's step 2 of the data set: poses to joints: ``ktube-motion process-poses``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["process-poses", *sys.argv[1:]]))
