"""From poses and Korean lines to a rendered gesture, in one go: ``ktube-motion quickstart``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["quickstart", *sys.argv[1:]]))
