"""A part of the suite in a process of its own, whose memory is its own and which may fork."""

import json
import subprocess
import sys
from pathlib import Path


def run_apart(part: str, function: str, count: int, unit: str) -> tuple[dict[str, int], list[str]]:
    """Call ``reliability.PART.FUNCTION(count)`` there and give what it found; a process that broke did no `unit`."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        f"from reliability import {part}; import json; print(json.dumps({part}.{function}({count})))"
    )
    found = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    if found.returncode:
        return {unit: 0}, [f"the process ended with {found.returncode}"]
    counts, faults = json.loads(found.stdout.strip().split("\n")[-1])
    return counts, faults
