"""Speak a sentence, or a whole talk, and see the gesture: ``ktube-motion generate``."""

import sys

from ktube_motion.commands import main

if __name__ == "__main__":
    sys.exit(main(["generate", *sys.argv[1:]]))
