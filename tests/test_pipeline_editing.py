"""Spans made again: what is outside stays to the last bit, and files of changes that are none are told."""

import json

import numpy as np
import pytest
from test_pipeline_in_betweening import pipeline, seeded, spoken  # noqa: F401  (a fixture is used by its name)

from ktube_motion.commands import main
from ktube_motion.errors import ConfigError, DataError, FormatError
from ktube_motion.pipeline import Change, edit_motion, read_changes


@pytest.fixture(scope="module")
def motion(pipeline):  # noqa: F811
    return spoken(pipeline, 1, 6.0)


def test_outside_the_spans_nothing_changes_and_inside_everything(pipeline, motion):  # noqa: F811
    changes = [Change(3.0, 4.2, "오른손을 든다"), Change(1.0, 2.0, "왼손을 흔든다")]
    before = motion.positions.copy()
    edited = edit_motion(pipeline, motion, changes, generator=seeded())
    same = (edited.positions == motion.positions).all((1, 2))
    inside = np.zeros(len(motion), bool)
    inside[20:40] = inside[60:84] = True
    np.testing.assert_array_equal(same, ~inside)
    np.testing.assert_array_equal(motion.positions, before)
    assert edited.fps == motion.fps
    speed = np.linalg.norm(np.diff(edited.positions, axis=0), axis=-1).mean(-1)
    assert speed[[19, 39, 59, 83]].max() < 2.5 * speed.max(initial=0, where=~np.isin(np.arange(119), [19, 39, 59, 83]))


def test_a_span_may_reach_the_end_and_follows_its_seed(pipeline, motion):  # noqa: F811
    first, again, other = (
        edit_motion(pipeline, motion, [Change(4.0, 6.0, "손을 든다")], generator=seeded(seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.positions, again.positions)
    assert (first.positions != other.positions).any()
    np.testing.assert_array_equal(first.positions[:80], motion.positions[:80])
    assert len(first) == len(motion)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([Change(5.0, 9.0, "가")], "not in the motion"),
        ([Change(2.0, 2.01, "가")], "not in the motion"),
        ([Change(1.0, 2.0, "가"), Change(1.5, 3.0, "나")], "overlap"),
        ([Change(0.0, 1.0, "가")], "Too little"),
        ([Change(4.0, 5.95, "가")], "Too little"),
    ],
)
def test_spans_that_cannot_be_are_told(pipeline, motion, changes, words):  # noqa: F811
    with pytest.raises(DataError, match=words):
        edit_motion(pipeline, motion, changes)
    with pytest.raises(ConfigError, match="nothing"):
        edit_motion(pipeline, motion, [])


GOOD = {"format": "ktube_motion edit", "version": 1, "changes": [{"start": 1.0, "end": 2.0, "text": "왼손을 흔든다"}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "srt"}, "no file of changes"),
        ({"version": 2}, "no file of changes"),
        ({"changes": []}, "no change"),
        ({"changes": [{"start": 1, "end": 2, "text": "  "}]}, "says nothing"),
        ({"changes": [{"start": 2, "end": 1, "text": "가"}]}, "no span"),
        ({"changes": [{"start": True, "end": 2, "text": "가"}]}, "no span"),
        ({"changes": [{"start": float("nan"), "end": 2, "text": "가"}]}, "no span"),
        ({"changes": ["가"]}, "says nothing"),
    ],
)
def test_files_that_are_none_are_told(tmp_path, change, words):
    path = tmp_path / "edit.json"
    path.write_text(json.dumps(GOOD | change), encoding="utf-8")
    with pytest.raises(FormatError, match=words):
        read_changes(path)


def test_changes_of_another_motion_are_told(tmp_path, motion):
    path = tmp_path / "edit.json"
    path.write_text(json.dumps(GOOD | {"frames": 119, "fps": 20.0}), encoding="utf-8")
    with pytest.raises(DataError, match="another motion"):
        read_changes(path, motion=motion)


def test_the_command_changes_a_file(tmp_path, pipeline, motion, capsys):  # noqa: F811
    pipeline.save_pretrained(tmp_path / "pipeline")
    np.save(tmp_path / "talk.npy", motion.positions)
    about = {"frames": len(motion), "fps": motion.fps}
    (tmp_path / "edit.json").write_text(json.dumps(GOOD | about, ensure_ascii=False), encoding="utf-8")
    words = ["edit", tmp_path / "talk.npy", tmp_path / "edit.json", "--pipeline", tmp_path / "pipeline"]
    assert main([str(word) for word in (*words, "--output", tmp_path / "new.npy")]) == 0, capsys.readouterr().err
    edited = np.load(tmp_path / "new.npy")
    same = (edited == motion.positions).all((1, 2))
    assert same[:20].all()
    assert not same[20:40].any()
    assert same[40:].all()
    (tmp_path / "edit.json").write_text("{", encoding="utf-8")
    assert main([str(word) for word in (*words, "--output", tmp_path / "none.npy")]) == 1
    assert not (tmp_path / "none.npy").exists()
