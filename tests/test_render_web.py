"""The web page, in a real Chromium (`browser.py`)."""

import base64
import json
import time
import zlib
from types import SimpleNamespace

import numpy as np
import pytest

from ktube_motion import Motion
from ktube_motion.errors import ConfigError, DataError, ShapeError
from ktube_motion.render import save_gallery, save_html
from ktube_motion.skeletons import KIT_21, SMPL_22, SMPLH_52
from ktube_motion.types import Cue


def waving(skeleton=SMPL_22, frames=60, name=""):
    """Give a standing figure that moves every joint a little."""
    rest = np.zeros((skeleton.num_joints, 3))
    for joint, parent in enumerate(skeleton.parents):
        if parent >= 0:
            rest[joint] = rest[parent] + skeleton.offsets[joint]
    time = np.arange(frames)[:, None, None] / 20
    sway = np.sin(2 * np.pi * time + np.arange(skeleton.num_joints)[:, None]) * 0.05 / skeleton.metres_per_unit
    return Motion(skeleton=skeleton, positions=rest + sway * (1, 1, 0.5), fps=20, name=name)


PIXELS = "document.querySelector('canvas').toDataURL()"
FRAME = "Number(document.getElementById('scrub').value)"


def test_page_plays_steps_scrubs_orbits_and_speaks(browser, tmp_path):
    cues = [Cue(0, 1, "여러분 안녕하세요"), Cue(1, 3, "반갑습니다")]
    page = save_html(
        [waving(name="실제"), waving(SMPLH_52, name="생성")], tmp_path / "a.html", utterance=cues, title="비교"
    )
    browser.open(page)
    assert browser.run("document.title") == "비교"
    first = browser.run(FRAME)
    browser.wait(f"{FRAME} !== {first}")
    browser.press(" ")
    browser.press("\ue011")  # Home
    browser.wait(f"{FRAME} === 0 && document.getElementById('subtitle').textContent === '여러분 안녕하세요'")
    for _ in range(3):
        browser.press("\ue014")  # right
    browser.wait(f"{FRAME} === 3")
    browser.press("\ue012")  # left
    browser.wait(f"{FRAME} === 2")
    before = browser.run(PIXELS)
    assert browser.run(PIXELS) == before
    browser.drag((250, 300), (360, 320))
    browser.wait(f"{PIXELS} !== {json.dumps(before)}")
    turned = browser.run(PIXELS)
    browser.drag((250, 300), (200, 300), pointer="touch")
    browser.wait(f"{PIXELS} !== {json.dumps(turned)}")
    turned = browser.run(PIXELS)
    browser.run(
        "document.querySelector('canvas').dispatchEvent(new WheelEvent('wheel', {deltaY: -300, cancelable: true}))"
    )
    browser.wait(f"{PIXELS} !== {json.dumps(turned)}")
    browser.press("r")
    browser.wait(f"{PIXELS} === {json.dumps(before)}")
    browser.choose("scrub", "30", "input")
    browser.wait("document.getElementById('subtitle').textContent === '반갑습니다'")
    assert browser.run("[...document.querySelectorAll('.panel p')].map((p) => p.textContent)") == ["실제", "생성"]
    assert browser.errors() == []


def test_speed_changes_how_fast_time_runs(browser, tmp_path):
    browser.open(save_html(waving(frames=2000), tmp_path / "a.html", look="sticks"))
    ran = []
    for speed in ("0.25", "2"):
        browser.choose("speed", speed, "change")
        start = browser.run("player.time")
        time.sleep(0.8)
        ran.append(browser.run("player.time") - start)
    assert ran[1] > 3 * ran[0] > 0
    assert browser.errors() == []


def test_texts_cannot_become_script(browser, tmp_path):
    evil = "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'> {{script}}"
    page = save_html(waving(name=evil), tmp_path / "a.html", utterance=evil, title=evil)
    browser.open(page)
    browser.wait("document.getElementById('subtitle').textContent.length > 0")
    assert browser.run("window.broken === undefined")
    assert browser.run("document.getElementById('subtitle').textContent") == evil
    assert browser.run("document.title") == " ".join(evil.split())
    assert browser.errors() == []


def test_page_fits_a_telephone(browser, tmp_path):
    browser.open(save_html([waving(), waving(KIT_21)], tmp_path / "a.html", utterance="안녕하세요"))
    browser.call("POST", "/window/rect", {"width": 500, "height": 900})
    time.sleep(0.3)
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
    tops = browser.run("[...document.querySelectorAll('canvas')].map((c) => c.getBoundingClientRect().top)")
    assert tops[1] > tops[0] + 100
    browser.call("POST", "/window/rect", {"width": 1000, "height": 760})
    assert browser.errors() == []


def corpus(bad=()):
    clips = {f"clip_{k}": waving(frames=20 + k).positions for k in range(5)}
    for name in bad:
        clips[name] = np.full((4, 22, 3), np.nan)
    words = {name: [Cue(0, 0, f"문장 {name}")] for name in clips}
    return SimpleNamespace(
        names=lambda split: list(clips), joints=clips.get, texts=words.get, skeleton=SMPL_22, fps=20.0
    )


def test_gallery_shows_searches_and_plays(browser, tmp_path):
    page = tmp_path / "all.html"
    assert save_gallery(corpus(), page, split="val", progress=False) == {}
    browser.open(page)
    assert browser.run("document.querySelectorAll('.tile').length") == 5
    before = browser.run(PIXELS)
    browser.wait(f"{PIXELS} !== {json.dumps(before)}")
    browser.choose("search", "CLIP_3", "input")
    assert browser.run("document.querySelectorAll('.tile').length") == 1
    browser.run("document.querySelector('.tile').click()")
    browser.wait("document.getElementById('subtitle').textContent === '문장 clip_3'")
    first = browser.run(FRAME)
    browser.wait(f"{FRAME} !== {first}")
    browser.run("document.getElementById('back').click()")
    assert browser.run("document.body.classList.contains('browsing')")
    assert browser.errors() == []


def test_gallery_counts_what_it_cannot_show(tmp_path):
    skipped = save_gallery(corpus(bad=["broken"]), tmp_path / "all.html", progress=False)
    assert list(skipped) == ["broken"]
    assert "NaN" in skipped["broken"]
    with pytest.raises(ConfigError, match="no clip"):
        save_gallery(SimpleNamespace(names=lambda split: []), tmp_path / "none.html", split="test", progress=False)
    assert not (tmp_path / "none.html").exists()


def data_of(page):
    return json.loads(page.read_text("utf-8").split('id="data">')[1].split("</script>")[0])


def test_stored_positions_are_exact_to_a_tenth_of_a_millimetre(tmp_path):
    motion = waving()
    page = save_html(motion, tmp_path / "a.html", look="sticks", finish=False)
    clip = data_of(page)["clips"][0]
    steps = np.frombuffer(zlib.decompress(base64.b64decode(clip["data"])), "<i2").reshape(clip["channels"], len(motion))
    numbers = np.cumsum(steps, 1, dtype=np.int16)[:66].T.reshape(len(motion), 22, 3)
    back = numbers * clip["scale"] + np.array(clip["middle"])
    assert np.abs(back - motion.positions).max() < 1e-4
    assert "http" not in page.read_text("utf-8").replace("http-equiv", "")


def test_bad_input_leaves_no_file(tmp_path):
    motion = waving()
    with pytest.raises(ConfigError, match=r"\.html"):
        save_html(motion, tmp_path / "a.txt")
    broken = motion.positions.copy()
    broken[3] = np.nan
    with pytest.raises(DataError, match="first at 3"):
        save_html(motion.replace(positions=broken), tmp_path / "a.html")
    with pytest.raises(ShapeError, match="no frames"):
        save_html(motion[:0], tmp_path / "a.html")
    with pytest.raises(ConfigError, match="Subtitles"):
        save_html(motion, tmp_path / "a.html", utterance=3)
    assert list(tmp_path.iterdir()) == []
