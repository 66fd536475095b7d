"""Training from shards, and shards in other people's hands: the hub, `datasets`, PyTorch's loader."""

import inspect
import json
import os
import platform
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import make_small_corpus
from system_maps import map_at

from ktube_motion.commands import main
from ktube_motion.errors import CorpusError, DataError
from ktube_motion.gpt import TransformerConfig
from ktube_motion.io import Corpus, export_corpus
from ktube_motion.io import _shards as shards_of
from ktube_motion.text import EmbeddedTextEncoder
from ktube_motion.training import (
    ClipTable,
    KnownTexts,
    TokenizerTraining,
    TransformerTraining,
    WindowSampler,
    _datasets,
    _maps,
    tokenize_corpus,
    train_tokenizer,
    train_transformer,
)
from ktube_motion.types import Utterance
from ktube_motion.vq import MotionTokenizer, TokenizerConfig

pytest.importorskip("pyarrow")
datasets = pytest.importorskip("datasets")

SMALL = TokenizerConfig(width=16, code_dim=8, num_codes=16, depth=1)
LINUX = tuple(map(int, re.findall(r"\d+", platform.release())[:2])) if sys.platform == "linux" else (0, 0)


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """The same small corpus as a folder, and in several shards of several batches."""
    monkeypatch.setattr(shards_of, "BATCH_BYTES", 150_000)
    folder = make_small_corpus(tmp_path / "folder")
    export_corpus(folder, tmp_path / "shards", shard_bytes=300_000, progress=False)
    shards = Corpus(tmp_path / "shards")
    assert len(shards.files) > 4
    assert len(shards.batches) > len(shards.files)
    return folder, shards


@pytest.mark.parametrize("window", [1, 20, 64, 89, 1000])
def test_windows_of_shards_are_those_of_a_table_in_memory(pair, window):
    folder, shards = pair
    for names in ("train", folder.names("train"), folder.names("val")[::-1]):
        held, mapped = ClipTable.from_corpus(folder, names, shortest=window), ClipTable.from_shards(shards, names)
        assert list(mapped.names) == list(held.names)
        assert mapped.names[1:] == list(held.names)[1:]
        assert torch.equal(mapped.lengths, held.lengths)
        samplers = [WindowSampler(table, window, batch_size=12, seed=1) for table in (held, mapped)]
        for step in range(8):
            wanted, found = (sampler.windows(step, slice(2, 12)) for sampler in samplers)
            assert torch.equal(wanted[0], found[0])
            assert (wanted[1] is None) == (found[1] is None)
            assert wanted[1] is None or torch.equal(wanted[1], found[1])


def test_a_table_of_shards_holds_nothing_and_outlives_the_corpus(pair):
    folder, shards = pair
    table = ClipTable.from_shards(Corpus(shards.root), "train")
    shutil.rmtree(shards.root)  # the maps stay as long as something uses them
    name = table.names[3]
    clip = table.gather(torch.tensor([3]), torch.tensor([0]), len(folder.features(name)))[0][0]
    np.testing.assert_array_equal(clip, folder.features(name))


def test_shards_that_cannot_be_trained_on(tmp_path):
    corpus = Corpus.create(tmp_path / "s", shards=True)
    with pytest.raises(CorpusError, match=r"no split"):
        ClipTable.from_shards(corpus, "train")
    hello = [Utterance(0, 0, "안녕")]
    with corpus.writing("one"):
        corpus.add_clip("a", features=np.ones((30, 263)), texts=hello)
        bad = np.ones((30, 263), np.float32)
        corpus.add_clip("나쁜", features=bad, texts=hello)
        corpus._writer.clips[-1].arrays["new_joint_vecs"][3, 4] = np.nan
    assert len(ClipTable.from_shards(corpus, ["a"]).names) == 1
    with pytest.raises(DataError, match="나쁜"):
        ClipTable.from_shards(corpus, "all")
    with pytest.raises(CorpusError, match="no such clip"):
        ClipTable.from_shards(corpus, ["nobody"])


def test_trainings_from_shards_are_those_from_the_folder(pair, tmp_path, monkeypatch):
    monkeypatch.setattr(_datasets, "free_memory", lambda device: 0)  # so that the one has a file, the other maps shards
    config = TokenizerTraining(steps=3, batch_size=8, window=32, tokenizer=SMALL, log_every=1, tracker=None)
    for corpus in pair:
        train_tokenizer(config, corpus, tmp_path / f"vq {corpus.root.name}", progress=False)
    assert not (tmp_path / "vq shards" / "clips.npy").exists()
    assert _losses(tmp_path / "vq shards") == _losses(tmp_path / "vq folder")
    tokenizer, encoder = MotionTokenizer.from_pretrained(tmp_path / "vq folder" / "last"), EmbeddedTextEncoder()
    transformer = TransformerConfig(width=32, num_layers=1, num_heads=2)
    config = TransformerTraining(steps=3, batch_size=8, transformer=transformer, log_every=1, tracker=None)
    for corpus in pair:
        train_transformer(
            config, corpus, tmp_path / f"gpt {corpus.root.name}", tokenizer=tokenizer, text_encoder=encoder,
            cache=tmp_path / f"cache {corpus.root.name}", progress=False,
        )  # fmt: skip
    assert _losses(tmp_path / "gpt shards") == _losses(tmp_path / "gpt folder")
    kept = sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("cache */**/*.*") if path.name[0] != "."
    )
    assert kept == [
        "cache folder/tokens.safetensors",
        "cache shards/texts/000000.arrow",
        "cache shards/tokens/000000.arrow",
    ]


def _losses(folder):
    return [line for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if "loss" in line]


def test_tokens_and_vectors_are_made_once_and_a_killed_job_goes_on(pair, tmp_path, monkeypatch):
    folder, shards = pair
    torch.manual_seed(0)
    tokenizer, names = MotionTokenizer(SMALL).eval(), folder.names()
    wanted = tokenize_corpus(folder, tokenizer, names, progress=False)
    monkeypatch.setattr("ktube_motion.training._utterances._FILE", 6)
    features, left = Corpus.features, iter(range(8))
    with monkeypatch.context() as patch:
        kind = type(shards)
        whole = kind.features
        patch.setattr(kind, "features", lambda self, name: whole(self, name) if next(left, None) is not None else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tokenize_corpus(shards, tokenizer, names, folder=tmp_path / "c", progress=False)
    assert len(list((tmp_path / "c" / "tokens").glob("*.arrow"))) == 1
    found = tokenize_corpus(shards, tokenizer, names, folder=tmp_path / "c", progress=False)
    assert sorted(found) == sorted(names)
    assert all(np.array_equal(found[name], wanted[name]) for name in names)
    assert features is Corpus.features
    encoder, calls = EmbeddedTextEncoder(), []
    texts = [folder.texts(name)[0].text for name in names]
    encode = EmbeddedTextEncoder.encode
    monkeypatch.setattr(EmbeddedTextEncoder, "encode", lambda self, x: (calls.extend(x), encode(self, x))[1])
    for _ in range(2):
        known = KnownTexts(encoder, texts, folder=tmp_path / "c")
        both = [texts[3], "새로운 말"]
        np.testing.assert_allclose(known.encode(both), encode(encoder, both), atol=1e-6)
        assert list(known.vectors) == ["새로운 말"]
    assert sorted(calls) == sorted([*texts, "새로운 말", "새로운 말"])


# -- in the library `datasets` -------------------------------------------------


def test_splits_in_datasets(pair):
    folder, shards = pair
    with pytest.raises(CorpusError, match="not in shards"):
        folder.to_datasets()
    found = shards.to_datasets()
    assert list(found) == ["train", "val", "test"]
    for split, rows in found.items():
        assert rows["name"][:] == folder.names(split)
        assert "mean" not in rows.column_names
        first = rows.with_format("numpy")[0]
        np.testing.assert_array_equal(np.stack(first["new_joint_vecs"]), folder.features(first["name"]))
        assert rows[0]["texts"][0]["text"] == folder.texts(rows[0]["name"])[0].text


def collate(rows):
    """What the docs show: windows of one length from clips of any."""
    return {
        "name": [row["name"] for row in rows],
        "x": torch.stack([torch.as_tensor(row["new_joint_vecs"])[:30] for row in rows]),
    }


@pytest.mark.skipif(not os.path.exists("/sys/kernel/mm/transparent_hugepage"), reason="a system without large pages")
def test_maps_have_large_pages_where_memory_holds_all_of_them(pair, tmp_path, monkeypatch):
    folder, shards = pair
    for room, asked in ((0, False), (1 << 40, True)):
        monkeypatch.setattr(_maps, "free_memory", lambda device, room=room: room)
        mapped = ClipTable.from_shards(Corpus(shards.root), "all")
        pitch = mapped.frames.stride(0) * 4
        assert {
            "hg" in map_at(mapped.frames.data_ptr() + pitch * row)["VmFlags"] for row in mapped.starts.tolist()
        } == {asked}
        filed = ClipTable.from_corpus(folder, "all", file=tmp_path / "clips.npy")
        assert ("hg" in map_at(filed.frames.data_ptr())["VmFlags"]) == asked


@pytest.mark.skipif(LINUX < (5, 14), reason="a system that does not read maps ahead")
def test_maps_are_read_ahead_where_memory_holds_all_of_them(tmp_path, monkeypatch):
    path = tmp_path / "frames.npy"
    np.save(path, np.ones((3000, 263), np.float32))
    frames = np.load(path, mmap_mode="r")
    monkeypatch.setattr(_maps, "free_memory", lambda device: frames.nbytes - 1)
    assert _maps.bring_in([frames[:100], frames[100:]]) is None
    monkeypatch.setattr(_maps, "free_memory", lambda device: frames.nbytes)
    before = int(map_at(frames.ctypes.data)["Rss"][0])
    _maps.bring_in([frames[:100], frames[100:]]).join(60)
    told = map_at(frames.ctypes.data)
    assert int(told["Rss"][0]) == int(told["Size"][0]) > before
    assert float(frames[::500].sum()) == 6 * 263


@pytest.mark.skipif(LINUX < (5, 14), reason="a system that does not read maps ahead")
def test_what_lies_between_the_vectors_is_not_read_ahead(tmp_path):
    path = tmp_path / "frames.npy"
    np.save(path, np.ones((30_000, 263), np.float32))
    frames = np.load(path, mmap_mode="r")
    _maps.bring_in([frames[:1000], frames[-1000:]]).join(60)
    told = map_at(frames.ctypes.data)
    assert 2 * 1000 * 263 * 4 < 1024 * int(told["Rss"][0]) < 1024 * int(told["Size"][0]) / 2


# Python's own, of a fork beside threads; and PyTorch's, of a machine with one core.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:This DataLoader will create")
def test_a_loader_with_workers_and_a_distributed_sampler(pair):
    from torch.utils.data import DataLoader, DistributedSampler

    folder, shards = pair
    rows = shards.to_datasets()["train"].with_format("torch")
    seen = []
    for rank in range(2):
        sampler = DistributedSampler(rows, num_replicas=2, rank=rank, shuffle=True, seed=1)
        for batch in DataLoader(rows, batch_size=3, sampler=sampler, num_workers=2, collate_fn=collate):
            seen += batch["name"]
            for name, x in zip(batch["name"], batch["x"], strict=True):
                np.testing.assert_array_equal(x, folder.features(name)[:30])
    assert sorted(seen) == sorted(folder.names("train"))


def load(root, tmp_path):
    return datasets.load_dataset(str(root), cache_dir=str(tmp_path / "cache"))


def test_plain_load_dataset(pair, tmp_path):
    folder, shards = pair
    found = load(shards.root, tmp_path)
    assert {split: sorted(rows["name"]) for split, rows in found.items()} == {
        split: sorted(folder.names(split)) for split in ("train", "val", "test")
    }


def test_clips_chosen_anew_are_never_loaded_as_the_old_splits(pair, tmp_path):
    folder, shards = pair
    names = folder.names()
    shards.write_splits({"train": names[3:], "val": names[:2], "test": names[2:3]})
    found = load(shards.root, tmp_path)
    assert list(found) == ["clips"]
    assert sorted(found["clips"]["name"]) == sorted(names)
    assert sorted(shards.to_datasets()["val"]["name"]) == names[:2]
    export_corpus(Corpus(shards.root), tmp_path / "anew", shards=True, progress=False)
    assert sorted(load(tmp_path / "anew", tmp_path)["val"]["name"]) == names[:2]


# -- on the hub ------------------------------------------------------------------


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that is a folder."""
    import huggingface_hub

    real = huggingface_hub.HfApi

    class Api:
        def __init__(self, token=None):
            assert token == "secret"

        def create_repo(self, repo_id, *, repo_type, private, exist_ok):
            assert (repo_type, private, exist_ok) == ("dataset", True, True)
            return f"https://hub/{repo_id}"

        def upload_folder(self, *, repo_id, folder_path, allow_patterns, **options):
            assert options.keys() <= inspect.signature(real.upload_folder).parameters.keys()
            assert options["repo_type"] == "dataset"
            for path in {path for pattern in allow_patterns for path in Path(folder_path).glob(pattern)}:
                target = tmp_path / "hub" / repo_id / path.relative_to(folder_path)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)

    def fetch(repo_id, *, repo_type, local_dir=None, **options):
        assert repo_type == "dataset"
        assert options == {"revision": "main"}
        return str(shutil.copytree(tmp_path / "hub" / repo_id, local_dir or tmp_path / "cache of hub"))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    return tmp_path / "hub"


def test_to_the_hub_and_back(pair, tmp_path, hub):
    folder, shards = pair
    manifest = {
        "sources": [
            {"name": "강연|1", "speaker": "김", "clips": 9, "seconds": 61.0},
            {"name": "b", "speaker": "김", "seconds": None},
        ],
        "skipped": [{"reason": "0.1 s", "problem": "too short"}] * 2 + [{"reason": "no words"}],
        "failed": {"c": "no poses\nat all"}, "excluded": ["d"],
    }  # fmt: skip
    (shards.root / "manifest.json").write_text(json.dumps(manifest))
    (shards.root / "private").mkdir()
    (shards.root / "private" / "names.json").write_text("{}")
    with pytest.raises(CorpusError, match="terms"):
        shards.push_to_hub("me/k", terms=" ", token="secret")
    with pytest.raises(CorpusError, match="not in shards"):
        folder.push_to_hub("me/k", terms="cc-by-4.0", token="secret")
    assert shards.push_to_hub("me/k", terms="cc-by-4.0", token="secret") == "https://hub/me/k"
    card = (hub / "me" / "k" / "README.md").read_text(encoding="utf-8")
    hours = sum(len(folder.features(name)) for name in folder.names()) / 20 / 3600
    for said in (
        "license: cc-by-4.0", f"| hours | {hours:.2f} |", "2 videos of 1 speakers", "강연\\|1", "| too short | 2 |",
        "| the whole video c: no poses at all | 1 |", "| chosen to be left out | 1 |", "path: data/train-*.arrow",
    ):  # fmt: skip
        assert said in card
    assert not (hub / "me" / "k" / "private").exists()
    for place in (tmp_path / "here", None):
        again = Corpus.from_hub("me/k", folder=place, revision="main")
        assert again.names() == folder.names()
        assert again.texts(folder.names()[0]) == folder.texts(folder.names()[0])
    shards.write_splits({"train": folder.names()})
    assert "license: cc-by-4.0" in (shards.root / "README.md").read_text(encoding="utf-8")
    shards.push_to_hub("me/k2", terms="연구에만 쓴다", token="secret")
    card = (hub / "me" / "k2" / "README.md").read_text(encoding="utf-8")
    assert "license: other" in card
    assert "연구에만 쓴다" in card


# -- the command -------------------------------------------------------------------


def test_export_corpus_command(tmp_path, capsys):
    corpus = make_small_corpus(tmp_path / "c", splits=(6, 2, 2))
    said = ["export-corpus", "--root", str(corpus.root), "--output", str(tmp_path / "s"), "--shard-size", "0.2"]
    assert main([*said, "--workers", "2"]) == 0
    assert "10 clips" in capsys.readouterr().out
    assert main(["export-corpus", "--root", str(tmp_path / "s"), "--output", str(tmp_path / "f")]) == 0
    for path in corpus.root.rglob("*.*"):
        assert (tmp_path / "f" / path.relative_to(corpus.root)).read_bytes() == path.read_bytes()
    assert main(said) == 1
    assert "Something else is here" in capsys.readouterr().err
    assert main(["export-corpus", "--root", str(tmp_path / "nowhere"), "--output", str(tmp_path / "x")]) == 1
