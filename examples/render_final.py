"""The original's step 5: draw evaluated motions as bodies: ``ktube-motion render``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["render", *sys.argv[1:]]))
