"""The page for those who come from the original: its lines are followed word by word in an empty folder."""

import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ktube_motion.commands import main
from ktube_motion.io import Corpus

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/original.rst").read_text(encoding="utf-8")


def lines_of(page, heading):
    """Give the commands of the code block below a heading."""
    block = page.split(f"{heading}\n{'-' * len(heading)}\n")[1].split(".. code-block:: bash\n\n")[1]
    block = re.split(r"\n\n\S", block)[0].replace("\\\n", " ")
    return [line.strip() for line in block.splitlines() if line.strip()]


def test_the_lines_of_the_page_in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ktube_motion.commands._build.executor_of", lambda address: ThreadPoolExecutor(1))
    lines = lines_of(PAGE, "Word by word")
    assert len(lines) > 12
    for line in lines:
        if line.startswith("ktube-motion "):
            assert main(shlex.split(line)[1:]) == 0, line
        else:
            subprocess.run(line, shell=True, check=True, cwd=tmp_path)
    corpus = Corpus("dataset/KTubeUM")
    assert all(corpus.names(split) for split in ("train", "val", "test"))
    for left in ("output/VQVAE/net_best_fid.pth", "output/GPT/net_best_fid.pth", "output/TEST_VQVAE/report.md",
                 "output/TEST_GPT/report.md", "left.html", "HumanML3D/Mean.npy"):  # fmt: skip
        assert Path(left).stat().st_size > 100, left


def test_the_page_names_everything_of_the_original(shared):
    original = (shared / "ktube-original-readme.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [line.strip() for line in original.splitlines() if line.strip().startswith("python3")]
    named = set(re.findall(r"\S+\.ipynb|\S+\.sh|\w+\.py|\./\w+", original))
    wanted = {Path(name.strip("*.,")).name for name in named} - {"KTubeUM"} | {"KTubeUM"}
    wanted |= {flag for line in commands for flag in re.findall(r"--[\w-]+", line)}
    wanted |= {folder.strip("─├└ /") for folder in re.findall(r"[├└]── (\S+)", original)}
    missing = {name for name in wanted if name not in PAGE}
    assert not missing


@pytest.mark.parametrize("name", ["json_to_npz", "raw_pose_processing", "motion_representation", "cal_mean_variance"])
def test_notebooks_have_their_script(name):
    assert (ROOT / "examples" / f"{name}.py").exists()
    assert f"{name}.ipynb" in PAGE
