"""Word times of a corpus: beside the text lines, which do not change; believed only where they fit the text."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import CorpusError
from ktube_motion.io import Corpus, write_text_file
from ktube_motion.types import Utterance, Word

GREETING = Utterance(
    0,
    0,
    "안녕하세요 여러분",
    (Word(0.1, 0.8, "안녕하세요"), Word(0.9, 1.4, "여러분", "estimated")),
    (("여러분", "PRON"),),
)
PLAIN = Utterance(0, 0, "손을 들어요.")


@pytest.fixture
def corpus(tmp_path):
    return Corpus.create(tmp_path, fps=20)


def add(corpus, *texts, name="a"):
    corpus.add_clip(name, features=np.zeros((40, 263)), texts=texts)


def test_words_come_back_and_the_text_lines_do_not_change(corpus, tmp_path):
    add(corpus, GREETING, PLAIN)
    write_text_file(tmp_path / "plain.txt", [replace(GREETING, words=()), PLAIN])
    assert (corpus.root / "texts" / "a.txt").read_bytes() == (tmp_path / "plain.txt").read_bytes()
    assert corpus.texts("a") == [GREETING, PLAIN]
    assert corpus.words("a") == [GREETING.words, ()]
    assert (corpus.malformed, corpus.malformed_words) == ({}, {})


def test_signs_that_the_text_lines_write_full_width(corpus):
    add(
        corpus,
        Utterance(0, 0, "1/2 #번 3／4", tuple(Word(k, k + 1, text) for k, text in enumerate(("1/2", "#번", "3／4")))),
    )
    assert [word.text for word in corpus.words("a")[0]] == ["1/2", "#번", "3/4"]
    assert not corpus.malformed_words


def test_a_clip_without_word_times_leaves_no_file_of_an_older_one(corpus):
    add(corpus, GREETING)
    add(corpus, PLAIN)
    assert not (corpus.root / "words" / "a.json").exists()
    assert corpus.words("a") == [()]


def test_a_malformed_text_line_does_not_shift_the_words_of_others(corpus):
    add(corpus, PLAIN, GREETING)
    path = corpus.root / "texts" / "a.txt"
    path.write_text("\n".join(["", "damaged", *path.read_text(encoding="utf-8").split("\n")[1:]]), encoding="utf-8")
    assert corpus.words("a") == [GREETING.words]
    assert corpus.malformed == {"a": 1}
    assert corpus.malformed_words == {}


def test_words_of_another_text_are_not_believed(corpus):
    add(corpus, GREETING, PLAIN)
    path = corpus.root / "texts" / "a.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("여러분#", "친구들#"), encoding="utf-8")
    assert corpus.words("a") == [(), ()]
    assert corpus.malformed_words == {"a": 1}


GOOD = [[0.1, 0.8, "안녕하세요", "given"], [0.9, 1.4, "여러분", "given"]]


@pytest.mark.parametrize(
    "row",
    [
        None,
        7,
        "안녕하세요 여러분",
        {"words": GOOD},
        GOOD[:1],
        [GOOD[0], 3],
        [GOOD[0], GOOD[1][:3]],
        [GOOD[0], [0.5, 1.4, "여러분", "given"]],  # overlaps
        [[0.9, 0.8, "안녕하세요", "given"], GOOD[1]],  # ends before it starts
        [GOOD[0], [0.9, "1.4", "여러분", "given"]],
        [GOOD[0], [0.9, True, "여러분", "given"]],
        [GOOD[0], [0.9, None, "여러분", "given"]],
        [GOOD[0], [0.9, math.nan, "여러분", "given"]],
        [GOOD[0], [0.9, math.inf, "여러분", "given"]],
        [GOOD[0], [0.9, 10**400, "여러분", "given"]],
        [GOOD[0], [0.9, 1e9, "여러분", "given"]],
        [[-0.1, 0.8, "안녕하세요", "given"], GOOD[1]],
        [GOOD[0], [0.9, 1.4, "여러분", "guessed"]],
        [GOOD[0], [0.9, 1.4, "여러분", ["given"]]],
        [GOOD[0], [0.9, 1.4, 5, "given"]],
        [GOOD[1], GOOD[0]],
    ],
)
def test_a_bad_entry_is_left_out_alone_and_counted(corpus, row):
    add(corpus, replace(GREETING, words=()), GREETING)
    second = [[word.start, word.end, word.text, word.source] for word in GREETING.words]
    path = corpus.root / "words" / "a.json"
    path.write_text(json.dumps([row, second]), encoding="utf-8")
    assert corpus.words("a") == [(), GREETING.words]
    assert corpus.malformed_words == {"a": 1}


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[[]", b"[" * 100_000, b"\xff\xfe\x00", b"[[], []]", b"3", b"\x81\x30"]
)
def test_a_damaged_file_costs_the_word_times_and_nothing_else(corpus, content):
    add(corpus, GREETING)
    (corpus.root / "words" / "a.json").write_bytes(content)
    assert corpus.texts("a") == [replace(GREETING, words=())]
    assert corpus.malformed_words == {"a": 1}


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ((Word(0, 1, "안녕"),), "spell"),
        ((Word(0, 1, "안녕하세요"), Word(0.5, 2, "여러분")), "overlap"),
        ((Word(0, 1, "안녕하세요"), Word(1, math.nan, "여러분")), "seconds"),
        ((Word(-1, 1, "안녕하세요"), Word(1, 2, "여러분")), "seconds"),
        ((Word(0, 1, "안녕하세요"), Word(1, 2, "여러분", "heard")), "source"),
    ],
)
def test_words_that_cannot_be_right_are_not_written(corpus, words, fault):
    with pytest.raises(CorpusError, match=fault):
        add(corpus, replace(GREETING, words=words))
    assert corpus.names() == []
    assert not (corpus.root / "texts" / "a.txt").exists()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.text(
                    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), exclude_characters="＃／"),
                    min_size=1,
                ),
                st.integers(0, 3000),
                st.integers(0, 3000),
                st.sampled_from(["given", "aligned", "estimated"]),
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_words_survive_the_file(tmp_path_factory, rows):
    texts = []
    for row in rows:
        time, words = 0, []
        for text, gap, length, source in row:
            words.append(Word((time + gap) / 1000, (time + gap + length) / 1000, text, source))
            time += gap + length
        texts.append(Utterance(0, 0, " ".join(word.text for word in words) or "네", tuple(words)))
    corpus = Corpus.create(tmp_path_factory.mktemp("corpus"))
    add(corpus, *texts)
    assert corpus.words("a") == [text.words for text in texts]
