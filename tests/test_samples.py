"""The made-up speaker: what he says, what he does at his words, what the estimator makes of it."""

import re
from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ktube_motion.errors import ConfigError
from ktube_motion.io import load_poses, load_transcript
from ktube_motion.kinematics import pose_to_joints
from ktube_motion.samples import CONCEPTS, FAULTS, make_speaker, sentences

pytest.importorskip("mannequin")
PELVIS, CHEST, NECK, HEAD = 0, 9, 12, 15
ELBOWS, WRISTS, INDEX = [18, 19], [20, 21], {"left": 27, "right": 42}


@pytest.fixture(scope="module")
def speaker():
    """One clean speaker, long enough for every concept."""
    return make_speaker(seed=3, num_utterances=66)


def angles(a, b):
    """Angle between rotation vectors, in radians."""
    turn = Rotation.from_rotvec(a.reshape(-1, 3)).inv() * Rotation.from_rotvec(b.reshape(-1, 3))
    return turn.magnitude().reshape(a.shape[:-1])


# ------------------------------------------------------------------ what he says


@pytest.mark.parametrize("concept", CONCEPTS)
def test_every_concept_has_several_wordings(concept):
    found = sentences(concept)
    assert len(found) >= 12
    assert len(sentences(concept, split="new")) >= 3
    words = {sentence.text[start:end] for sentence in found for _, start, end in sentence.marks}
    assert len(words) >= 2
    endings = {sentence.text.rstrip(".!?")[-1] for sentence in found}
    assert len(endings) >= 3


def test_sentences_are_korean_and_marked():
    everything = sentences()
    assert len({sentence.text for sentence in everything}) == len(everything)
    for sentence in everything:
        assert re.fullmatch(r"[가-힣 ,.!?]+", sentence.text), sentence.text
        assert set(sentence.concepts) <= set(CONCEPTS)
        for _, start, end in sentence.marks:
            assert sentence.text[start:end].strip(" ,.!?") == sentence.text[start:end] != ""
            assert start == 0 or sentence.text[start - 1] == " "
    assert sum(len(sentence.marks) == 2 for sentence in everything) >= 60
    assert sum(len(sentence.marks) == 3 for sentence in everything) >= 8
    assert sum(not sentence.marks for sentence in everything) >= 30


def test_splits_share_nothing():
    train, new = (sentences(split=split) for split in ("train", "new"))
    assert set(train) | set(new) == set(sentences())
    assert not {sentence.text for sentence in train} & {sentence.text for sentence in new}
    with pytest.raises(ConfigError, match="train, new"):
        sentences(split="test")


def test_a_gesture_word_is_one_wherever_it_is_said():
    """A word that carries a gesture in one sentence never stands without it in another."""
    carried = {sentence.text[start:end] for sentence in sentences() for _, start, end in sentence.marks}
    for sentence in sentences():
        marked = {place for _, start, end in sentence.marks for place in range(start, end)}
        for word in re.finditer(r"[^ ,.!?]+", sentence.text):
            assert word.group() not in carried or word.start() in marked, sentence.text


def test_opened_sentences_keep_their_marks():
    sentence = sentences("left")[1].opened("자, ")
    ((_, start, end),) = sentence.marks
    assert sentence.text[start:end] == "왼쪽"


def test_unknown_concept_is_told():
    with pytest.raises(ConfigError, match="greeting"):
        sentences("dancing")


def test_cues_and_words_are_in_order(speaker):
    assert [cue.text for cue in speaker.cues] == [sentence.text for sentence in speaker.sentences]
    ends = [0.0]
    for cue in speaker.cues:
        assert 2.0 <= round(cue.seconds, 2) <= 9.0
        assert 0.4 < cue.start - ends[-1] <= 1.2
        assert " ".join(word.text for word in cue.words) == cue.text
        times = [time for word in cue.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert cue.start == times[0]
        assert times[-1] <= cue.end
        ends.append(cue.end)
    assert ends[-1] < speaker.poses.seconds


def test_words_last_as_their_syllables_but_not_evenly(speaker):
    words = [word for cue in speaker.cues for word in cue.words]
    syllables = np.array([len(re.sub("[,.!?]", "", word.text)) for word in words])
    seconds = np.array([word.end - word.start for word in words])
    assert np.corrcoef(syllables, seconds)[0, 1] > 0.9
    assert 0.05 < (seconds / syllables).std() / (seconds / syllables).mean() < 0.3
    pauses = [
        (word.text[-1] == ",", following.start - word.end)
        for cue in speaker.cues
        for word, following in pairwise(cue.words)
    ]
    at_comma, between = ([pause for comma, pause in pauses if comma is kind] for kind in (True, False))
    assert np.median(at_comma) > 0.15 > 0.05 > np.median(between) > 0


def test_concepts_come_in_turn(speaker):
    firsts = [sentence.concepts[0] for sentence in speaker.sentences if sentence.marks]
    assert len(firsts) < len(speaker.sentences)  # some have no gesture
    told = make_speaker(seed=1, num_utterances=114, wordings=[s for s in sentences() if len(s.marks) == 1])
    firsts = [sentence.concepts[-1] for sentence in told.sentences]
    assert sorted(firsts[:57]) == sorted(firsts[57:]) == sorted(CONCEPTS)


def test_labels_tell_every_marked_word(speaker):
    marks = [
        (number, concept, sentence.text[start:end])
        for number, sentence in enumerate(speaker.sentences)
        for concept, start, end in sentence.marks
    ]
    assert [(label.cue, label.concept, label.word) for label in speaker.labels] == marks
    for label in speaker.labels:
        words = [word for word in speaker.cues[label.cue].words if word.start < label.end and word.end > label.start]
        assert label.word.split()[0] in words[0].text
        assert label.onset < label.stroke <= label.release
        assert -0.3 < label.stroke - label.start < 0.5
    for one, other in pairwise(speaker.labels):
        assert other.stroke - one.stroke > 0.9
        assert one.release <= other.onset


def test_new_wordings_are_never_said_in_training():
    said = {split: make_speaker(seed=1, num_utterances=40, split=split) for split in ("train", "new")}
    for split, speaker in said.items():
        texts = {sentence.text for sentence in sentences(split=split)}
        assert all(cue.text in texts or re.sub("^(자|네|음), ", "", cue.text) in texts for cue in speaker.cues)
        assert {sentence.split for sentence in speaker.sentences} == {split}
    with pytest.raises(ConfigError, match="split"):
        make_speaker(split="new", wordings=sentences())


def test_wordings_can_be_held_out():
    held_out = sentences()[::3]
    told = make_speaker(seed=5, num_utterances=10, wordings=held_out)
    allowed = {sentence.text for sentence in held_out}
    assert all(cue.text in allowed or cue.text.removeprefix("자, ") in allowed for cue in told.cues)


# ------------------------------------------------------------------ the same again


def test_same_seed_same_bytes(tmp_path):
    for turn in ("a", "b"):
        make_speaker(tmp_path / turn, seed=7, num_utterances=3, faults=True)
    for name in ("speaker_0007.json", "speaker_0007.srt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_seeds_differ():
    one, other = (make_speaker(seed=seed, num_utterances=3) for seed in (1, 2))
    assert [cue.text for cue in one.cues] != [cue.text for cue in other.cues]
    assert not np.allclose(one.poses.betas, other.poses.betas)


def test_same_sentence_differs_between_speakers():
    wrists = []
    for seed in range(6):
        told = make_speaker(seed=seed, num_utterances=1, wordings=[sentences("big")[1]])
        wrists.append(pose_to_joints(told.poses.replace(betas=np.zeros(10))).positions[:, 20, 0].max())
    assert np.ptp(wrists) > 0.01


# ------------------------------------------------------------------ files and faults


@pytest.mark.parametrize("faults", [False, True])
def test_files_read_back(tmp_path, faults):
    speaker = make_speaker(tmp_path, seed=8, num_utterances=5, faults=faults, name="연사")
    poses = load_poses(tmp_path / "연사.json")
    assert poses.fps == 30
    assert np.array_equal(poses.valid, speaker.poses.valid)
    seen = poses.valid
    assert angles(poses.rotvecs[seen], speaker.poses.rotvecs[seen]).max() < 1e-3
    assert np.abs(poses.transl - speaker.poses.transl)[seen].max() < 1e-4
    assert np.abs(poses.betas - speaker.poses.betas).max() < 1e-5
    cues = load_transcript(tmp_path / "연사.srt")
    assert not any(cue.words for cue in cues)
    assert [cue.text for cue in cues] == [cue.text for cue in speaker.cues]
    for read, told in zip(cues, speaker.cues, strict=True):
        assert abs(read.start - told.start) < 1e-3
        assert abs(read.end - told.end) < 1e-3


def test_textgrid_has_the_times_of_words(tmp_path):
    told = make_speaker(tmp_path, seed=8, num_utterances=5, name="연사", transcript="TextGrid")
    assert load_transcript(tmp_path / "연사.TextGrid") == told.cues
    with pytest.raises(ConfigError, match="srt, TextGrid"):
        make_speaker(tmp_path, transcript="vtt")


def test_json_is_in_a_camera_frame(tmp_path):
    import json

    make_speaker(tmp_path, seed=0, num_utterances=1)
    data = json.loads((tmp_path / "speaker_0000.json").read_text())
    frame = data["frames"][0]
    sizes = {key: len(value) for key, value in frame.items() if key != "frame"}
    assert sizes == {
        "smplx_root_pose": 3,
        "smplx_body_pose": 63,
        "smplx_lhand_pose": 45,
        "smplx_rhand_pose": 45,
        "smplx_jaw_pose": 3,
        "smplx_shape": 10,
        "smplx_expr": 10,
        "cam_trans": 3,
    }
    assert Rotation.from_rotvec(frame["smplx_root_pose"]).apply([0, 1, 0])[1] < -0.9
    assert frame["cam_trans"][2] > 1


def test_truth_is_the_clean_speaker():
    faulty, clean = (make_speaker(seed=9, num_utterances=2, faults=faults) for faults in (True, False))
    assert np.array_equal(faulty.truth.rotvecs, clean.poses.rotvecs)
    assert np.array_equal(clean.truth.rotvecs, clean.poses.rotvecs)
    assert clean.poses.valid.all()


def test_jitter_is_about_two_degrees():
    told = make_speaker(seed=1, num_utterances=3, faults=["jitter"])
    seen = [joint for joint in range(55) if joint not in (23, 24)]  # the format has no eyes
    error = np.degrees(angles(told.truth.rotvecs[:, seen], told.poses.rotvecs[:, seen]))
    assert 1.8 < np.sqrt(np.square(error).mean()) < 2.2
    assert told.poses.valid.all()
    assert np.array_equal(told.poses.transl, told.truth.transl)


def test_outliers_are_single_frames():
    told = make_speaker(seed=1, num_utterances=10, faults=["outliers"])
    bad = np.flatnonzero(angles(told.truth.rotvecs, told.poses.rotvecs).max(1) > 0.3)
    assert 2 <= len(bad) <= 6
    assert (np.diff(bad) > 1).all()


def test_drift_moves_root_and_camera_only():
    told = make_speaker(seed=1, num_utterances=3, faults=["drift"])
    error = angles(told.truth.rotvecs, told.poses.rotvecs)
    assert 0.02 < error[:, 0].max() < 0.8
    assert error[:, 1:].max() < 1e-3
    assert np.ptp(told.poses.transl, axis=0).max() > 0.02


def test_gaps_are_invalid_frames():
    told = make_speaker(seed=1, num_utterances=6, faults=["gaps"])
    assert 5 < (~told.poses.valid).sum() < 60
    assert told.poses.valid[[0, -1]].all()
    assert not told.poses.rotvecs[~told.poses.valid].any()
    seen = told.poses.valid
    assert angles(told.truth.rotvecs[seen], told.poses.rotvecs[seen]).max() < 1e-3


def test_bad_options_are_told(tmp_path):
    with pytest.raises(ConfigError, match=", ".join(FAULTS)):
        make_speaker(faults=["shaking"])
    with pytest.raises(ConfigError, match="num_utterances"):
        make_speaker(num_utterances=0)
    with pytest.raises(ConfigError, match="file name"):
        make_speaker(tmp_path, name="../evil")
    with pytest.raises(ConfigError, match="seed"):
        make_speaker(seed=-1)
    with pytest.raises(ConfigError, match="wording"):
        make_speaker(wordings=[])
    assert not list(tmp_path.iterdir())


def test_videos_of_one_person_share_body_and_manner():
    one, two, other = (
        make_speaker(seed=seed, person=person, num_utterances=2) for seed, person in [(0, 5), (1, 5), (0, 6)]
    )
    np.testing.assert_array_equal(one.poses.betas, two.poses.betas)
    assert not np.array_equal(one.poses.betas, other.poses.betas)
    assert [cue.text for cue in one.cues] != [cue.text for cue in two.cues]
