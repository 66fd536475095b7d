"""Processes that work for another: they end with it, and quietly."""

import subprocess
import sys


def test_an_ended_worker_leaves_nothing_that_python_would_tell(tmp_path):
    script = tmp_path / "bars.py"
    script.write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from tqdm import tqdm\n"
        "from ktube_motion.io._executors import processes\n"
        "shown = Path(__file__).with_name('shown')\n"
        "def job():\n"
        "    list(tqdm([1], disable=True))\n"
        "    shown.touch()\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    with processes(1) as pool:\n"
        "        pool.submit(job)\n"
        "        while not shown.exists():\n"
        "            time.sleep(0.05)\n"
        "        raise SystemExit(3)\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (3, "")
