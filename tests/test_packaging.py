"""What goes into a release: what git tracks, and nothing that a command leaves beside it."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from ktube_motion.commands import COMMANDS, parser_of
from ktube_motion.commands._generate import usual_output

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def git(*words, check=True):
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=check)
    except FileNotFoundError:
        pytest.skip("no git")
    return [line for line in re.split("[\0\n]", done.stdout) if line]


def test_the_source_archive_holds_what_git_tracks():
    builders = pytest.importorskip("hatchling.builders.sdist")
    packed = {file.distribution_path for file in builders.SdistBuilder(str(ROOT)).recurse_included_files()}
    tracked = set(git("ls-files", "-z"))
    assert packed - tracked == set(), "left by a command, or not added to git"
    assert tracked - packed - {"pyproject.toml"} == set()


def test_git_ignores_what_every_command_leaves():
    outputs = set()
    for name in (name for names in COMMANDS.values() for name in names):
        options = vars(parser_of(name))["_option_string_actions"]
        for flag in ("--output", "--out-dir", "--root", "--input", "--cache"):
            default = options[flag].default if flag in options else None
            if default is not None and not Path(default).is_absolute():
                outputs.add(Path(default).as_posix())
    assert {"my_pose", "joints", "HumanML3D", "dataset/KTubeUM", "output/edited.npy", "output_vqfinal"} <= outputs
    outputs |= {"dataset/KTubeUM-videos", "checkpoints/ktube", "pose_json", "glove"}
    for where in ("", "examples/"):
        wanted = [f"{where}{path}/file" for path in sorted(outputs)]
        wanted += [f"{where}{usual_output()}"]  # of generate
        assert git("check-ignore", *wanted, check=False) == wanted


def test_the_metadata_of_a_release():
    assert PROJECT["authors"]
    assert PROJECT["urls"]
    said = {text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)}
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    assert said == set(re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1]))
    assert PROJECT["requires-python"] == f">={min(said, key=lambda text: int(text[2:]))}"
    table = (ROOT / "docs/install.rst").read_text(encoding="utf-8")
    for extra in PROJECT["optional-dependencies"]:
        assert f"\n``{extra}``" in table, "docs/install.rst tells what each extra is for"
