"""The engine: batches that depend on the step alone, and jobs that lose nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import nn

from ktube_motion.errors import ConfigError, CorpusError, DataError
from ktube_motion.training.datasets import ClipTable, WindowSampler, indices_of_step
from ktube_motion.training.device import capabilities
from ktube_motion.training.loop import LoopConfig, fit, learning_rate

CONFIG = LoopConfig(
    steps=12, batch_size=8, learning_rate=1e-2, warmup=3, milestones=(9,), log_every=1, evaluate_every=4, save_every=5,
    tracker=None, weight_average=0.9, clip_norm=1.0,
)  # fmt: skip


class Line(nn.Module, PyTorchModelHubMixin):
    def __init__(self, size=4):
        super().__init__()
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(size, size)

    def forward(self, x):
        return self.linear(self.dropout(x))


@dataclass
class LineTask:
    """Learn to negate; `sleep` makes a step slow enough to be killed in."""

    model: nn.Module
    poison: int | None = None
    sleep: float = 0.0
    best = {"error": "min"}  # noqa: RUF012

    def batch(self, step, part):
        time.sleep(self.sleep)
        indices = indices_of_step(20, 8, seed=0, step=step)[part]
        x = torch.from_numpy(np.random.default_rng(5).normal(size=(20, 4)).astype(np.float32))[indices]
        if step == self.poison:
            x = x * float("nan")
        return {"x": x, "names": [f"clip{i}" for i in indices]}

    def loss(self, model, batch):
        return {"loss": ((model(batch["x"]) + batch["x"]) ** 2).mean()}

    def evaluate(self, model):
        return {"error": float((model.linear.weight + torch.eye(4)).abs().mean())}


def task(**options):
    torch.manual_seed(0)
    return LineTask(Line(), **options)


def losses(folder):
    return [line for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if "loss" in line]


def same_weights(a, b):
    a, b = (Line.from_pretrained(folder).state_dict() for folder in (a, b))
    return all(torch.equal(a[key], b[key]) for key in a)


def test_clip_table_gathers_windows_like_slicing():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(n, 3)).astype(np.float32) for n in (5, 1, 9)]
    table = ClipTable.from_arrays(arrays, ["a", "b", "c"])
    frames, mask = table.gather(torch.tensor([2, 1, 0]), torch.tensor([4, 0, 1]), 4)
    np.testing.assert_array_equal(frames[0], arrays[2][4:8])
    np.testing.assert_array_equal(frames[1], np.repeat(arrays[1], 4, 0))
    assert mask.tolist() == [[True] * 4, [True] + [False] * 3, [True] * 4]
    with pytest.raises(CorpusError, match="nothing to train on"):
        ClipTable.from_arrays([])


def test_windows_cover_every_start_in_proportion_to_frames():
    table = ClipTable.from_arrays([np.zeros((n, 1)) for n in (4, 12, 8)])
    sampler = WindowSampler(table, window=6, batch_size=4000, seed=1)
    clips, offsets = sampler.positions(0)
    share = np.bincount(clips, minlength=3) / 4000
    np.testing.assert_allclose(share, [4 / 24, 12 / 24, 8 / 24], atol=0.03)
    assert set(offsets[clips == 1].tolist()) == set(range(7))
    assert set(offsets[clips == 0].tolist()) == {0}
    again = WindowSampler(table, window=6, batch_size=4000, seed=1).positions(0)
    assert torch.equal(clips, again[0])
    assert not torch.equal(clips, sampler.positions(1)[0])


def test_capability_check():
    xp = capabilities("cuda", compute_capability=(6, 1))
    assert (xp.mixed_precision, xp.compile) == ("no", False)
    assert capabilities("cuda", compute_capability=(7, 5)).mixed_precision == "no"
    assert capabilities("cuda", compute_capability=(9, 0)).mixed_precision == "bf16"
    assert capabilities("cpu").mixed_precision == "no"


def test_schedule():
    rates = [learning_rate(CONFIG, step) for step in (0, 2, 8, 9)]
    np.testing.assert_allclose(rates, [1e-2 / 3, 1e-2, 1e-2, 5e-4])


def test_interrupted_run_ends_identically(tmp_path):
    whole = fit(task(), CONFIG, tmp_path / "whole", progress=False)
    fit(task(), replace(CONFIG, steps=5), tmp_path / "parts", progress=False)
    parts = fit(task(), CONFIG, tmp_path / "parts", resume=True, progress=False)
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert same_weights(tmp_path / "whole" / "last", tmp_path / "parts" / "last")
    assert whole["error"] == parts["error"]
    assert losses(tmp_path / "whole")[-1]["loss"] < losses(tmp_path / "whole")[0]["loss"]
    assert (tmp_path / "whole" / "best_error" / "model.safetensors").exists()


def test_accumulation_changes_memory_not_the_result(tmp_path):
    plain = replace(CONFIG, steps=3)

    class NoDropout(Line):
        def forward(self, x):
            return self.linear(x)

    for pieces in (1, 4):
        torch.manual_seed(0)
        config = replace(plain, accumulation=pieces)
        fit(LineTask(NoDropout()), config, tmp_path / str(pieces), progress=False)
    one, four = (np.array([x["loss"] for x in losses(tmp_path / str(p))]) for p in (1, 4))
    np.testing.assert_allclose(one, four, rtol=1e-5)


def test_nan_names_the_clips_and_leaves_the_checkpoint(tmp_path):
    with pytest.raises(DataError, match=r"loss is nan at step 7.*clips clip\d+"):
        fit(task(poison=7), CONFIG, tmp_path, progress=False)
    fit(task(), CONFIG, tmp_path, resume=True, progress=False)
    assert len(losses(tmp_path)) == 12


def test_an_existing_experiment_is_never_overwritten(tmp_path):
    fit(task(), CONFIG, tmp_path, progress=False)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(ConfigError, match="--resume"):
        fit(task(), CONFIG, tmp_path, progress=False)
    with pytest.raises(ConfigError, match="learning_rate"):
        fit(task(), replace(CONFIG, learning_rate=1.0), tmp_path, resume=True, progress=False)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"batch_size": -1}, {"accumulation": 3}, {"learning_rate": 0}, {"mixed_precision": "f8"}]
)
def test_impossible_options(options):
    with pytest.raises(ConfigError):
        replace(CONFIG, **options)


def run_here(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *arguments], env=environment, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_process_resumes_to_the_same_losses(tmp_path, how):
    code = (
        "import sys; from test_training_loop import *; "
        "fit(task(sleep=float(sys.argv[2])), replace(CONFIG, save_every=2), sys.argv[1], resume=True, progress=False)"
    )
    fit(task(), replace(CONFIG, save_every=2), tmp_path / "whole", progress=False)
    process = run_here("-c", code, str(tmp_path / "killed"), "0.3")
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.4)
    process.send_signal(how)
    message = process.communicate(timeout=60)[1]
    assert process.returncode != 0
    assert how == signal.SIGKILL or "go on with resume=True" in message
    assert len(losses(tmp_path / "killed")) < 12
    fit(task(), replace(CONFIG, save_every=2), tmp_path / "killed", resume=True, progress=False)
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")
    assert same_weights(tmp_path / "whole" / "last", tmp_path / "killed" / "last")


def test_two_processes_equal_one(tmp_path):
    code = (
        "import sys; from test_training_loop import *; import torch\n"
        "t = task(); t.model.dropout = nn.Identity()\n"
        "fit(t, replace(CONFIG, weight_average=None), sys.argv[1], progress=False)"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    launch = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    for folder, prefix in (("one", []), ("two", launch)):
        process = run_here(*prefix, str(script), str(tmp_path / folder))
        message = process.communicate(timeout=120)[1]
        assert process.returncode == 0, message
    one, two = (Line.from_pretrained(tmp_path / folder / "last").state_dict() for folder in ("one", "two"))
    for key in one:
        torch.testing.assert_close(one[key], two[key], atol=1e-5, rtol=1e-5)
