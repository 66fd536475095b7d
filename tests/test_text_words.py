"""Word vectors, Korean parts of speech and mirroring."""

import builtins
import csv
import json
import pickle
import re
import shutil
import unicodedata
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ktube_motion.errors import FormatError, MissingDependencyError
from ktube_motion.io import normalize_text
from ktube_motion.text import count_unmirrored
from ktube_motion.text._words import POS_CLASSES, WordVectorizer, load_kiwi, mirror_text, mirror_tokens, tag_korean


@pytest.fixture(scope="module")
def vectorizer(golden):
    return WordVectorizer(golden / "text" / "glove")


def test_every_recorded_token_has_its_vector_and_class(golden, vectorizer):
    table = np.load(golden / "text" / "pos_table.npz")
    assert tuple(table["class_names"]) == POS_CLASSES
    assert len(table["token"]) == 68
    for token, vector, one_hot, known in zip(
        table["token"], table["word_vec"], table["pos_onehot"], table["in_vocab"], strict=True
    ):
        word = str(token).split("/")[0]
        found_vector, found_pos = vectorizer[str(token)]
        np.testing.assert_array_equal(found_vector, vector, err_msg=token)
        np.testing.assert_array_equal(found_pos, one_hot, err_msg=token)
        assert (word in vectorizer) == bool(known)


def test_every_vip_word_has_its_class(golden, vectorizer):
    table = np.load(golden / "text" / "pos_table.npz")
    for name in table["vip_names"]:
        for word in table[name]:
            if word in vectorizer:
                assert POS_CLASSES[vectorizer[f"{word}/NOUN"][1].argmax()] == name


def test_malformed_tokens_as_recorded(golden, vectorizer):
    cases = json.loads((golden / "text" / "token_error_cases.json").read_text(encoding="utf-8"))
    for token, outcome in cases.items():
        if outcome.startswith("ValueError"):
            with pytest.raises(FormatError, match="word/POS"):
                vectorizer[token]
        else:
            _, _, index, _, known = outcome.split()
            assert vectorizer[token][1].argmax() == int(index)
            assert (token.split("/")[0] in vectorizer) == (known == "True")


def test_recorded_sentences(golden, vectorizer):
    folder = golden / "text"
    items = json.loads((folder / "dataset_TM_eval.json").read_text(encoding="utf-8"))
    arrays = np.load(folder / "dataset_TM_eval_items.npz")
    lines = [line.split("#") for lines in items["text_lines"].values() for line in lines if line.count("#") == 3]
    tokens_of = {caption: tokens.split() for caption, tokens, _, _ in lines}
    recorded = [item for item in items["items"] if "error" not in item]
    assert len(recorded) == 18
    for i, item in enumerate(recorded):
        words, pos, length = vectorizer.encode_tokens(tokens_of[item["caption"]])
        assert length == item["sent_len"]
        expected = [vectorizer[token] for token in item["tokens"].split("_")]
        np.testing.assert_array_equal(words, np.stack([vector for vector, _ in expected]))
        np.testing.assert_array_equal(pos, np.stack([one_hot for _, one_hot in expected]))
        if i < len(arrays["word_embs"]):
            np.testing.assert_array_equal(words, arrays["word_embs"][i])
            np.testing.assert_array_equal(pos, arrays["pos_onehot"][i])


def test_lengths_around_the_limit(vectorizer):
    for count, length in ((0, 2), (1, 3), (19, 21), (20, 22), (25, 22)):
        words, pos, found = vectorizer.encode_tokens([("run", "VERB")] * count)
        assert (words.shape, pos.shape, found) == ((22, 300), (22, 15), length)
        np.testing.assert_array_equal(words[length - 1], vectorizer["eos/OTHER"][0])
        np.testing.assert_array_equal(words[length:], vectorizer["unk/OTHER"][0][None].repeat(22 - length, 0))
    assert vectorizer.encode_tokens([("run", "VERB")] * 9, max_tokens=5)[0].shape == (7, 300)


def test_what_comes_out_may_be_written_to(vectorizer):
    vectorizer["walk/VERB"][0][:] = 0
    assert np.any(vectorizer["walk/VERB"][0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("our_vab_words.pkl", pickle.dumps(["unk", "sos", "eos", "nowhere"]), "'nowhere'"),
        ("our_vab_words.pkl", pickle.dumps([3]), "for 3"),
        ("our_vab_words.pkl", pickle.dumps("unk"), "str and dict"),
        ("our_vab_idx.pkl", pickle.dumps({"unk": 10**9}), "row below"),
        ("our_vab_idx.pkl", b"\x80\x04cbuiltins\neval\n.", "pickle"),
        ("our_vab_data.npy", b"no array", "our_vab_data.npy"),
        ("our_vab_words.pkl", None, "our_vab_words.pkl"),
    ],
)
def test_files_that_do_not_fit(golden, tmp_path, name, content, message):
    for file in (golden / "text" / "glove").iterdir():
        if file.name != name:
            shutil.copyfile(file, tmp_path / file.name)
        elif content is not None:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError, match=message):
        WordVectorizer(tmp_path)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("저는 책이에요", "저/PRON 는/ADP 책/NOUN 이다/AUX"),
        ("학생들이 소개하고 있다", "학생들/NOUN 이/ADP 소개하다/VERB 있다/AUX"),
        ("깨끗한 새 옷 세 벌!", "깨끗하다/ADJ 새/DET 옷/NOUN 세/DET 벌/NOUN"),
        ("빨리 도와 주세요 ㅋㅋ", "빨리/ADV 돕다/VERB 주다/AUX"),
        ("3개", "3/NUM 개/NOUN"),
        ("네, walk", "네/OTHER walk/NOUN"),
        ("\ud800 \0 ... ", ""),
    ],
)
def test_tag_korean(text, tokens):
    assert " ".join(f"{word}/{pos}" for word, pos in tag_korean(text)) == tokens


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60) | st.text("가나다오른손을들고 1/2#a\n\u200b👨‍👩‍👧ㅋ.", max_size=40))
def test_any_text_can_be_tagged(text):
    for word, pos in tag_korean(text):
        assert word
        assert not any(map(str.isspace, word))
        assert pos in POS_CLASSES


def test_real_sentences_are_tagged(shared):
    with (shared / "data" / "korean" / "ChatbotData.csv").open(encoding="utf-8") as file:
        sentences = [row["Q"] for row in islice(csv.DictReader(file), 0, None, 40)]
    classes = [pos for sentence in sentences for _, pos in tag_korean(sentence)]
    assert len(sentences) > 250
    assert {"VERB", "NOUN", "ADJ", "ADV", "PRON", "ADP", "AUX", "DET"} <= set(classes)
    assert classes.count("OTHER") < 0.05 * len(classes)
    assert [sentence for sentence in sentences if not tag_korean(sentence)] == []


def test_kiwi_is_loaded_once_and_missing_kiwi_is_told(monkeypatch):
    assert load_kiwi() is load_kiwi()
    real = builtins.__import__

    def without_kiwi(name, *args, **options):
        if name == "kiwipiepy":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_kiwi)
    with pytest.raises(MissingDependencyError, match=r'pip install "ktube_motion\[korean\]"'):
        load_kiwi.__wrapped__()


MIRRORED = [
    ("왼 가슴에 오른 손을 올려요", "오른 가슴에 왼 손을 올려요"),
    ("왼켠에서 오른켠으로", "오른켠에서 왼켠으로"),
    ("左手를 들고 右側", "右手를 들고 左側"),
    ("좌, 우, 좌, 우로 뛰어요", "우, 좌, 우, 좌로 뛰어요"),
    ("반시계방향으로", "시계방향으로"),
    ("왼 편, 오른 편", "오른 편, 왼 편"),
    ("물가가 오른 왼쪽 가게", "물가가 오른 오른쪽 가게"),
    ("오른손을 들어요", "왼손을 들어요"),
    ("왼쪽으로 가서 오른 팔을 편다", "오른쪽으로 가서 왼 팔을 편다"),
    ("왼발, 오른발", "오른발, 왼발"),
    ("좌측에서 우회전", "우측에서 좌회전"),
    ("좌로 우로, 좌향좌!", "우로 좌로, 우향우!"),
    ("시계 방향으로 돈다", "반시계 방향으로 돈다"),
    ("Turn LEFT, then right. left_hand", "Turn RIGHT, then left. right_hand"),
    ("spin clockwise", "spin counterclockwise"),
]
KEPT = [
    "많이 오른 편이에요",
    "배에 오른 손님",
    "값이 오른 쪽은 사과예요",
    "살이 오른 볼이 귀엽다",
    "바른 자세로 우편함 앞에",
    "반시계 반대 방향",
    "좌우로 흔들어요",
    "우리 우산 좌석 좌절 우울",
    "값이 오른 물건이 떠오른다",
    "산에 오른 사람, 정상에 오른 발걸음",
    "경우로 보면 좌우측",
    "bright leftover copyright",
    "wall clock, 시계를 봐요, anti-clockwise",
]


@pytest.mark.parametrize(("text", "mirrored"), MIRRORED)
def test_mirror_text(text, mirrored):
    assert mirror_text(text) == mirrored
    assert mirror_text(mirrored) == text


@pytest.mark.parametrize("text", KEPT)
def test_mirror_leaves_other_words(text):
    assert mirror_text(text) == text


def test_mirroring_one_way():
    assert mirror_text("바른손을 들어요") == "왼손을 들어요"
    assert mirror_text("시계 반대 방향으로 돌아요") == "시계 방향으로 돌아요"


def test_all_sides_of_a_sentence_or_none():
    text = "왼손으로 anti-clockwise. 왼손을 들어요."
    assert mirror_text(text) == "왼손으로 anti-clockwise. 오른손을 들어요."
    assert (count_unmirrored(text), count_unmirrored("왼손")) == (1, 0)


def test_decomposed_words_are_mirrored():
    decomposed = unicodedata.normalize("NFD", "왼손을 들어요")
    assert mirror_text(decomposed) == "오른손을 들어요"
    assert mirror_tokens([(decomposed[:6], "NOUN")])[0][0].startswith("오른")
    assert tag_korean(decomposed) == tag_korean("왼손을 들어요")


VERBS = [
    ("손을 드는 사람", "들다"),
    ("손을 드세요", "들다"),
    ("손을 높이 드시고", "들다"),
    ("밥을 드시고", "드시다"),
    ("서울에 사는 친구", "살다"),
    ("물건을 사는 친구", "사다"),
    ("혼자 사는 사람", "살다"),
    ("제자리에서 도는 동작", "돌다"),
    ("문을 여는 손", "열다"),
    ("하늘을 나는 새", "날다"),
    ("몸을 트는 동작", "틀다"),
    ("다리를 떠는 사람", "떨다"),
    ("칼을 가는 사람", "갈다"),
    ("학교에 가는 사람", "가다"),
    ("빵을 만드는 손", "만들다"),
    ("수레를 끄는 사람", "끌다"),
    ("불을 끄는 사람", "끄다"),
    ("물건을 파는 사람", "팔다"),
    ("땅을 파는 사람", "파다"),
    ("아는 사람", "알다"),
]


@pytest.mark.parametrize(("text", "verb"), VERBS)
def test_verbs_that_lose_their_l(text, verb):
    assert (verb, "VERB") in tag_korean(text)


def test_auxiliaries_follow_a_main_verb():
    assert tag_korean("손을 들어 보세요")[-1] == ("보다", "AUX")
    assert tag_korean("고개를 끄덕이고 있다")[-1] == ("있다", "AUX")
    assert tag_korean("들지는 않아요")[-1] == ("않다", "AUX")
    assert ("있다", "AUX") not in tag_korean("있다")


PARTS = (
    "왼 오른 손 발 쪽 좌 우 측 회전 로 좌향좌 우향우 향 시계 반시계 반 방향 반대 떠 오 른 가 "
    "left Right LEFT right clockwise Counterclockwise counter- counter anti- -"
).split()
SIDES = st.lists(st.sampled_from([*PARTS, " ", " ", "\n", ","]), max_size=14).map("".join)


@settings(max_examples=500, deadline=None)
@given(SIDES | st.text(max_size=40))
def test_mirroring_twice_gives_the_text_back(text):
    once = mirror_text(text)
    assert mirror_text(mirror_text(once)) == once
    if once != text and not re.search(r"시계\s*반대|바른", text):
        assert mirror_text(once) == normalize_text(text)


def test_mirroring_tokens(shared):
    tokens = [*tag_korean("오른 손과 왼손을 들고 산에 오른다"), ("left", "NOUN")]
    mirrored = mirror_tokens(tokens)
    assert [word for word, _ in mirrored if word not in dict(tokens)] == ["왼", "오른손", "right"]
    assert ("오르다", "VERB") in mirrored
    assert mirror_tokens(mirrored) == tokens
    lines = (shared / "data" / "gestures" / "utterances.tsv").read_text(encoding="utf-8").splitlines()[1:]
    sentences = sorted({line.split("\t")[4] for line in lines})[::10]
    changed = [sentence for sentence in sentences if mirror_text(sentence) != sentence]
    assert all(mirror_text(mirror_text(sentence)) == sentence for sentence in sentences)
    assert 0 < len(changed) < len(sentences)
