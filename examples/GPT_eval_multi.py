"""The original's step 4.2: evaluate generation: ``ktube-motion eval-gpt``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["eval-gpt", *sys.argv[1:]]))
