"""What all studies share: how they end, and how they write a table."""

import csv
import sys

from ktube_motion.commands._shared._stopping import STOPPED
from ktube_motion.errors import KtubeError
from ktube_motion.io._files import atomic_path


def run(main):
    """Run a study; what is wrong with its input, and Ctrl-C, end it with one line."""
    try:
        main()
    except KtubeError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as stopped:
        print(str(stopped) or "Stopped.", file=sys.stderr)
        sys.exit(STOPPED)


def write_table(path, rows):
    """Write rows as CSV."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
