"""The engine: batches that depend on the step alone, and jobs that lose nothing."""

import json
import os
import shutil
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
from ktube_motion.training import _loop as loop
from ktube_motion.training._datasets import ClipTable, WindowSampler, indices_of_step
from ktube_motion.training._device import capabilities, compile_obstacle
from ktube_motion.training._loop import LoopConfig, fit, learning_rate

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
    assert table.gather(torch.tensor([0, 2]), torch.tensor([0, 5]), 4)[1] is None
    # Longer than all clips together, and past the end of the last one.
    frames, mask = table.gather(torch.tensor([1, 2]), torch.tensor([0, 7]), 20)
    np.testing.assert_array_equal(frames[0], np.repeat(arrays[1], 20, 0))
    np.testing.assert_array_equal(frames[1], arrays[2][[7] + [8] * 19])
    assert mask.sum(1).tolist() == [1, 2]
    with pytest.raises(CorpusError, match="nothing to train on"):
        ClipTable.from_arrays([])


@pytest.mark.parametrize(("least", "shortest"), [(1, 0), (1, 20), (1, 10), (20, 0)])
def test_windows_of_a_sampler_are_gathered(least, shortest):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(n, 2)) for n in rng.integers(least, 40, size=30)]
    table = ClipTable.from_arrays([*arrays, np.empty((0, 2))], shortest=shortest)
    sampler = WindowSampler(table, window=20, batch_size=8, seed=4)
    for step in (3, 4, 70, 5):  # forth, over the steps that are found together, and back
        clips, offsets = sampler.positions(step)
        for part in (slice(None), slice(0, 4), slice(4, 8)):
            frames, mask = sampler.windows(step, part)
            pairs = zip(clips[part], offsets[part], strict=True)
            wanted = [table.frames[table.starts[c] + o :][: table.lengths[c] - o] for c, o in pairs]
            for found, right in zip(frames, wanted, strict=True):
                assert torch.equal(found, torch.cat((right, right[-1:].expand(20, -1)))[:20])
            valid = [min(len(right), 20) for right in wanted]
            assert (mask is None) == (min(valid) == 20)
            assert mask is None or mask.sum(1).tolist() == valid


def test_memory_of_a_batch_is_lent_again_only_when_nothing_uses_it():
    table = ClipTable.from_arrays([np.arange(200, dtype=np.float32).reshape(100, 2)])
    sampler = WindowSampler(table, window=10, batch_size=4)
    first = sampler.windows(0)[0]
    kept, place = first.clone(), first.data_ptr()
    weight = torch.ones(2, requires_grad=True)
    loss = (first[1:] * weight).sum()  # autograd keeps a view of it
    row = first[0, 0].numpy()
    del first
    for step in range(1, 5):
        sampler.windows(step)
    loss.backward()
    assert torch.equal(weight.grad, kept[1:].sum((0, 1)))
    np.testing.assert_array_equal(row, kept[0, 0])
    assert all(sampler.windows(step)[0].data_ptr() != place for step in range(5, 10))
    del loss, row
    assert place in {batch.data_ptr() for batch in [sampler.windows(step)[0] for step in range(10, 14)]}


def test_a_table_on_another_device_gathers_there():
    table = ClipTable.from_arrays([np.zeros((5, 2)), np.zeros((30, 2))]).to("meta")
    frames, mask = table.gather(torch.tensor([0, 1]), torch.tensor([2, 3]), 10)
    assert (frames.device.type, frames.shape, mask.sum(1).tolist()) == ("meta", (2, 10, 2), [3, 10])


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
    assert [capabilities("cuda", compute_capability=x).tf32 for x in ((7, 5), (8, 0))] == [False, True]
    assert not capabilities("cpu").tf32
    assert "card has 6.1" in compile_obstacle("cuda", compute_capability=(6, 1))


def test_a_device_that_cannot_compile_is_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match=r"no compiler found: g\+\+"):
        fit(task(), replace(CONFIG, compile=True), tmp_path / "new", progress=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(compile_obstacle("cpu") is not None, reason="no C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, while it compiles
def test_compiled_training_keeps_plain_checkpoints(tmp_path):
    kinds = []

    class Spy(LineTask):
        def loss(self, model, batch):
            kinds.append(type(model).__name__)
            return super().loss(model, batch)

    for compiled in (False, True):
        spy = Spy(task().model)
        spy.model.dropout = nn.Identity()
        fit(spy, replace(CONFIG, compile=compiled), tmp_path / str(compiled), progress=False)
    assert kinds == ["Line"] * 12 + ["OptimizedModule"] * 12
    plain, compiled = (np.array([x["loss"] for x in losses(tmp_path / name)]) for name in ("False", "True"))
    np.testing.assert_allclose(plain, compiled, rtol=1e-5)
    state = torch.load(tmp_path / "True" / "checkpoint.pt", weights_only=True)["model"]
    assert set(state) == set(Line().state_dict()) == set(Line.from_pretrained(tmp_path / "True" / "last").state_dict())


def test_tf32_is_used_inside_training_only(tmp_path, monkeypatch):
    seen = []

    class Spy(LineTask):
        def loss(self, model, batch):
            seen.append(torch.get_float32_matmul_precision())
            return super().loss(model, batch)

    able = capabilities("cpu")
    monkeypatch.setattr(loop, "capabilities", lambda device: replace(able, tf32=True))
    for precision in ("auto", "no"):
        config = replace(CONFIG, steps=1, mixed_precision=precision)
        fit(Spy(Line()), config, tmp_path / precision, progress=False)
    assert seen == ["high", "highest"]
    assert torch.get_float32_matmul_precision() == "highest"


def test_an_experiment_of_before_an_option_goes_on(tmp_path):
    fit(task(), replace(CONFIG, steps=5), tmp_path, progress=False)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["compile"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="compile False"):
        fit(task(), replace(CONFIG, compile=True), tmp_path, resume=True, progress=False)
    fit(task(), CONFIG, tmp_path, resume=True, progress=False)
    assert len(losses(tmp_path)) == 12


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
    search = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *arguments], env=environment, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_process_resumes_to_the_same_losses(tmp_path, how):
    code = (
        "import sys; from test_training_loop import *; "
        "fit(task(sleep=float(sys.argv[2])), replace(CONFIG, save_every=2), sys.argv[1], resume=True, progress=False)"
    )
    fit(task(), replace(CONFIG, save_every=2), tmp_path / "whole", progress=False)
    process = run_here("-c", code, str(tmp_path / "killed"), "0.3")
    deadline = time.monotonic() + 300  # importing takes minutes where many others are at work
    while not (tmp_path / "killed" / "checkpoint.pt").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.4)
    process.send_signal(how)
    message = process.communicate(timeout=300)[1]
    assert process.returncode != 0
    assert how == signal.SIGKILL or "go on with resume=True" in message
    assert len(losses(tmp_path / "killed")) < 12
    fit(task(), replace(CONFIG, save_every=2), tmp_path / "killed", resume=True, progress=False)
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")
    assert same_weights(tmp_path / "whole" / "last", tmp_path / "killed" / "last")


def test_two_trainings_of_one_process_may_differ_in_precision(tmp_path):
    for number, precision in enumerate(("bf16", "no", "auto", "bf16")):
        fit(task(), replace(CONFIG, mixed_precision=precision), tmp_path / str(number), progress=False)
        assert np.isfinite([line["loss"] for line in losses(tmp_path / str(number))]).all()
