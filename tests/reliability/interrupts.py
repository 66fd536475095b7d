"""Ctrl-C in every command, and every script of examples, at any moment: one line, exit code 130, soon."""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from small_corpus import make_small_corpus
from tqdm import tqdm

from ktube_motion.commands import COMMANDS
from ktube_motion.features import features_to_joints
from ktube_motion.gpt import MotionTransformer, TransformerConfig
from ktube_motion.io import Corpus, save_poses
from ktube_motion.io._files import save_array, write_json
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.render import save_bvh
from ktube_motion.samples import make_speaker
from ktube_motion.text import EmbeddedTextEncoder, word_encoder
from ktube_motion.text._tracks import NUM_TIMES
from ktube_motion.types import PoseSequence
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

SMALL, FULL = 3, 111  # stopped: each command and each script three times

SECONDS = 2.0
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Python's own start, and the loading of the command line, cannot be stopped in a line: it says when they are over.
# Where this suite itself runs in the background of a shell, that has Ctrl-C ignored, which children inherit.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "import runpy, sys; from ktube_motion.commands import main; print('in', flush=True); sys.argv = sys.argv[1:]\n"
    "if sys.argv[0].endswith('.py'): runpy.run_path(sys.argv[0], run_name='__main__')\n"
    "else: sys.exit(main(sys.argv))"
)


def run(count: int) -> tuple[dict[str, int], list[str]]:
    """Stop so many commands and scripts, one kind after the other; every third with Ctrl-C twice."""
    faults: list[str] = []
    counts: Counter[str] = Counter()
    slowest, rng = 0.0, random.Random()
    with tempfile.TemporaryDirectory() as folder:
        lines = _command_lines(Path(folder))
        assert lines.keys() == {name for names in COMMANDS.values() for name in names}
        lines |= {str(script): lines[name] for script, name in _scripts().items()}
        names = sorted(lines)
        rng.shuffle(names)
        for number in tqdm(range(count), desc="interrupts", disable=None):
            name = names[number % len(names)]
            outcome, seconds = _stop(name, lines[name], Path(folder), rng, faults, twice=number % 3 == 2)
            counts[outcome] += 1
            counts["scripts"] += name.endswith(".py")
            slowest = max(slowest, seconds)
    told = {"commands": count - counts["scripts"], "scripts": counts["scripts"]}
    told |= {"kinds": len(set(names[:count])), "stopped with 130 and one line": counts["stopped"]}
    told |= {"done before": counts["done"], "faults": len(faults), "ms at most": round(1000 * slowest)}
    told |= {"processes a core meanwhile": round(_load(), 1)}
    return told, faults


def _scripts() -> dict[Path, str]:
    """Give the scripts of examples and the command that each of them is."""
    commands = {path: re.findall(r'main\(\["([a-z-]+)"', path.read_text("utf-8")) for path in EXAMPLES.glob("*.py")}
    return {path: name for path, (name,) in commands.items()}


def _stop(
    name: str, line: str, folder: Path, rng: random.Random, faults: list[str], *, twice: bool
) -> tuple[str, float]:
    """Start a command and stop it after a while; where it was done by then, again and sooner."""
    longest, slow = 6.0 * min(_load(), 4.0), 0.0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, name, *line.split()], cwd=folder, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.05, longest))
        busy, began = process.poll() is None, time.perf_counter()
        os.killpg(process.pid, signal.SIGINT) if busy else None  # as a terminal does: to all of them
        if busy and twice:
            time.sleep(rng.uniform(0.0, 0.5))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        try:
            _, told = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return _fault(faults, f"{name}: still there after a minute"), 60.0
        seconds = time.perf_counter() - began
        # It had ended: well, with nothing to make, or so far that Python itself was ending.
        if not busy or process.returncode in (0, -signal.SIGINT) or "error: Nothing could be made" in told:
            longest /= 4
            continue
        told = [text for text in told.splitlines() if text.strip() and not text.startswith("warning: ")]
        if process.returncode != 130 or len(told) != 1 or not told[0].startswith("Stopped"):
            how = "Ctrl-C twice: " if twice else ""
            return _fault(faults, f"{name}: {how}exit code {process.returncode}, {told[-4:]}"), seconds
        if seconds > SECONDS * _load():
            slow = seconds  # once it may have been the machine
            continue
        return "stopped", seconds
    return (_fault(faults, f"{name}: took {slow:.1f} s"), slow) if slow else ("done", 0.0)


def _load() -> float:
    """Say how many times longer everything takes because others are at work on this machine, too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _fault(faults: list[str], told: str) -> str:
    faults.append(told)
    return "fault"


def _command_lines(folder: Path) -> dict[str, str]:
    """Give a command line for every command that has enough to do, and make what it reads."""
    corpus = make_small_corpus(folder / "dataset" / "KTubeUM", splits=(40, 12, 12), frames=(60, 90))
    make_small_corpus(folder / "long", splits=(30, 2, 2), frames=(900, 901))
    for seed in range(3):
        make_speaker(folder / "videos", num_utterances=12, seed=seed, name=f"v{seed}")
    joints = features_to_joints(Corpus(folder / "long").features("말_000"), skeleton=corpus.skeleton)
    for number in range(40):
        save_poses(
            PoseSequence(rotvecs=np.zeros((1800, 55, 3)), transl=np.zeros((1800, 3)), fps=30),
            folder / "npz-made" / f"{number}.npz",
        )
    for name in ("a_gt", "a_pred"):
        save_array(folder / "renders" / f"{name}.npy", joints)
    for number in range(60):
        save_array(folder / "joints" / f"{number}.npy", joints)
        save_array(folder / "new_joint_vecs" / f"{number}.npy", np.zeros((900, 263), np.float32))
    torch.manual_seed(0)
    tokenizer = MotionTokenizer(TokenizerConfig(width=32, code_dim=16, num_codes=16), corpus.stats)
    tokenizer.save_pretrained(folder / "tokenizer")
    pipeline_of(folder / "pipeline", tokenizer)
    words = word_encoder(EmbeddedTextEncoder())
    pipeline_of(folder / "hearing", tokenizer, word_dim=words.dim + NUM_TIMES, word_encoder=words.identity)
    save_array(folder / "talk.npy", joints)
    changes = [{"start": 3.0 * k, "end": 3.0 * k + 2, "text": "손을 흔들어요"} for k in range(14)]
    write_json(folder / "edit.json", {"format": "ktube_motion edit", "version": 1, "changes": changes})
    (folder / "bvh").mkdir()
    save_bvh(Corpus(folder / "long").motion("말_000"), folder / "bvh" / "a.bvh")
    for number in range(1, 30):
        (folder / "bvh" / f"a{number}.bvh").write_bytes((folder / "bvh" / "a.bvh").read_bytes())
    small = "--batch-size 8 --total-iter 100000 --print-iter 5 --eval-iter 100 --save-iter 10 --dataname ktube"
    vq = "--width 16 --code-dim 16 --nb-code 16 --depth 1 --evaluator-iter 30"
    gpt = "--embed-dim-gpt 32 --n-head-gpt 4 --num-layers 1 --block-size 51 --text-encoder embedded --evaluator-iter 30"
    return {
        "quickstart": "--videos 4 --steps 2000 --output quick",
        "check-assets": "",
        "check": "long",
        "build": "--samples 6 --root built",
        "json-to-npz": "--input videos --output npz",
        "process-poses": "--input npz-made --output poses",
        "represent-motion": "--input joints --output represented",
        "mean-variance": "--input new_joint_vecs --output stats",
        "build-bandai": "--input bvh --root bandai",
        "export-corpus": "--root long --output shards --shard-size 0.5",
        "train-vq": f"{small} {vq} --exp-name V",
        "train-gpt": f"{small} {gpt} --resume-pth tokenizer --exp-name G",
        "train-evaluator": f"{small} --width 16 --exp-name E --checkpoint evaluator",
        "eval-vq": "--dataname ktube --resume-pth tokenizer --evaluator-iter 3000 --exp-name EV",
        "eval-gpt": "--dataname ktube --resume-pth pipeline/tokenizer --resume-trans pipeline/transformer "
        "--text-encoder embedded --evaluator-iter 3000 --exp-name EG",
        "edit": "talk.npy edit.json --pipeline hearing",
        "live": "--pipeline hearing --vmc 127.0.0.1:9",
        "generate": "--say 안녕하세요 --pipeline pipeline",
        "export": "--root long --output exported",
        "render": "--filedir renders --motion-list a --size 96",
        "animate": "--root long --output animated --workers 2",
    }


def pipeline_of(folder: Path, tokenizer: MotionTokenizer, **hearing: Any) -> None:
    """Save a small pipeline that has learned nothing."""
    encoder = EmbeddedTextEncoder()
    config = TransformerConfig(
        num_codes=16, width=32, text_dim=encoder.dim, num_layers=1, num_heads=2,
        tokenizer=tokenizer.fingerprint, text_encoder=encoder.identity, **hearing,
    )  # fmt: skip
    UtteranceToMotion(tokenizer.eval(), MotionTransformer(config).eval(), encoder).save_pretrained(folder)
