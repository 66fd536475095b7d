"""The commands: their help pages, what they refuse and how, Ctrl-C, and what export, render and animate write."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from small_corpus import make_small_corpus

from ktube_motion.commands import COMMANDS, main, parser_of
from ktube_motion.commands._generate import asked_sampling
from ktube_motion.errors import ConfigError
from ktube_motion.io import Corpus, load_bvh, load_poses, load_transcript, save_poses
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.samples import make_speaker

NAMES = [name for names in COMMANDS.values() for name in names]
ROOT = Path(__file__).resolve().parent.parent
SMALL = """--dataname ktube --width 16 --code-dim 16 --nb-code 8 --down-t 2 --depth 1 --batch-size 8 --warm-up-iter 2
--eval-iter 1000000 --save-iter 1000000 --print-iter 1 --out-dir output --exp-name VQ""".split()


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; give its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.err if code else printed.out

    return run


def start(*words, **how):
    environment = {**os.environ, "PYTHONUTF8": "1"} | how.pop("env", {})
    return subprocess.Popen(
        [sys.executable, "-m", "ktube_motion", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **how,
    )  # fmt: skip


# -- help ---------------------------------------------------------------------


def test_overview_names_every_command(command):
    code, text = command("--help")
    assert code == 0
    assert command() == (0, text)
    lines = text.splitlines()
    for name in NAMES:
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert 20 < len(line) < 120
    modules = {path.stem for path in (ROOT / "src/ktube_motion/commands").glob("_[a-z]*.py")} - {"_entry"}
    assert modules == {f"_{name}".replace("-", "_") for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_help_is_a_page(command, name):
    code, text = command(name, "--help")
    assert code == 0
    assert text.startswith(f"usage: ktube-motion {name}")
    assert f"    ktube-motion {name}" in text, "an example to paste"
    assert "\nWrites " in text
    for action in parser_of(name)._actions:
        assert len(action.help) > 5
        for flag in action.option_strings:
            assert flag in text


@pytest.mark.parametrize("name", NAMES)
def test_examples_in_help_are_read_by_the_parser(name):
    page = import_module(f"ktube_motion.commands._{name.replace('-', '_')}").__doc__.replace("\\\n", " ")
    lines = [line.split(None, 1)[1] for line in page.splitlines() if line.startswith("    ktube-motion ")]
    assert lines
    for line in lines:
        read, *words = shlex.split(line)
        assert read == name
        assert parser_of(name).parse_args(words).command == name


def test_help_is_quick_and_light():
    code = (
        "import sys, time; t = time.process_time(); from ktube_motion.commands import main\n"
        "main(['train-gpt', '--help']); main(['--help']); d = time.process_time() - t\n"
        "print(f'{d:.4f}', sorted({'torch', 'numpy', 'scipy', 'tqdm', 'transformers'} & set(sys.modules)))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds, heavy = zip(*(run.stdout.splitlines()[-1].split(" ", 1) for run in runs), strict=True)
    assert set(heavy) == {"[]"}
    assert min(map(float, seconds)) < 0.5


def test_the_console_script_and_the_module_are_the_same(tmp_path):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, name = scripts["ktube-motion"].split(":")
    assert getattr(import_module(module), name) is main
    out, err = start("train-vq", "--help", cwd=tmp_path).communicate(timeout=60)
    assert out.decode().startswith("usage: ktube-motion train-vq")
    assert not err


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_completion_in_bash(command, tmp_path):
    pytest.importorskip("shtab")
    code, script = command("--print-completion", "bash")
    assert code == 0
    (tmp_path / "complete.sh").write_text(script, encoding="utf-8")
    for words, wanted in (
        (("ktube-motion", "train-"), "train-vq train-gpt train-evaluator"),
        (("ktube-motion", "train-vq", "--quantizer", "ema"), "ema_reset ema"),
        (("ktube-motion", "train-vq", "--lr-"), "--lr-scheduler"),
    ):
        ask = (
            f"source complete.sh; COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; "
            "f=$(complete -p ktube-motion | sed 's/.*-F \\([^ ]*\\).*/\\1/'); "
            f"$f ktube-motion {words[-1]} {words[-2]}; echo ${{COMPREPLY[@]}}"
        )
        done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == wanted, done.stderr
    assert command("--print-completion", "fish")[0] == 2


def test_completion_without_shtab_names_the_extra(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert command("--print-completion", "bash") == (
        1,
        'error: Completion needs shtab. pip install "ktube_motion[completion]"\n',
    )


# -- what is refused ------------------------------------------------------------


def test_unknown_command_and_flag_name_the_nearest(command):
    code, error = command("trian-vq")
    assert code == 2
    assert "did you mean train-vq?" in error
    code, error = command("zzzz")
    assert code == 2
    assert "did you mean" not in error
    code, error = command("train-vq", "--batch-sise", "3")
    assert code == 2
    assert "--batch-sise, did you mean --batch-size?" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_unknown_flag_before_any_work(command, tmp_path, name):
    needed = {
        "generate": ["--say", "a", "--pipeline", "b"],
        "edit": ["a.npy", "b.json"],
        "export-corpus": ["--output", "a"],
        "render": ["--filedir", "a"],
        "build-bandai": ["--input", "a"],
    }
    code, error = command(name, *needed.get(name, []), "--nosuchflag")
    assert code == 2
    assert "--nosuchflag" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "missing", "maker"),
    [
        ("train-vq --dataname ktube", "dataset/KTubeUM", "build --samples 8"),
        ("train-gpt --dataname ktube", "dataset/KTubeUM", "build --samples 8"),
        ("train-evaluator", "dataset/KTubeUM", "build --samples 8"),
        ("eval-vq --dataname ktube --resume-pth no.pth", "dataset/KTubeUM", "build --samples 8"),
        ("eval-gpt --resume-trans output/GPT/net_last.pth", "output/GPT/net_last.pth", "train-gpt --exp-name GPT"),
        ("generate --say 네 --transformer output/GPT/net_last.pth", "output/GPT/net_last.pth", "train-gpt"),
        ("generate --say 네 --pipeline output/quickstart/pipeline", "output/quickstart/pipeline", "quickstart"),
        ("render --filedir output/TEST_GPT/", "output/TEST_GPT", "eval-gpt --exp-name TEST_GPT --out-dir output"),
        ("animate --root HumanML3D", "HumanML3D", "build --root HumanML3D"),
        ("export --root dataset/KTubeUM", "dataset/KTubeUM", "build --root dataset/KTubeUM"),
        ("export output/TEST_GPT/a_pred.npy", "output/TEST_GPT/a_pred.npy", "eval-gpt"),
        ("build --poses pose_json --transcripts subtitles", "pose_json", "build --samples 8"),
        ("quickstart --poses pose_json --transcripts subtitles", "pose_json", "build --samples 8"),
    ],
)
def test_a_missing_folder_is_told_in_full_with_its_maker(command, tmp_path, line, missing, maker):
    code, error = command(*line.split())
    assert code == 1
    assert error.startswith(f"error: {tmp_path / missing}: ")
    assert f"`ktube-motion {maker}" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_a_missing_tokenizer_names_the_training_that_leaves_it(command, tmp_path):
    make_small_corpus(tmp_path / "dataset/KTubeUM")
    code, error = command("train-gpt", "--dataname", "ktube", "--resume-pth", "output/VQVAE/net_best_fid.pth")
    assert code == 1
    assert f"{tmp_path / 'output/VQVAE/net_best_fid.pth'}: There is no tokenizer here." in error
    assert "`ktube-motion train-vq --exp-name VQVAE --out-dir output`, or correct --resume-pth." in error
    assert "Give --resume-pth." in command("train-gpt", "--dataname", "ktube")[1]


def test_a_data_set_is_called_as_it_was_typed(command):
    for typed in ("humanml3d", "t2m"):
        code, error = command("train-vq", "--dataname", typed)
        assert code == 1
        assert f"The corpus of --dataname {typed} is not here." in error


def test_without_ke_t5_the_whole_line_that_runs_is_told(tmp_path, monkeypatch):
    from ktube_motion.commands._shared._encoders import choose_text_encoder
    from ktube_motion.errors import CheckpointError

    monkeypatch.chdir(tmp_path)
    words = ["--exp-name", "내 GPT", "--dataname", "ktube"]
    with pytest.raises(CheckpointError) as told:
        choose_text_encoder(parser_of("train-gpt").parse_args(words), "ktube")
    line = str(told.value).rpartition("ktube-motion train-gpt ")[2].removesuffix(".")
    assert shlex.split(line) == [*words, "--text-encoder", "embedded"]


@pytest.mark.parametrize(
    "line",
    ["build", "build --poses a", "build --table a --samples 3", "build --samples 2", "export", "export a --root b",
     "export a --names b", "quickstart --poses a", "generate", "generate --say a --words b", "render"],
)  # fmt: skip
def test_flags_that_do_not_go_together(command, tmp_path, line):
    code, error = command(*line.split())
    assert code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


# -- how a command ends ----------------------------------------------------------


def test_exit_codes(command, monkeypatch):
    def end(result):
        def run(options):
            if isinstance(result, BaseException):
                raise result
            return result

        monkeypatch.setattr("ktube_motion.commands._check_assets.run", run)
        return command("check-assets")

    assert end(None) == (0, "")
    assert end(1)[0] == 1
    fault = ConfigError("Wrong.", fix="Go on with resume=True (--resume).")
    assert end(fault) == (1, "error: Wrong. Go on with --resume.\n")
    assert end(KeyboardInterrupt()) == (130, "Stopped. The same command goes on; what is finished is kept.\n")
    told = KeyboardInterrupt("Stopped and saved at step 3; go on with resume=True.")
    assert end(told) == (130, "Stopped and saved at step 3; go on with --resume.\n")
    with pytest.raises(ZeroDivisionError):  # a fault of ours keeps its traceback
        end(ZeroDivisionError())


def test_interrupted_commands_that_resume_say_so(command, monkeypatch):
    def stop(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("ktube_motion.commands._quickstart.run", stop)
    assert command("quickstart") == (
        130,
        "Stopped. The same command with --resume goes on; what is finished is kept.\n",
    )


def test_ctrl_c_saves_and_resume_goes_on(tmp_path, command):
    make_small_corpus(tmp_path / "dataset/KTubeUM", splits=(14, 1, 1))
    words, log = ["train-vq", *SMALL], tmp_path / "output/VQ/log.jsonl"
    process = start(*words, "--total-iter", 100_000, cwd=tmp_path)
    try:
        while not log.exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    assert process.returncode == 130, err.decode()
    last = err.decode().strip().splitlines()[-1]
    assert "Stopped and saved at step" in last
    assert last.endswith("go on with --resume.")
    assert b"Traceback" not in err
    reached = int(last.split("step ")[1].split(";")[0])
    code, printed = command(*words, "--total-iter", reached + 2, "--resume")
    assert code == 0, printed
    assert log.read_text().count('"loss"') == reached + 2


def test_reader_that_goes_away_and_terminal_without_hangul(tmp_path):
    process = start("--help", cwd=tmp_path)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 1
    process = start("quickstart", "--help", cwd=tmp_path, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err.decode()
    assert b'--say "??? ' in out


def test_warnings_are_one_line_and_the_old_way_comes_back(command, monkeypatch):
    import warnings

    before = warnings.formatwarning

    def run(options):
        assert warnings.formatwarning("Beware.", UserWarning, "file.py", 3) == "warning: Beware.\n"

    monkeypatch.setattr("ktube_motion.commands._check_assets.run", run)
    assert command("check-assets") == (0, "")
    assert warnings.formatwarning is before


# -- what is written ---------------------------------------------------------------


@pytest.fixture(scope="module")
def speaker():
    return make_speaker(num_utterances=2, seed=3)


def test_export_files(command, tmp_path, speaker):
    poses = speaker.truth
    poses = poses.replace(**{
        name: None if getattr(poses, name) is None else getattr(poses, name)[:30]
        for name in ("rotvecs", "transl", "expression", "valid")
    })  # fmt: skip
    save_poses(poses, tmp_path / "말.npz")
    joints = pose_to_joints(poses).positions
    np.save(tmp_path / "gt.npy", joints[None])  # as T2M-GPT writes it
    code, out = command("export", "말.npz", "gt.npy", "--to", "bvh", "glb", "npz", "html", "bvh")
    assert (code, out.splitlines()[0]) == (
        0,
        "8 made, 0 existed already (--overwrite makes them again), 0 skipped",
    )
    folder = tmp_path / "output/export"
    assert (folder / "말.glb").read_bytes()[:4] == b"glTF"
    assert "말" in (folder / "말.html").read_text(encoding="utf-8")
    bvh = load_bvh(folder / "말.bvh")
    assert (len(bvh), bvh.fps) == (30, pytest.approx(poses.fps, abs=0.01))
    assert len(load_bvh(folder / "gt.bvh")) == 30
    same = load_poses(folder / "말.npz")
    np.testing.assert_allclose(same.rotvecs, poses.rotvecs, atol=1e-5)
    fitted = pose_to_joints(load_poses(folder / "gt.npz"))
    assert fitted.fps == 20
    lifted = fitted.positions - joints  # onto the ground, all frames alike
    np.testing.assert_allclose(lifted[..., 1].mean(), 0.0165 - joints[:, [10, 11], 1].mean(), atol=0.01)
    assert np.linalg.norm(lifted - lifted.mean((0, 1)), axis=-1).mean() < 0.01
    assert "1 made" in command("export", "gt.npy", "--to", "npz", "--as-given", "--output", "given")[1]
    given = pose_to_joints(load_poses(tmp_path / "given/gt.npz"))
    assert np.linalg.norm(given.positions - joints, axis=-1).mean() < 0.01
    assert "0 made, 1 existed already" in command("export", "말.npz")[1]
    assert "1 made" in command("export", "output/export/말.bvh", "--output", "again", "--to", "html")[1]


def test_export_into_a_file_of_its_own(command, tmp_path):
    np.save(tmp_path / "stand.npy", np.repeat(make_speaker_joints()[:1], 3, 0))
    assert command("export", "stand.npy", "--output", "아바타.GLB")[0] == 0
    assert (tmp_path / "아바타.GLB").read_bytes()[:4] == b"glTF"
    assert command("export", "stand.npy", "--output", "new/아바타.vrma")[0] == 0
    assert (tmp_path / "new/아바타.vrma").read_bytes()[:4] == b"glTF"
    (tmp_path / "two.npy").write_bytes((tmp_path / "stand.npy").read_bytes())
    for wrong in (("two.npy",), ("--to", "bvh")):
        code, out = command("export", "stand.npy", *wrong, "--output", "b.glb")
        assert (code, "b.glb is one file" in out) == (2, True)
    assert not (tmp_path / "b.glb").exists()


def test_export_names_and_units(command, tmp_path):
    np.save(tmp_path / "stand.npy", np.repeat(make_speaker_joints()[:1], 3, 0))
    assert command("export", "stand.npy", "--bone-names", "mixamo", "--unit", "m", "--fps", "30")[0] == 0
    text = (tmp_path / "output/export/stand.bvh").read_text()
    assert "mixamorigLeftForeArm" in text  # no colon, which three.js cannot read
    assert load_bvh(tmp_path / "output/export/stand.bvh", unit="m").fps == pytest.approx(30, abs=0.01)


def make_speaker_joints():
    return pose_to_joints(make_speaker(num_utterances=2, seed=3).truth).positions


def test_export_tells_what_it_skips(command, tmp_path):
    np.save(tmp_path / "bad.npy", np.zeros((3, 7)))
    np.save(tmp_path / "good.npy", np.repeat(make_speaker_joints()[:1], 3, 0))
    code, out = command("export", "bad.npy", "good.npy")
    assert code == 0
    assert "1 made" in out
    assert "skipped bad.bvh: " in out
    assert command("export", "bad.npy", "--output", "other")[0] == 1
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a/good.npy", np.zeros((3, 22, 3)))
    assert "the same name" in command("export", "good.npy", "a/good.npy")[1]


def test_clips_of_a_corpus_exported_and_animated(command, tmp_path):
    make_small_corpus(tmp_path / "K", splits=(2, 1, 1), frames=(8, 12))
    code, out = command("export", "--root", "K", "--names", "말_001", "--to", "html")
    assert code == 0
    page = (tmp_path / "output/export/말_001.html").read_text(encoding="utf-8")
    assert Corpus(tmp_path / "K").texts("말_001")[0].text in page
    assert "no such clip" in command("export", "--root", "K", "--names", "nobody")[1]
    code, out = command("animate", "--root", "K", "--names", "말_000", "말_001", "--size", 96, "--workers", 1)
    assert code == 0
    assert out.startswith("2 drawn, 0 there already, 0 skipped")
    assert (tmp_path / "K/animations/말_000.mp4").stat().st_size > 500
    assert "0 drawn, 2 there already" in command("animate", "--root", "K", "--names", "말_000", "말_001")[1]
    assert "no such clip" in command("animate", "--root", "K", "--names", "nobody")[1]


def test_render(command, tmp_path):
    joints = make_speaker_joints()[:2]
    for kind in ("gt", "pred"):
        np.save(tmp_path / f"a_{kind}.npy", joints if kind == "gt" else joints[None])
    np.save(tmp_path / "b_gt.npy", joints)
    code, error = command("render", "--filedir", ".", "--motion-list", "a", "b", "c")
    assert code == 1
    assert "Expected: a. Found: b, c." in error
    code, out = command("render", "--filedir", ".", "--size", 64, "--renderer", "rays")
    assert (code, out) == (0, "a.mp4\n")
    assert (tmp_path / "a.mp4").stat().st_size > 500
    assert "a.mp4 is there already" in command("render", "--filedir", ".", "--motion-list", "a")[1]
    (tmp_path / "empty").mkdir()
    assert "`ktube-motion eval-gpt`" in command("render", "--filedir", "empty")[1]


def test_samples_in_the_place_of_data(command, tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr("ktube_motion.construct.build_corpus", lambda sources, root, **_: built.append((sources, root)))
    assert command("build", "--samples", 3)[0] == 0
    ((sources, root),) = built
    assert root == Path("dataset/KTubeUM")
    assert [source.name for source in sources] == ["speaker_00", "speaker_01", "speaker_02"]
    videos = tmp_path / "dataset/KTubeUM-videos"
    assert len(load_transcript(videos / "speaker_01.TextGrid")) >= 10
    assert len(load_poses(videos / "speaker_01.json")) > 1000


def test_axes_of_pose_files(command, tmp_path, speaker):
    """Every command that reads poses takes ``--axes``."""
    frames = [
        {"global_orient": [0.0, 0.0, 0.0], "body_pose": [0.01 * k] * 63, "transl": [0.0, 0.9, 0.0]} for k in range(40)
    ]
    (tmp_path / "a.json").write_text(json.dumps({"fps": 20, "frames": frames}))
    assert command("export", "a.json", "--to", "npz", "--axes", "y up")[0] == 0
    assert np.abs(load_poses("output/export/a.npz").global_orient).max() < 1e-6
    assert command("export", "a.json", "--to", "npz", "--overwrite")[0] == 0
    assert np.abs(load_poses("output/export/a.npz").global_orient).max() > 3
    for name in ("build", "json-to-npz", "process-poses", "export"):
        assert any("--axes" in action.option_strings for action in parser_of(name)._actions), name


@pytest.mark.parametrize("name", [name for names in COMMANDS.values() for name in names])
def test_what_the_parser_notes_is_no_flag_of_a_command(name):
    noted = {"given", "typed", "unused"}
    assert not noted & {action.dest for action in parser_of(name)._actions}


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("live", {}),
        ("live --top-p 0.5 --guidance-scale 1", {"top_p": 0.5, "guidance_scale": 1.0}),
        ("edit a.npy b.json", {}),
        ("edit a.npy b.json --temperature 0", {"temperature": 0.0}),
        ("generate --say 네", {}),
    ],
)
def test_a_pipeline_draws_as_usual_unless_told(line, asked):
    name, *words = line.split()
    assert asked_sampling(parser_of(name).parse_args(words)) == asked
