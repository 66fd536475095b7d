"""The page for reviewing: every clip with words and figures, and the list that curate reads."""

import base64
import json
import re

import numpy as np
import pytest

from ktube_motion.construct import build_corpus, curate, pair_sources, write_review
from ktube_motion.errors import CorpusError
from ktube_motion.io import Corpus
from ktube_motion.io._files import write_text
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
    assert not re.search(r'(?:src|href)="|https?://|url\(["\']?http', page.replace("data:font", ""))


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
    browser.wait("document.querySelector('canvas').getContext('2d').getImageData(0, 0, 400, 400).data.some((v) => v)")
    browser.run("(() => { const s = document.getElementById('order'); s.value = 'dropped'; "
                "s.dispatchEvent(new Event('change')); })()")  # fmt: skip
    assert browser.run("document.querySelector('.card').classList.contains('dropped')")
    assert browser.errors() == []
