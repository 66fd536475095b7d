"""All steps of the data set in one: ``ktube-motion build``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["build", *sys.argv[1:]]))
