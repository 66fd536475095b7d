"""The tutorials: every block of every page runs, one after the other, in an empty folder."""

import json
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
from tutorial_blocks import blocks_of

from ktube_motion.commands import main
from ktube_motion.errors import CheckpointError

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted(page for page in (DOCS / "tutorials").glob("*.rst") if page.stem != "index")
# What a page promises to leave.
LEAVES = {
    "own_videos": ["dataset/KTubeUM/report.html", "clip.html"],
    "training": ["output/report/report.md", "output/speaker/pipeline.json"],
    "talk": ["talk.html", "greeting.mp4"],
    "avatar": ["gesture.glb", "gesture_vrm.glb", "gesture.vrma", "gesture.bvh", "from_joints.bvh"],
    "loop": ["dataset/loop/Mean.npy"],
}


def shipped():
    from ktube_motion import UtteranceToMotion

    try:
        UtteranceToMotion.from_pretrained("sample-speaker")
    except CheckpointError:
        return False
    return True


def test_every_page_is_here():
    assert {page.stem for page in PAGES} == LEAVES.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs(page, tmp_path, monkeypatch):
    blocks = blocks_of(page)
    if "sample-speaker" in page.read_text(encoding="utf-8") and not shipped():
        pytest.skip("no speaker is shipped with this build")
    monkeypatch.chdir(tmp_path)
    # A pool of processes would import torch for every few clips.
    for place in ("construct._build", "io._executors"):
        monkeypatch.setattr(f"ktube_motion.{place}.given_or_own", lambda *_: nullcontext(ThreadPoolExecutor(1)))
    names = {"__name__": "__main__"}
    for number, (language, code) in enumerate(blocks):
        if language == "python":
            exec(compile(code, f"{page.name}, block {number}", "exec"), names)
        else:
            for line in code.replace("\\\n", " ").splitlines():
                assert main(shlex.split(line)[1:]) == 0, line
    for path in LEAVES[page.stem]:
        assert (tmp_path / path).stat().st_size > 50, path


def test_the_notebook_is_the_page(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    from make_notebook import notebook_of

    page = DOCS / "tutorials/own_videos.rst"
    written = json.loads((DOCS / "notebooks/own_videos.ipynb").read_text(encoding="utf-8"))
    assert written == notebook_of(page), "run: python docs/make_notebook.py"
    code = "".join("".join(cell["source"]) for cell in written["cells"] if cell["cell_type"] == "code")
    for language, block in blocks_of(page):
        assert block.strip() in code or language == "bash"
    assert "pip install" in code
    sys.modules.pop("make_notebook")
