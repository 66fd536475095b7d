"""Does the beat of live output hold? Ten minutes of words into `ktube-motion live`, poses measured where they arrive.

    python studies/measure_live.py
    python studies/measure_live.py --minutes 1 --pipeline output/quickstart/pipeline

Starts the command, gives it words as lines, each a moment before its time, and takes what it sends to a UDP port of
this machine. Times of arrival are the kernel's. "Beyond the look-ahead" is how much later a pose arrives than its time
in the motion, which began with the first word: what a gesture is behind its word, besides what the model hears ahead.
The conditions count: the table says how busy the machine was, and which priority it ran with.
"""

import argparse
import json
import os
import platform
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from study import run

from ktube_motion.text import estimate_words, speaking_seconds

SENTENCES = (
    "여러분 안녕하세요, 만나서 반갑습니다.",
    "오늘은 두 가지를 말씀드리겠습니다.",
    "먼저 왼쪽을 봐 주세요.",
    "이만큼 큰 물고기를 잡았어요.",
    "아니요, 그렇지 않습니다.",
    "잘 모르겠어요, 어떻게 할까요?",
    "저기 위에 있는 산이 보이시나요?",
    "정말 고맙습니다, 여러분 덕분이에요.",
)
PAUSE, EARLY = 0.8, 0.2  # seconds between sentences, and of a word before its time
SETTLED = 30.0  # seconds after which memory is first read
STAMPS = 35  # SO_TIMESTAMPNS of Linux


def words(seconds):
    """Yield words of sentences, one after the other, until some time."""
    start = 0.0
    while start < seconds:
        for text in SENTENCES:
            end = start + speaking_seconds(text)
            yield from estimate_words(text, start, end)
            start = end + PAUSE


class Ear:
    """Takes datagrams: when each pose arrived, and its time in the motion."""

    def __init__(self):
        self.arrived, self.times, self.datagrams = [], [], 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        if sys.platform == "linux":
            self.socket.setsockopt(socket.SOL_SOCKET, STAMPS, 1)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        while True:
            data, stamps, _, _ = self.socket.recvmsg(2048, 64)
            now = time.time()
            for _, kind, value in stamps:
                if kind == STAMPS:
                    whole, nanoseconds = struct.unpack("qq", value[:16])
                    now = whole + 1e-9 * nanoseconds
            self.datagrams += 1
            if (place := data.find(b"/VMC/Ext/T\0")) >= 0:
                self.arrived.append(now)
                self.times.append(struct.unpack(">f", data[place + 16 : place + 20])[0])


def resident(pid):
    """Megabytes of a process and of those it started; None where the system does not tell."""
    folder = Path(f"/proc/{pid}")
    try:
        pids = [pid, *map(int, (folder / f"task/{pid}/children").read_text().split())]
        pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in pids]
    except OSError:
        return None
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def speak(live, seconds):
    """Say the words at their times; give when the first was, and memory in between."""
    began, memory = time.time(), []
    for word in words(seconds):
        time.sleep(max(0.0, began + word.start - EARLY - time.time()))
        line = {"word": word.text, "start": word.start, "end": word.end}
        live.stdin.write(json.dumps(line, ensure_ascii=False) + "\n")
        live.stdin.flush()
        if time.time() - began > SETTLED + 10 * len(memory):
            memory.append(resident(live.pid))
    memory.append(resident(live.pid))
    live.stdin.close()
    return began, memory


def measure(options):
    """Run the command, speak, and give the figures by their names."""
    ear = Ear()
    command = [sys.executable, "-m", "ktube_motion", "live", "--vmc", str(ear.port), "--fps", str(options.fps)]
    command += [] if options.pipeline is None else ["--pipeline", options.pipeline]
    live = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    told = []
    ready = live.stderr.readline()  # told when poses can be received
    threading.Thread(target=lambda: told.extend(live.stderr), daemon=True).start()
    if not ready.startswith("Ready"):
        sys.exit(ready + live.stderr.read())
    first, memory = speak(live, 60 * options.minutes)
    print(live.stdout.read().strip())
    if live.wait():
        sys.exit("".join(told))
    arrived, times = np.array(ear.arrived), np.array(ear.times)
    gaps = 1000 * np.diff(arrived)
    off, behind = np.abs(gaps - 1000 / options.fps), 1000 * (arrived - first - times)
    return {
        "minutes": (arrived[-1] - arrived[0]) / 60,
        "poses": len(arrived),
        "datagrams": ear.datagrams,
        "time between poses, mean ms": gaps.mean(),
        "   standard deviation ms": gaps.std(),
        "   off by, median ms": np.median(off),
        "   off by, 99 % ms": np.percentile(off, 99),
        "   off by, 99.9 % ms": np.percentile(off, 99.9),
        "   off by, worst ms": off.max(),
        "   off by more than 5 ms, share %": 100 * (off > 5).mean(),
        "first word to first pose ms": 1000 * (arrived[0] - first),
        "beyond the look-ahead, median ms": np.median(behind),
        "   99 % ms": np.percentile(behind, 99),
        "   at the end ms": np.median(behind[-100:]),
        "memory after 30 s MB": memory[0],
        "memory at the end MB": memory[-1],
        "complaints": len(told),
    }


def conditions():
    """Say on what machine, and how busy it is."""
    load = " ".join(f"{one:.1f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    priority = f"niceness {os.nice(0)}" if hasattr(os, "nice") else ""
    group = Path("/proc/self/autogroup")
    priority += f", {group.read_text().strip().replace('/', '')}" if group.exists() else ""
    return f"{os.cpu_count()} cores, load {load}, {priority}, Python {platform.python_version()}"


def main():
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--pipeline", metavar="DIR", help="by default the speaker that comes with the library")
    options = parser.parse_args()
    print(f"before: {conditions()}", flush=True)
    found = measure(options)
    print(f"after:  {conditions()}")
    for name, value in found.items():
        print(f"{name:40} {'unknown' if value is None else f'{value:.4g}' if value < 1000 else f'{value:.0f}':>10}")


if __name__ == "__main__":
    run(main)
