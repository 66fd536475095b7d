"""An hour of pose JSON and subtitles to a corpus: in one file, and in videos of three and a half minutes on a pool.

OMP_NUM_THREADS=1 pytest benchmarks/test_construct_speed.py -s

The bar: under 60 s on two cores, under 2 GB of memory in each process. Wall
time counts what else runs on the machine, CPU time does not.
"""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ktube_motion.io import load_transcript, save_transcript
from ktube_motion.samples import make_speaker
from ktube_motion.types import Cue

HOUR = 108_000

BUILD = """
import json, resource, sys, time
from ktube_motion.construct import build_corpus, pair_sources
from ktube_motion.io import Corpus

if __name__ == "__main__":
    began = time.perf_counter()
    report = build_corpus(pair_sources(sys.argv[1], sys.argv[1])[0], sys.argv[2], progress=False)
    wall = time.perf_counter() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"wall": wall, "cpu": sum(u.ru_utime + u.ru_stime for u in used),
                      "gigabytes": max(u.ru_maxrss for u in used) / 1e6, "clips": report.clips,
                      "skipped": len(report.skipped), "failed": len(report.failed)}))
"""


def make_hour(folder, parts):
    """Repeat a made-up speaker of some minutes until an hour is full: one video, or as many as there are repeats."""
    make_speaker(folder / "base", num_utterances=60, faults=True, name="base")
    lines = (folder / "base" / "base.json").read_text().split("\n")
    rows = [line.rstrip(",").split(",", 1) for line in lines if line.startswith('{"frame"')]
    numbers = np.array([int(row[0].split(":")[1]) for row in rows])
    cues = load_transcript(folder / "base" / "base.srt")
    length, repeats = numbers[-1] + 1, -(-HOUR // (numbers[-1] + 1))
    edges = [0, repeats] if parts == 1 else range(repeats + 1)
    for first, last in pairwise(edges):
        path = folder / "hour" / f"video{first:02d}.json"
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as file:
            file.write('{"fps":30.0,"frames":[\n')
            for k in range(last - first):
                shifted = (f'{{"frame":{n},{rest}' for n, (_, rest) in zip(numbers + k * length, rows, strict=True))
                file.write(("" if k == 0 else ",\n") + ",\n".join(shifted))
            file.write("\n]}\n")
        shifts = [k * length / 30 for k in range(last - first)]
        said = [Cue(cue.start + shift, cue.end + shift, cue.text) for shift in shifts for cue in cues]
        save_transcript(said, path.with_suffix(".srt"))
    return folder / "hour"


@pytest.mark.parametrize("parts", [1, 17], ids=["one video", "17 videos"])
def test_an_hour(tmp_path, parts):
    folder = make_hour(tmp_path, parts)
    script = tmp_path / "build.py"
    script.write_text(BUILD)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    out = subprocess.run(
        [sys.executable, script, folder, tmp_path / "K"], env=environment, check=True, capture_output=True, text=True
    )
    found = json.loads(out.stdout)
    size = sum(path.stat().st_size for path in Path(folder).glob("*.json")) / 1e6
    print(
        f"\nan hour, {parts} file(s), {size:.0f} MB of JSON: {found['clips']} clips, wall {found['wall']:.1f} s, CPU "
        f"{found['cpu']:.1f} s, at most {found['gigabytes']:.2f} GB in a process"
    )
    assert found["clips"] > 900
    assert not found["failed"]
    assert found["gigabytes"] < 2
    assert found["cpu"] / min(parts, 2) < 60
