"""The page for reviewing: every clip with words and figures, and the list that curate reads."""

import base64
import json
import re
import shutil
import tracemalloc

import numpy as np
import pytest

from ktube_motion.construct import build_corpus, curate, pair_sources, write_review
from ktube_motion.errors import ConfigError, CorpusError
from ktube_motion.io import Corpus
from ktube_motion.io._files import write_json, write_text
from ktube_motion.samples import make_speaker

HOSTILE = "</script><script>document.title='broken'</script>"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("review")
    make_speaker(folder, num_utterances=3, name="talk")
    words = (folder / "talk.srt").read_text("utf-8").splitlines()
    words[2] = f"안녕 {HOSTILE} &amp; 여러분"
    write_text(folder / "talk.srt", "\n".join(words))
    build_corpus(pair_sources(folder, folder)[0], folder / "K", progress=False)
    return folder / "K"


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="clips">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_shows_every_clip(corpus):
    page = (corpus / "review.html").read_text("utf-8")
    data = data_of(page)
    manifest = json.loads((corpus / "manifest.json").read_text("utf-8"))
    assert [clip["name"] for clip in data["clips"]] == [clip["name"] for clip in manifest["clips"]]
    assert [clip["text"] for clip in data["clips"]] == [clip["text"] for clip in manifest["clips"]]
    first = data["clips"][0]
    moved = np.frombuffer(base64.b64decode(first["joints"]), "<i2").reshape(-1, data["joints"], 2) / 1000
    joints = Corpus(corpus).joints(first["name"], recovered=True)[::2, :, :2]
    np.testing.assert_allclose(np.diff(moved, axis=0), np.diff(joints, axis=0), atol=0.0011)
    assert "% filled" in first["figures"]
    assert len(data["bones"]) == 21
    assert 'id="part"' not in page
    assert not re.search(r'(?:src|href)="|https?://|url\(["\']?http', page.replace("data:font", ""))


@pytest.fixture
def large(corpus, tmp_path, monkeypatch):
    """A corpus whose manifest tells of 12,000 clips, each with the motion of one that is there; and what is read."""
    shutil.copytree(corpus, tmp_path / "K")
    manifest = json.loads((tmp_path / "K" / "manifest.json").read_text("utf-8"))
    first = manifest["clips"][0] | {"filled": 0.0, "jitter_before": 1.0, "confidence": 0.9, "text": "안녕"}
    manifest["clips"] = [first | {"name": f"clip_{number:05d}"} for number in range(12000)]
    write_json(tmp_path / "K" / "manifest.json", manifest)
    motion, read = Corpus(corpus).joints(first["name"], recovered=True), []
    monkeypatch.setattr(Corpus, "joints", lambda _, name, **__: read.append(name) or motion)
    monkeypatch.setattr("ktube_motion.construct._review.embedded_font", lambda _: "")  # the slow part
    return tmp_path / "K", manifest, read


def rewrite(large, **values):
    """Change the figures of clips by their numbers."""
    root, manifest, _ = large
    for figure, changed in values.items():
        for number, value in changed.items():
            manifest["clips"][number][figure] = value
    write_json(root / "manifest.json", manifest)


def names_of(page):
    return [clip["name"] for clip in data_of(page.read_text("utf-8"))["clips"]]


def test_a_large_corpus_shows_the_clips_that_need_eyes_most(large):
    root, _, read = large
    rewrite(
        large, filled={7000: 0.5, 11: 0.4}, jitter_before={9000: 90.0, 5: 80.0, 8: 70.0},
        confidence={11999: 0.1, 6: 0.2, 7000: 0.3},
    )  # fmt: skip
    numbers = lambda page: [int(name[5:]) for name in names_of(page)]  # noqa: E731
    # In turn: filled 7000, jitter 9000, confidence 11999; then 11, 5, 6.
    assert numbers(write_review(root, most=3)) == [7000, 9000, 11999]
    assert numbers(write_review(root, most=5)) == [5, 11, 7000, 9000, 11999]
    assert numbers(write_review(root, most=6)) == [5, 6, 11, 7000, 9000, 11999]
    read.clear()
    page = write_review(root)
    shown = numbers(page)
    assert len(shown) == len(set(shown)) == len(read) == 300
    assert shown == sorted(shown)
    assert {5, 6, 8, 11, 7000, 9000, 11999} <= set(shown)
    assert "300 of 12,000 clips are shown" in page.read_text("utf-8")
    other = write_review(root, root / "other.html", names=["clip_00100", "clip_00099"])
    assert numbers(other) == [99, 100]
    assert "2 of 12,000 clips are shown" in other.read_text("utf-8")
    assert numbers(write_review(root, names=[f"clip_{number:05d}" for number in range(5, 12)], most=2)) == [5, 11]
    with pytest.raises(CorpusError, match=r"not in the corpus.*clip_99999"):
        write_review(root, names=["clip_00001", "clip_99999"])
    for most in (0, 1.5, True):
        with pytest.raises(ConfigError, match="most"):
            write_review(root, most=most)


def test_memory_and_page_do_not_grow_with_the_corpus(large, monkeypatch):
    root, manifest, _ = large
    monkeypatch.setattr("ktube_motion.construct._review.read_manifest", lambda *_, **__: manifest)
    clips, peaks, sizes = manifest["clips"], [], []
    write_review(root)  # what is loaded once
    for count in (300, 12000):
        manifest["clips"] = clips[:count]
        tracemalloc.start()
        sizes.append(write_review(root).stat().st_size)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert sizes[1] < sizes[0] + 2000
    assert peaks[1] < 1.2 * peaks[0] + 2e6


def test_of_a_long_clip_the_beginning_is_shown(large, monkeypatch):
    root, _, _ = large
    long = np.zeros((4000, 22, 3))
    monkeypatch.setattr(Corpus, "joints", lambda *_, **__: long)
    rewrite(large, frames={3: 4000}, jitter_before={3: 9.0})
    (clip,) = data_of(write_review(root, names=["clip_00003"]).read_text("utf-8"))["clips"]
    assert clip["figures"].startswith("200.0 s, the first 20 shown")
    assert clip["seconds"] == 200.0
    assert len(base64.b64decode(clip["joints"])) == 20 * 10 * 22 * 2 * 2


def test_a_list_of_dropped_clips_is_read(corpus):
    before = Corpus(corpus).names("all")
    dropped = corpus.parent / "dropped.txt"
    write_text(dropped, "# by hand\ntalk_001\n\n")
    assert curate(corpus, exclude=dropped) == ["talk_001"]
    assert set(before) - set(Corpus(corpus).names("all")) == {"talk_001", "Mtalk_001"}
    write_text(dropped, "talk_999\n")
    with pytest.raises(CorpusError, match="not in the corpus"):
        curate(corpus, exclude=dropped)
    assert curate(corpus) == []


def test_without_a_corpus_there_is_no_page(tmp_path):
    with pytest.raises(CorpusError):
        write_review(tmp_path)


def test_the_page_in_a_browser(corpus, browser):
    browser.open(corpus / "review.html")
    count = len(data_of((corpus / "review.html").read_text("utf-8"))["clips"])
    assert browser.run("document.title") == "KTubeUM: review"
    assert browser.run("document.getElementById('summary').textContent").startswith(f"{count} of {count} clips kept")
    browser.run("document.querySelectorAll('.card input')[1].click()")
    assert browser.run("document.getElementById('summary').textContent").startswith(f"{count - 1} of {count} clips")
    # Read from a copy: of a canvas that is read often Chromium complains.
    browser.run("window.copy = document.createElement('canvas').getContext('2d', {willReadFrequently: true}), 0")
    browser.wait("(copy.drawImage(document.querySelector('canvas'), 0, 0), "
                 "copy.getImageData(0, 0, 300, 150).data.some((v) => v))")  # fmt: skip
    browser.run("(() => { const s = document.getElementById('order'); s.value = 'dropped'; "
                "s.dispatchEvent(new Event('change')); })()")  # fmt: skip
    assert browser.run("document.querySelector('.card').classList.contains('dropped')")
    assert browser.errors() == []
