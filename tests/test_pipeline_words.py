"""A pipeline whose transformer hears words: lengths, talks, live streams, words that cannot be."""

import tracemalloc
from itertools import islice

import numpy as np
import pytest
import torch
from test_pipeline import make_transformer, seeded, tokenizer  # noqa: F401 (a fixture)

from ktube_motion.errors import CheckpointError, ConfigError, DataError
from ktube_motion.io._files import read_json, write_json
from ktube_motion.pipeline import UtteranceToMotion, read_talk
from ktube_motion.pipeline._hearing import LEAD_IN, hear, spoken_words, words_of_talk
from ktube_motion.text import EmbeddedTextEncoder, speaking_seconds, word_encoder, word_track
from ktube_motion.text._tracks import NUM_TIMES
from ktube_motion.types import Cue, Utterance, Word

WORDS = [Word(0.3, 0.6, "여러분"), Word(0.7, 1.4, "안녕하세요."), Word(2.9, 3.2, "왼쪽을"), Word(3.2, 3.7, "보세요.")]
RATE = 5.0


class Letters:
    """Word vectors that need no model: the letters' numbers."""

    dim, identity = 4, "letters/words"

    def encode_words(self, words):
        return torch.tensor([[float(ord(word[k % len(word)]) % 97) / 50 for k in range(4)] for word in words])


@pytest.fixture(scope="module")
def pipeline(tokenizer):  # noqa: F811
    words = Letters()
    model = make_transformer(tokenizer, word_dim=4 + NUM_TIMES, word_encoder=words.identity)
    return UtteranceToMotion(tokenizer, model, EmbeddedTextEncoder(), word_encoder=words)


def rows_of(words, seconds=None):
    return list(hear(iter(words), Letters(), tokens_per_second=RATE, seconds=seconds))


def test_rows_that_come_are_those_of_the_whole_track():
    words = [word for k in range(40) for word in (Word(4 * k + w.start, 4 * k + w.end, w.text) for w in WORDS)]
    vectors = torch.cat([Letters().encode_words([word.text]) for word in words])
    whole = word_track(words, vectors, num_tokens=800, tokens_per_second=RATE)
    torch.testing.assert_close(torch.stack(rows_of(words, seconds=160.0)), whole)


def test_a_row_comes_when_nothing_more_can_begin_in_it():
    asked = []

    def arriving():
        for word in WORDS:
            asked.append(word.start)
            yield word

    track = hear(arriving(), Letters(), tokens_per_second=RATE)
    list(islice(track, 3))  # up to 0.6 s: the word at 0.7 s must have come, none after it
    assert asked == [0.3, 0.7]
    list(islice(track, 11))  # up to 2.8 s
    assert asked == [0.3, 0.7, 2.9]


def test_a_pause_need_not_be_waited_out():
    track = hear(iter([WORDS[0], 1.0, 2.0, WORDS[2]]), Letters(), tokens_per_second=RATE)
    given = torch.stack(list(islice(track, 10)))  # to 2.0 s, before the third word is asked for
    alone = word_track(WORDS[:1], Letters().encode_words(["여러분"]), num_tokens=10, tokens_per_second=RATE)
    torch.testing.assert_close(given, alone)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([WORDS[1], WORDS[0]], "out of order"),
        ([2.0, WORDS[0]], "out of order"),
        ([Word(0.5, 0.2, "손")], "cannot be"),
        ([Word(float("nan"), 1.0, "손")], "cannot be"),
        ([Word(0.0, float("inf"), "손")], "cannot be"),
        (["손"], "cannot be"),
        ([float("inf")], "cannot be"),
        ([Word(0.0, None, "손")], "cannot be"),
        ([Word("0", 1.0, "손")], "cannot be"),
        ([Word(0.0, "1", "손")], "cannot be"),
        ([Word(0.0, 1e9, "손")], "cannot be"),
        ([Word(-1.0, 1.0, "손")], "out of order"),
        ([None], "cannot be"),
    ],
)
def test_words_that_cannot_be(words, message):
    with pytest.raises(DataError, match=message):
        rows_of(words)


def test_times_may_be_numbers_of_any_kind():
    words = [Word(np.float32(w.start), np.float64(w.end), w.text) for w in WORDS[:2]]
    torch.testing.assert_close(torch.stack(rows_of([*words, np.float32(2.0)])), torch.stack(rows_of([*WORDS[:2], 2.0])))


SAID = (Word(1.0, 1.4, "여러분"), Word(1.5, 1.9, "모두"), Word(2.0, 2.9, "안녕하세요"))


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((SAID[1], SAID[0], SAID[2]), "do not spell"),
        ((Word(1.6, 1.9, "여러분"), Word(1.0, 1.4, "모두"), SAID[2]), "out of order"),
        ((Word(1.0, 1.7, "여러분"), *SAID[1:]), "overlap"),
        ((Word(0.8, 1.4, "여러분"), *SAID[1:]), "outside"),
        (tuple(Word(w.start + 60, w.end + 60, w.text) for w in SAID), "outside"),
        (SAID[:2], "do not spell"),
        ((Word(1.0, float("nan"), "여러분"), *SAID[1:]), "out of order"),
    ],
)
def test_words_that_are_not_those_of_a_cue_are_estimated_and_told(pipeline, words, problem):
    good, odd, plain = (Utterance(1.0, 3.0, "여러분 모두 안녕하세요", said) for said in (SAID, words, ()))
    for make in (
        lambda cue: pipeline.generate([good, cue], seeds=[1, 2])[1].positions,
        lambda cue: pipeline.speak([cue], generator=seeded()).positions,
        lambda cue: np.concatenate([piece.positions for piece in pipeline.stream(cue, seed=3)]),
    ):
        with pytest.warns(UserWarning, match=f"The times of words are estimated for 1 of .*{problem}") as told:
            found = make(odd)
        assert len(told) == 1
        assert told[0].filename == __file__
        assert np.array_equal(found, make(plain))


@pytest.mark.parametrize("word", [Word(None, None, "손"), Word("1", "2", "손"), Word(1.0, 2.0, None), (1.0, 2.0, "손")])
def test_what_are_no_words_is_an_error(pipeline, word):
    cue = Cue(1.0, 3.0, "손", (word,))
    for make in (lambda: pipeline.generate([cue]), lambda: pipeline.speak([cue]), lambda: pipeline.stream(cue)):
        with pytest.raises(DataError, match="no word with a time"):
            make()


def test_cues_without_times(pipeline):
    with pytest.raises(DataError, match="ends before it begins"):
        pipeline.generate([Cue(3.0, 1.0, "손")])
    for cue in (Cue(None, None, "손"), Cue("0", "1", "손"), Cue(0.0, float("nan"), "손")):
        with pytest.raises(DataError, match="no times"):
            pipeline.generate([cue])
        with pytest.raises(DataError, match="The times of cue 0"):
            pipeline.speak([cue])
    with pytest.warns(UserWarning, match="1 of 2 utterances last no time"):
        motion = pipeline.speak([Utterance(0.0, 0.0, "손"), Utterance(0.5, 2.0, "손을 드세요")], generator=seeded())
    assert motion.num_frames == 40


def test_ten_words_a_second_and_a_minute_of_silence(pipeline):
    fast = tuple(Word(0.1 * k, 0.1 * k + 0.1, "네") for k in range(40))  # 0.1 * 3 is more than 0.2 + 0.1
    apart = (Word(0.2, 0.6, "여러분"), Word(61.0, 61.5, "안녕하세요"))
    for words, seconds in ((fast, 4.0), (apart, 62.0)):
        cue = Utterance(0.0, seconds, " ".join(word.text for word in words), words)
        frames = [
            pipeline.generate([cue], generator=seeded())[0].num_frames,
            pipeline.speak([cue], generator=seeded()).num_frames,
            sum(map(len, pipeline.stream(iter(words), seconds=seconds, generator=seeded()))),
        ]
        assert frames == [round(seconds * 20)] * 3


def test_a_text_lasts_as_long_as_it_takes_to_say_it(pipeline):
    texts = ["손을 들어 주세요.", "오늘은 3.5% 올랐습니다, 여러분."]
    motions = pipeline.generate(texts, generator=seeded())
    for text, motion in zip(texts, motions, strict=True):
        assert motion.seconds == pytest.approx(LEAD_IN + speaking_seconds(text), abs=0.026)
    (after,) = pipeline.generate(texts[:1], prefix=motions[0], generator=seeded())
    assert after.seconds == pytest.approx(speaking_seconds(texts[0]), abs=0.026)  # what has a past needs no time before
    assert [m.num_frames for m in pipeline.generate(texts, seconds=2.05, generator=seeded())] == [41, 41]
    assert [m.num_frames for m in pipeline.generate(texts, num_tokens=3, generator=seeded())] == [12, 12]


def test_the_gesture_of_the_first_word_has_time_to_be_prepared():
    text = "안녕하세요, 여러분."
    said = speaking_seconds(text)
    words, seconds = spoken_words(text, lead_in=LEAD_IN)
    assert (words[0].start, seconds) == (pytest.approx(LEAD_IN), LEAD_IN + said)
    assert words[-1].end == pytest.approx(spoken_words(text)[0][-1].end + LEAD_IN)
    for given, start in ((said - 0.5, 0.0), (said + 0.2, 0.2), (said + 3.0, LEAD_IN)):
        words, seconds = spoken_words(text, given, lead_in=LEAD_IN)
        assert (words[0].start, seconds) == (pytest.approx(start), given)
    _, (paragraph,), seconds = read_talk(text, lead_in=LEAD_IN)
    assert (paragraph.start, seconds) == (pytest.approx(LEAD_IN), pytest.approx(LEAD_IN + said))
    assert read_talk(text, 1.0, lead_in=LEAD_IN)[1][0].start == 0.0


def test_a_pipeline_keeps_how_it_samples(pipeline, tmp_path):
    usual = UtteranceToMotion(
        pipeline.tokenizer, pipeline.transformer, pipeline.text_encoder, word_encoder=pipeline.word_encoder,
        sampling={"temperature": 0.0},
    )  # fmt: skip
    cue = Cue(0.0, 2.0, "왼쪽을 보세요.")
    (greedy,), (told,) = usual.generate([cue], seeds=[0]), pipeline.generate([cue], seeds=[1], temperature=0.0)
    assert np.array_equal(greedy.positions, told.positions)
    (drawn,) = usual.generate([cue], seeds=[0], temperature=1.0)  # what is asked for counts
    assert not np.array_equal(greedy.positions, drawn.positions)
    usual.save_pretrained(tmp_path)
    assert read_json(tmp_path / "pipeline.json")["sampling"] == {"temperature": 0.0}
    write_json(tmp_path / "pipeline.json", read_json(tmp_path / "pipeline.json") | {"sampling": [1]})
    with pytest.raises(CheckpointError, match="sampling"):
        UtteranceToMotion.from_pretrained(tmp_path)


def test_the_words_of_a_cue_keep_their_times(pipeline):
    said = Utterance(10.0, 12.0, "여러분 안녕하세요.", (Word(10.3, 10.6, "여러분"), Word(10.7, 11.4, "안녕하세요.")))
    words, seconds = spoken_words(said)
    assert [(round(w.start, 3), round(w.end, 3), w.source) for w in words] == [(0.3, 0.6, "given"), (0.7, 1.4, "given")]
    assert seconds == 2.0
    motion, text = (pipeline.generate([item], seeds=[3])[0] for item in (said, Cue(0.0, 2.0, said.text)))
    assert motion.num_frames == text.num_frames == 40
    assert np.abs(motion.positions - text.positions).max() > 0.01  # when words are said makes a difference


def test_a_talk_goes_on_across_its_utterances(pipeline):
    talk = [
        Utterance(0.2, 1.6, "여러분 안녕하세요.", tuple(WORDS[:2])),
        Utterance(2.8, 3.9, "왼쪽을 보세요.", tuple(WORDS[2:])),
    ]
    motion = pipeline.speak(talk, seconds=6.05, generator=seeded())
    assert motion.num_frames == 121
    live = list(pipeline.stream(iter(words_of_talk(talk)), seconds=6.05, generator=seeded()))
    assert sum(map(len, live)) == 121
    pieces = np.concatenate([piece.positions for piece in live])
    # The same tokens; the live decoder sees less of what follows.
    assert np.abs(pieces[:4] - motion.positions[:4]).mean() < 0.2
    step = np.linalg.norm(np.diff(motion.positions, axis=0), axis=-1).max(1)
    assert step[30:60].max() < 5 * np.median(step)


def test_stream_awaits_no_more_than_it_says(pipeline):
    heard = []

    def arriving():
        for k in range(100):
            heard.append(0.4 * k)
            yield Word(0.4 * k, 0.4 * k + 0.3, "손을")

    pieces = pipeline.stream(arriving(), generator=seeded(), lookahead=1)
    for number in range(1, 20):
        next(pieces)
        moved = number * 4 / 20
        assert heard[-1] <= moved + pipeline.seconds_ahead + 0.4 + 1e-9
    assert pipeline.seconds_ahead == pytest.approx((pipeline.transformer.config.word_ahead + 2) * 0.2)


def test_a_stream_runs_on_in_flat_memory(pipeline):
    def endless():
        k = 0
        while True:
            yield Word(0.5 * k, 0.5 * k + 0.4, "말" * (1 + k % 5))
            k += 1

    pieces = pipeline.stream(endless(), generator=seeded())
    for _ in islice(pieces, 100):
        pass
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in islice(pieces, 300):
        pass
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 50_000


def test_prefixes_and_in_betweening_hear_too(pipeline):
    before, after = pipeline.generate(["손을 들어요", "손을 내려요"], seconds=2.0, seeds=[1, 2])
    (on,) = pipeline.generate(["왼쪽을 보세요"], seconds=1.5, prefix=before, seeds=[1])
    assert on.num_frames == 30
    assert np.linalg.norm(on.positions[0] - before.positions[-1], axis=-1).mean() < 0.1
    between = pipeline.in_between("고개를 끄덕여요", before, after, seconds=1.0, candidates=2, generator=seeded())
    assert between.num_frames == 20


def test_what_hears_nothing_takes_no_words(tokenizer):  # noqa: F811
    deaf = UtteranceToMotion(tokenizer, make_transformer(tokenizer), EmbeddedTextEncoder())
    assert not deaf.hears_words
    assert deaf.seconds_ahead == 0
    with pytest.raises(ConfigError, match="hears no words"):
        deaf.stream(iter(WORDS))
    assert deaf.generate([Cue(1.0, 2.5, "손을 들어요")], generator=seeded())[0].num_frames == 30
    with pytest.raises(ConfigError, match="Some texts have a length"):
        deaf.generate([Cue(1.0, 2.5, "손을 들어요"), "손"], generator=seeded())


def test_the_word_encoder_is_checked_and_comes_back(tokenizer, tmp_path):  # noqa: F811
    words = word_encoder(EmbeddedTextEncoder())
    model = make_transformer(tokenizer, word_dim=words.dim + NUM_TIMES, word_encoder=words.identity)
    UtteranceToMotion(tokenizer, model, EmbeddedTextEncoder()).save_pretrained(tmp_path)
    again = UtteranceToMotion.from_pretrained(tmp_path)
    assert again.word_encoder.identity == words.identity
    assert again.generate(["손을 들어요"], generator=seeded())[0].num_frames > 10
    with pytest.raises(CheckpointError, match=r"row of words differs|word encoder differs"):
        UtteranceToMotion(tokenizer, model, EmbeddedTextEncoder(), word_encoder=Letters())
    for call in (lambda: again.generate(["손"], seconds=-1.0), lambda: again.stream("손", seconds=float("nan"))):
        with pytest.raises(DataError, match="positive number"):
            call()
