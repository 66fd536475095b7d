"""Where the clips lie while training reads them, and training in several processes."""

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

from ktube_motion.errors import CorpusError, DataError, KtubeError
from ktube_motion.io import Corpus
from ktube_motion.training import ClipTable, TokenizerTraining, train_tokenizer
from ktube_motion.training import _datasets as datasets
from ktube_motion.vq import MotionTokenizer, TokenizerConfig, tokenizer_loss

TOKENIZER = TokenizerTraining(
    steps=20, batch_size=8, learning_rate=1e-3, warmup=2, log_every=1, evaluate_every=60, save_every=7, tracker=None,
    window=32, joint_weight=0.5, trajectory_weight=0.5, clip_norm=1.0,
    tokenizer=TokenizerConfig(width=16, code_dim=8, num_codes=16, depth=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Clips longer and shorter than the window, and of no whole number of tokens."""
    return make_small_corpus(tmp_path_factory.mktemp("corpus") / "KTubeUM", splits=(10, 2, 0), frames=(9, 70))


def losses(folder):
    return [line for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if "loss" in line]


def numbers(folder):
    return np.array([list(line.values()) for line in losses(folder)])


def start(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *arguments], env=environment, stderr=subprocess.PIPE, text=True, **options)


def finish(process):
    message = process.communicate(timeout=120)[1]
    assert process.returncode == 0, message


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


# -- windows ---------------------------------------------------------------------

KINDS_OF_CLIPS = {
    "long": [9, 30, 12], "one frame": [1, 1, 1], "shorter": [3, 5, 2], "of all lengths": [1, 40, 3, 1, 8, 2, 1, 17, 6],
}  # fmt: skip


def plainly(clips, which, offset, length):
    """Cut a stretch as one would explain it: frame by frame, the last one again and again."""
    clip = clips[which]
    return np.stack([clip[min(offset + frame, len(clip) - 1)] for frame in range(length)])


@pytest.mark.parametrize("lengths", KINDS_OF_CLIPS.values(), ids=KINDS_OF_CLIPS)
@pytest.mark.parametrize("shortest", [0, 8])
def test_windows_repeat_the_last_frame_of_short_clips(lengths, shortest):
    rng = np.random.default_rng(len(lengths))
    clips = [rng.standard_normal((length, 5)).astype(np.float32) for length in lengths]
    table, window = ClipTable.from_arrays(clips, shortest=shortest), 8
    sampler = datasets.WindowSampler(table, window, batch_size=9, seed=4)
    for step in [*range(40), 700]:  # drawn ahead, and beyond that
        for part in (slice(None), slice(3, 9)):
            places = [values[part] for values in sampler.positions(step)]
            each = zip(*(values.tolist() for values in places), strict=True)
            wanted = np.stack([plainly(clips, clip, offset, window) for clip, offset in each])
            mask = np.arange(window) < (table.lengths[places[0]] - places[1]).numpy()[:, None]
            for frames, valid in (sampler.windows(step, part), table.gather(*places, window)):
                np.testing.assert_array_equal(frames, wanted)
                np.testing.assert_array_equal(np.ones_like(mask) if valid is None else valid, mask)
                assert valid is None or not mask.all()


@pytest.mark.parametrize("lengths", KINDS_OF_CLIPS.values(), ids=KINDS_OF_CLIPS)
def test_a_card_is_told_to_take_the_same_frames(lengths):
    clips = [np.arange(length, dtype=np.float32)[:, None] + 100 * k for k, length in enumerate(lengths)]
    table, window = ClipTable.from_arrays(clips), 8
    elsewhere = datasets.WindowSampler(table.to("meta"), window, batch_size=9, seed=4)
    here = replace(elsewhere, table=table, _found={})
    for step in range(20):
        elsewhere.windows(step)  # which finds the places, and copies nothing
        found = elsewhere._found[step, None, None]
        stretches = [table.frames[first : first + window] for first in found.first]
        frames = torch.stack([torch.nn.functional.pad(part, (0, 0, 0, window - len(part))) for part in stretches])
        frames.view(-1, 1)[found.again[:, 0]] = table.frames[found.again[:, 1]]
        wanted, mask = here.windows(step)
        assert torch.equal(frames, wanted)
        assert (found.mask is None) == (mask is None)


# -- the file --------------------------------------------------------------------


def test_a_mapped_table_holds_what_the_one_in_memory_holds(corpus, tmp_path):
    names = corpus.names("train")
    mapped, whole = (
        ClipTable.from_corpus(corpus, names, file=tmp_path / "a/clips.npy"),
        ClipTable.from_corpus(corpus, names),
    )
    for name in ("frames", "starts", "lengths"):
        assert torch.equal(getattr(mapped, name), getattr(whole, name))
    assert mapped.names == whole.names
    np.testing.assert_array_equal(np.load(tmp_path / "a/clips.npy"), whole.frames)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [".clips.npy.lock", "clips.json", "clips.npy"]


def test_short_clips_are_filled_up_in_the_file_as_in_memory(corpus, tmp_path):
    names = corpus.names("train")
    whole = ClipTable.from_corpus(corpus, names, shortest=32)
    mapped = ClipTable.from_corpus(corpus, names, file=tmp_path / "clips.npy", shortest=32)
    plain = ClipTable.from_corpus(corpus, names)
    assert torch.equal(mapped.frames, whole.frames)
    assert torch.equal(mapped.lengths, plain.lengths)
    assert (plain.lengths < 32).any()
    assert torch.equal(mapped.ends - mapped.starts, plain.lengths.clamp(min=32))
    where = torch.arange(len(names)), torch.zeros(len(names), dtype=torch.int64)
    for length in (8, 32, 50):
        (found, mask), (right, valid) = mapped.gather(*where, length), plain.gather(*where, length)
        assert torch.equal(found, right)
        assert mask is valid is None or torch.equal(mask, valid)
    assert len(ClipTable.from_corpus(corpus, names, file=tmp_path / "clips.npy").frames) == len(plain.frames)


def spoil_nothing(corpus, file):
    pass


def rebuild_a_clip(corpus, file):
    path = corpus.root / "new_joint_vecs" / f"{corpus.names('train')[1]}.npy"
    np.save(path, np.load(path) + 1)
    os.utime(path, ns=(1, 1))


def cut_the_file(corpus, file):
    file.write_bytes(file.read_bytes()[:-9])


def change_the_file(corpus, file):
    with file.open("r+b") as target:
        target.seek(-4, 2)
        target.write(b"\0\0\0\0")
    os.utime(file, ns=(1, 1))


def cut_the_index(corpus, file):
    index = file.with_suffix(".json")
    index.write_bytes(index.read_bytes()[:-9])


def empty_the_index(corpus, file):
    file.with_suffix(".json").write_text("[]")


def lose_the_index(corpus, file):
    file.with_suffix(".json").unlink()


@pytest.mark.parametrize(
    "spoil",
    [spoil_nothing, rebuild_a_clip, cut_the_file, change_the_file, cut_the_index, empty_the_index, lose_the_index],
)
def test_a_stale_or_damaged_file_is_written_anew(tmp_path, monkeypatch, spoil):
    corpus, file, read = make_small_corpus(tmp_path, splits=(3, 1, 0)), tmp_path / "clips.npy", []
    ClipTable.from_corpus(corpus, corpus.names("train"), file=file)
    spoil(corpus, file)
    features = Corpus.features
    monkeypatch.setattr(Corpus, "features", lambda self, name: read.append(name) or features(self, name))
    again = ClipTable.from_corpus(corpus, corpus.names("train"), file=file)
    assert len(read) == (0 if spoil is spoil_nothing else 3)
    assert torch.equal(again.frames, ClipTable.from_corpus(corpus, corpus.names("train")).frames)


def test_a_file_is_of_its_clips_only(corpus, tmp_path):
    file, names = tmp_path / "clips.npy", corpus.names("train")
    ClipTable.from_corpus(corpus, names, file=file)
    assert ClipTable.from_corpus(corpus, names[:4], file=file).names == tuple(names[:4])
    assert len(np.load(file)) == sum(len(corpus.features(name)) for name in names[:4])


def test_clips_that_cannot_be_laid_down(tmp_path):
    corpus = make_small_corpus(tmp_path / "corpus", splits=(3, 1, 0))
    file, names = tmp_path / "out" / "clips.npy", corpus.names("train")
    with pytest.raises(CorpusError, match=r"missing"):
        ClipTable.from_corpus(corpus, [*names, "nobody"], file=file)
    with pytest.raises(CorpusError, match="nothing to train on"):
        ClipTable.from_corpus(corpus, [], file=file)
    broken = corpus.features(names[2]).copy()
    broken[5, 7] = np.nan
    np.save(corpus.root / "new_joint_vecs" / f"{names[2]}.npy", broken)
    for place in (None, file):
        with pytest.raises(DataError, match=f"{names[2]}.*NaN"):
            ClipTable.from_corpus(corpus, names, file=place)
    assert not file.exists()
    with pytest.raises(KtubeError, match=r"Cannot write.*are free there"):
        ClipTable.from_corpus(corpus, names[:2], file=Path("/proc/nowhere/clips.npy"))


def test_two_processes_write_the_file_once(corpus, tmp_path):
    code = (
        "import sys; from test_training_data import *\n"
        "features, root = Corpus.features, Path(sys.argv[2])\n"
        "def slow(self, name):\n"
        "    time.sleep(0.05); (root / f'{name} {os.getpid()}').touch(); return features(self, name)\n"
        "Corpus.features = slow; (root / f'ready {os.getpid()}').touch()\n"
        "while len(list(root.glob('ready*'))) < 2: time.sleep(0.01)\n"
        "corpus = Corpus(sys.argv[1]); ClipTable.from_corpus(corpus, corpus.names('train'), file=root / 'clips.npy')"
    )
    processes = [start("-c", code, str(corpus.root), str(tmp_path)) for _ in range(2)]
    for process in processes:
        finish(process)
    read = [path.name for path in tmp_path.iterdir() if path.name.startswith("말")]
    assert sorted(name.split()[0] for name in read) == corpus.names("train")


def test_where_the_clips_lie_changes_nothing(corpus, tmp_path, monkeypatch):
    moved, to = [], ClipTable.to
    monkeypatch.setattr(ClipTable, "to", lambda self, device: moved.append(device.type) or to(self, "cpu"))
    size = 4 * 263 * sum(len(corpus.features(name)) for name in corpus.names("train"))
    # Free bytes of the memory and of a card that is made up.
    for place, memory, card in (("memory", 10**9, 0), ("file", 4 * size, 3 * size), ("card", 10**9, 8 * size)):
        free = {"cpu": memory, "cuda": card}
        monkeypatch.setattr(datasets, "free_memory", lambda device, free=free: free[device.type])
        monkeypatch.setattr(datasets, "training_device", lambda: torch.device("cuda"))
        train_tokenizer(TOKENIZER, corpus, tmp_path / place, progress=False)
        assert (tmp_path / place / "clips.npy").exists() == (place == "file")
        assert moved == ["cuda"] * (place == "card")
        assert losses(tmp_path / place) == losses(tmp_path / "memory")
        weights = MotionTokenizer.from_pretrained(tmp_path / place / "last").state_dict()
        for name, value in MotionTokenizer.from_pretrained(tmp_path / "memory" / "last").state_dict().items():
            assert torch.equal(weights[name], value)


def test_processes_share_the_memory(corpus, tmp_path, monkeypatch):
    size = datasets.size_of_clips(corpus, corpus.names("train"))
    monkeypatch.setattr(datasets, "free_memory", lambda device: 6 * size)
    for processes in (1, 2):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        ClipTable.for_training(corpus, corpus.names("train"), file=tmp_path / str(processes) / "clips.npy")
        assert (tmp_path / str(processes)).exists() == (processes == 2)


def test_the_documented_tokenizer_fits_a_card_of_12_gigabytes():
    """The figures of docs/training.rst: what autograd keeps of a clip, by the storages it saves."""
    model = MotionTokenizer(TokenizerConfig.t2m_gpt(num_codes=128)).train()
    fixed = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}

    def kept(clips, **weights):
        saved = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x) or x, lambda x: x):
            tokenizer_loss(model(torch.randn(clips, 64, 263)), **weights)
        storages = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in saved}
        return sum(size for place, size in storages.items() if place not in fixed)

    original, ours = ((kept(4, **w) - kept(2, **w)) / 2 for w in ({}, {"joint_weight": 2.0, "trajectory_weight": 0.5}))
    assert (round(original / 1e6, 1), round(ours / 1e6, 1)) == (2.1, 2.2)
    trained = 16 * sum(parameter.numel() for parameter in model.parameters())
    assert round(trained / 1e6) == 311
    assert trained + 256 * ours < 1e9


# -- processes ---------------------------------------------------------------------


def test_two_processes_train_the_tokenizer_of_one(corpus, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from test_training_data import *; from accelerate import PartialState\n"
        "train_tokenizer(TOKENIZER, Corpus(sys.argv[1]), sys.argv[2], progress=False)\n"
        "Path(sys.argv[2], f'process {PartialState().process_index} of {PartialState().num_processes}').touch()"
    )
    launch = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", free_port()]
    finish(start(*launch, str(script), str(corpus.root), str(tmp_path / "two")))
    assert {path.name for path in (tmp_path / "two").glob("process*")} == {"process 0 of 2", "process 1 of 2"}
    train_tokenizer(TOKENIZER, corpus, tmp_path / "one", progress=False)
    np.testing.assert_allclose(numbers(tmp_path / "two"), numbers(tmp_path / "one"), atol=1e-5, rtol=1e-5)
    one, two = (MotionTokenizer.from_pretrained(tmp_path / name / "last").state_dict() for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=1e-5, rtol=1e-5, msg=name)


def test_pieces_of_a_batch_train_the_tokenizer_of_the_whole(corpus, tmp_path):
    # A codebook of running means learns from each piece, so this is for one that gradients train.
    config = replace(TOKENIZER, tokenizer=replace(TOKENIZER.tokenizer, quantizer="orig"))
    for pieces in (1, 4):
        train_tokenizer(replace(config, accumulation=pieces), corpus, tmp_path / str(pieces), progress=False)
    names = ("loss", "reconstruction", "velocity", "commitment", "joint", "trajectory", "gradient_norm")
    one, four = ([[x[name] for name in names] for x in losses(tmp_path / pieces)] for pieces in ("1", "4"))
    np.testing.assert_allclose(one, four, atol=1e-5, rtol=1e-4)


def test_a_tokenizer_killed_again_and_again_resumes_to_the_last_bit(corpus, tmp_path):
    code = (
        "import sys; from test_training_data import *\n"
        "train_tokenizer(replace(TOKENIZER, steps=150), Corpus(sys.argv[1]), sys.argv[2], resume=True, progress=False)"
    )
    log = tmp_path / "killed" / "log.jsonl"
    for least in np.random.default_rng(int(time.time())).integers((1, 60), (50, 110)):
        process, deadline = start("-c", code, str(corpus.root), str(tmp_path / "killed")), time.monotonic() + 60
        while (not log.exists() or log.read_text().count("\n") < least) and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert 0 < len(losses(tmp_path / "killed")) < 150
    for name, resume in (("killed", True), ("whole", False)):
        train_tokenizer(replace(TOKENIZER, steps=150), corpus, tmp_path / name, resume=resume, progress=False)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    killed, whole = (MotionTokenizer.from_pretrained(tmp_path / x / "last").state_dict() for x in ("killed", "whole"))
    assert all(torch.equal(killed[name], whole[name]) for name in whole)
