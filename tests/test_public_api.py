"""The contract with users: every public name, its signature and its docstring."""

import importlib
import inspect

import pytest
from update_public_api import SNAPSHOT, difference, public_api, rooms

ROOMS = rooms()


def test_public_names_are_those_of_the_snapshot():
    changed = difference(SNAPSHOT.read_text(encoding="utf-8").splitlines(), public_api())
    assert not changed, changed


def test_a_change_is_told_with_what_to_do_about_it():
    known = ["filters.fix_root(poses: PoseSequence, *, to: str = 'first') -> PoseSequence", "filters.lowpass(poses)"]
    assert difference(known, known) == ""
    dropped = difference(known, known[1:])
    assert f"-{known[0]}" in dropped
    assert "lowpass" not in dropped
    assert "CHANGELOG.md" in dropped
    assert "python tests/update_public_api.py" in dropped
    other = difference(known, [known[0].replace("first", "median"), known[1]])
    assert f"-{known[0]}" in other
    assert "+filters.fix_root(poses: PoseSequence, *, to: str = 'median') -> PoseSequence" in other


def test_the_snapshot_holds_rooms_classes_methods_and_defaults():
    lines = public_api()
    assert "class types.PoseSequence(FrameSequence)" in lines
    assert any(line.startswith("metrics.r_precision(") and "batch_size: int = 32" in line for line in lines)
    for start in ("Motion", "filters.lowpass(", "types.Motion.replace(", "vq.MotionTokenizer.from_pretrained("):
        assert any(start in line for line in lines), start
    assert not [line for line in lines if " at 0x" in line]
    assert lines == public_api()


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_exists_and_is_documented(room):
    module = importlib.import_module(f"ktube_motion.{room}")
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        thing = getattr(module, name)
        assert not inspect.isroutine(thing) or thing.__doc__, f"{room}.{name} has no docstring"
        assert not inspect.isclass(thing) or vars(thing).get("__doc__"), f"{room}.{name} has no docstring"
