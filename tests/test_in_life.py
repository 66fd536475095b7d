"""Numbers at the door, bombs, links, other people's checkpoints, folders that cannot be written: each told early."""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter, deque
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import make_small_corpus

from ktube_motion.commands import main
from ktube_motion.construct import read_gestures, read_sources
from ktube_motion.errors import (
    CheckpointError,
    ConfigError,
    CorpusError,
    DataError,
    FormatError,
    WriteError,
)
from ktube_motion.filters import fill_gaps, fix_root, lowpass, resample
from ktube_motion.gpt import MotionTransformer, TransformerConfig, generate
from ktube_motion.io import Corpus, load_poses, load_transcript
from ktube_motion.io._files import save_array
from ktube_motion.io._manifests import read_manifest
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.models import load_torch_file
from ktube_motion.pipeline import UtteranceToMotion
from ktube_motion.render import save_bvh, save_html
from ktube_motion.render._scene import as_cues
from ktube_motion.skeletons import SMPL_22
from ktube_motion.text import CachedTextEncoder, EmbeddedTextEncoder, utterances
from ktube_motion.training import LoopConfig
from ktube_motion.types import Cue, Motion, PoseSequence
from ktube_motion.vq import MotionTokenizer, TokenizerConfig, load_t2m_gpt_tokenizer, to_t2m_gpt_state_dict

NAN, INF = float("nan"), float("inf")


@pytest.fixture
def corpus(tmp_path):
    return make_small_corpus(tmp_path / "corpus", splits=(3, 1, 1))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return MotionTransformer(
        TransformerConfig(num_codes=16, width=32, text_dim=8, num_layers=1, num_heads=4, block_size=13)
    ).eval()


@pytest.fixture(scope="module")
def tokenizer():
    torch.manual_seed(0)
    return MotionTokenizer(TokenizerConfig(width=8, code_dim=8, num_codes=16, depth=1)).eval()


# -- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", ["NaN", "Infinity", "-20", "0", "1e999", '"20"', "true", "null", "9" * 5000])
def test_a_corpus_has_a_rate(corpus, fps):
    settings = json.loads((corpus.root / "corpus.json").read_text())
    settings.pop("fps")
    (corpus.root / "corpus.json").write_text(json.dumps(settings)[:-1] + f', "fps": {fps}}}')
    with pytest.raises((CorpusError, FormatError), match=r"frame rate|absurd number"):
        _ = Corpus(corpus.root).fps


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 1.5}, {"top_k": True}, {"top_k": 0}, {"max_tokens": 2.5}, {"min_tokens": -1}, {"seeds": [2**70]},
        {"seeds": [0.5]}, {"temperature": NAN}, {"top_p": NAN}, {"guidance_scale": INF}, {"batch_size": 0},
    ],
)  # fmt: skip
def test_options_of_generation_are_looked_at(model, options):
    with pytest.raises(ConfigError, match=next(iter(options)).removesuffix("s")):
        generate(model, torch.zeros(1, 8), **options)


@pytest.mark.parametrize(
    "options",
    [{"generator": 3}, {"generator": np.random.default_rng(0)}, {"context": 1.5}, {"prefix": 3}, {"prefix": "a"}],
)
def test_options_of_another_kind(options, tokenizer):
    torch.manual_seed(0)
    config = TransformerConfig(num_codes=16, width=32, text_dim=512, num_layers=1, num_heads=4, block_size=13)
    pipeline = UtteranceToMotion(tokenizer, MotionTransformer(config).eval(), EmbeddedTextEncoder())
    with pytest.raises(ConfigError):
        pipeline.generate(["손을 든다"], seconds=0.4, **options)


def test_a_temperature_of_almost_nothing_takes_the_likeliest(model):
    text = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    cold = generate(model, text, temperature=1e-38, seeds=range(4), num_tokens=9)
    likeliest = generate(model, text, temperature=0, num_tokens=9)
    assert all(map(torch.equal, cold, likeliest))


def test_half_precision_comes_in(model, tokenizer):
    text = torch.randn(2, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    halves, whole = (generate(model, each, temperature=0, num_tokens=9) for each in (text, text.float()))
    assert all(map(torch.equal, halves, whole))
    motion = torch.randn(16, 263, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(tokenizer.encode(motion), tokenizer.encode(motion.float()))


@pytest.mark.parametrize("part", ["rotvecs", "transl"])
@pytest.mark.parametrize("value", [NAN, INF])
def test_poses_that_are_no_numbers_are_refused(part, value):
    numbers = {"rotvecs": np.zeros((9, 55, 3)), "transl": np.zeros((9, 3))}
    numbers[part][4] = value
    poses = PoseSequence(**numbers, fps=30)
    for change in (fix_root, pose_to_joints, lambda p: lowpass(p, cutoff_hz=3), lambda p: resample(p, fps=20)):
        with pytest.raises(DataError, match=part):
            change(poses)
    with pytest.raises(DataError, match=part):
        fill_gaps(poses.replace(valid=np.arange(9) != 5))


@pytest.mark.parametrize(("start", "end"), [(NAN, 1), (0, NAN), (0, INF), (-INF, 1)])
def test_cues_have_times(tmp_path, tokenizer, start, end):
    cue = Cue(start, end, "손을 들어요.")
    with pytest.raises(DataError):
        utterances([cue])
    with pytest.raises(DataError, match="no times"):
        as_cues([cue])
    from ktube_motion.pipeline import UtteranceToMotion

    encoder = EmbeddedTextEncoder()
    config = TransformerConfig(
        num_codes=16, width=32, text_dim=512, num_layers=1, num_heads=4, block_size=13,
        tokenizer=tokenizer.fingerprint, text_encoder=encoder.identity,
    )  # fmt: skip
    with pytest.raises(DataError, match="no times"):
        UtteranceToMotion(tokenizer, MotionTransformer(config), encoder).generate([cue])


def test_cached_vectors_are_numbers(tmp_path):
    from safetensors.torch import save_file

    encoder = CachedTextEncoder(EmbeddedTextEncoder(), folder=tmp_path)
    right = encoder.encode(["손"])
    (path,) = tmp_path.rglob("*.safetensors")
    save_file({"vector": torch.full((512,), NAN)}, path)
    with pytest.warns(UserWarning, match="written anew"):
        again = CachedTextEncoder(EmbeddedTextEncoder(), folder=tmp_path).encode(["손"])
    torch.testing.assert_close(again, right)


@pytest.mark.parametrize("seed", [-1, 1.5, 2**32, 2**70])
def test_seeds_of_trainings(seed):
    with pytest.raises(ConfigError, match="seed"):
        LoopConfig(seed=seed)


@pytest.mark.parametrize("seed", ["-1", str(2**32), str(2**70)])
@pytest.mark.parametrize("name", ["generate", "train-vq", "build", "edit", "live"])
def test_seeds_on_the_command_line(capsys, name, seed):
    assert main([name, "--seed", seed]) == 2
    assert "a seed is a whole number from 0 to 4294967295" in capsys.readouterr().err


def test_joints_in_one_place_have_no_rotations(tmp_path):
    point = Motion(skeleton=SMPL_22, positions=np.ones((9, 22, 3)), fps=20)
    with pytest.raises(DataError, match="joints in one place"):
        save_bvh(point, tmp_path / "a.bvh")
    assert not list(tmp_path.iterdir())


# -- bombs and links --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 200_000, '{"fps": ' + "9" * 5000 + "}"])
def test_json_that_is_a_bomb(tmp_path, corpus, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    for read in (load_poses, load_transcript):
        with pytest.raises(FormatError):
            read(path)
    (corpus.root / "corpus.json").write_text(text)
    with pytest.raises((FormatError, CorpusError)):
        _ = Corpus(corpus.root).fps


def test_configs_that_ask_for_terabytes(tmp_path, tokenizer):
    from safetensors.torch import load_file, save_file

    for number, entry in enumerate(({"width": 10**6}, {"num_codes": 10**9}, {"depth": 10**6}, {"code_dim": 10**7})):
        folder = tmp_path / str(number)
        tokenizer.save_pretrained(folder)
        written = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(written | entry))
        with pytest.raises(CheckpointError, match="damaged"):  # as the checksum says
            MotionTokenizer.from_pretrained(folder)
        save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors")  # without it
    code = (
        "import resource, sys; from pathlib import Path; from ktube_motion.vq import MotionTokenizer\n"
        "from ktube_motion.errors import CheckpointError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for folder in sorted(Path(sys.argv[1]).iterdir()):\n"
        "    try: MotionTokenizer.from_pretrained(folder)\n"
        "    except CheckpointError as error: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    lines = told.stdout.splitlines()
    assert len(lines) == 4
    for line in lines:
        grown, _, message = line.partition(" ")
        assert int(grown) < 200 << 10
        assert "config" in message


def test_links_out_of_a_corpus(tmp_path, corpus):
    name = corpus.names()[0]
    path = corpus.root / "new_joint_vecs" / f"{name}.npy"
    path.rename(tmp_path / "elsewhere.npy")
    path.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(CorpusError, match=r"link leads out.*follow_links=True"):
        Corpus(corpus.root).features(name)
    assert Corpus(corpus.root, follow_links=True).features(name).shape[1] == 263
    (corpus.root / "inside").mkdir()
    path.unlink()
    (tmp_path / "elsewhere.npy").rename(corpus.root / "inside" / "a.npy")
    path.symlink_to(corpus.root / "inside" / "a.npy")
    assert Corpus(corpus.root).features(name).shape[1] == 263


@pytest.mark.parametrize(
    "manifest",
    [
        [], {"clips": {}}, {"clips": [{"frames": 3}]}, {"clips": [{"name": "a", "frames": "3"}]},
        {"clips": [{"name": "a", "frames": 10**400}]}, {"clips": [{"name": "../a", "frames": 3}]},
        {"clips": [], "files": {"/etc/passwd": [1, "x"]}}, {"clips": [], "sources": [3]},
    ],
)  # fmt: skip
def test_a_manifest_that_no_build_wrote(corpus, manifest):
    (corpus.root / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorpusError):
        read_manifest(corpus.root)


def test_half_a_letter_is_no_reason_to_end(tmp_path):
    motion = Motion(skeleton=SMPL_22, positions=np.random.default_rng(0).normal(size=(9, 22, 3)), fps=20)
    save_html(motion, tmp_path / "a.html", titles="가\ud800나")
    assert "가" in (tmp_path / "a.html").read_text("utf-8")


# -- other people's checkpoints ----------------------------------------------------------------------------------------


def _wrapped(state):
    """Give the many ways in which the same weights are found."""
    parallel = {f"module.{name}": value for name, value in state.items()}
    compiled = {f"_orig_mod.module.{name}": value for name, value in state.items()}
    numbers = {"step": np.int64(3), "loss": np.float32(0.5), "curve": np.zeros(3)}
    return {
        "net": {"net": state}, "bare": state, "state_dict": {"state_dict": state}, "model": {"model": state},
        "parallel": {"net": parallel}, "compiled": {"net": compiled}, "inside": {"model": {"net": state}},
        "numbers": {"net": state, **numbers}, "options": {"net": state, "args": argparse.Namespace(lr=0.1, path="x")},
        "arrays": {"net": {name: value.numpy() for name, value in state.items()}},
        "lightning": {"state_dict": {f"model.{name}": value for name, value in state.items()}, "callbacks": {}},
        "deepspeed": {"module": {f"_forward_module.net.{name}": value for name, value in state.items()}},
        "history": {"net": state, "log": deque([1.0, 2.0]), "seen": Counter("ab"), "made": datetime(2026, 1, 1)},
        "ema": {"ema": {name: torch.nn.Parameter(value) for name, value in state.items()}},
        "mixed": {**state, "epoch": 3, "best": np.float64(0.5), "options": None},
        "views": {name: torch.stack([value, value])[0] for name, value in state.items()},
    }  # fmt: skip


@pytest.mark.parametrize("way", ["net", "bare", "state_dict", "model", "parallel", "compiled", "inside", "numbers",
                                 "options", "arrays", "lightning", "deepspeed", "history", "ema", "mixed", "views"],
)  # fmt: skip
def test_weights_however_they_are_wrapped(tmp_path, tokenizer, way):
    torch.save(_wrapped(to_t2m_gpt_state_dict(tokenizer))[way], tmp_path / "a.pth")
    loaded = load_t2m_gpt_tokenizer(tmp_path / "a.pth")
    motion = torch.randn(16, 263, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded.encode(motion), tokenizer.encode(motion))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_in_half_precision(tmp_path, tokenizer, dtype):
    state = {name: value.to(dtype) for name, value in to_t2m_gpt_state_dict(tokenizer).items()}
    torch.save({"net": state}, tmp_path / "a.pth")
    loaded = load_t2m_gpt_tokenizer(tmp_path / "a.pth")
    weight = next(loaded.parameters())
    assert weight.dtype == torch.float32
    torch.testing.assert_close(weight, next(tokenizer.parameters()), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda x: x.to_sparse(), "sparse"), (lambda x: x.to("meta"), "without numbers"),
        (lambda x: x.to(torch.complex64), "complex64"), (lambda x: x.to(torch.float8_e4m3fn), "float8"),
        (lambda x: x[:1].expand(1 << 40), "of which the file has fewer"),
        (lambda x: x.to(torch.int8), "int8 instead of"),
        (lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), "qint8"), (lambda x: x[:0], "instead of"),
        (lambda x: torch.full_like(x, 1e30), "absurd"), (lambda x: x.double() * NAN, "NaN"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")  # what torch says of sparse and quantized ones
def test_weights_that_are_no_plain_numbers_are_named(tmp_path, tokenizer, spoil, told):
    state = to_t2m_gpt_state_dict(tokenizer)
    name = next(name for name in reversed(state) if state[name].ndim == 1 and state[name].is_floating_point())
    torch.save({"net": state | {name: spoil(state[name])}}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=told):
        load_t2m_gpt_tokenizer(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>Quota exceeded</html>", "a web page"), (b"", "the file is empty"),
    ],
)  # fmt: skip
def test_what_downloads_leave_in_place_of_a_file_is_told(tmp_path, tokenizer, data, told):
    (tmp_path / "a.pth").write_bytes(data)
    with pytest.raises(CheckpointError, match=told):
        load_t2m_gpt_tokenizer(tmp_path / "a.pth")
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=told):
        MotionTokenizer.from_pretrained(tmp_path / "model")


class _Secret:
    def __reduce__(self):
        return os.system, ("touch /tmp/never",)


def test_what_is_refused_is_named(tmp_path, tokenizer):
    state = to_t2m_gpt_state_dict(tokenizer)
    torch.save({"net": state, "hook": _Secret()}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"posix\.system|nt\.system") as caught:
        load_torch_file(tmp_path / "a.pth", parts=["net"])
    assert "weights_only" not in str(caught.value)
    assert not Path("/tmp/never").exists()
    name = next(name for name, value in state.items() if value.is_floating_point())
    for value in (NAN, 1e30):
        torch.save({"net": {**state, name: torch.full_like(state[name], value)}}, tmp_path / "b.pth")
        with pytest.raises(CheckpointError, match=f"NaN or absurd numbers in {name}"):
            load_torch_file(tmp_path / "b.pth", parts=["net"])


def test_one_changed_byte_of_a_model_is_found(tmp_path, tokenizer):
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(len(data), size=24):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CheckpointError):
            MotionTokenizer.from_pretrained(tmp_path)
    path.write_bytes(data)
    assert MotionTokenizer.from_pretrained(tmp_path).fingerprint == tokenizer.fingerprint


def test_weights_and_config_of_two_models_are_never_loaded(tmp_path, tokenizer):
    """The checksum is of both; `test_saving_killed` has what a kill leaves."""
    torch.manual_seed(1)
    new = MotionTokenizer(replace(tokenizer.config, fps=30.0)).eval()  # of the same shapes
    for model, folder in ((tokenizer, "old"), (new, "new")):
        model.save_pretrained(tmp_path / folder)
    (tmp_path / "new" / "config.json").replace(tmp_path / "old" / "config.json")
    with pytest.raises(CheckpointError, match="saved together"):
        MotionTokenizer.from_pretrained(tmp_path / "old")


def test_an_older_model_is_whole_until_the_new_one_is_written(tmp_path, tokenizer, monkeypatch):
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "README.md").write_text("my own card")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    wider = MotionTokenizer(TokenizerConfig(width=16, code_dim=8, num_codes=16, depth=1))
    with monkeypatch.context() as patch:
        patch.setattr("ktube_motion.models._checkpoints.write_json", full)
        with pytest.raises(WriteError, match="MB are free"):
            wider.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    wider.save_pretrained(tmp_path)
    assert MotionTokenizer.from_pretrained(tmp_path).config.width == 16
    assert (tmp_path / "README.md").read_text() == "my own card"


# -- folders that cannot be written -----------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="other rules for names")
@pytest.mark.parametrize(("name", "told"), [("x" * 300 + ".npy", "shorter name"), ("a\0b.npy", "another name")])
def test_a_name_that_cannot_be(tmp_path, name, told):
    with pytest.raises(WriteError, match=told):
        save_array(tmp_path / name, np.zeros(3))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(WriteError, match="free there"):
        save_array(tmp_path / "a" / "b.npy", np.zeros(3))
    assert (tmp_path / "a").read_text() == "mine"


# -- step 3: joints of any body ----------------------------------------------------------------------------------------


@pytest.fixture
def joints(tmp_path, monkeypatch):
    """Put the same body into files as SMPL, HumanML3D and the library have it."""
    monkeypatch.chdir(tmp_path)
    body = make_small_corpus(tmp_path / "c", splits=(1, 0, 0), frames=(40, 41)).joints("말_000")
    rng = np.random.default_rng(0)

    def write(**counts):
        for name, count in counts.items():
            more = rng.normal(size=(len(body), max(count - 22, 0), 3))
            save_array(tmp_path / "joints" / f"{name}.npy", np.concatenate([body, more], 1)[:, :count])

    return write


def test_smpl_and_humanml3d_bodies_give_263_numbers(joints, tmp_path, capsys):
    joints(a=22, b=24, c=52, d=21)
    assert main(["represent-motion"]) == 0
    made = {path.stem: np.load(path) for path in (tmp_path / "HumanML3D/new_joint_vecs").iterdir()}
    assert {name: vectors.shape[1] for name, vectors in made.items()} == {"a": 263, "b": 263, "c": 263}
    np.testing.assert_array_equal(made["a"], made["b"])
    np.testing.assert_array_equal(made["a"], made["c"])
    assert "skipped d.npy" in capsys.readouterr().out


def test_a_folder_has_vectors_of_one_size(joints, tmp_path, capsys):
    joints(a=52)
    assert main(["represent-motion", "--output", "fingers"]) == 0
    assert "--skeleton smpl_22" in capsys.readouterr().out
    assert np.load(tmp_path / "fingers/new_joint_vecs/a.npy").shape[1] == 623
    assert main(["represent-motion", "--skeleton", "smpl_22"]) == 0
    assert np.load(tmp_path / "HumanML3D/new_joint_vecs/a.npy").shape[1] == 263
    (tmp_path / "joints/a.npy").unlink()
    joints(b=52)  # the folder has 263 already
    assert main(["represent-motion"]) == 0
    assert np.load(tmp_path / "HumanML3D/new_joint_vecs/b.npy").shape[1] == 263
    assert main(["represent-motion", "--skeleton", "smplh_52"]) == 1
    assert "A folder holds vectors of one size" in capsys.readouterr().err


def test_tables_of_nothing_and_of_endless_names(tmp_path):
    (tmp_path / "utterances.tsv").write_text("")
    with pytest.raises(FormatError, match="Not a table of utterances"):
        list(read_gestures(tmp_path))
    (tmp_path / "videos.csv").write_text(f"poses,transcript\n{'x' * 5000}.json,a.srt\n")
    (source,) = read_sources(tmp_path / "videos.csv")
    assert source.name == "x" * 5000
