"""Type checkers and editors know the library: a right program passes, slips of the pen do not."""

from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("typing_program.py")


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Give a function that tells what ``mypy --strict`` says about a program."""
    api = pytest.importorskip("mypy.api")
    folder = tmp_path_factory.mktemp("typed")
    source = Path(__file__).parents[1] / "src"

    def run(program):
        path = folder / "program.py"
        path.write_text(program, encoding="utf-8")
        config = folder / "mypy.ini"
        settings = ["[mypy]", "strict = true", f"mypy_path = {source}", "ignore_missing_imports = true"]
        settings += ["[mypy-ktube_motion.*]", "follow_imports = silent"]  # the library is checked by `mypy` itself
        config.write_text("\n".join(settings))
        report, trouble, _ = api.run([str(path), "--config-file", str(config), "--cache-dir", str(folder / "cache")])
        assert not trouble
        return report

    return run


def test_a_users_program_is_accepted(check):
    assert "Success: no issues found" in check(PROGRAM.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("from ktube_motion import MotionTokenizerr", 'has no attribute "MotionTokenizerr"'),
        ("import ktube_motion\nktube_motion.filtres", 'has no attribute "filtres"'),
        ("from ktube_motion.metrics import r_precison", 'has no attribute "r_precison"'),
        (
            "from ktube_motion import UtteranceToMotion\n"
            "def f(pipeline: UtteranceToMotion) -> None:\n    pipeline.genrate(['안녕'])",
            "genrate",
        ),
        (
            "from ktube_motion import Motion\ndef f(motion: Motion) -> int:\n    return motion.seconds",
            'got "float", expected "int"',
        ),
        (
            "from ktube_motion import PoseSequence, filters\n"
            "def f(poses: PoseSequence) -> None:\n    filters.lowpass(poses, cutof_hz=3.0)",
            'Unexpected keyword argument "cutof_hz"',
        ),
        (
            "import torch\nfrom ktube_motion import metrics\n"
            "def f(x: torch.Tensor) -> None:\n    metrics.joint_errors(x, x).astype(float)",
            '"Tensor" has no attribute "astype"',
        ),
    ],
)
def test_slips_are_found(check, program, words):
    assert words in check(program)
