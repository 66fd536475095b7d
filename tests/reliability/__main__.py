"""How the project holds in life: ``python tests/reliability`` (small), ``--full`` (as large as it gets).

Processes are killed, files spoiled, disks filled, commands stopped, and many utterances generated; the counts are
printed, and the exit code is 1 where one of them is not what it must be.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reliability import disk, inputs, interrupts, kills, soak

PARTS = {"kills": kills, "inputs": inputs, "disk": disk, "interrupts": interrupts, "soak": soak}


def main() -> int:
    """Run the parts and print what they count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="by default all")
    parser.add_argument("--full", action="store_true", help="200 kills, 100,000 inputs, 100,000 utterances")
    parser.add_argument("--count", type=int, help="so many kills, inputs or utterances instead")
    options = parser.parse_args()
    faults = []
    for name in options.parts or PARTS:
        began, part = time.perf_counter(), PARTS[name]
        counts, found = part.run(options.count or (part.FULL if options.full else part.SMALL))
        told = ", ".join(f"{value} {what}" for what, value in counts.items())
        print(f"{name}: {told} ({time.perf_counter() - began:.0f} s)", flush=True)
        faults += found
    for fault in faults:
        print(f"fault: {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
