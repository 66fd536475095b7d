"""List the files from elsewhere, in the place of the original's download scripts: ``ktube-motion check-assets``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["check-assets", *sys.argv[1:]]))
