"""Files and names from anywhere: a counted skip or a KtubeError, and never a file outside the corpus."""

import os
import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ktube_motion.construct import Source, build_corpus, pair_sources
from ktube_motion.errors import KtubeError
from ktube_motion.io import Corpus
from ktube_motion.samples import make_speaker

CASES = int(os.environ.get("KTUBE_FUZZ_CASES", "40"))

NAMES = [
    "", ".", "..", "../x", "../../x", "/etc/x", "a/b", "a\\b", "a\0b", "a\nb", "a\u2028b", " a", "a ", "C:x", ".hidden",
    "가" * 300, "x" * 300, "a..b", "\udc80x", "😀", "👩‍👩‍👧 강연", "M", "con", "-rf", "$(touch x)", "a_000", "%s{0}",
    "*", "[ab]", "x" * 200, "x" * 190, "가" * 66, None, 7, b"bytes",
]  # fmt: skip


def tree(folder):
    return {path for path in Path(folder).rglob("*")}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    make_speaker(folder, num_utterances=1, name="good")
    return pair_sources(folder, folder)[0][0]


def build(sources, root):
    with ThreadPoolExecutor(1) as here:
        return build_corpus(sources, root, executor=here, progress=False)


def test_any_name_is_used_or_counted(good, tmp_path):
    odd = ["김", "\udc80", "a\nb<"]
    sources = [replace(good, name=name, speaker=odd[k % 3]) for k, name in enumerate(NAMES)]
    report = build(sources, tmp_path / "in" / "K")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["K"]
    assert report.clips + len(report.failed) == len(NAMES)
    used = set(Corpus(tmp_path / "in" / "K").names("all"))
    assert {"😀_000", f"{'x' * 190}_000", "*_000", "[ab]_000", "-rf_000", "$(touch x)_000", "a_000_000"} <= used
    assert report.clips == 10
    assert "Windows" in report.failed["con"]
    again = build(sources, tmp_path / "in" / "K")  # odd names do not confuse what sweeps up behind a build
    assert again == report
    assert set(Corpus(tmp_path / "in" / "K").names("all")) == used


def test_file_names_from_a_folder(good, tmp_path):
    for name in ("😀", "a..b", "x" * 240, "가" * 80, "a\nb", "Mr. Kim", b"\xff\xfe".decode(errors="surrogateescape")):
        for path in (good.poses, good.transcript):
            (tmp_path / "in").mkdir(exist_ok=True)
            (tmp_path / "in" / f"{name}{path.suffix}").write_bytes(path.read_bytes())
    sources, alone = pair_sources(tmp_path / "in", tmp_path / "in")
    assert len(sources) == 7
    assert not alone
    report = build(sources, tmp_path / "K")
    assert report.clips + len(report.failed) == 7
    assert {"😀_000", "Mr. Kim_000"} <= set(Corpus(tmp_path / "K").names())


def broken(data, rng):
    """Spoil a file in one of many ways."""
    kind = rng.randrange(9)
    lines, place = data.split(b"\n"), rng.randrange(len(data))
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + rng.randbytes(rng.randrange(1, 50)) + data[place:]
    if kind == 2:
        rng.shuffle(lines)
        return b"\n".join(lines)
    if kind == 3:
        line = rng.randrange(len(lines))
        return b"\n".join(lines[:line] + [lines[line]] * rng.randrange(2, 4) + lines[line:])
    if kind == 4:
        spans = [i for i in range(len(data)) if data[i : i + 1].isdigit()]
        at = rng.choice(spans)
        worse = rng.choice([b"NaN", b"1e9", b"-1", b'"7"', b"null", b"1e400", b"[]", b"Infinity", b"99999999999"])
        return data[:at] + worse + data[at + 1 :]
    if kind == 5:
        return rng.choice(
            [b"", b"\0", b"null", b"[]", b"{}", b'{"fps":30,"frames":[]}', b"[[[[", b"\xff\xfe\x00\xd8", b"1\n"]
        )
    if kind == 6:
        return data.replace(*rng.choice([(b"smplx_body_pose", b"body"), (b'"frame":', b'"frame":-'), (b",", b",,"),
                                         (b'"fps":30.0', b'"fps":0'), (b"-->", b"->"), (b"00:", b"99:")]))  # fmt: skip
    if kind == 7:
        return b"\n".join(line for line in lines if rng.random() < 0.7)
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def test_broken_files_are_counted(good, tmp_path):
    rng = random.Random(int(os.environ.get("KTUBE_FUZZ_SEED", "0")))
    poses, words = good.poses.read_bytes(), good.transcript.read_bytes()
    (tmp_path / "in").mkdir()
    sources = [good]
    for number in range(CASES):
        paths = [tmp_path / "in" / f"{number}.json", tmp_path / "in" / f"{number}.srt"]
        both = rng.random() < 0.1
        spoiled = rng.random() < 0.6
        paths[0].write_bytes(broken(poses, rng) if spoiled or both else poses)
        paths[1].write_bytes(broken(words, rng) if not spoiled or both else words)
        sources.append(
            Source(*paths, f"case{number}", fps=rng.choice([None, None, 29.97]), offset=rng.choice([0, 0, -2.5]))
        )
    before = tree(tmp_path / "in")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = build(sources, tmp_path / "K")
    assert tree(tmp_path / "in") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["K", "in"]
    assert not [reason for reason in report.failed.values() if "Unforeseen" in reason]
    told = {skip["source"] for skip in report.skipped} | set(report.failed)
    corpus = Corpus(tmp_path / "K")
    made = {name.rsplit("_", 1)[0] for name in corpus.names("all")}
    assert {source.name for source in sources} <= made | told
    assert "good" in made
    assert len(report.failed) > CASES / 4
    for name in corpus.names("all"):
        corpus.features(name), corpus.texts(name)
    assert not corpus.malformed


@pytest.mark.parametrize("root", ["a\0b", "x" * 300, "\udc80" * 300])
def test_impossible_roots(good, tmp_path, root):
    with pytest.raises(KtubeError, match="Cannot write this file"):
        build([good], tmp_path / root)
    with pytest.raises(KtubeError, match="not a KTubeUM corpus"):
        Corpus(tmp_path / root)
