"""A little of every part of the reliability suite, which ``python tests/reliability --full`` runs as a whole."""

import signal
import subprocess
import sys

import pytest
from reliability import disk, inputs, interrupts, kills, soak

PARTS = {
    "kills": (kills, 3, {"differing files": 0}),
    "inputs": (inputs, 120, {"inputs": 120, "tracebacks from inside": 0, "files outside": 0}),
    "disk": (disk, 1, {"lost or half files": 0}),
    "interrupts": (interrupts, 2, {"kinds": 2, "faults": 0}),
    "soak": (soak, 128, {"utterances": 128}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PARTS)
def test_a_little_of(name):
    part, count, expected = PARTS[name]
    counts, faults = part.run(count)
    print(name, counts)  # noqa: T201 (pytest -s shows the counts)
    assert faults == []
    assert {what: counts[what] for what in expected} == expected
    if name == "kills":
        assert all(counts[f"{kind} killed"] >= 1 for kind in ("tokenizer trainings", "transformer trainings", "builds"))
    if name == "disk":
        assert counts["write points"] == counts["told as WriteError"] >= 30


def test_stopped_while_a_library_is_being_loaded(tmp_path):
    """An exception in the middle of that aborted the process; it ends at once, with one line, instead."""
    (tmp_path / "slow.py").write_text("print('in', flush=True)\nimport time\ntime.sleep(60)\n")
    code = (  # a shell in the background has Ctrl-C ignored, which children inherit
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ktube_motion.commands._shared._stopping import stoppable\n"
        "try:\n"
        "    with stoppable(lambda: print('Stopped.', file=sys.stderr)):\n"
        "        import slow\n"
        "except KeyboardInterrupt:\n"
        "    print('an exception went through the import', file=sys.stderr)\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], **pipes) as process:
        assert process.stdout.readline() == "in\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (130, "Stopped.\n")
