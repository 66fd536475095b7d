"""A corpus from the Bandai-Namco motion data set: ``ktube-motion build-bandai``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["build-bandai", *sys.argv[1:]]))
