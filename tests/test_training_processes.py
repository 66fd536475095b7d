"""Training in several processes: as one, whoever holds the weights, whatever happens to one of them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import make_small_corpus

from ktube_motion.errors import ConfigError
from ktube_motion.io import Corpus
from ktube_motion.training import LoopConfig, TokenizerTraining, train_tokenizer
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

CONFIG = TokenizerTraining(
    steps=12, batch_size=8, learning_rate=1e-3, warmup=2, log_every=1, evaluate_every=6, save_every=4, tracker=None,
    window=32, clip_norm=1.0, tokenizer=TokenizerConfig(width=16, code_dim=8, num_codes=16, depth=1),
)  # fmt: skip

SCRIPT = """
import sys, time
from dataclasses import replace
from pathlib import Path
from test_training_processes import CONFIG, Corpus, train_tokenizer
from ktube_motion.training import _loop

root, output, fsdp, steps, slow = sys.argv[1:]
if float(slow):
    step = _loop._Loop._train_step
    _loop._Loop._train_step = lambda self: (time.sleep(float(slow)), step(self))[1]
config = replace(CONFIG, fsdp=fsdp == "fsdp", steps=int(steps))
model = train_tokenizer(config, Corpus(root), output, resume=True, progress=False)
assert all(type(weight).__name__ == "Parameter" for weight in model.parameters())
from accelerate import PartialState
state = PartialState()
Path(output, f"process {state.process_index} of {state.num_processes} {state.backend}").touch()
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Clips longer and shorter than the window, and of no whole number of tokens."""
    return make_small_corpus(tmp_path_factory.mktemp("corpus") / "KTubeUM", splits=(10, 2, 0), frames=(9, 70))


@pytest.fixture(scope="module")
def alone(corpus, tmp_path_factory):
    """What one process comes to."""
    folder = tmp_path_factory.mktemp("alone") / "out"
    train_tokenizer(CONFIG, corpus, folder, progress=False)
    return folder


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def start(*words, **more):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    environment |= {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", **more}
    return subprocess.Popen([sys.executable, *words], env=environment, stderr=subprocess.PIPE, text=True)


def launched(how, processes, *words):
    """Start processes as users do."""
    if how == "torchrun":
        launch = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", free_port()]
    else:
        launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(processes)]
        launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        launch += ["--main_process_port", free_port()]
    return start(*launch, *map(str, words))


def side_by_side(processes, *words):
    """Start processes one by one, with nobody who looks after them."""
    port = free_port()
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(processes)}
    return [
        start(*map(str, words), **places, RANK=str(k), LOCAL_RANK=str(k), LOCAL_WORLD_SIZE=str(processes))
        for k in range(processes)
    ]


def numbers(folder):
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return np.array([list(line.values()) for line in lines if "loss" in line])


def same(folder, alone):
    np.testing.assert_allclose(numbers(folder), numbers(alone), atol=1e-5, rtol=1e-5)
    one, many = (MotionTokenizer.from_pretrained(path / "last").state_dict() for path in (alone, folder))
    for name in one:
        torch.testing.assert_close(many[name], one[name], atol=1e-5, rtol=1e-5, msg=name)


@pytest.mark.parametrize(
    ("how", "processes", "kind"),
    [("torchrun", 2, "ddp"), ("torchrun", 4, "ddp"), ("accelerate", 4, "ddp"), ("torchrun", 2, "fsdp"),
     ("accelerate", 4, "fsdp")],
)  # fmt: skip
def test_many_processes_train_as_one(corpus, alone, tmp_path, how, processes, kind):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = launched(how, processes, script, corpus.root, tmp_path / "out", kind, 12, 0)
    message = process.communicate(timeout=900)[1]
    assert process.returncode == 0, message
    ended = {path.name for path in (tmp_path / "out").glob("process*")}
    assert ended == {f"process {k} of {processes} gloo" for k in range(processes)}
    same(tmp_path / "out", alone)


@pytest.mark.parametrize(("kind", "victim"), [("ddp", 1), ("fsdp", 0)])
def test_a_killed_process_ends_the_others_and_another_number_goes_on(corpus, alone, tmp_path, kind, victim):
    script, output = tmp_path / "script.py", tmp_path / "out"
    script.write_text(SCRIPT)
    processes = side_by_side(2, script, corpus.root, output, kind, 12, 0.3)
    deadline = time.monotonic() + 300
    while not (output / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    processes[victim].send_signal(signal.SIGKILL)
    began = time.monotonic()
    message = processes[1 - victim].communicate(timeout=120)[1]
    assert time.monotonic() - began < 120
    assert processes[1 - victim].returncode == 1
    assert "Another process of this training has ended" in message
    assert "resume=True" in message
    processes[victim].communicate()
    assert len(numbers(output)) < 12
    other = 4 if kind == "ddp" else 1  # more processes, or one that holds all the weights
    rest = side_by_side(other, script, corpus.root, output, kind, 12, 0) if other > 1 else None
    if rest is None:
        train_tokenizer(replace(CONFIG, fsdp=True), corpus, output, resume=True, progress=False)
    else:
        assert [(process.communicate(timeout=900), process.returncode)[1] for process in rest] == [0] * other
    same(output, alone)


def test_options_of_shared_weights(corpus, tmp_path):
    with pytest.raises(ConfigError, match="running mean"):
        LoopConfig(fsdp=True, weight_average=0.9)
    train_tokenizer(
        replace(CONFIG, fsdp=True, steps=2), corpus, tmp_path, progress=False
    )  # one process: all is its own
    assert len(numbers(tmp_path)) == 2
    assert Corpus is type(corpus)
